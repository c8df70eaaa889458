"""One alert in detail, or the same at several tenants: the numbers behind it, and what to do."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import assert_never

from alerter.core.conditions import Evidence
from alerter.core.message.content import (
    CARD_DETAIL,
    HEADLINE_NAME,
    HEADLINE_TENANT,
    MAX_NAMED_CAUSES,
    MAX_NAMED_MUTES,
    MAX_NAMED_TENANTS,
    AlertCard,
    Fact,
    Link,
    MessageContext,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.headline import (
    badge_for,
    because_text,
    group_badge_for,
    group_no_data_text,
    last_success_at,
    no_data_text,
    status_for,
    still_text,
    tenant_counts,
    tenant_name,
    worst_count,
)
from alerter.core.message.reader import RenderContext, TimeFormatter, format_count, format_span, is_web_page
from alerter.core.mutes import Mute, MuteKind
from alerter.core.notifications import NotificationItem, NotifyReason
from alerter.core.series import ALL_REASONS
from alerter.errors import Cause


def card_for(notice: NotificationItem, reading: "RenderContext") -> AlertCard:
    """Return one alert in detail."""
    alert = notice.alert
    key = alert.key
    clock = reading.clock
    is_polling = alert.is_no_data
    reason: RichText = ("Total of its hold reasons",) if key.reason == ALL_REASONS else (UntrustedName(key.reason),)
    subject: RichText = (
        *(() if is_polling else (*reason, " · ")),
        tenant_name(key.tenant, Untrusted),
        " · rule ",
        Untrusted(key.rule, HEADLINE_NAME),
    )
    facts = _polling_facts(notice, clock) if is_polling else _held_facts(notice, clock)
    if reminder := reading.reminder(notice):
        facts = [*facts, Fact("Reminder", (reminder.removeprefix("reminder "),))]
    return AlertCard(
        tone=status_for(notice),
        badge=badge_for(notice),
        heading=no_data_text(notice, now=reading.now) if is_polling else (_held_text(notice, now=reading.now),),
        subject=subject,
        facts=(*facts, *reading.label_facts(key.tenant), *reading.runbook_facts(key.rule)),
        notes=(*(_polling_notes((notice,)) if is_polling else ()), *_mute_notes((notice,), clock)),
    )


def _held_text(notice: NotificationItem, *, now: datetime) -> str:
    alert = notice.alert
    count = "an unknown number of messages" if alert.value is None else format_count(alert.value, "message")
    because = "" if notice.reason is NotifyReason.RESOLVED else because_text(notice, now=now)
    return f"{still_text(notice)}{count} held{because}"


def _held_facts(notice: NotificationItem, clock: "TimeFormatter") -> list[Fact]:
    alert = notice.alert
    facts = [*_before_facts(alert.evidence, clock), *_expected_facts(alert.evidence, clock)]
    limits = [each.limit for each in alert.evidence if each.limit]
    if limits:
        facts.append(Fact("Limit", ("; ".join(limits),)))
    extreme = worst_count(alert)
    if extreme and (notice.reason is NotifyReason.RESOLVED or extreme[1] != alert.value):
        facts.append(Fact(extreme[0], (format_count(extreme[1], "message"),)))
    facts += _time_facts(notice, clock)
    return [*facts, *(Fact("Note", (Untrusted(each.note, CARD_DETAIL),)) for each in alert.evidence if each.note)]


def _before_facts(evidence: Iterable[Evidence], clock: "TimeFormatter") -> Iterable[Fact]:
    for each in evidence:
        if each.value and each.reference:
            value, reference = each.value, each.reference
            delta = value.count - reference.count
            percent = f", {round(100 * delta / reference.count):+,} %" if reference.count else ""
            span = format_span(value.at - reference.at)
            yield Fact(
                "Before", (f"{reference.count:,} at {clock.text(reference.at)}, {span} earlier ({delta:+,}{percent})",)
            )


def _expected_facts(evidence: Iterable[Evidence], clock: "TimeFormatter") -> Iterable[Fact]:
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


def _time_facts(notice: NotificationItem, clock: "TimeFormatter") -> list[Fact]:
    """Return since when it fires, or for how long it did; and how old the count is, if it is not of now."""
    alert = notice.alert
    facts = []
    since = alert.active_at or alert.fired_at
    if notice.reason is not NotifyReason.RESOLVED and since is not None:
        facts.append(Fact("Since", (clock.with_age(since),)))
    if alert.keep_firing_since is not None:
        facts.append(Fact("Ending", (f"clear since {clock.with_age(alert.keep_firing_since)}",)))
    if alert.began_at is not None and alert.resolved_at is not None:
        until = f"{clock.text(alert.began_at)} to {clock.text(alert.resolved_at)}"
        facts.append(Fact("Lasted", (f"{format_span(alert.resolved_at - alert.began_at)}, {until}",)))
    counted_at = next((each.value.at for each in alert.evidence if each.value), None)
    if counted_at is not None and clock.now - counted_at >= timedelta(minutes=1):
        facts.append(Fact("Counted", (clock.with_age(counted_at),)))
    return facts


def _polling_facts(notice: NotificationItem, clock: "TimeFormatter") -> list[Fact]:
    alert = notice.alert
    if notice.reason is NotifyReason.RESOLVED:
        return _time_facts(notice, clock)
    last = last_success_at(alert)
    facts = [Fact("Last good poll", ("never" if last is None else clock.with_age(last),))]
    for each in alert.evidence:
        cause, _ = _cause_and_advice(each.note)
        if cause:
            facts.append(Fact("Cause", (Untrusted(cause, CARD_DETAIL),)))
    return [*facts, *(Fact("Limit", (each.limit,)) for each in alert.evidence if each.limit)]


def _polling_notes(notices: Sequence[NotificationItem]) -> tuple[RichText, ...]:
    """Return what to do, each advice once, and what cannot be known until then."""
    if notices[0].reason is NotifyReason.RESOLVED:
        return ()
    notes = (each.note for notice in notices for each in notice.alert.evidence)
    advice = dict.fromkeys(advice for note in notes if (advice := _cause_and_advice(note)[1]))
    whose, their = ("this tenant's", "its") if len(notices) == 1 else ("these tenants'", "their")
    return (
        *((f"What to do: {each}",) for each in advice),
        (f"Until then {whose} counts may be old, and none of {their} other alerts can fire or resolve.",),
    )


def _cause_and_advice(note: str) -> tuple[str, str]:
    """Return a no_data condition's note as the cause with its detail, and what to do about it."""
    name, _, rest = note.partition(": ")
    if name not in set(Cause):
        return note, ""
    advice = Cause(name).advice
    detail = rest.removesuffix(advice).rstrip(" .")
    return f"{name.replace('_', ' ')}: {detail}", advice


def _mute_notes(notices: Iterable[NotificationItem], clock: "TimeFormatter") -> tuple[RichText, ...]:
    """Return which mutes kept this quiet until a moment ago, each once."""
    mutes = dict.fromkeys(notice.mute_ended for notice in notices if notice.mute_ended is not None)
    return tuple(_mute_text(mute, clock) for mute in mutes)[:MAX_NAMED_MUTES]


def _mute_text(mute: Mute, clock: "TimeFormatter") -> RichText:
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


def group_card_for(group: Sequence[NotificationItem], reading: "RenderContext") -> AlertCard:
    """Return one alert in detail, or the same at several tenants in one card."""
    if len(group) == 1:
        return card_for(group[0], reading)
    notice = group[0]
    key = notice.alert.key
    tenants = reading.tenants(group)
    is_polling = notice.alert.is_no_data
    reason: RichText = ("Totals of the hold reasons",) if key.reason == ALL_REASONS else (UntrustedName(key.reason),)
    return AlertCard(
        tone=status_for(notice),
        badge=group_badge_for(notice),
        heading=(group_no_data_text(group, reading) if is_polling else _group_held_text(group, reading),),
        subject=(*(() if is_polling else (*reason, " · ")), f"{tenants} · rule ", Untrusted(key.rule, HEADLINE_NAME)),
        facts=(*_group_facts(group, reading), *reading.runbook_facts(key.rule)),
        notes=(*(_polling_notes(group) if is_polling else ()), *_mute_notes(group, reading.clock)),
    )


def _group_held_text(group: Sequence[NotificationItem], reading: "RenderContext") -> str:
    what = "rule" if group[0].alert.key.reason == ALL_REASONS else "reason"
    held = format_count(sum(notice.alert.value or 0 for notice in group), "message")
    return f"{still_text(group[0])}the same {what} at {reading.tenants(group)}, {held} held"


def _group_facts(group: Sequence[NotificationItem], reading: "RenderContext") -> Iterator[Fact]:
    is_polling = group[0].alert.is_no_data
    evidence = [each for notice in group for each in notice.alert.evidence]
    yield Fact("Tenants" if is_polling else "Held", tenant_counts(group, MAX_NAMED_TENANTS))
    if is_polling and group[0].reason is not NotifyReason.RESOLVED:
        causes = dict.fromkeys(cause for each in evidence if (cause := _cause_and_advice(each.note)[0]))
        yield from (Fact("Cause", (Untrusted(cause, CARD_DETAIL),)) for cause in tuple(causes)[:MAX_NAMED_CAUSES])
    limits = dict.fromkeys(each.limit for each in evidence if each.limit)
    if limits:
        yield Fact("Limit", ("; ".join(tuple(limits)[:MAX_NAMED_CAUSES]),))
    begins = [at for notice in group if (at := notice.alert.active_at or notice.alert.fired_at) is not None]
    if begins and group[0].reason is not NotifyReason.RESOLVED:
        yield Fact("Since", (f"{reading.clock.with_age(min(begins))} at the first",))


def links_for(notices: Iterable[NotificationItem], context: MessageContext) -> tuple[Link, ...]:
    """Return the console, and the runbooks of the alerts that are told in detail, each once."""
    rule_by_url: dict[str, str] = {}
    for rule in dict.fromkeys(notice.alert.key.rule for notice in notices):
        url = context.runbook_by_rule.get(rule, "")
        if is_web_page(url):
            rule_by_url.setdefault(url, rule)
    links = [Link(("Held messages",), context.console_url)] if is_web_page(context.console_url) else []
    for url, name in rule_by_url.items():
        label: RichText = ("Runbook",) if len(rule_by_url) == 1 else ("Runbook: ", Untrusted(name, HEADLINE_TENANT))
        links.append(Link(label, url))
    return tuple(links)
