"""Rules that compare with the past, as sensitive as a tenant's own history affords.

For each kind there are steps, the most sensitive first. The first one is taken that keeps to the budget in the part of
the history that rules are chosen on, if need be without the few hold reasons that alert most; the rest of the history,
which it has not seen, confirms it or not. Every alert in the history counts as a false one, for nobody knows which
of them were right, but for those that were critical as well: everybody wants to know of these. No I/O: values in,
values out.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerter.core.backtest.alert_replay import alert_replays
from alerter.core.conditions import FOREVER, Condition, Fall, Flatline, Rare, Rise, Stagnant
from alerter.core.history import TenantHistory
from alerter.core.rules import Level, Rule, RuleName, Severity
from alerter.core.selectors import Selector, literal_glob
from alerter.core.series import HoldReason, Span, Tenant
from alerter.humanize import times_text

WEEK, DAY, HOUR = timedelta(weeks=1), timedelta(days=1), timedelta(hours=1)
#: Fewer weeks to choose on do not show what is usual.
MIN_WEEKS = 3
#: One of this number of hold reasons may be left out.
LEFT_OUT_PART = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of rule, with its steps.

    Attributes:
        title: What the rule is called, as the one that `alerter init` writes.
        steps: Its conditions, the most sensitive first.
        keep_firing_for: How long it goes on.
        severity: How bad it is.
        critical: What is critical in any case, where that is not all of it.
    """

    title: str
    steps: tuple[Condition, ...]
    keep_firing_for: timedelta = timedelta(0)
    severity: Severity = Severity.WARNING
    critical: Condition | None = None

    def levels(self, condition: Condition) -> dict[Severity, Level]:
        """Return the levels of a rule with one of the steps."""
        conditions = {self.severity: condition}
        if self.critical is not None:
            conditions[Severity.CRITICAL] = self.critical
        return {
            severity: Level(conditions=(each,), keep_firing_for=self.keep_firing_for)
            for severity, each in conditions.items()
        }


KINDS = (
    _Kind(
        title="Rise",
        steps=tuple(Rise(times=times, at_least=5) for times in (2, 3, 4, 6)),
        keep_firing_for=DAY,
        critical=Rise(times=6, at_least=100),
    ),
    _Kind(title="Rare", steps=(Rare(at_least=3), Rare(), Rare(at_least=6, most=2)), keep_firing_for=DAY),
    _Kind(
        title="Mass release",
        steps=(Fall(at_least=20, percent=60), Fall(percent=60), Fall(), Fall(percent=90)),
        keep_firing_for=DAY,
        severity=Severity.CRITICAL,
    ),
    _Kind(
        title="Silence",
        steps=(Flatline(at_least=12 * HOUR, times=2), Flatline(times=2), Flatline(), Flatline(at_least=2 * DAY)),
    ),
    _Kind(
        title="Nobody releases",
        steps=(Stagnant(above=20, times=1.5), Stagnant(above=20), Stagnant(above=20, times=3)),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedRule:
    """A rule without a limit, for a tenant.

    Attributes:
        tenant: Whose.
        title: What kind it is of.
        levels: How sensitive it is.
        left_out: The hold reasons that it does not look at, for they would alert too often.
        chosen_on: How often it would have alerted in the part of the history that it was chosen on.
        confirmed: How often in the rest.
    """

    tenant: Tenant
    title: str
    levels: Mapping[Severity, Level]
    left_out: tuple[HoldReason, ...]
    chosen_on: int
    confirmed: int

    @property
    def rule(self) -> Rule:
        """The rule itself."""
        without = [f"!{literal_glob(reason)}" for reason in self.left_out]
        return Rule(
            name=RuleName(f"{self.title} ({self.tenant})"),
            tenants=Selector((literal_glob(self.tenant),)),
            reasons=Selector(("*", *without) if without else ()),
            levels=self.levels,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRule:
    """A kind of rule of which nothing keeps to the budget, and why."""

    title: str
    why: str


def suggest_rules(
    tenant: TenantHistory, *, since: datetime, split: datetime, until: datetime, budget: float
) -> Iterator[SuggestedRule | NoRule]:
    """Yield for each kind a rule, or why there is none.

    Args:
        tenant: Whose history is learnt from.
        since: Where the history begins.
        split: Where the part ends that rules are chosen on.
        until: Where the rest ends, which confirms them.
        budget: How many alerts a week each of them may have.
    """
    if split - since < MIN_WEEKS * WEEK:
        return
    for kind in KINDS:
        allowed = [part / WEEK * budget for part in (split - since, until - split)]
        chosen = next(_affordable(tenant, kind, split=split, allowed=allowed[0]), None)
        if chosen is None:
            yield NoRule(title=kind.title, why="would have alerted too often at every step, where it was to be chosen")
        elif chosen.confirmed > allowed[1]:
            often = times_text(chosen.confirmed)
            why = f"alerted {often} in the last third of the history, which is more than the budget"
            yield NoRule(title=kind.title, why=why)
        else:
            yield chosen


def _affordable(tenant: TenantHistory, kind: _Kind, *, split: datetime, allowed: float) -> Iterator[SuggestedRule]:
    """Yield the steps that keep to the budget in the part that they are chosen on."""
    critical = [] if kind.critical is None else list(_firings(tenant, kind, kind.critical))
    for condition in kind.steps:
        found = _firings(tenant, kind, condition)
        firings = [(reason, span.start_at) for reason, span in found if not _is_among(reason, span, critical)]
        left_out = _noisiest([reason for reason, at in firings if at < split], len(tenant.reasons), allowed)
        kept = [at for reason, at in firings if reason not in left_out]
        chosen_on = sum(at < split for at in kept)
        if chosen_on <= allowed:
            yield SuggestedRule(
                tenant=tenant.polling.tenant,
                title=kind.title,
                levels=kind.levels(condition),
                left_out=left_out,
                chosen_on=chosen_on,
                confirmed=len(kept) - chosen_on,
            )


def _firings(tenant: TenantHistory, kind: _Kind, condition: Condition) -> Iterator[tuple[HoldReason, Span]]:
    """Yield which reasons would have alerted, and from when to when."""
    level = Level(conditions=(condition,), keep_firing_for=kind.keep_firing_for)
    rule = Rule(name=RuleName(kind.title), levels={Severity.WARNING: level})
    for replay in alert_replays(rule, [tenant]):
        for since, until in replay.firings():
            yield replay.history.reason, Span(since, until or FOREVER)


def _is_among(reason: HoldReason, span: Span, others: Sequence[tuple[HoldReason, Span]]) -> bool:
    """Return True if the reason has one of these alerts at the same time."""
    return any(
        reason == each and span.start_at < other.end_at and other.start_at < span.end_at for each, other in others
    )


def _noisiest(alerting: Sequence[HoldReason], reasons: int, allowed: float) -> tuple[HoldReason, ...]:
    """Return the reasons that must be left out to keep to the budget, as far as a few of them are enough."""
    left_out: list[HoldReason] = []
    counts = Counter(alerting)
    for reason, count in counts.most_common(reasons // LEFT_OUT_PART):
        if counts.total() <= allowed:
            break
        left_out.append(reason)
        counts.subtract({reason: count})
    return tuple(left_out)
