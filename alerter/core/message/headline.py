"""The first line of an alert, and the title of several: what happened, to what, why.

A title names what is wrong: of several alerts the one that is most worth reading, then how many more there are. What is
new, what is worse, what is a reminder and what is over are distinguished.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from re import compile as compile_regex
from typing import assert_never

from alerter.core.alerts import Alert, no_data_since
from alerter.core.conditions import CONDITIONS, Evidence
from alerter.core.message.content import (
    HEADLINE_NAME,
    HEADLINE_TENANT,
    MAX_HEADLINE_TENANTS,
    AlertLine,
    MessageStatus,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.reader import RenderContext, format_ids, format_span
from alerter.core.mutes import MuteKind
from alerter.core.notifications import NotificationItem, NotifyReason
from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Sample, Tenant
from alerter.core.silences import has_doubled
from alerter.errors import Cause

#: The groups in a message of several alerts, in this order.
NEW, WORSE, BETTER, OVER, REMINDERS = "New", "Worse", "Better", "Over", "Reminders"
GROUPS = (NEW, WORSE, BETTER, OVER, REMINDERS)


def status_for(item: NotificationItem) -> MessageStatus:
    """Return how an alert looks: its severity, or that it is over."""
    is_over = item.reason is NotifyReason.RESOLVED and item.still_firing is None
    return MessageStatus.RESOLVED if is_over else MessageStatus(_severity_now(item))


def group_for(item: NotificationItem) -> str:
    """Return under which heading an alert stands."""
    match item.reason:
        case NotifyReason.FIRST:
            return NEW
        case NotifyReason.RAISED | NotifyReason.BROKEN:
            return WORSE
        case NotifyReason.LOWERED:
            return BETTER
        case NotifyReason.RESOLVED:
            return OVER if item.still_firing is None else BETTER
        case NotifyReason.REPEAT:
            return REMINDERS
        case _:
            assert_never(item.reason)


def news_order(item: NotificationItem) -> tuple[int, int, int]:
    """Return the order of what a title names: new critical alerts, worse ones, new ones, better, over, reminders."""
    severity = item.alert.key.severity
    group = GROUPS.index(group_for(item))
    is_page = item.reason is NotifyReason.FIRST and severity is Severity.CRITICAL
    order = {0: 2, 1: 1}.get(group, group + 1)
    return (0 if is_page else order, -severity.rank, -(worst_or_present(item) or 0))


def worst_or_present(item: NotificationItem) -> int | None:
    """Return the count that says how bad an alert is or was."""
    return item.alert.peak if item.reason is NotifyReason.RESOLVED else item.alert.value


# The title of several


def summary_title(groups: Sequence[Sequence[NotificationItem]], reading: RenderContext) -> RichText:
    """Return one line for several alerts: the one most worth reading, and the rest counted."""
    items = [item for group in groups for item in group]
    kinds = {group_for(item) for item in items}
    if kinds == {REMINDERS}:
        return _reminders_title(items)
    if kinds == {OVER}:
        return _over_title(items)
    first = min(groups, key=lambda group: news_order(group[0]))
    rest = [item for group in groups if group is not first for item in group]
    return (*title_for(first, reading), f"; + {_rest_text(rest, is_one_kind=len(kinds) == 1)}")


def _rest_text(rest: Sequence[NotificationItem], *, is_one_kind: bool) -> str:
    """Return how many more there are: by level where all are of the same kind, else by kind."""
    if is_one_kind:
        levels = Counter(_severity_now(item) for item in rest)
        parts = [_level_text(levels[severity], severity) for severity in reversed(Severity) if levels[severity]]
    else:
        kinds = Counter(group_for(item) for item in rest)
        parts = [_kind_text(kinds[kind], kind) for kind in GROUPS if kinds[kind]]
    return ", ".join(parts)


def _level_text(count: int, severity: Severity) -> str:
    plural = "s" if severity is Severity.WARNING and count > 1 else ""
    return f"{count:,} {severity}{plural}"


def _kind_text(count: int, kind: str) -> str:
    word = {OVER: "resolved", REMINDERS: "reminder" if count == 1 else "reminders"}.get(kind, kind.lower())
    return f"{count:,} {word}"


def _reminders_title(items: Sequence[NotificationItem]) -> RichText:
    worst = max(items, key=lambda each: (each.alert.key.severity.rank, each.alert.value or 0))
    still = f"Reminder: {len(items):,} still firing ("
    return (still, *tenant_names(items), f"), worst {worst.alert.key.severity.upper()} ", *_bare(worst))


def _over_title(items: Sequence[NotificationItem]) -> RichText:
    worst = max(items, key=lambda each: (each.alert.key.severity.rank, each.alert.peak or 0))
    was = _bare(worst, is_over=True)
    return (f"Resolved: all {len(items):,} (", *tenant_names(items), "), worst was ", *was)


def _bare(item: NotificationItem, *, is_over: bool = False) -> RichText:
    """Return an alert in the fewest words: `688 'Spam Scanning'`."""
    alert = item.alert
    if alert.is_no_data:
        return ("no data from Mimecast",)
    count = alert.peak if is_over else alert.value
    number = "" if count is None else f"{count:,} "
    return (number, *_reason(alert, "in total"))


def tenant_names(items: Iterable[NotificationItem]) -> RichText:
    """Return the tenants with the most alerts, and how many more there are: `acme, globex, +7`."""
    by_count = Counter(item.alert.key.tenant for item in items).most_common()
    phrase: list[str | Untrusted] = []
    shown = _shown_count(len(by_count), MAX_HEADLINE_TENANTS)
    for tenant, _ in by_count[:shown]:
        phrase += [*([", "] if phrase else []), tenant_name(tenant, Untrusted)]
    if len(by_count) > shown:
        phrase.append(f", +{len(by_count) - shown:,}")
    return tuple(phrase)


def _shown_count(count: int, most: int) -> int:
    """Return how many names are shown: one more takes no more room than to say that there is one more."""
    return count if count <= most + 1 else most


# One alert


def title_for(group: Sequence[NotificationItem], reading: RenderContext) -> RichText:
    """Return one alert, or the same at several tenants, as one line that works as a phone's push."""
    badge, text = badge_and_text(group, reading)
    return (f"{badge}: ", *text)


def badge_and_text(group: Sequence[NotificationItem], reading: RenderContext) -> tuple[str, RichText]:
    """Return what happened in two or three words, and what is true now."""
    item = group[0]
    badge = badge_for(item, reading) if len(group) == 1 else _group_badge(item, reading)
    if len(group) > 1:
        return badge, _group_text(group, reading)
    return badge, (no_data_text(item, reading) if item.alert.is_no_data else _held_text(item, reading))


def badge_for(item: NotificationItem, reading: RenderContext) -> str:
    """Return what happened, in two or three words."""
    severity = item.alert.key.severity
    match item.reason:
        case NotifyReason.FIRST:
            return severity.upper()
        case NotifyReason.RAISED:
            before = item.previous_state.severity if item.previous_state else severity
            return f"{severity.upper()}, was {before}"
        case NotifyReason.LOWERED:
            return "Better"
        case NotifyReason.BROKEN:
            return f"{severity.upper()} again"
        case NotifyReason.REPEAT:
            number = reading.reminder_number(item)
            return "Reminder" if number is None else f"Reminder {number:,}"
        case NotifyReason.RESOLVED:
            return _end_badge(item.alert) if item.still_firing is None else "Better"
        case _:
            assert_never(item.reason)


def _end_badge(alert: Alert) -> str:
    if alert.resolved_because:
        return f"Resolved ({alert.resolved_because})"
    return "Resolved" if alert.duration is None else f"Resolved after {format_span(alert.duration)}"


def _severity_now(item: NotificationItem) -> Severity:
    return item.still_firing or item.alert.key.severity


def _held_text(item: NotificationItem, reading: RenderContext) -> RichText:
    """Return how many messages are held, for which reason and tenant, and why somebody is notified."""
    alert = item.alert
    count = "an unknown number" if alert.value is None else f"{alert.value:,}"
    tenant = tenant_name(alert.key.tenant, Untrusted)
    return (f"{count} held ", *_reason(alert, "in total", "for "), " (", tenant, ")", *_end(item, reading))


def _reason(alert: Alert, total: str, before: str = "") -> RichText:
    reason = alert.key.reason
    return (total,) if reason == ALL_REASONS else (before, UntrustedName(reason, HEADLINE_NAME))


def _end(item: NotificationItem, reading: RenderContext) -> RichText:
    """Return the end of a headline: why somebody is notified now."""
    alert, mute = item.alert, item.mute_ended
    match item.reason:
        case NotifyReason.REPEAT:
            return (_lasting(item, reading), _no_data(item, reading))
        case NotifyReason.BROKEN if mute is not None:
            how = "twice as many as" if has_doubled(alert.value, mute.count) else "worse than"
            return (f", {how} when ", Untrusted(mute.name, HEADLINE_TENANT), " acknowledged")
        case NotifyReason.LOWERED:
            limits = ", ".join(text for each in alert.evidence if (text := _present_limit(each)))
            return (_down_text(alert), f"; {alert.key.severity.upper()}", f", {limits}" if limits else "")
        case NotifyReason.RESOLVED if item.still_firing is not None:
            known = item.previous_state.severity if item.previous_state else alert.key.severity
            return (_down_text(alert), f"; no longer {known}, still {item.still_firing}")
        case _:
            return (because_text(item, now=reading.now),)


def _down_text(alert: Alert) -> str:
    """Return from where a count has come, if it is better than at its worst."""
    extreme = worst_count(alert)
    if extreme is None or extreme[1] == alert.value:
        return ""
    return f", {'down' if extreme[0] == 'Peak' else 'up'} from {extreme[1]:,}"


def _lasting(item: NotificationItem, reading: RenderContext) -> str:
    """Return the level, and for how long it has lasted."""
    since = item.alert.active_at or item.alert.fired_at
    lasting = "" if since is None else f" for {format_span(reading.now - since)}"
    return f", {item.alert.key.severity.upper()}{lasting}"


def _no_data(item: NotificationItem, reading: RenderContext) -> str:
    """Return since when nobody knows whether it is still so; empty where it is known."""
    since = no_data_since(item.alert, reading.context.poll_intervals, now=reading.now)
    return "" if since is None else f"; no data since {reading.clock.text(since)}"


def tenant_name(tenant: Tenant, kind: type[Untrusted]) -> str | Untrusted:
    """Return the name of a tenant, or our words for all of them."""
    return "all tenants" if tenant == ALL_TENANTS else kind(tenant, HEADLINE_TENANT)


def because_text(item: NotificationItem, *, now: datetime) -> str:
    """Return why it fires, or how bad it was, as the end of a sentence."""
    alert = item.alert
    if item.reason is NotifyReason.RESOLVED:
        extreme = worst_count(alert)
        return f", {extreme[0].lower()} {extreme[1]:,}" if extreme else ""
    # What fires at this very moment is beyond its limit; later it may be between the limit and `clear_at`.
    has_just_fired = alert.fired_at == now
    parts = [
        _news_text(each) or ("" if has_just_fired or _is_beyond(each) else "limit: ") + short_limit(each)
        for each in alert.evidence
    ]
    return "".join(f", {part}" for part in parts if part)


def _news_text(evidence: Evidence) -> str:
    """Return what there is to say besides the count; empty where the limit says it."""
    kind = CONDITIONS.get(evidence.condition)
    if evidence.value and evidence.reference and kind is not None and kind.reports_change and not evidence.headline:
        return _change_text(evidence.value, evidence.reference)
    return evidence.headline


_FIXED = compile_regex(r"(above|below) ([\d,]+)")


def _present_limit(evidence: Evidence) -> str:
    """Return the limit, with `still` if the count is beyond it now."""
    text = short_limit(evidence)
    if not text or _FIXED.fullmatch(text) is None:
        return text
    return f"still {text}" if _is_beyond(evidence) else f"limit: {text}"


def _is_beyond(evidence: Evidence) -> bool:
    """Return True if the count is beyond a fixed limit now, rather than between it and `clear_at`."""
    found = _FIXED.fullmatch(short_limit(evidence))
    if found is None or evidence.value is None:
        return False
    limit = int(found[2].replace(",", ""))
    return evidence.value.count > limit if found[1] == "above" else evidence.value.count < limit


def short_limit(evidence: Evidence) -> str:
    """Return the limit without what only a card has room for."""
    return evidence.limit_text.partition(", ")[0]


def _change_text(value: Sample, reference: Sample) -> str:
    delta = value.count - reference.count
    direction = "up" if delta >= 0 else "down"
    return f"{direction} {abs(delta):,} in {format_span(value.at - reference.at)}"


def worst_count(alert: Alert) -> tuple[str, int] | None:
    """Return the worst count with its label; None where nothing was counted."""
    if alert.peak is None:
        return None
    # A peak below the present count can only be that of a condition for which smaller is worse.
    is_lowest = alert.value is not None and alert.peak < alert.value
    return ("Lowest" if is_lowest else "Peak"), alert.peak


# No data


def no_data_text(item: NotificationItem, reading: RenderContext) -> RichText:
    """Return that there is no data of a tenant, for how long, and why; or that there is data again."""
    alert = item.alert
    tenant = tenant_name(alert.key.tenant, Untrusted)
    if item.reason is NotifyReason.RESOLVED:
        held = "" if alert.resolved_because or alert.value is None else f", {alert.value:,} held"
        return (f"{no_data_end_text(alert)} (", tenant, f"){held}")
    last = last_success_at(alert)
    how_long = "yet" if last is None else f"for {format_span(reading.now - last)}"
    level = f", {alert.key.severity.upper()}" if item.reason is NotifyReason.REPEAT else ""
    return (f"no data from Mimecast {how_long} (", tenant, f"){short_cause((item,))}{level}")


def no_data_end_text(alert: Alert) -> str:
    """Return why an alert without data is over."""
    return "polling is no longer watched" if alert.resolved_because else "Mimecast answers again"


def short_cause(items: Iterable[NotificationItem]) -> str:
    """Return why there is no data, as the end of a title; empty where that is not known, or not the same for all."""
    items = [item for item in items if item.reason is not NotifyReason.RESOLVED]
    names = {each.detail.partition(": ")[0] for item in items for each in item.alert.evidence}
    causes = [Cause(name) for name in names if name in set(Cause)]
    return f", {causes[0].brief}" if len(causes) == 1 else ""


def last_success_at(alert: Alert) -> datetime | None:
    """Return when a tenant was last polled successfully; None if that is not known."""
    return next((each.last_success_at for each in alert.evidence if each.last_success_at is not None), None)


def mute_suffix(items: Sequence[NotificationItem]) -> RichText:
    """Return the end of a title that says that something had muted this; empty where nothing did."""
    if items[0].reason is NotifyReason.BROKEN:
        return ()  # that is what the title says
    kind = next((item.mute_ended.kind for item in items if item.mute_ended is not None), None)
    match kind:
        case None | MuteKind.NO_DATA:
            return ()
        case MuteKind.ACKNOWLEDGEMENT:
            return ("; acknowledgement broken",)
        case MuteKind.SILENCE | MuteKind.WINDOW | MuteKind.TENANT:
            return (f"; {kind} ended",)
        case _:
            assert_never(kind)


# The same at several tenants


def _group_badge(item: NotificationItem, reading: RenderContext) -> str:
    """Return what happened at every one of the tenants; what differs between them is left out."""
    match item.reason:
        case NotifyReason.RAISED:
            return f"{item.alert.key.severity.upper()}, was lower"
        case NotifyReason.RESOLVED if item.still_firing is None:
            return f"Resolved ({item.alert.resolved_because})" if item.alert.resolved_because else "Resolved"
        case NotifyReason.REPEAT:
            return "Reminder"
        case _:
            return badge_for(item, reading)


def _group_text(group: Sequence[NotificationItem], reading: RenderContext) -> RichText:
    item = group[0]
    alert = item.alert
    where = reading.tenants(group)
    level = f", {alert.key.severity.upper()}" if item.reason is NotifyReason.REPEAT else ""
    if alert.is_no_data:
        return (f"{group_no_data_text(group, reading)} (", *tenant_names(group), f"){short_cause(group)}{level}")
    lowered = f"; {_severity_now(item).upper()}" if group_for(item) == BETTER else ""
    counts = tenant_counts(group, MAX_HEADLINE_TENANTS)
    return (*_reason(alert, "the total"), f" at {where}: ", *counts, f"{level}{lowered}")


def group_no_data_text(group: Sequence[NotificationItem], reading: RenderContext) -> str:
    """Return that there is no data of several tenants, or that there is again."""
    item = group[0]
    is_over = item.reason is NotifyReason.RESOLVED
    what = no_data_end_text(item.alert) if is_over else "no data from Mimecast"
    return f"{what} for {reading.tenants(group)}"


def tenant_counts(group: Sequence[NotificationItem], most: int) -> RichText:
    """Return the tenants with what each of them holds, in the order of the notices, and how many more there are."""
    phrase: list[str | Untrusted] = []
    most = _shown_count(len(group), most)
    for item in group[:most]:
        alert = item.alert
        count = "" if alert.is_no_data else " unknown" if alert.value is None else f" {alert.value:,}"
        phrase += [*([", "] if phrase else []), Untrusted(alert.key.tenant, HEADLINE_TENANT), count]
    more = len(group) - most
    return (*phrase, f", +{more:,}") if more > 0 else tuple(phrase)


# One line among others


def line_for(group: Sequence[NotificationItem], reading: RenderContext) -> AlertLine:
    """Return one alert as a line among others: level, count, limit, name, since when, id; or several tenants."""
    item = group[0]
    text = _single_line(item, reading) if len(group) == 1 else title_for(group, reading)
    ids = format_ids(group)
    return AlertLine(
        status_for(item), (*text, f" · {'id' if len(group) == 1 else 'ids'} {ids}"), len(group), group_for(item)
    )


def _single_line(item: NotificationItem, reading: RenderContext) -> RichText:
    alert = item.alert
    is_over = item.reason is NotifyReason.RESOLVED and item.still_firing is None
    badge = "Resolved" if is_over else _severity_now(item).upper()
    tenant: RichText = () if reading.has_one_tenant else (" (", tenant_name(alert.key.tenant, Untrusted), ")")
    when = _line_time(item, reading)
    if alert.is_no_data:
        return (f"{badge}: ", *no_data_text(item, reading), when)
    count = "unknown" if alert.value is None else f"{alert.value:,}"
    trend = reading.short_trend(alert.key.subject)
    return (
        f"{badge}: ",
        f"{count} held ",
        *trend,
        "· ",
        *_line_limit(item),
        *_reason(alert, "in total"),
        *tenant,
        when,
    )


def _line_limit(item: NotificationItem) -> RichText:
    if item.reason is NotifyReason.RESOLVED:
        extreme = worst_count(item.alert)
        return () if extreme is None else (f"{extreme[0].lower()} {extreme[1]:,} · ",)
    limits = ", ".join(text for each in item.alert.evidence if (text := _news_text(each) or short_limit(each)))
    return (f"{limits} · ",) if limits else ()


def _line_time(item: NotificationItem, reading: RenderContext) -> str:
    alert = item.alert
    if item.reason is NotifyReason.RESOLVED:
        return "" if alert.duration is None else f" · after {format_span(alert.duration)}"
    since = None if alert.is_no_data else alert.active_at or alert.fired_at
    return "" if since is None else f" · since {reading.clock.short(since)}"
