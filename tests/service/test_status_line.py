"""The line that `systemctl status` shows: what a person must know of the service, the worst first."""

from datetime import timedelta

import pytest

from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.errors import Cause
from alerter.health import CycleStatus
from alerter.service.status_line import AlertCounts, StatusInput, join_names, status_line
from tests.builders import NOON

ACME, BETA, GAMMA = Tenant("acme"), Tenant("beta"), Tenant("gamma")
GOOD = CycleStatus(ended_seconds=1, seconds=1)
FAILED = CycleStatus(ended_seconds=1, seconds=1, cause=Cause.KEYS_EXPIRED)
UNKEPT = CycleStatus(ended_seconds=1, seconds=1, error="/var/lib/alerter/alerter.db: database or disk is full")
CALM = AlertCounts(firing={}, undelivered=0)
STORM = AlertCounts(firing={Severity.WARNING: 2, Severity.CRITICAL: 1}, undelivered=3)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        pytest.param(
            StatusInput(tenants=2, cycles={ACME: GOOD, BETA: GOOD}, last_at=NOON, counts=CALM),
            "tenants: 2; last poll 12:00:00 UTC; alerts firing: none; messages undelivered: none",
            id="all is well",
        ),
        pytest.param(StatusInput(tenants=2), "tenants: 2; not yet polled: 2", id="nothing was polled yet"),
        pytest.param(
            StatusInput(tenants=2, sharing="instances: 2, tenants here: 2 of 5", cycles={ACME: GOOD, BETA: GOOD}),
            "tenants: 2; instances: 2, tenants here: 2 of 5",
            id="another instance polls the others",
        ),
        pytest.param(
            StatusInput(tenants=2, cycles={ACME: GOOD}, last_at=NOON, counts=CALM),
            "tenants: 2; not yet polled: 1; last poll 12:00:00 UTC; alerts firing: none; messages undelivered: none",
            id="a tenant hangs",
        ),
        pytest.param(
            StatusInput(tenants=2, cycles={ACME: GOOD, BETA: FAILED}),
            "cannot be polled: beta (keys_expired); tenants: 2, failing: 1",
            id="a tenant cannot be polled, and why",
        ),
        pytest.param(
            StatusInput(tenants=1, cycles={ACME: GOOD}, counts=STORM),
            "tenants: 1; alerts firing: 1 critical, 2 warning; messages undelivered: 3",
            id="alerts fire and messages wait",
        ),
        pytest.param(
            StatusInput(tenants=2, cycles={ACME: UNKEPT, BETA: UNKEPT}),
            "DATABASE ERROR, acme, beta not stored: /var/lib/alerter/alerter.db: database or disk is full; tenants: 2",
            id="the database keeps nothing, said once for all tenants",
        ),
        pytest.param(
            StatusInput(tenants=1, cycles={ACME: UNKEPT}, overdue=(ACME,), refusal="configuration rejected"),
            "DATABASE ERROR, acme not stored: /var/lib/alerter/alerter.db: database or disk is full; "
            "tenants overdue: acme; configuration rejected; tenants: 1",
            id="several things at once",
        ),
    ],
)  # fmt: skip
def test_the_line_says_what_is(status: StatusInput, line: str) -> None:
    """Each fact that an operator acts on has its part, and what is well takes little room."""
    assert status_line(status) == line


def test_the_time_is_the_one_that_people_read() -> None:
    """The time zone is the caller's, and stands beside the time."""
    summer = (NOON + timedelta(days=1)).astimezone(tz=None)

    assert f"last poll {summer:%H:%M:%S %Z}" in status_line(StatusInput(tenants=1, last_at=summer))


def test_of_many_names_the_first_are_named() -> None:
    """Ten thousand tenants that fail for one cause are one line, not ten thousand."""
    assert join_names([f"t{number}" for number in range(5)]) == "t0, t1, t2 and 2 more"
    assert join_names([GAMMA, ACME, BETA]) == "acme, beta, gamma"
