"""What a call to a Mimecast account tells: against the simulator, and as a table."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from alerter.config import TenantConfig
from alerter.core.series import Snapshot, Tenant
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.doctor.tenants import assess_account, check_account
from alerter.errors import Cause
from alerter.service import wiring
from alerter.simulator.api import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET, Misbehaviour
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.sources.mimecast import FetchReport, RateLimit
from tests.builders import a_snapshot
from tests.doctor.diagnoses import FAILED, OK, RECEIVER, RULE, WARNING, a_config, only, outcomes

ACME = Tenant("acme")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds two reasons."""
    scenario = Scenario.from_csv("time,reason,count\n0,Spam,340\n0,Bulk,1200\n")
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - a real server's clock
        yield simulator


def tenant(folder: Path, base_url: str = "http://127.0.0.1:9", *, secret: str = "") -> TenantConfig:
    """Return the tenant of a configuration, polled every five minutes."""
    keys = f'client_id = "{SIMULATOR_CLIENT_ID}"\nclient_secret = "{secret or SIMULATOR_CLIENT_SECRET}"'
    return a_config(folder, f'[tenants.acme]\nbase_url = "{base_url}"\n{keys}\n', RECEIVER, RULE).tenants[ACME]


def looked_at(account: TenantConfig) -> list[Finding]:
    """Return what a real call finds."""
    return list(check_account(account, lambda: wiring.build_source(account, stop=Event())))


def test_an_account_that_answers_is_well(simulator: Simulator, tmp_path: Path) -> None:
    """The line says what is held, how fast it was, how the clocks are, and how much is allowed."""
    finding = only(looked_at(tenant(tmp_path, simulator.base_url)))

    assert (finding.group, finding.subject, finding.outcome, finding.advice) == (Group.ACCOUNTS, "acme", OK, "")
    assert finding.text.startswith("1,540 held for 2 reasons; answered in ")
    assert "; clocks within " in finding.text
    assert finding.text.endswith("; 799 of 800 requests left, more in 5 s")
    assert finding.measured["requests_remaining"] == 799
    assert 0 <= float(finding.measured["latency_seconds"]) < 30
    assert abs(float(finding.measured["clock_skew_seconds"])) < 30


def test_a_wrong_key_is_told_with_its_remedy(simulator: Simulator, tmp_path: Path) -> None:
    """And without the key."""
    finding = only(looked_at(tenant(tmp_path, simulator.base_url, secret="pasted-wrongly-1234")))

    assert finding.outcome is FAILED
    assert finding.text.startswith("wrong_keys: ")
    assert "(request id " in finding.text
    assert finding.advice == Cause.WRONG_KEYS.advice
    assert finding.measured["cause"] == "wrong_keys"
    assert "pasted-wrongly" not in finding.text


@pytest.mark.parametrize(
    ("misbehaviour", "cause"),
    [
        pytest.param(Misbehaviour.PERMISSION_MISSING, Cause.PERMISSION_MISSING, id="the role may not"),
        pytest.param(Misbehaviour.PRODUCT_MISSING, Cause.PRODUCT_MISSING, id="the application cannot"),
        pytest.param(Misbehaviour.WRONG_HOST, Cause.WRONG_HOST, id="another region's host"),
    ],
)
def test_each_cause_has_its_advice(
    simulator: Simulator, tmp_path: Path, misbehaviour: Misbehaviour, cause: Cause
) -> None:
    """The same words as in the alert and in README."""
    simulator.misbehaviour = misbehaviour

    finding = looked_at(tenant(tmp_path, simulator.base_url))[0]

    assert (finding.outcome, finding.measured["cause"], finding.advice) == (FAILED, cause, cause.advice)


def test_nobody_there(tmp_path: Path) -> None:
    """Without an answer nothing is measured."""
    finding = only(looked_at(tenant(tmp_path)))

    assert finding.outcome is FAILED
    assert dict(finding.measured) == {"cause": "unreachable"}
    assert "request id" not in finding.text


def probe(*, skew: str | float | None = 0, allowance: RateLimit | None = None) -> FetchReport:
    """Return what a good call told."""
    return FetchReport(
        outcome=a_snapshot({"Spam": 1}),
        latency=timedelta(milliseconds=190),
        clock_skew=None if skew is None else timedelta(seconds=float(skew)),
        rate_limit=allowance,
    )


@pytest.mark.parametrize(
    ("skew", "outcome", "text"),
    [
        pytest.param(None, None, "", id="an answer without a date"),
        pytest.param(30, None, "", id="half a minute"),
        pytest.param(-31, WARNING, "this machine's clock is 31s behind Mimecast's", id="behind"),
        pytest.param(300, WARNING, "this machine's clock is 5m ahead of Mimecast's", id="five minutes ahead"),
        pytest.param(-1020, FAILED, "this machine's clock is 17m behind Mimecast's", id="so far that keys are refused"),
    ],
)
def test_clocks_that_differ_are_told(tmp_path: Path, skew: float | None, outcome: Outcome | None, text: str) -> None:
    """Beside the call itself, which may be good all the same."""
    call, *clock = assess_account(tenant(tmp_path), probe(skew=skew))

    assert call.outcome is OK
    assert ("clocks within" in call.text) is (skew is not None)
    assert outcomes(clock) == ([] if outcome is None else [outcome])
    assert [each.text for each in clock] == ([] if outcome is None else [text])
    assert all("time synchronisation" in each.advice for each in clock)


def allowed(limit: int, remaining: int, *, resets_in: float | None = 5) -> RateLimit:
    """Return an allowance."""
    return RateLimit(
        limit=limit, remaining=remaining, resets_in=None if resets_in is None else timedelta(seconds=resets_in)
    )


@pytest.mark.parametrize(
    ("allowance", "text"),
    [
        pytest.param(allowed(800, 640), "", id="plenty"),
        pytest.param(allowed(800, 80), "", id="a tenth"),
        pytest.param(allowed(800, 79), "79 of 800 requests left, more in 5 s; polling needs 2 until then", id="little"),
        pytest.param(
            allowed(20, 10, resets_in=3600),
            "10 of 20 requests left, more in 3600 s; polling needs 24 until then",
            id="too little for the period",
        ),
        pytest.param(allowed(2, 2), "", id="just enough"),
        pytest.param(allowed(9, 0, resets_in=None), "0 of 9 requests left; polling needs 2 until then", id="none"),
    ],
)
def test_an_allowance_that_runs_out_is_told(tmp_path: Path, allowance: RateLimit, text: str) -> None:
    """Measured by what polling needs until some is given back."""
    _, *found = assess_account(tenant(tmp_path), probe(allowance=allowance))

    assert [each.text for each in found] == ([text] if text else [])
    assert outcomes(found) == ([WARNING] if text else [])


def test_an_answer_that_tells_nothing_else_is_well(tmp_path: Path) -> None:
    """Not every proxy lets headers through."""
    snapshot = Snapshot(tenant=ACME, taken_at=datetime(2026, 3, 2, tzinfo=UTC), counts={})

    finding = only(assess_account(tenant(tmp_path), FetchReport(outcome=snapshot)))

    assert (finding.outcome, finding.text, dict(finding.measured)) == (OK, "0 held for 0 reasons", {})
