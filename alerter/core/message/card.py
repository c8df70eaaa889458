"""One alert in detail, or the same at several tenants: the numbers behind it, and what to do."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from alerter.core.alerts import Alert, no_data_since
from alerter.core.conditions import Evidence
from alerter.core.message.content import (
    CARD_DETAIL,
    HEADLINE_NAME,
    HEADLINE_TENANT,
    MAX_CARDS,
    MAX_NAMED_CAUSES,
    MAX_NAMED_MUTES,
    MAX_NAMED_TENANTS,
    AlertCard,
    Fact,
    Link,
    MessageContext,
    RichText,
    Untrusted,
)
from alerter.core.message.headline import (
    badge_and_text,
    group_for,
    last_success_at,
    status_for,
    tenant_counts,
    worst_count,
)
from alerter.core.message.reader import (
    RenderContext,
    TimeFormatter,
    format_count,
    format_ids,
    format_span,
    is_web_page,
)
from alerter.core.mutes import Mute, MuteKind
from alerter.core.notifications import NotificationItem, NotifyReason
from alerter.core.series import ALL_REASONS
from alerter.errors import Cause


def cards_for(groups: Sequence[Sequence[NotificationItem]], reading: RenderContext) -> tuple[AlertCard, ...]:
    """Return the first alerts in detail; the first one whose counts are known has a picture."""
    cards = [card_for(group, reading) for group in groups[:MAX_CARDS]]
    for index, group in enumerate(groups[:MAX_CARDS]):
        chart = reading.chart_for(group[0].alert.key.subject) if len(group) == 1 else None
        if chart is not None:
            cards[index] = replace(cards[index], chart=chart)
            break
    return tuple(cards)


def card_for(group: Sequence[NotificationItem], reading: RenderContext) -> AlertCard:
    """Return one alert in detail, or the same at several tenants in one card."""
    item = group[0]
    key = item.alert.key
    badge, heading = badge_and_text(group, reading)
    if len(group) > 1:
        facts = tuple(_group_facts(group, reading))
    elif item.alert.is_no_data:
        facts = (*_no_data_facts(item, reading), *reading.reminder_facts(item))
    else:
        facts = (*_held_facts(item, reading), *reading.reminder_facts(item))
    notes = _no_data_notes(group) if item.alert.is_no_data else ()
    return AlertCard(
        status=status_for(item),
        badge=badge,
        heading=heading,
        facts=(*_full_names(item.alert), *facts, *reading.runbook_facts(key.rule)),
        notes=(*notes, *_mute_notes(group, reading.clock)),
        reference=("rule ", Untrusted(key.rule, HEADLINE_NAME), " · ", *acknowledge_text(group, reading)),
        group=group_for(item),
    )


def acknowledge_text(group: Sequence[NotificationItem], reading: RenderContext) -> RichText:
    """Return the ids of alerts, and the command that acknowledges them where they fire: `id 292672b7 · acknowledge: …`.

    A command takes at most as many ids as are shown; a whole message is acknowledged by its `ref`.
    """
    word = "id" if len(group) == 1 else "ids"
    ids = format_ids(group)
    if len(group) > 1 or is_over(group[0]):
        return (f"{word} {ids}",)
    return (f"{word} {ids} · acknowledge: {reading.context.command} ack {ids}",)


def is_over(item: NotificationItem) -> bool:
    """Return True if none of the alerts of a message fires any more."""
    return item.reason is NotifyReason.RESOLVED and item.still_firing is None


#: A title shows at least this number of characters of a name, however long the rest of it is.
SURE_NAME = 40


def _full_names(alert: Alert) -> Iterator[Fact]:
    """Yield the names that a headline has no room for."""
    if alert.key.reason != ALL_REASONS and len(alert.key.reason) > SURE_NAME:
        yield Fact("Hold reason", (Untrusted(alert.key.reason),))
    if len(alert.key.tenant) > HEADLINE_TENANT:
        yield Fact("Tenant", (Untrusted(alert.key.tenant),))


def _held_facts(item: NotificationItem, reading: RenderContext) -> Iterator[Fact]:
    """Yield the numbers behind an alert about held messages, in the order of interest."""
    alert, clock = item.alert, reading.clock
    limits = [each.limit_text for each in alert.evidence if each.limit_text]
    if limits:
        yield Fact("Limit", ("; ".join(limits),))
    yield from _before_facts(alert.evidence, clock)
    yield from _expected_facts(alert.evidence, clock)
    yield from reading.rename_facts(alert.key.subject)
    yield from reading.trend_facts(alert.key.subject)
    extreme = worst_count(alert)
    if extreme and (item.reason is NotifyReason.RESOLVED or extreme[1] != alert.value):
        yield Fact(extreme[0], (format_count(extreme[1], "message"),))
    yield from _time_facts(item, clock)
    since = no_data_since(alert, reading.context.poll_intervals, now=reading.now)
    if since is not None:
        yield Fact("No data since", (clock.with_age(since),))
    yield from (Fact("Note", (Untrusted(each.detail, CARD_DETAIL),)) for each in alert.evidence if each.detail)


def _before_facts(evidence: Iterable[Evidence], clock: TimeFormatter) -> Iterable[Fact]:
    for each in evidence:
        if each.value and each.reference:
            value, reference = each.value, each.reference
            delta = value.count - reference.count
            percent = f", {round(100 * delta / reference.count):+,} %" if reference.count else ""
            span = format_span(value.at - reference.at)
            yield Fact(
                "Before", (f"{reference.count:,} at {clock.text(reference.at)}, {span} earlier ({delta:+,}{percent})",)
            )


def _expected_facts(evidence: Iterable[Evidence], clock: TimeFormatter) -> Iterable[Fact]:
    """Yield the count that a condition reckons with: a later one is a forecast, one of the same instant is usual."""
    for each in evidence:
        if each.value is None or each.expected is None:
            continue
        value, expected = each.value, each.expected
        delta = expected.count - value.count
        if expected.at > value.at:
            span = format_span(expected.at - value.at)
            yield Fact("Forecast", (f"{expected.count:,} at {clock.text(expected.at)}, {span} later ({delta:+,})",))
        else:
            yield Fact("Usual", (f"{expected.count:,} at this hour of the week ({-delta:+,} now)",))


def _time_facts(item: NotificationItem, clock: TimeFormatter) -> Iterator[Fact]:
    """Yield since when it fires, or for how long it did; and how old the count is, if it is not of now."""
    alert = item.alert
    since = alert.active_at or alert.fired_at
    if item.reason is not NotifyReason.RESOLVED and since is not None:
        began = item.firing_since
        if began is not None and began < since:
            yield Fact("Since", (f"{clock.with_age(began)}, {alert.key.severity} since {clock.text(since)}",))
        else:
            yield Fact("Since", (clock.with_age(since),))
    if alert.keep_firing_since is not None:
        yield Fact("Ending", (f"clear since {clock.with_age(alert.keep_firing_since)}",))
    if alert.firing_since is not None and alert.resolved_at is not None:
        until = f"{clock.text(alert.firing_since)} to {clock.text(alert.resolved_at)}"
        yield Fact("Lasted", (f"{format_span(alert.resolved_at - alert.firing_since)}, {until}",))
    counted_at = next((each.value.at for each in alert.evidence if each.value), None)
    if counted_at is not None and clock.now - counted_at >= timedelta(minutes=1):
        yield Fact("Counted", (clock.with_age(counted_at),))


def _no_data_facts(item: NotificationItem, reading: RenderContext) -> Iterator[Fact]:
    alert, clock = item.alert, reading.clock
    if item.reason is NotifyReason.RESOLVED:
        yield from _time_facts(item, clock)
        return
    last = last_success_at(alert)
    yield Fact("Last successful poll", ("never" if last is None else clock.with_age(last),))
    for each in alert.evidence:
        cause, _ = _cause_and_advice(each.detail)
        if cause:
            yield Fact("Cause", (Untrusted(cause, CARD_DETAIL),))
    figure = reading.figures.get(alert.key.subject)
    if figure is not None and figure.newest is not None:
        yield Fact("Last count", (f"{figure.newest.count:,} held in all, {clock.with_age(figure.newest.at)}",))
    yield from reading.trend_facts(alert.key.subject)
    yield from (Fact("Limit", (each.limit_text,)) for each in alert.evidence if each.limit_text)


def _no_data_notes(items: Sequence[NotificationItem]) -> tuple[RichText, ...]:
    """Return what to do, each advice once, and what cannot be known until then."""
    if items[0].reason is NotifyReason.RESOLVED:
        return ()
    notes = (each.detail for item in items for each in item.alert.evidence)
    advice = dict.fromkeys(advice for note in notes if (advice := _cause_and_advice(note)[1]))
    rest = "counts may be old, and none of {} other alerts can fire or resolve."
    whose: RichText = ("Until then these tenants' ", rest.format("their"))
    if len(items) == 1:
        tenant = Untrusted(items[0].alert.key.tenant, HEADLINE_TENANT)
        whose = ("Until then ", tenant, "'s ", rest.format("its"))
    return (*((f"What to do: {each}",) for each in advice), whose)


def _cause_and_advice(note: str) -> tuple[str, str]:
    """Return a no_data condition's note as the cause with its detail, and what to do about it."""
    name, _, rest = note.partition(": ")
    if name not in set(Cause):
        return note, ""
    advice = Cause(name).advice
    detail = rest.removesuffix(advice).rstrip(" .")
    return f"{name.replace('_', ' ')}: {detail}", advice


def _mute_notes(items: Iterable[NotificationItem], clock: TimeFormatter) -> tuple[RichText, ...]:
    """Return which mutes hid this until a moment ago, each once."""
    mutes = dict.fromkeys(item.mute_ended for item in items if item.mute_ended is not None)
    return tuple(_mute_text(mute, clock) for mute in mutes)[:MAX_NAMED_MUTES]


def _mute_text(mute: Mute, clock: TimeFormatter) -> RichText:
    until = f" (until {clock.text(mute.until)})" if mute.until is not None else ""
    comment: RichText = (": ", Untrusted(mute.comment, CARD_DETAIL)) if mute.comment else ()
    name = Untrusted(mute.name, HEADLINE_NAME)
    match mute.kind:
        case MuteKind.SILENCE:
            return ("Silence ", name, f" has just ended{until}", *comment)
        case MuteKind.ACKNOWLEDGEMENT:
            return ("The acknowledgement by ", name, " has broken", *comment)
        case MuteKind.WINDOW:
            return ("Mute window ", name, f" has just ended{until}")
        case MuteKind.NO_DATA:
            return ("Tenant ", name, " can be polled again")
        case MuteKind.TENANT:
            return ("Tenant ", name, " is muted no longer")
        case _:
            assert_never(mute.kind)


# The same at several tenants


def _group_facts(group: Sequence[NotificationItem], reading: RenderContext) -> Iterator[Fact]:
    is_polling = group[0].alert.is_no_data
    is_over = group[0].reason is NotifyReason.RESOLVED
    evidence = [each for item in group for each in item.alert.evidence]
    yield Fact("Tenants" if is_polling else "Held", tenant_counts(group, MAX_NAMED_TENANTS))
    if not is_polling:
        yield Fact("In all", (format_count(sum(item.alert.value or 0 for item in group), "message"),))
    if is_polling and not is_over:
        causes = dict.fromkeys(cause for each in evidence if (cause := _cause_and_advice(each.detail)[0]))
        yield from (Fact("Cause", (Untrusted(cause, CARD_DETAIL),)) for cause in tuple(causes)[:MAX_NAMED_CAUSES])
    limits = dict.fromkeys(each.limit_text for each in evidence if each.limit_text)
    if limits:
        yield Fact("Limit", ("; ".join(tuple(limits)[:MAX_NAMED_CAUSES]),))
    begins = [at for item in group if (at := item.alert.active_at or item.alert.fired_at) is not None]
    if begins and not is_over:
        yield Fact("Since", (f"{reading.clock.with_age(min(begins))} at the first",))


# Where to go next


def links_for(groups: Sequence[Sequence[NotificationItem]], context: MessageContext) -> tuple[Link, ...]:
    """Return the pages to open: the alert's own, runbooks and the console, each once, the most useful first."""
    return (*_own_links(groups, context), *_runbook_links(groups, context), *_console_links(context))


def _own_links(groups: Sequence[Sequence[NotificationItem]], context: MessageContext) -> Iterator[Link]:
    if not is_web_page(context.public_url):
        return
    if len(groups) != 1 or len(groups[0]) != 1:
        yield Link(("Details",), f"{context.public_url.rstrip('/')}/alerts")
        return
    (item,) = groups[0]
    url = context.alert_url(item.alert.key.id)
    yield Link(("Details",), url)
    if not is_over(item):
        yield Link(("Acknowledge",), f"{url}#acknowledge")


def _runbook_links(groups: Sequence[Sequence[NotificationItem]], context: MessageContext) -> Iterator[Link]:
    rule_by_url: dict[str, str] = {}
    for rule in dict.fromkeys(group[0].alert.key.rule for group in groups):
        url = context.runbook_by_rule.get(rule, "")
        if is_web_page(url):
            rule_by_url.setdefault(url, rule)
    for url, name in rule_by_url.items():
        yield Link(("Runbook",) if len(rule_by_url) == 1 else ("Runbook: ", Untrusted(name, HEADLINE_TENANT)), url)


def _console_links(context: MessageContext) -> Iterator[Link]:
    if is_web_page(context.console_url):
        yield Link(("Held mail",), context.console_url)
