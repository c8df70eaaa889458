"""The first line of an alert, and the title of several: what happened, to what, why."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
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
from alerter.core.message.reader import RenderContext, format_count, format_span
from alerter.core.mutes import MuteKind, has_doubled
from alerter.core.notifications import NotificationItem, NotifyReason
from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Sample, Tenant
from alerter.errors import Cause


def summary_title(notices: Sequence[NotificationItem]) -> RichText:
    """Return one line for several notices: how many, how bad, and whose."""
    firing = [notice for notice in notices if notice.reason is not NotifyReason.RESOLVED]
    resolved = len(notices) - len(firing)
    if not firing:
        return (f"Resolved: {format_count(resolved, 'alert')}: ", *_tenants(notices))
    worst = firing[0].alert.key.severity
    worst_count = sum(notice.alert.key.severity is worst for notice in firing)
    parts = [format_count(len(firing), "alert")]
    if worst_count < len(firing):
        parts.append(f"{worst_count:,} {worst}")
    if resolved:
        parts.append(f"{resolved:,} resolved")
    return (f"{worst.upper()}: {', '.join(parts)}: ", *_tenants(notices))


def _tenants(notices: Sequence[NotificationItem]) -> RichText:
    """Return the tenants with the most to tell, and how many more there are."""
    most = 3
    by_count = Counter(notice.alert.key.tenant for notice in notices).most_common()
    phrase: list[str | Untrusted] = []
    for tenant, _ in by_count[:most]:
        phrase += [*([", "] if phrase else []), tenant_name(tenant, Untrusted)]
    if len(by_count) > most:
        phrase.append(f" and {len(by_count) - most:,} more")
    return tuple(phrase)


def status_for(notice: NotificationItem) -> MessageStatus:
    """Return how an alert looks: its severity, or that it is over."""
    return (
        MessageStatus.RESOLVED if notice.reason is NotifyReason.RESOLVED else MessageStatus(notice.alert.key.severity)
    )


def badge_for(notice: NotificationItem) -> str:
    """Return what happened, in two or three words."""
    severity = notice.alert.key.severity
    match notice.reason:
        case NotifyReason.FIRST:
            return severity.upper()
        case NotifyReason.RAISED | NotifyReason.LOWERED:
            before = notice.previous_state.severity if notice.previous_state else severity
            return f"{severity.upper()}, was {before}"
        case NotifyReason.BROKEN:
            return f"{severity.upper()} again"
        case NotifyReason.REPEAT:
            return "Reminder"
        case NotifyReason.RESOLVED:
            return _end_text(notice, severity)
        case _:
            assert_never(notice.reason)


def _end_text(notice: NotificationItem, severity: Severity) -> str:
    alert = notice.alert
    if notice.still_firing is not None:
        before = notice.previous_state.severity if notice.previous_state else severity
        return f"No longer {before}, still firing as {notice.still_firing}"
    if alert.resolution:
        return f"Resolved ({alert.resolution})"
    return "Resolved" if alert.duration is None else f"Resolved after {format_span(alert.duration)}"


def headline_for(notice: NotificationItem, reading: "RenderContext") -> RichText:
    """Return what is true, whom and what it concerns, as one line that works as a phone's push."""
    alert = notice.alert
    key = alert.key
    reminder = reading.reminder(notice)
    if alert.is_no_data:
        return (*no_data_text(notice, now=reading.now), *((f"; {reminder}",) if reminder else ()))
    count = "an unknown number" if alert.value is None else f"{alert.value:,}"
    where: RichText = ("in total",) if key.reason == ALL_REASONS else ("for ", UntrustedName(key.reason, HEADLINE_NAME))
    return (
        f"{still_text(notice)}{count} held ",
        *where,
        " (",
        tenant_name(key.tenant, Untrusted),
        ")",
        *_end(notice, reading),
    )


def _end(notice: NotificationItem, reading: "RenderContext") -> RichText:
    """Return the end of a headline: why it is told now."""
    mute = notice.mute_ended
    match notice.reason:
        case NotifyReason.REPEAT:
            return (_lasting(notice, reading), _no_data(notice, reading))
        case NotifyReason.BROKEN if mute is not None:
            how = "twice as many as" if has_doubled(notice.alert.value, mute.count) else "worse than"
            return (f", {how} when ", Untrusted(mute.name, HEADLINE_TENANT), " acknowledged")
        case _:
            return (because_text(notice, now=reading.now),)


def still_text(notice: NotificationItem) -> str:
    """Return the beginning of a reminder's sentence; empty for anything else."""
    return f"{notice.alert.key.severity.upper()}, still " if notice.reason is NotifyReason.REPEAT else ""


def _lasting(notice: NotificationItem, reading: "RenderContext") -> str:
    """Return how long it has lasted, and where the reminder stands in the row of reminders."""
    since = notice.alert.active_at or notice.alert.fired_at
    lasting = "" if since is None else f", for {format_span(reading.now - since)}"
    reminder = reading.reminder(notice)
    return f"{lasting}; {reminder}" if reminder else lasting


def _no_data(notice: NotificationItem, reading: "RenderContext") -> str:
    """Return since when nobody knows whether it is still so; empty where it is known."""
    since = no_data_since(notice.alert, reading.context.poll_intervals, now=reading.now)
    return "" if since is None else f"; no data since {reading.clock.text(since)}"


def tenant_name(tenant: Tenant, kind: type[Untrusted]) -> str | Untrusted:
    """Return the name of a tenant, or our words for all of them."""
    return "all tenants" if tenant == ALL_TENANTS else kind(tenant, HEADLINE_TENANT)


def because_text(notice: NotificationItem, *, now: datetime) -> str:
    """Return why it fires, or how bad it was, as the end of a sentence."""
    alert = notice.alert
    if notice.reason is NotifyReason.RESOLVED:
        extreme = worst_count(alert)
        return f", {extreme[0].lower()} {extreme[1]:,}" if extreme else ""
    # What fires at this very moment is beyond its limit; later it may be between the limit and `clear_at`.
    has_just_fired = alert.fired_at == now
    parts = [_news_text(each) or ("" if has_just_fired else "limit: ") + _short_limit(each) for each in alert.evidence]
    return "".join(f", {part}" for part in parts if part)


def _news_text(evidence: Evidence) -> str:
    """Return what there is to tell besides the count; empty where the limit says it."""
    kind = CONDITIONS.get(evidence.condition)
    if evidence.value and evidence.reference and kind is not None and kind.compares and not evidence.news:
        return _change_text(evidence.value, evidence.reference)
    return evidence.news


def _short_limit(evidence: Evidence) -> str:
    """Return the limit without what only a card has room for."""
    return evidence.limit.partition(", ")[0]


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


def no_data_text(notice: NotificationItem, *, now: datetime) -> RichText:
    """Return that there is no data of a tenant, for how long, and why; or that there is data again."""
    alert = notice.alert
    tenant = tenant_name(alert.key.tenant, Untrusted)
    if notice.reason is NotifyReason.RESOLVED:
        held = "" if alert.resolution or alert.value is None else f", {alert.value:,} held"
        return (f"{no_data_end_text(alert)} (", tenant, f"){held}")
    last = last_success_at(alert)
    how_long = "yet" if last is None else f"for {format_span(now - last)}"
    return (f"{still_text(notice)}no data from Mimecast {how_long} (", tenant, f"){short_cause((notice,))}")


def no_data_end_text(alert: Alert) -> str:
    """Return why an alert without data is over."""
    return "polling is no longer watched" if alert.resolution else "Mimecast answers again"


def short_cause(notices: Iterable[NotificationItem]) -> str:
    """Return why there is no data, as the end of a title; empty where that is not known, or not the same for all."""
    notices = [notice for notice in notices if notice.reason is not NotifyReason.RESOLVED]
    names = {each.note.partition(": ")[0] for notice in notices for each in notice.alert.evidence}
    causes = [Cause(name) for name in names if name in set(Cause)]
    return f", {causes[0].brief}" if len(causes) == 1 else ""


def last_success_at(alert: Alert) -> datetime | None:
    """Return when a tenant was last polled successfully; None if that is not known."""
    return next((each.last_success_at for each in alert.evidence if each.last_success_at is not None), None)


def mute_suffix(notices: Sequence[NotificationItem]) -> RichText:
    """Return the end of a title that says that something had kept this quiet; empty where nothing did."""
    if notices[0].reason is NotifyReason.BROKEN:
        return ()  # that is what the title says
    kind = next((notice.mute_ended.kind for notice in notices if notice.mute_ended is not None), None)
    match kind:
        case None | MuteKind.NO_DATA:
            return ()
        case MuteKind.ACKNOWLEDGEMENT:
            return ("; acknowledgement broken",)
        case MuteKind.SILENCE | MuteKind.WINDOW | MuteKind.TENANT:
            return (f"; {kind} ended",)
        case _:
            assert_never(kind)


def line_for(group: Sequence[NotificationItem], reading: "RenderContext") -> AlertLine:
    """Return one alert in one line, or the same at several tenants."""
    notice = group[0]
    if len(group) == 1:
        return AlertLine(status_for(notice), (f"{badge_for(notice)}: ", *headline_for(notice, reading)))
    where = (f" at {reading.tenants(group)}: ", *tenant_counts(group, MAX_HEADLINE_TENANTS))
    if notice.alert.is_no_data:
        named = tenant_counts(group, MAX_HEADLINE_TENANTS)
        what: RichText = (group_no_data_text(group, reading), " (", *named, ")", short_cause(group))
    elif notice.alert.key.reason == ALL_REASONS:
        what = (still_text(notice), "the total", *where)
    else:
        what = (still_text(notice), UntrustedName(notice.alert.key.reason, HEADLINE_NAME), *where)
    return AlertLine(status_for(notice), (f"{group_badge_for(notice)}: ", *what), len(group))


def group_badge_for(notice: NotificationItem) -> str:
    """Return what happened at every one of the tenants; what differs between them is left out."""
    severity = notice.alert.key.severity
    match notice.reason:
        case NotifyReason.RAISED:
            return f"{severity.upper()}, was lower"
        case NotifyReason.LOWERED:
            return f"{severity.upper()}, was higher"
        case NotifyReason.RESOLVED if notice.still_firing is not None:
            return f"No longer {severity}, still firing as {notice.still_firing}"
        case NotifyReason.RESOLVED:
            return f"Resolved ({notice.alert.resolution})" if notice.alert.resolution else "Resolved"
        case _:
            return badge_for(notice)


def group_no_data_text(group: Sequence[NotificationItem], reading: "RenderContext") -> str:
    """Return that there is no data of several tenants, or that there is again."""
    notice = group[0]
    is_over = notice.reason is NotifyReason.RESOLVED
    what = no_data_end_text(notice.alert) if is_over else f"{still_text(notice)}no data from Mimecast"
    return f"{what} for {reading.tenants(group)}"


def tenant_counts(group: Sequence[NotificationItem], most: int) -> RichText:
    """Return the tenants with what each of them holds, in the order of the notices, and how many more there are."""
    phrase: list[str | Untrusted] = []
    for notice in group[:most]:
        alert = notice.alert
        count = "" if alert.is_no_data else " unknown" if alert.value is None else f" {alert.value:,}"
        phrase += [*([", "] if phrase else []), Untrusted(alert.key.tenant, HEADLINE_TENANT), count]
    more = len(group) - most
    return (*phrase, f" and {more:,} more") if more > 0 else tuple(phrase)
