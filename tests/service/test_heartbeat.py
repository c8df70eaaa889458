"""The heartbeat: real pings over HTTP, to servers that take them, refuse them, or never answer."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import pytest
import trustme

from alerter.errors import DeliveryError
from alerter.health import PingOutcome
from alerter.service.heartbeat import (
    ALL_IS_WELL,
    MAX_CAUSE,
    MAX_CAUSE_IN_URL,
    Heartbeat,
    Ping,
    PingTimeouts,
    build_ping,
    says_failure,
    send,
)
from tests.raw_servers import RawServer, no_play, trickle
from tests.servers import Pinged, PingSink, ping_sink

SHORT = PingTimeouts(connect=0.3, read=0.3, total=0.4)
TROUBLE = "acme: database is locked"


@dataclass
class Notes:
    """What came of each ping, and what is wrong with the service when it is asked."""

    outcomes: list[PingOutcome] = field(default_factory=list)
    trouble: str = ""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def note(self, outcome: PingOutcome) -> None:
        """Keep what came of a ping."""
        with self.changed:
            self.outcomes.append(outcome)
            self.changed.notify_all()

    def wait_for(self, number: int, *, of: Collection[PingOutcome] = tuple(PingOutcome)) -> list[PingOutcome]:
        """Return what came of pings once so many came to one of these; fail if they do not."""

        def found() -> bool:
            return sum(outcome in of for outcome in self.outcomes) >= number

        with self.changed:
            assert self.changed.wait_for(found, timeout=20), self.outcomes
            return list(self.outcomes)


@pytest.fixture
def notes() -> Notes:
    """A service that is well."""
    return Notes()


Start = Callable[..., Heartbeat]


@pytest.fixture
def start(notes: Notes) -> Iterator[Start]:
    """Return what starts a heartbeat that ends with its test; unless it is told otherwise, it pings once."""
    started: list[Heartbeat] = []

    def begin(url: str, *, least_gap: float = 60.0, patience: PingTimeouts = SHORT, secret: str = "") -> Heartbeat:
        heartbeat = Heartbeat(
            url,
            trouble=lambda: notes.trouble,
            redact=lambda text: text.replace(secret, "[redacted]") if secret else text,
            note=notes.note,
            patience=patience,
            least_gap=least_gap,
        )
        started.append(heartbeat)
        return heartbeat

    yield begin
    for heartbeat in started:
        heartbeat.close()


@pytest.fixture
def sink() -> Iterator[PingSink]:
    """A dead man's switch that takes everything."""
    with ping_sink() as sink:
        yield sink


# What is sent where


@pytest.mark.parametrize(
    ("url", "well", "failed"),
    [
        pytest.param(
            "https://hc-ping.com/uuid", "POST https://hc-ping.com/uuid", "POST https://hc-ping.com/uuid/fail",
            id="healthchecks.io",
        ),
        pytest.param(
            "https://hc.example/ping/key/slug/?create=1&rid=a%20b",
            "POST https://hc.example/ping/key/slug/?create=1&rid=a%20b",
            "POST https://hc.example/ping/key/slug/fail?create=1&rid=a%20b",
            id="a Healthchecks of one's own, by slug and with a query",
        ),
        pytest.param(
            "https://uptime.betterstack.com/api/v1/heartbeat/token",
            "POST https://uptime.betterstack.com/api/v1/heartbeat/token",
            "POST https://uptime.betterstack.com/api/v1/heartbeat/token/fail",
            id="Better Stack",
        ),
        pytest.param(
            "https://kuma.example/api/push/token?status=up&msg=OK&ping=",
            "GET https://kuma.example/api/push/token?ping=&status=up&msg=OK",
            "GET https://kuma.example/api/push/token?ping=&status=down&msg=acme%3A+database+is+locked",
            id="Uptime Kuma, as it shows its URL",
        ),
        pytest.param(
            "https://kuma.example/api/push/token",
            "GET https://kuma.example/api/push/token?status=up&msg=OK",
            "GET https://kuma.example/api/push/token?status=down&msg=acme%3A+database+is+locked",
            id="Uptime Kuma without its query",
        ),
        pytest.param(
            "https://cronitor.link/p/key/alerter?state=complete&host=a",
            "GET https://cronitor.link/p/key/alerter?state=complete&host=a",
            "GET https://cronitor.link/p/key/alerter?host=a&state=fail&message=acme%3A+database+is+locked",
            id="cronitor, a job",
        ),
        pytest.param(
            "https://cronitor.link/p/key/alerter",
            "GET https://cronitor.link/p/key/alerter",
            "GET https://cronitor.link/p/key/alerter?state=fail&message=acme%3A+database+is+locked",
            id="cronitor, a heartbeat",
        ),
    ],
)  # fmt: skip
def test_each_service_is_told_in_its_own_way(url: str, well: str, failed: str) -> None:
    """Success and failure are said as the service has it, and the rest of its URL stays as it is."""
    pings = [build_ping(url, ""), build_ping(url, TROUBLE)]

    assert [f"{ping.method} {ping.url}" for ping in pings] == [well, failed]
    assert [ping.body for ping in pings] in ([None, None], [ALL_IS_WELL.encode(), TROUBLE.encode()])


def test_a_long_cause_is_cut() -> None:
    """Nobody reads a novel, and a URL has an end."""
    trouble = "ä" * 5000

    by_post, by_get = (
        build_ping("https://hc.example/uuid", trouble),
        build_ping("https://kuma.example/api/push/t", trouble),
    )

    assert by_post.body == ("ä" * MAX_CAUSE).encode()
    assert by_get.url.count("%C3%A4") == MAX_CAUSE_IN_URL


def test_the_url_is_not_in_the_representation_of_a_ping() -> None:
    """It is a secret wherever a ping may be printed."""
    assert "uuid-0001" not in repr(build_ping("https://hc.example/uuid-0001", ""))


# When it is sent


def test_a_complete_cycle_is_a_ping(start: Start, sink: PingSink, notes: Notes) -> None:
    """The service outside hears that all is well."""
    start(f"{sink.url}/uuid").record_cycle()

    assert sink.wait_for(1) == [Pinged(method="POST", path="/uuid", body=ALL_IS_WELL)]
    assert notes.wait_for(1) == [PingOutcome.SENT]


def test_a_cycle_that_could_not_be_completed_is_a_failure_with_its_cause(start: Start, sink: PingSink) -> None:
    """Whoever is called reads why, without any secret."""
    start(f"{sink.url}/uuid", secret="hunter2").record_cycle(f"{TROUBLE} password=hunter2")

    assert sink.wait_for(1) == [Pinged(method="POST", path="/uuid/fail", body=f"{TROUBLE} password=[redacted]")]


def test_a_service_with_another_trouble_is_not_well(start: Start, sink: PingSink, notes: Notes) -> None:
    """One tenant's complete cycle says nothing good while another tenant is overdue."""
    notes.trouble = "other: no complete cycle for 16m"

    start(f"{sink.url}/uuid").record_cycle()

    assert sink.wait_for(1) == [Pinged(method="POST", path="/uuid/fail", body="other: no complete cycle for 16m")]


def test_thousands_of_cycles_are_few_pings(start: Start, sink: PingSink) -> None:
    """However many tenants are polled, the service outside is pinged at most once in a while."""
    gap = 0.25
    heartbeat = start(f"{sink.url}/uuid", least_gap=gap)
    began = time.monotonic()  # noqa: TID251 - the limit is one of real time

    while len(sink.pings) < 3:
        for _ in range(100):
            heartbeat.record_cycle()
    took = time.monotonic() - began  # noqa: TID251 - as above

    assert 3 <= len(sink.pings) <= took / gap + 1


def test_a_failure_that_waits_is_not_replaced_by_a_success(start: Start, sink: PingSink) -> None:
    """A cycle that failed between two pings is told, though the next one was complete."""
    heartbeat = start(f"{sink.url}/uuid", least_gap=0.2)
    heartbeat.record_cycle()
    sink.wait_for(1)

    heartbeat.record_cycle(TROUBLE)
    heartbeat.record_cycle("acme: disk is full")
    heartbeat.record_cycle()

    assert [ping.body for ping in sink.wait_for(2)] == [ALL_IS_WELL, TROUBLE]


def test_after_a_failure_a_success_is_told_again(start: Start, sink: PingSink) -> None:
    """The alarm ends with the next cycle that is complete."""
    heartbeat = start(f"{sink.url}/uuid", least_gap=0.0)
    heartbeat.record_cycle(TROUBLE)
    sink.wait_for(1)

    heartbeat.record_cycle()

    assert [ping.path for ping in sink.wait_for(2)] == ["/uuid/fail", "/uuid"]


def test_a_heartbeat_that_was_closed_is_silent(start: Start, sink: PingSink) -> None:
    """Silence is what the service outside waits for; a service that was stopped says nothing."""
    heartbeat = start(f"{sink.url}/uuid")
    heartbeat.close()
    heartbeat.record_cycle()
    other = start(f"{sink.url}/other")
    other.record_cycle()

    assert [ping.path for ping in sink.wait_for(1)] == ["/other"]


# What goes wrong


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(no_play, id="a server that says nothing"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), id="a dripping header"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "), id="a dripping body"),
    ],
)
def test_a_server_that_hangs_holds_nobody_up(
    play: Callable[[socket.socket], object], start: Start, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    """Cycles go on at once, and the ping ends when its time is up."""
    with RawServer(play) as server:
        heartbeat = start(f"{server.url}/uuid-0001", least_gap=0.0)
        heartbeat.record_cycle()
        began = time.monotonic()  # noqa: TID251 - it is about real time
        for _ in range(10_000):
            heartbeat.record_cycle()
        took = time.monotonic() - began  # noqa: TID251 - as above
        notes.wait_for(1)
        heartbeat.record_cycle()
        outcomes = notes.wait_for(2)

    assert took < 20
    assert set(outcomes) == {PingOutcome.FAILED}
    assert "answer within 0." in caplog.text


def test_a_handshake_that_stalls_ends_in_time(start: Start, notes: Notes) -> None:
    """TLS that never comes about is a failed ping like any other."""
    with RawServer(no_play) as server:
        start(f"{server.url.replace('http', 'https')}/uuid", patience=PingTimeouts(connect=0.3)).record_cycle()

        assert notes.wait_for(1) == [PingOutcome.FAILED]


@pytest.mark.parametrize(
    ("status", "reply", "headers", "said"),
    [
        pytest.param(404, b"", {}, "answered 404, expected 200 to 299", id="it is not there"),
        pytest.param(301, b"", {"Location": "/"}, "answered 301, a redirect", id="it is elsewhere"),
        pytest.param(
            200, b"OK (not found)", {}, "answered 200, but (not found)", id="healthchecks.io without the check"
        ),
        pytest.param(
            200, b"OK (rate limited)", {}, "answered 200, but (rate limited)", id="healthchecks.io has enough"
        ),
    ],
)
def test_a_ping_that_is_refused_has_failed(
    *,
    start: Start,
    sink: PingSink,
    notes: Notes,
    caplog: pytest.LogCaptureFixture,
    status: int,
    reply: bytes,
    headers: dict[str, str],
    said: str,
) -> None:
    """What the service outside did not take was not heard, whatever it calls that."""
    sink.status, sink.reply, sink.headers = status, reply, headers

    start(f"{sink.url}/uuid-0001").record_cycle()

    assert notes.wait_for(1) == [PingOutcome.FAILED]
    assert said in caplog.text
    assert "uuid-0001" not in caplog.text


def test_a_certificate_that_cannot_be_trusted_gets_no_ping(
    start: Start, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    """The URL is a secret: it is not shown to somebody in the middle."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with ping_sink(context) as sink:
        start(f"https://127.0.0.1:{sink.port}/uuid", patience=PingTimeouts()).record_cycle()
        outcomes = notes.wait_for(1)

        assert sink.pings == []
    assert outcomes == [PingOutcome.FAILED]
    assert "the TLS connection failed" in caplog.text


def test_a_streak_of_failures_is_one_warning_and_its_end_one_line(
    start: Start, sink: PingSink, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    """The log is not filled with what the heartbeat's own service gets wrong."""
    caplog.set_level(logging.INFO, "alerter.service.heartbeat")
    sink.status = 503
    heartbeat = start(f"{sink.url}/uuid-0001", least_gap=0.05)
    heartbeat.record_cycle(TROUBLE)
    notes.wait_for(3)
    sink.status = 200
    notes.wait_for(1, of={PingOutcome.SENT})
    heartbeat.record_cycle()
    outcomes = notes.wait_for(2, of={PingOutcome.SENT})

    failures = outcomes.count(PingOutcome.FAILED)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "heartbeat ping failed: answered 503, expected 200 to 299"),
        ("INFO", f"heartbeat ping succeeded again failures={failures}"),
    ]


def test_a_ping_that_was_not_taken_is_tried_again(start: Start, sink: PingSink) -> None:
    """What a cycle had to complain of is told when the service outside can be reached again."""
    sink.status = 503
    heartbeat = start(f"{sink.url}/uuid", least_gap=0.05)
    heartbeat.record_cycle(TROUBLE)
    sink.wait_for(1)

    heartbeat.record_cycle()
    bodies = {ping.body for ping in sink.wait_for(3)}

    assert bodies == {TROUBLE}


def test_a_port_where_nobody_listens_is_a_failed_ping(
    start: Start, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    """The text says what is wrong, and nothing of the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    start(f"http://127.0.0.1:{port}/uuid-0001").record_cycle()

    assert notes.wait_for(1) == [PingOutcome.FAILED]
    assert "it cannot be reached" in caplog.text
    assert "uuid-0001" not in caplog.text


def test_a_bug_does_not_end_the_heartbeat(
    start: Start, sink: PingSink, notes: Notes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A heartbeat that ended by itself would raise an alarm about the wrong thing."""
    heartbeat = start(f"{sink.url}/uuid", least_gap=0.0)
    monkeypatch.setattr(heartbeat, "_redact", lambda text: text + 1)
    heartbeat.record_cycle()
    notes.wait_for(1)
    monkeypatch.undo()
    heartbeat.record_cycle()

    assert sink.wait_for(1)[0].path == "/uuid"
    assert "internal error job=heartbeat" in caplog.text


# What the environment is to blame for


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        pytest.param("HTTPS_PROXY", "htp://proxy.example:1", "HTTPS_PROXY cannot be used: ", id="an unknown scheme"),
        pytest.param("HTTPS_PROXY", "http://127.0.0.1:port", "HTTPS_PROXY cannot be used: ", id="a port that is none"),
        pytest.param(
            "HTTPS_PROXY",
            "http://127.0.0.1:1",
            "the proxy of HTTPS_PROXY, 127.0.0.1:1, refuses the connection",
            id="nobody there",
        ),
        pytest.param(
            "REQUESTS_CA_BUNDLE", "/nowhere/ca.pem", "REQUESTS_CA_BUNDLE names /nowhere/ca.pem, ", id="no file"
        ),
        pytest.param("REQUESTS_CA_BUNDLE", __file__, f"REQUESTS_CA_BUNDLE names {__file__}, ", id="no certificate"),
    ],
)
def test_a_setting_of_the_environment_that_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """The switch is not blamed for it, nor is its certificate."""
    monkeypatch.setenv(name, value)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with RawServer(lambda connection: connection.recv(100), context=context) as server:
        host = "switch.invalid" if "PROXY" in name else f"127.0.0.1:{server.port}"
        ping = Ping(method="POST", url=f"https://{host}/uuid", body=b"")
        with pytest.raises(DeliveryError) as caught:
            send(ping, SHORT)

    assert str(caught.value).startswith(said)


OPSGENIE = "/v2/heartbeats/alerter/ping"


def test_a_login_in_a_header_goes_with_every_ping(sink: PingSink, notes: Notes) -> None:
    """Beside what every request has; a redirect, which is not followed, gets none of it elsewhere."""
    headers = {"Authorization": "GenieKey secret-0001", "X-Team": "mail"}
    heartbeat = Heartbeat(sink.url + "/uuid", trouble=str, redact=str, note=notes.note, least_gap=0.01, headers=headers)
    heartbeat.record_cycle()
    heartbeat.record_cycle(TROUBLE)
    pings = sink.wait_for(1)
    heartbeat.close()

    for ping in pings:
        assert ping.headers["Authorization"] == "GenieKey secret-0001"
        assert ping.headers["X-Team"] == "mail"
        assert "alerter" in ping.headers["User-Agent"]
    assert "secret-0001" not in repr(Ping(method="POST", url="https://x", headers=headers))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param(f"https://api.opsgenie.com{OPSGENIE}", False, id="Opsgenie"),
        pytest.param("https://api.eu.opsgenie.com/v2/heartbeats/a%20b/ping/", False, id="Opsgenie in Europe"),
        pytest.param(
            "https://api.atlassian.com/jsm/ops/api/1/v1/teams/2/heartbeats/ping?name=x", False, id="its successor"
        ),
        pytest.param("https://hc-ping.com/uuid", True, id="Healthchecks"),
        pytest.param("https://uptime.betterstack.com/api/v1/heartbeat/token", True, id="Better Stack"),
    ],
)
def test_it_is_known_who_cannot_be_told_of_a_failure(url: str, says: bool) -> None:  # noqa: FBT001 - a table
    """There silence is all that raises the alarm, and any other path is an error."""
    assert says_failure(url) is says


def test_a_switch_that_knows_silence_alone_is_pinged_while_all_is_well_and_never_else(
    sink: PingSink, notes: Notes
) -> None:
    """The ping that follows a failure comes only when all is well again."""
    asked, troubles = threading.Event(), [TROUBLE]

    def trouble() -> str:
        asked.set()
        return troubles.pop() if troubles else ""

    heartbeat = Heartbeat(sink.url + OPSGENIE, trouble=trouble, redact=str, note=notes.note, least_gap=0.01)
    heartbeat.record_cycle()
    assert asked.wait(20)
    heartbeat.record_cycle()
    [ping] = sink.wait_for(1)
    heartbeat.close()

    assert (ping.method, ping.path) == ("GET", OPSGENIE)
    assert notes.wait_for(1) == [PingOutcome.SENT]
