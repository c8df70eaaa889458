"""Random rules and random histories, for what must hold of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime, time, timedelta
from types import NoneType
from typing import get_args, get_type_hints

from hypothesis import reject
from hypothesis import strategies as st

from alerter.core.alerting_config import AlertingConfig
from alerter.core.conditions import (
    CONDITIONS,
    Baseline,
    Condition,
    Forecast,
    Growth,
    InputKind,
    NewReason,
    NoData,
    Stagnant,
    Threshold,
)
from alerter.core.history import FailedPoll
from alerter.core.message.content import MessageContext
from alerter.core.mute_windows import MuteWindow, WindowName
from alerter.core.outbox import TargetName
from alerter.core.routes import Receiver, ReceiverName, Route, TargetId
from alerter.core.rules import Level, Per, Rule, RuleName, Severity, with_no_data_rules
from alerter.core.selectors import Selector
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.errors import Cause
from tests.builders import NOON, minutes

NONE, MINUTE = timedelta(0), timedelta(minutes=1)
REASONS = ("Spam", "Virus", "Graymail")
CAUSES = (Cause.TIMEOUT, Cause.DNS)

_SPANS = st.sampled_from([minutes(number) for number in (1, 2, 3, 5, 8, 13)])
_COUNTS = st.integers(0, 12)


@st.composite
def thresholds(draw: st.DrawFn) -> Threshold:
    """Draw a threshold in either direction, with hysteresis or without."""
    limit, other = sorted((draw(_COUNTS), draw(_COUNTS)))
    if draw(st.booleans()):
        return Threshold(above=other, clear_at=draw(st.sampled_from([None, limit])))
    return Threshold(below=limit, clear_at=draw(st.sampled_from([None, other])))


@st.composite
def growths(draw: st.DrawFn) -> Growth:
    """Draw a growth or a fall."""
    by, percent = draw(st.sampled_from([(1, None), (3, None), (None, 50), (2, 100), (5, 20)]))
    way = draw(st.sampled_from(["by percent", "falls_by falls_percent"])).split()
    steps = dict(zip(way, (by, percent), strict=True))
    times = draw(st.sampled_from([1, 1, 2, 3]))
    return Growth(over=draw(_SPANS), floor=draw(st.integers(0, 4)), times=times, **steps)


_MADE_FOR: dict[type[Condition], st.SearchStrategy[Condition]] = {
    Threshold: thresholds(),
    Growth: growths(),
    Forecast: st.builds(Forecast, above=st.integers(0, 14), within=_SPANS, fit_over=_SPANS),
    Stagnant: st.builds(Stagnant, above=st.integers(0, 6), lasting=st.one_of(_SPANS, st.none())),
    Baseline: st.builds(
        Baseline, deviations=st.sampled_from([0.1, 1.0]), weeks=st.integers(3, 4), floor=st.integers(1, 3)
    ),
    NewReason: st.builds(NewReason, learn=st.sampled_from([minutes(0), minutes(5), timedelta(hours=12)])),
    NoData: st.builds(NoData, after=_SPANS),
}
_BY_TYPE: dict[object, st.SearchStrategy[object]] = {
    int: _COUNTS,
    float: st.sampled_from([0.1, 0.5, 1.0, 2.0]),
    bool: st.booleans(),
    timedelta: _SPANS,
}


@st.composite
def _of_any_kind(draw: st.DrawFn, kind: type[Condition]) -> Condition:
    """Draw a condition of a kind for which nothing is made here, from the types of its fields."""
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for each in fields(kind):
        wanted = get_args(hints[each.name]) or (hints[each.name],)
        if each.default is MISSING or draw(st.booleans()):
            values[each.name] = draw(st.one_of(*(_BY_TYPE[type_] for type_ in wanted if type_ is not NoneType)))
    try:
        return kind(**values)  # type: ignore[arg-type]
    except ValueError:
        reject()


#: Every kind of condition in the union, by its name.
KINDS: dict[str, st.SearchStrategy[Condition]] = {
    name: _MADE_FOR.get(kind, _of_any_kind(kind)) for name, kind in CONDITIONS.items()
}
_HELD_NAMES = [name for name, kind in CONDITIONS.items() if kind.input_kind is InputKind.HELD]
#: Conditions on held messages that make sense of a sum.
SUMMABLE: st.SearchStrategy[Condition] = st.one_of(
    *(KINDS[name] for name in _HELD_NAMES if CONDITIONS[name].allows_sum)
)
#: All conditions on held messages.
HELD: st.SearchStrategy[Condition] = st.one_of(*(KINDS[name] for name in _HELD_NAMES))
POLLING: st.SearchStrategy[Condition] = st.one_of(*(KINDS[name] for name in CONDITIONS if name not in _HELD_NAMES))


@st.composite
def levels(draw: st.DrawFn, conditions: st.SearchStrategy[Condition] = HELD) -> Level:
    """Draw a level of one or two conditions."""
    spans = st.sampled_from([minutes(number) for number in (0, 0, 1, 2, 5)])
    return Level(
        conditions=tuple(draw(st.lists(conditions, min_size=1, max_size=2))),
        for_=draw(spans),
        keep_firing_for=draw(spans),
    )


@st.composite
def polls(
    draw: st.DrawFn,
    tenant: str = "acme",
    *,
    begin: datetime = NOON,
    every: timedelta = MINUTE,
    most: int = 60,
    reasons: Sequence[str] = REASONS,
    jitter: timedelta = NONE,
) -> list[Snapshot | FailedPoll]:
    """Draw a tenant's polls: mostly good and mostly the same, with bursts, failures, polls that are missed, and pauses.

    Args:
        draw: Hypothesis's.
        tenant: Whose.
        begin: The first one.
        every: How far apart they are.
        most: How many stretches of equal polls there are at most.
        reasons: What is held; each may be there from the beginning, come later, or go again.
        jitter: How much later than planned a poll may be.
    """
    at = begin
    counts = {HoldReason(reason): draw(_COUNTS) for reason in reasons if draw(st.booleans())}
    drawn: list[Snapshot | FailedPoll] = []
    for kind in draw(
        st.lists(
            st.sampled_from(["same", "same", "same", "change", "change", "gone", "fail", "fail once", "miss", "pause"]),
            min_size=most // 2,
            max_size=most,
        )
    ):
        length = draw(st.integers(1, 6))
        if kind == "pause":
            at += draw(st.sampled_from([2.5 * every, minutes(90), timedelta(days=7) - minutes(30)]))
        elif kind == "miss":
            at += draw(st.sampled_from([0.5 * every, every]))
        elif kind == "change":
            counts[HoldReason(draw(st.sampled_from(reasons)))] = draw(_COUNTS)
            length = 1
        elif kind == "gone" and counts:
            counts.pop(draw(st.sampled_from(sorted(counts))))
            length = 1
        elif kind == "fail once":
            length = 1
        cause = draw(st.sampled_from(CAUSES)) if kind.startswith("fail") else None
        for _ in range(length):
            late = draw(st.integers(0, int(jitter.total_seconds() * 1000))) if jitter else 0
            polled_at = at + timedelta(milliseconds=late)
            at += every
            drawn.append(
                Snapshot(tenant=Tenant(tenant), taken_at=polled_at, counts=dict(counts))
                if cause is None
                else FailedPoll(at=polled_at, cause=cause, detail=f"{cause} at all times")
            )
    return drawn


_RULE_NAMES = ("Backlog", "Surge", "Slow")
_RECEIVERS = ("secops", "mail", "pager")


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Draw up to three rules, on reasons or on sums, and perhaps one on polling in place of the built-in one."""
    drawn = []
    for name in _RULE_NAMES[: draw(st.integers(1, 3))]:
        per = draw(st.sampled_from([Per.REASON, Per.REASON, Per.TENANT, Per.ALL]))
        severities = draw(st.sampled_from([(Severity.WARNING,), (Severity.INFO, Severity.CRITICAL)]))
        drawn.append(
            Rule(
                name=RuleName(name),
                levels={severity: draw(levels(HELD if per is Per.REASON else SUMMABLE)) for severity in severities},
                tenants=Selector(draw(st.sampled_from([(), (), ("acme",)]))),
                reasons=Selector(draw(st.sampled_from([(), (), ("!Spam",)]))),
                per=per,
            )
        )
    if draw(st.booleans()):
        drawn.append(Rule(name=RuleName("No data"), per=Per.TENANT, levels={Severity.WARNING: draw(levels(POLLING))}))
    return drawn


@st.composite
def receivers(draw: st.DrawFn) -> list[Receiver]:
    """Draw who is told: impatient ones and patient ones, with few messages an hour, or collected ones."""
    return [
        Receiver(
            name=ReceiverName(name),
            repeat_interval=draw(st.sampled_from([minutes(2), minutes(5), minutes(240)])),
            send_resolved=draw(st.booleans()),
            max_per_hour=draw(st.sampled_from([1, 2, 30])),
            group_wait=draw(st.sampled_from([minutes(0), minutes(0), minutes(1.5)])),
            targets=(TargetId(name),),
        )
        for name in _RECEIVERS[: draw(st.integers(1, 3))]
    ]


#: A few minutes of each day that the histories below run through.
_WINDOW = MuteWindow(
    name=WindowName("soon"), days=frozenset(range(7)), begins=time(12, 4), ends=time(12, 9), timezone=UTC
)


@st.composite
def routes(draw: st.DrawFn, names: Sequence[ReceiverName]) -> list[Route]:
    """Draw where alerts go; mostly to everybody."""
    return draw(
        st.lists(
            st.builds(
                Route,
                receivers=st.lists(st.sampled_from(names), min_size=1, unique=True).map(tuple),
                severities=st.sampled_from([frozenset(), frozenset({Severity.CRITICAL})]),
                tenants=st.sampled_from([Selector(), Selector(("acme",))]),
                mute_windows=st.sampled_from([(), (_WINDOW,)]),
            ),
            max_size=2,
        )
    )


@st.composite
def policies(draw: st.DrawFn, poll_intervals: Mapping[Tenant, timedelta]) -> AlertingConfig:
    """Draw what a configuration decides."""
    notified, decided = draw(receivers()), draw(rules())
    sums = [rule.name for rule in decided if rule.scope is Per.ALL]
    # Every rule looks at the first tenant.
    bearers = draw(st.sampled_from([frozenset(poll_intervals), frozenset(list(poll_intervals)[:1])]))
    return AlertingConfig(
        rules=with_no_data_rules(decided, poll_intervals),
        poll_intervals=poll_intervals,
        receivers=tuple(notified),
        targets={receiver.name: (TargetName(f"{receiver.name}/json"),) for receiver in notified},
        routes=tuple(draw(routes([receiver.name for receiver in notified]))),
        context=MessageContext(timezone=UTC, console_url="", runbook_by_rule={}),
        windows_by_rule=draw(st.sampled_from([{}, {}, {RuleName("Backlog"): (_WINDOW,)}])),
        sum_trigger_tenants=dict.fromkeys(sums, bearers),
    )
