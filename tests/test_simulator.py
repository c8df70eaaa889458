"""The simulated Mimecast: it accepts what the documents describe, refuses the rest, and plays its scenario."""

import base64
import datetime as dt
import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from alerter.errors import ConfigError
from alerter.simulator.api import (
    SIMULATOR_ACCESS_KEY,
    SIMULATOR_APP_ID,
    SIMULATOR_APP_KEY,
    SIMULATOR_CLIENT_ID,
    SIMULATOR_CLIENT_SECRET,
    SIMULATOR_SECRET_KEY,
    SUMMARY_PATH,
    TOKEN_PATH,
    Misbehaviour,
    SimulatorKeys,
)
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BURST = "High-Confidence Impersonation Protection"
LEAK = "Default Attachment Management Definition - Block Dangerous File Types"


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time it was set to."""
        return self.now


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that stands at noon."""
    return HandClock(NOON)


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    """Yield a simulator that plays two reasons."""
    scenario = Scenario.from_csv("time,reason,count\n0,Graymail,7\n0,Relaxed Spam Detection,2\n")
    with Simulator(clock=clock, scenario=scenario, started_at=NOON) as simulator:
        yield simulator


def seed_headers(
    *,
    secret_key: str = SIMULATOR_SECRET_KEY,
    app_key: str = SIMULATOR_APP_KEY,
    access_key: str = SIMULATOR_ACCESS_KEY,
    app_id: str = SIMULATOR_APP_ID,
    request_id: str | None = None,
    hdr_date: str | None = None,
) -> dict[str, str]:
    """Return the headers that the sample code of Mimecast's page on this endpoint builds, line by line."""
    uri = "/api/gateway/get-hold-summary-list"
    request_id = request_id or str(uuid.uuid4())
    hdr_date = hdr_date or NOON.strftime("%a, %d %b %Y %H:%M:%S") + " UTC"
    data_to_sign = ":".join([hdr_date, request_id, uri, app_key])  # noqa: FLY002 - as the sample has it
    hmac_sha1 = hmac.new(base64.b64decode(secret_key), data_to_sign.encode(), digestmod=hashlib.sha1).digest()
    sig = base64.b64encode(hmac_sha1).rstrip()
    return {
        "Authorization": "MC " + access_key + ":" + sig.decode(),
        "x-mc-app-id": app_id,
        "x-mc-date": hdr_date,
        "x-mc-req-id": request_id,
        "Content-Type": "application/json",
    }


def ask(simulator: Simulator, headers: dict[str, str], body: bytes = b'{"data": []}') -> requests.Response:
    """Return the simulator's answer to a call of the hold summary."""
    return requests.post(simulator.base_url + SUMMARY_PATH, headers=headers, data=body, timeout=5)


def take_token(simulator: Simulator, **changed: str) -> requests.Response:
    """Return the simulator's answer to a client that asks for a token."""
    form = {
        "client_id": SIMULATOR_CLIENT_ID,
        "client_secret": SIMULATOR_CLIENT_SECRET,
        "grant_type": "client_credentials",
        **changed,
    }
    return requests.post(simulator.base_url + TOKEN_PATH, data=form, timeout=5)


def bearer_headers(simulator: Simulator) -> dict[str, str]:
    """Return the headers of a client that has just taken a token."""
    token = take_token(simulator).json()["access_token"]
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}


def test_the_seeds_own_sample_with_json_is_accepted(simulator: Simulator) -> None:
    """Mimecast's sample code, sending JSON and holding the simulator's keys, gets the hold summary."""
    headers = seed_headers()

    response = requests.post(url=simulator.base_url + SUMMARY_PATH, headers=headers, json={"data": []}, timeout=5)

    assert response.json() == {
        "meta": {"status": 200},
        "data": [
            {"policyInfo": "Graymail", "numberOfItems": 7},
            {"policyInfo": "Relaxed Spam Detection", "numberOfItems": 2},
        ],
        "fail": [],
    }
    assert response.headers["X-RateLimit-Reset"] == "5000"
    assert str(uuid.UUID(response.headers["x-request-id"])) == response.headers["x-request-id"]


def test_the_seeds_own_body_is_no_json(simulator: Simulator) -> None:
    """Python's notation, which the sample sends, is refused: this server takes JSON only."""
    response = ask(simulator, seed_headers(), str({"data": []}).encode())

    assert (response.status_code, response.json()["fail"][0]["errors"][0]["code"]) == (400, "err_validation_body")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        pytest.param(
            {"secret_key": base64.b64encode(b"another").decode()},
            401,
            "err_xdk_invalid_signature",
            id="a wrong secret key",
        ),
        pytest.param({"app_key": "another"}, 401, "err_xdk_invalid_signature", id="a wrong application key"),
        pytest.param({"access_key": "another"}, 401, "err_xdk_invalid_signature", id="a wrong access key"),
        pytest.param({"app_id": "another"}, 200, "err_developer_key", id="a wrong application id comes with HTTP 200"),
        pytest.param({"request_id": "no-guid"}, 400, "err_validation_request_id", id="a request id that is no GUID"),
        pytest.param({"hdr_date": "Mo, 02 Mär 2026 12:00:00 UTC"}, 400, "err_validation_date", id="a German date"),
        pytest.param(
            {"hdr_date": "Mon, 42 Mar 2026 12:00:00 UTC"}, 400, "err_validation_date", id="a day that is none"
        ),
        pytest.param(
            {"hdr_date": "Mon, 02 Mar 2026 12:16:00 UTC"},
            401,
            "err_xdk_invalid_signature",
            id="a clock 16 minutes ahead",
        ),
    ],
)
def test_a_wrong_signature_is_refused(simulator: Simulator, changed: dict[str, str], status: int, code: str) -> None:
    """Each part of an API 1.0 signature is checked, and refused in Mimecast's own shape."""
    headers = {name: text.encode() for name, text in seed_headers(**changed).items()}

    response = requests.post(simulator.base_url + SUMMARY_PATH, headers=headers, json={"data": []}, timeout=5)

    assert (response.status_code, response.json()["data"]) == (status, [])
    assert response.json()["fail"][0]["errors"][0]["code"] == code


def test_a_date_that_says_gmt_is_accepted(simulator: Simulator) -> None:
    """Mimecast documents both suffixes."""
    assert ask(simulator, seed_headers(hdr_date="Mon, 02 Mar 2026 11:46:00 GMT")).json()["fail"] == []


def test_a_request_id_is_good_once(simulator: Simulator) -> None:
    """A request that is sent again as it was is refused as a replay."""
    headers = seed_headers()
    ask(simulator, headers)

    response = ask(simulator, headers)

    assert (response.status_code, "used before" in response.text) == (400, True)


def test_request_ids_are_not_remembered_for_ever(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of request ids is bounded."""
    monkeypatch.setattr("alerter.simulator.api._REMEMBERED_IDS", 1)
    first = seed_headers()
    ask(simulator, first)
    ask(simulator, seed_headers())

    assert ask(simulator, first).status_code == 200


@pytest.mark.parametrize(
    ("changed", "body", "code"),
    [
        pytest.param({"Content-Type": "text/plain"}, b'{"data": []}', "err_validation_content_type", id="content type"),
        pytest.param({"Accept": "text/html"}, b'{"data": []}', "err_validation_accept", id="accept"),
        pytest.param({}, b"", "err_validation_body", id="no body"),
        pytest.param({}, b"[]", "err_validation_body", id="a list"),
        pytest.param({}, b'{"data": [{}]}', "err_validation_body", id="parameters"),
        pytest.param({}, b"[" * 60_000, "err_validation_body", id="a nest"),
        pytest.param({"Authorization": ""}, b"", "err_xdk_no_credentials", id="no authorization"),
        pytest.param({"Authorization": "Basic YQ=="}, b"", "err_xdk_wrong_auth_type", id="another authorization"),
    ],
)
def test_a_malformed_call_is_refused(simulator: Simulator, changed: dict[str, str], body: bytes, code: str) -> None:
    """A call with a good token must also have the documented form."""
    response = ask(simulator, {**bearer_headers(simulator), **changed}, body)

    assert response.json()["fail"][0]["errors"][0]["code"] == code


def test_a_token_opens_the_summary_until_it_ends(simulator: Simulator, clock: HandClock) -> None:
    """A token is good for 1799 seconds of the simulator's clock; unknown ones never are."""
    headers = bearer_headers(simulator)

    assert ask(simulator, headers).status_code == 200
    clock.now = NOON + timedelta(seconds=1799)
    expired = ask(simulator, headers)
    assert (expired.status_code, expired.json()) == (
        401,
        {"fail": [{"code": "token_expired", "message": "The token has expired"}]},
    )
    unknown = ask(simulator, {**headers, "Authorization": "Bearer another"})
    assert (unknown.status_code, unknown.json()["fail"][0]["code"]) == (401, "token_verification_failed")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        pytest.param({}, 200, id="the right client"),
        pytest.param({"client_secret": "another"}, 401, id="a wrong secret"),
        pytest.param({"client_id": "another"}, 401, id="a wrong id"),
        pytest.param({"grant_type": "password"}, 400, id="another grant"),
    ],
)
def test_a_token_is_for_the_right_client(simulator: Simulator, changed: dict[str, str], status: int) -> None:
    """Only the configured client gets a token."""
    assert take_token(simulator, **changed).status_code == status


def test_a_token_is_asked_for_with_a_form(simulator: Simulator) -> None:
    """JSON is the wrong form for the token endpoint."""
    response = requests.post(simulator.base_url + TOKEN_PATH, json={}, timeout=5)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_other_paths_and_methods_are_refused(simulator: Simulator) -> None:
    """There is one function, and it is a POST."""
    assert requests.post(simulator.base_url + "/api/other", timeout=5).status_code == 404
    assert requests.get(simulator.base_url + SUMMARY_PATH, timeout=5).status_code == 405


def test_the_scenario_moves_with_the_clock(clock: HandClock) -> None:
    """What is held depends on how long the scenario has run on the simulator's clock."""
    scenario = Scenario.from_csv("time,reason,count\n00:10,Graymail,1\n1h30m,Graymail,5\n2h,Graymail,0\n")
    with Simulator(clock=clock, scenario=scenario, started_at=NOON) as simulator:

        def held(minutes: int) -> list[dict[str, object]]:
            clock.now = NOON + timedelta(minutes=minutes)
            data: list[dict[str, object]] = ask(simulator, bearer_headers(simulator)).json()["data"]
            return data

        assert held(9) == []
        assert held(10) == [{"policyInfo": "Graymail", "numberOfItems": 1}]
        assert held(100) == [{"policyInfo": "Graymail", "numberOfItems": 5}]
        assert held(121) == []


@pytest.mark.parametrize(
    ("misbehaviour", "status"),
    [
        pytest.param(Misbehaviour.WRONG_KEYS, 401, id="wrong keys"),
        pytest.param(Misbehaviour.KEYS_EXPIRED, 418, id="expired keys"),
        pytest.param(Misbehaviour.PRODUCT_MISSING, 403, id="a missing product"),
        pytest.param(Misbehaviour.RATE_LIMITED, 429, id="a rate limit"),
        pytest.param(Misbehaviour.UNAVAILABLE, 503, id="an outage"),
        pytest.param(Misbehaviour.FAIL_200, 200, id="a failure with HTTP 200"),
    ],
)
def test_a_misbehaviour_lasts_for_so_many_requests(
    simulator: Simulator, misbehaviour: Misbehaviour, status: int
) -> None:
    """It goes wrong as often as was asked for, and is well again after that."""
    simulator.misbehave(misbehaviour, times=2)

    answers = [ask(simulator, bearer_headers(simulator)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[2].json()["fail"] == []


def test_a_misbehaviour_of_tokens_leaves_the_summary_alone(simulator: Simulator) -> None:
    """What goes wrong at the token endpoint is not used up by other calls, and lasts until it is taken back."""
    headers = bearer_headers(simulator)
    simulator.misbehaviour = Misbehaviour.WRONG_CLIENT

    assert ask(simulator, headers).status_code == 200
    assert [take_token(simulator).status_code for _ in range(2)] == [401, 401]
    assert simulator.misbehaviour is Misbehaviour.WRONG_CLIENT
    simulator.misbehaviour = None
    assert take_token(simulator).status_code == 200
    assert simulator.requests_by_path == {TOKEN_PATH: 4, SUMMARY_PATH: 1}


ACME = SimulatorKeys()
GLOBEX = SimulatorKeys(client_id="globex-id", client_secret="globex-secret", access_key="globex-access")


@pytest.fixture
def two_accounts(clock: HandClock) -> Iterator[Simulator]:
    """Yield a simulator with two accounts, and a reason that comes after a quarter of an hour."""
    scenario = Scenario.from_csv("time,reason,count\n0,Graymail,7\n0:15,Spam,1\n")
    with Simulator(clock=clock, scenario=scenario, started_at=NOON, keys=[ACME, GLOBEX]) as simulator:
        yield simulator


def test_several_accounts_have_the_same_day_at_another_time(two_accounts: Simulator) -> None:
    """Each is known by its own keys, with either API; not all of them look alike at the same moment."""
    tokens = [
        take_token(two_accounts, client_id=keys.client_id, client_secret=keys.client_secret).json()["access_token"]
        for keys in (ACME, GLOBEX)
    ]

    answers = [ask(two_accounts, {**seed_headers(), "Authorization": f"Bearer {token}"}) for token in tokens]
    signed = ask(two_accounts, seed_headers(access_key="globex-access"))

    held = [[row["policyInfo"] for row in answer.json()["data"]] for answer in (*answers, signed)]
    assert held == [["Graymail"], ["Graymail", "Spam"], ["Graymail", "Spam"]]
    assert take_token(two_accounts, client_id="globex-id").status_code == 401


def test_a_misbehaviour_may_be_that_of_one_account(two_accounts: Simulator) -> None:
    """The others go on as ever."""
    two_accounts.misbehave(Misbehaviour.PERMISSION_MISSING, accounts=["globex-access"])

    assert ask(two_accounts, seed_headers()).status_code == 200
    assert ask(two_accounts, seed_headers(access_key="globex-access")).status_code == 403


def test_answers_may_take_their_time(clock: HandClock) -> None:
    """A latency is that of every answer, also of a refusal."""
    with Simulator(clock=clock, latency=timedelta(seconds=0.2)) as simulator:
        answer = take_token(simulator, client_id="nobody")

    assert answer.status_code == 401
    assert answer.elapsed >= timedelta(seconds=0.2)


def test_the_builtin_day_starts_at_midnight_of_the_clock(clock: HandClock) -> None:
    """Without a scenario the simulator plays its day in step with the clock's."""
    with Simulator(clock=clock) as simulator:
        rows = ask(simulator, bearer_headers(simulator)).json()["data"]

    assert {row["policyInfo"]: row["numberOfItems"] for row in rows} == Scenario.builtin_day().counts_at(
        timedelta(hours=12)
    )


def test_a_client_that_stays_connected_does_not_hold_the_end_up(clock: HandClock) -> None:
    """Leaving cuts connections that are idle."""
    simulator = Simulator(clock=clock)
    with simulator, requests.Session() as session:
        session.get(simulator.base_url, timeout=5)


def test_a_simulator_that_never_ran_can_be_closed(clock: HandClock) -> None:
    """Closing frees the port also when nothing was served."""
    Simulator(clock=clock).close()


def test_a_timeout_lasts_until_the_simulator_ends(clock: HandClock) -> None:
    """Whoever is kept waiting is let go when the simulator is closed."""
    with Simulator(clock=clock) as simulator:
        headers = bearer_headers(simulator)
        simulator.misbehaviour = Misbehaviour.TIMEOUT
        with pytest.raises(requests.ReadTimeout):
            requests.post(simulator.base_url + SUMMARY_PATH, headers=headers, data=b'{"data": []}', timeout=0.05)


@pytest.mark.parametrize(
    ("misbehaviour", "piece"),
    [pytest.param(Misbehaviour.DRIP, 1, id="a drip"), pytest.param(Misbehaviour.EXPLODE, 10**6, id="an explosion")],
)
def test_a_body_can_be_endless(simulator: Simulator, misbehaviour: Misbehaviour, piece: int) -> None:
    """A body without end comes by the byte or by the megabyte."""
    headers = bearer_headers(simulator)
    simulator.misbehaviour = misbehaviour
    url = simulator.base_url + SUMMARY_PATH

    with requests.post(url, headers=headers, data=b'{"data": []}', timeout=5, stream=True) as response:
        assert [len(response.raw.read(piece)) for _ in range(3)] == [piece] * 3


def test_a_connection_can_be_reset(simulator: Simulator) -> None:
    """Instead of an answer there may be a reset."""
    headers = bearer_headers(simulator)
    simulator.misbehaviour = Misbehaviour.RESET

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        ask(simulator, headers)


def test_a_clock_can_seem_wrong(simulator: Simulator) -> None:
    """The server's time may be 17 minutes behind, with a signature refused for it."""
    simulator.misbehaviour = Misbehaviour.CLOCK_SKEW

    response = ask(simulator, seed_headers())

    assert (response.status_code, response.headers["Date"]) == (401, "Mon, 02 Mar 2026 11:43:00 GMT")


def at(hours: float, reason: str) -> int:
    """Return what the built-in day holds for a reason at an hour."""
    return Scenario.builtin_day().counts_at(timedelta(hours=hours)).get(reason, 0)


def test_the_builtin_day_has_a_burst_and_its_release() -> None:
    """Impersonations rise by hundreds within the late morning and are released after noon."""
    assert at(10, BURST) < 10
    assert at(11.5, BURST) > 500
    assert at(12.5, BURST) < 10


def test_the_builtin_day_has_a_slow_leak_and_its_release() -> None:
    """Attachments add up over the day, with no single hour that stands out, until they are released."""
    hourly = [at(hour, LEAK) for hour in range(8, 18)]

    assert hourly == sorted(hourly)
    assert max(after - before for before, after in pairwise(hourly)) < 50
    assert hourly[-1] > 200
    assert at(18, LEAK) < 20


def test_the_builtin_day_repeats() -> None:
    """The same hour holds the same on every day, and midnight is no jump."""
    scenario = Scenario.builtin_day()

    for minutes in range(0, 1440, 7):
        offset = timedelta(minutes=minutes)
        assert scenario.counts_at(offset) == scenario.counts_at(offset + timedelta(days=3))
    assert scenario.counts_at(timedelta(hours=24)).keys() == scenario.counts_at(timedelta(hours=23.99)).keys()


def test_the_builtin_day_lets_reasons_vanish() -> None:
    """A reason that holds nothing is not in the summary, as at Mimecast."""
    assert "Anhang zurückgehalten" not in Scenario.builtin_day().counts_at(timedelta(hours=3))
    assert "Anhang zurückgehalten" in Scenario.builtin_day().counts_at(timedelta(hours=14))


@pytest.mark.parametrize(
    ("time", "offset"),
    [
        pytest.param("0", timedelta(), id="nothing"),
        pytest.param("00:10", timedelta(minutes=10), id="hours and minutes"),
        pytest.param("01:30:05", timedelta(hours=1, minutes=30, seconds=5), id="hours, minutes and seconds"),
        pytest.param("1h30m", timedelta(minutes=90), id="units"),
        pytest.param("2d", timedelta(days=2), id="days"),
        pytest.param("90s", timedelta(seconds=90), id="seconds"),
    ],
)
def test_an_offset_can_be_written_in_several_ways(time: str, offset: timedelta) -> None:
    """The time column takes clock notation and durations."""
    scenario = Scenario.from_csv(f"time,reason,count\n{time},Graymail,1\n")

    assert scenario.counts_at(offset) == {"Graymail": 1}
    assert scenario.counts_at(offset - timedelta(seconds=1)) == {}


def test_instants_count_from_the_earliest(tmp_path: Path) -> None:
    """A table of ISO 8601 instants, in any order and zone, starts with its first one."""
    file = tmp_path / "day.csv"
    file.write_text(
        "Time, Reason, Count\n\n"
        "2026-03-02T12:30:00+02:00, Graymail, 9\n"
        '2026-03-02T10:00:00, "Hold > 25MB, finance", 3\n',
        encoding="utf-8",
    )

    scenario = Scenario.from_csv(file)

    assert scenario.counts_at(timedelta()) == {"Hold > 25MB, finance": 3}
    assert scenario.counts_at(timedelta(minutes=30)) == {"Hold > 25MB, finance": 3, "Graymail": 9}


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        pytest.param("", ["scenario:1: expected time,reason,count, got ''"], id="nothing"),
        pytest.param("a,b\n", ["scenario:1: expected time,reason,count, got 'a,b'"], id="other columns"),
        pytest.param(
            "time,reason,count\n0,Graymail\nsoon,Graymail,1\n0,Graymail,-1\n",
            [
                "scenario:2: expected three cells, got 2",
                "scenario:3: time must be an offset such as 00:10 or 1h30m or an ISO 8601 instant, got 'soon'",
                "scenario:4: count must be a whole number of at least 0, got '-1'",
            ],
            id="every wrong line at once",
        ),
        pytest.param(
            "time,reason,count\n0,Graymail,1\n2026-03-02,Graymail,1\n",
            ["scenario: times must be all offsets or all instants, got both"],
            id="both kinds of time",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_its_lines(text: str, complaints: list[str]) -> None:
    """Every wrong line of a scenario is named, with what was found and expected."""
    with pytest.raises(ConfigError) as caught:
        Scenario.from_csv(text)

    assert [str(problem) for problem in caught.value.problems] == complaints


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        pytest.param(lambda _: None, "No such file or directory", id="a missing file"),
        pytest.param(lambda file: file.write_bytes(b"\xff"), "no UTF-8", id="another encoding"),
        pytest.param(lambda file: file.symlink_to("/dev/zero"), "it is larger than 64 MiB", id="what never ends"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, write: Callable[[Path], object], reason: str) -> None:
    """A scenario's file must be there and be UTF-8."""
    file = tmp_path / "day.csv"
    write(file)

    with pytest.raises(ConfigError, match=f"cannot be read as a scenario: {reason}"):
        Scenario.from_csv(file)


def test_the_date_header_is_the_simulators_time(simulator: Simulator, clock: HandClock) -> None:
    """The simulator lives in its own time, also in its headers."""
    clock.now = datetime(2030, 1, 1, 0, 0, tzinfo=dt.timezone(timedelta(hours=1)))

    assert requests.get(simulator.base_url, timeout=5).headers["Date"] == "Mon, 31 Dec 2029 23:00:00 GMT"
