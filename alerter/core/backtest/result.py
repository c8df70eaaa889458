"""The result of a backtest: firing periods, notifications, and how two sets of rules differ.

The history is gone through from its beginning, as if the rules had always been live, so that what was usual, and what
was going on already, is known where the span that is asked about begins. Nobody silences or acknowledges anything. No
I/O: values in, values out.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from alerter.core.alerts import AlertKey, AlertState
from alerter.core.backtest.replay import Replay, ReplayConfig
from alerter.core.backtest.transition_source import StreamedTransitions
from alerter.core.history import TenantHistory
from alerter.core.notifications import NotifyReason
from alerter.core.routes import ReceiverName
from alerter.core.rules import RuleName
from alerter.core.series import Span, Tenant, from_epoch_us, to_epoch_us


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringPeriod:
    """An alert that would have fired.

    Attributes:
        key: Which one.
        since: When it would have begun; it may be before what is asked about.
        until: When it would have ended; None where it still fires at the end of that.
        peak: Its worst count, in messages; None where it still fires, and for alerts about polling.
    """

    key: AlertKey
    since: datetime
    until: datetime | None = None
    peak: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestNotification:
    """What one message would have said of one rule.

    Attributes:
        at: When it would have been planned.
        receiver: To whom.
        rule: Of which rule.
        whys: Its reasons of that rule, each once, the gravest first: one message may be about a beginning and an end.
    """

    at: datetime
    receiver: ReceiverName
    rule: RuleName
    whys: tuple[NotifyReason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a set of rules would have done within a span.

    Attributes:
        firings: Those of which a part lies within it, in the order in which they began.
        items: What was sent within it, oldest first: for each message one item for each rule that it is about.
        messages: How many messages each receiver would have got.
    """

    firings: tuple[FiringPeriod, ...]
    items: tuple[BacktestNotification, ...]
    messages: Mapping[ReceiverName, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCoverage:
    """How much is known of a tenant within a span.

    Attributes:
        tenant: Whose.
        since: Its first good poll ever; None where there was none.
        gaps: How much of the span after that was not polled, or in vain; the longest first.
        thinned_until: Until when of each hour the lowest, the highest and the last count alone are known; None where
            all of it is whole.
    """

    tenant: Tenant
    since: datetime | None
    gaps: tuple[Span, ...]
    thinned_until: datetime | None


class BacktestRun:
    """Sets of rules on the same history: one tenant after the other, each looked at once."""

    def __init__(self, policies: Sequence[ReplayConfig], *, since: datetime, until: datetime) -> None:
        """Take the sets of rules, and the span that is asked about, both ends included."""
        self._span = Span(since, until)
        self._policies = policies
        self._sources = [StreamedTransitions(alerting, until=to_epoch_us(until)) for alerting in policies]
        self.known: list[HistoryCoverage] = []

    def add(self, tenant: TenantHistory, *, on_progress: Callable[[float], None]) -> None:
        """Look at a tenant.

        Args:
            tenant: All that is known of it.
            on_progress: Called with the part of it that has been read, from 0 to 1.
        """
        for number, source in enumerate(self._sources):
            part = partial(_share, on_progress, number, len(self._sources))
            source.add(tenant, on_progress=part)
        self.known.append(history_coverage(tenant, self._span))

    def backtests(self) -> list[Backtest]:
        """Return what each set of rules would have done; no tenant can be added any more."""
        return [
            _backtest(Replay(alerting, source), self._span)
            for alerting, source in zip(self._policies, self._sources, strict=True)
        ]


def _share(on_progress: Callable[[float], None], number: int, sets: int, done: int, of: int) -> None:
    on_progress((number + done / of) / sets)


def _backtest(replay: Replay, span: Span) -> Backtest:
    live: dict[AlertKey, FiringPeriod] = {}
    ended: list[FiringPeriod] = []
    items: list[BacktestNotification] = []
    messages: Counter[ReceiverName] = Counter()
    for moment in replay:
        for transition in moment.transitions:
            if transition.to_state is AlertState.FIRING:
                live[transition.key] = FiringPeriod(key=transition.key, since=transition.at)
            else:
                began = live.pop(transition.key)
                peak = replay.alert(transition.key).peak
                ended.append(FiringPeriod(key=began.key, since=began.since, until=transition.at, peak=peak))
        if moment.at < span.start_at:
            continue
        for notification in moment.notifications:
            messages[notification.receiver.name] += 1
            reasons: dict[RuleName, dict[NotifyReason, None]] = {}
            for item in notification.items:
                reasons.setdefault(item.alert.key.rule, {})[item.reason] = None
            name = notification.receiver.name
            items += (
                BacktestNotification(at=moment.at, receiver=name, rule=rule, whys=tuple(whys))
                for rule, whys in reasons.items()
            )
    within = [each for each in (*ended, *live.values()) if each.until is None or each.until > span.start_at]
    return Backtest(
        firings=tuple(sorted(within, key=_began)), items=tuple(items), messages=dict(sorted(messages.items()))
    )


def _began(firing: FiringPeriod) -> tuple[datetime, str, str, str, str]:
    key = firing.key
    return firing.since, key.rule, key.severity, key.tenant, key.reason


def history_coverage(tenant: TenantHistory, span: Span) -> HistoryCoverage:
    """Return how much of a span is known of a tenant."""
    poll_times = tenant.polling.poll_times
    since, downsampled = poll_times.first_polled_at, tenant.thinned_until
    return HistoryCoverage(
        tenant=tenant.polling.tenant,
        since=since,
        gaps=tuple(sorted(_gaps(tenant, span), key=_length, reverse=True)),
        thinned_until=None if downsampled is None or downsampled <= span.start_at else min(downsampled, span.end_at),
    )


def _gaps(tenant: TenantHistory, span: Span) -> Iterator[Span]:
    """Yield where nothing is known, between the first good poll and the end of a span."""
    poll_times = tenant.polling.poll_times
    if not poll_times.since:
        return
    ends = zip(poll_times.until, [*poll_times.since[1:], to_epoch_us(span.end_at)], strict=True)
    for until, since in ends:
        if since - until > poll_times.tolerance and from_epoch_us(since) > span.start_at:
            yield Span(max(from_epoch_us(until), span.start_at), from_epoch_us(since))


def _length(span: Span) -> timedelta:
    return span.end_at - span.start_at
