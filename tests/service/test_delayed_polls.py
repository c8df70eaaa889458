"""When polls are written later."""

import pytest

from alerter.core.rules import Per
from alerter.service.delayed_polls import may_delay_polls
from tests.builders import a_level, a_policy, a_rule


@pytest.mark.parametrize(
    ("count", "every", "per", "expected"),
    [
        pytest.param(1, "10s", Per.REASON, False, id="a single tenant is written at once"),
        pytest.param(9, "10s", Per.REASON, False, id="so are a few"),
        pytest.param(10, "10s", Per.REASON, True, id="a poll a second is written later"),
        pytest.param(200, "5m", Per.REASON, False, id="many that are polled seldom are written at once"),
        pytest.param(200, "30s", Per.TENANT, True, id="a sum over a tenant needs no other tenant"),
        pytest.param(200, "30s", Per.ALL, False, id="a sum over all tenants needs them"),
    ],
)
def test_polls_are_written_later_where_they_are_frequent(count: int, every: str, per: Per, *, expected: bool) -> None:
    """What counts is how many polls there are in a second, of all tenants together."""
    rule = a_rule(warning=a_level(above=100), per=per)
    alerting = a_policy(rule, tenants={f"tenant {number}": every for number in range(count)})

    assert may_delay_polls(alerting.poll_intervals, alerting) is expected
