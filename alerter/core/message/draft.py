"""The content of a notification: cards for the worst alerts, a line for each of the next ones, links, and ids."""

from base64 import b32encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from alerter.core.alerts import AlertSubject
from alerter.core.charts.figure import Figure
from alerter.core.charts.svg import picture_svg
from alerter.core.message.card import acknowledge_text, card_for, cards_for, is_over, links_for
from alerter.core.message.content import (
    HEADLINE_NAME,
    MAX_CARDS,
    MAX_LINES,
    MAX_RECORDS,
    MAX_THREADS,
    MAX_TRIGGERED,
    MIN_GROUPED_TENANTS,
    AlertCard,
    AlertLine,
    AlertRecord,
    Chart,
    EventAction,
    MessageContent,
    MessageContext,
    MessageStatus,
    OnCallEventDraft,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.headline import (
    GROUPS,
    group_for,
    line_for,
    mute_suffix,
    news_order,
    status_for,
    summary_title,
    title_for,
)
from alerter.core.message.reader import RenderContext, format_count, format_day, trend_text
from alerter.core.notifications import Notification, NotificationItem, NotifyReason
from alerter.core.renames import Rename
from alerter.core.routes import Receiver, ReceiverName
from alerter.core.rules import Severity
from alerter.core.series import Segment

#: The label of a tenant that names whom it belongs to, for services that group by it.
CUSTOMER_LABEL = "customer"


def compose_content(
    notification: Notification,
    context: MessageContext,
    *,
    figures: Mapping[AlertSubject, Figure] | None = None,
    renames: Mapping[AlertSubject, Rename] | None = None,
    now: datetime,
) -> MessageContent:
    """Return a notification in words.

    Args:
        notification: The notices, worst first.
        context: Where its readers live, and where they find more.
        figures: The counts of the alerts.
        renames: Which of their hold reasons were renamed.
        now: When it is planned.
    """
    items = notification.items
    receiver = notification.receiver.name
    reading = RenderContext(
        receiver=notification.receiver,
        context=context,
        now=now,
        figures=figures or {},
        renames=renames or {},
        has_one_tenant=len({item.alert.key.tenant for item in items}) == 1,
    )
    targets = () if notification.targets == notification.receiver.targets else notification.targets
    news = (*targets, *(f"{item.reason} {item.alert.key.id}" for item in items))
    id_ = build_message_id(receiver, news, at=now)
    groups = sorted(group_items(items), key=lambda group: GROUPS.index(group_for(group[0])))
    title = (*title_for(groups[0], reading), *mute_suffix(groups[0])) if len(groups) == 1 else None
    title = title or summary_title(groups, reading)
    if notification.is_introduction:
        badge, *rest = title
        title = ("New receiver here. Firing now: ", str(badge).replace(": ", " "), *rest)
    lines = tuple(line_for(group, reading) for group in groups[:MAX_LINES])
    return MessageContent(
        id=id_,
        receiver=receiver,
        status=_status_of(items),
        title=title,
        cards=cards_for(groups, reading),
        lines=lines,
        total=len(items),
        notes=_suppressed_notes(notification),
        links=links_for(groups[:MAX_CARDS], context),
        labels=reading.label_facts(item.alert.key.tenant for item in items),
        footer=format_footer(id_, groups, reading),
        created_at=now,
        alert_ids=tuple(item.alert.key.id for item in items),
        threads=_threads(items),
        events=tuple(event_drafts(items, reading)),
        records=records_for(items, context),
        kind=str(min(items, key=news_order).reason),
        command=context.command,
        page=context.public_url,
    )


def _status_of(items: Sequence[NotificationItem]) -> MessageStatus:
    """Return how a message looks: as its worst alert that fires."""
    firing = [item for item in items if not is_over(item)]
    worst = max(firing, key=lambda item: Severity(status_for(item)).rank, default=items[0])
    return status_for(worst)


def compose_test_content(receiver: Receiver, context: MessageContext, *, now: datetime) -> MessageContent:
    """Return a message that only proves that a receiver can be reached, with a picture if it wants pictures."""
    id_ = build_message_id(receiver.name, ("test",), at=now)
    text: RichText = ("alerter can reach ", UntrustedName(receiver.name, HEADLINE_NAME), ". Nothing is wrong.")
    line = AlertLine(MessageStatus.INFO, ("Test: ", *text))
    card = AlertCard(
        status=MessageStatus.INFO,
        badge="Test",
        heading=text,
        notes=(("There is nothing to do. Alerts will arrive here, and will look like this.",),),
        chart=_example_chart(context, now=now) if receiver.charts else None,
    )
    return MessageContent(
        id=id_,
        receiver=receiver.name,
        status=MessageStatus.INFO,
        title=line.text,
        cards=(card,),
        lines=(line,),
        total=1,
        links=links_for((), context),
        footer=(dated_line(id_, context, now=now),),
        created_at=now,
        # What a test opens, it closes: nobody has to tidy up.
        events=tuple(
            OnCallEventDraft(
                dedup_key=f"alerter-test-{id_}", action=action, severity=Severity.INFO, line=line, card=card
            )
            for action in EventAction
        ),
        kind="test",
        command=context.command,
        page=context.public_url,
    )


#: Made-up counts of one day.
_EXAMPLE = (40, 42, 45, 41, 60, 80, 90, 85, 120, 160, 180, 212)


def _example_chart(context: MessageContext, *, now: datetime) -> Chart:
    """Return a picture of made-up counts."""
    part = timedelta(days=1) / len(_EXAMPLE)
    begin = now - timedelta(days=1)
    segments = (Segment(begin + i * part, begin + (i + 1) * part, count) for i, count in enumerate(_EXAMPLE))
    figure = Figure(start_at=begin, end_at=now, segments=tuple(segments))
    return Chart(picture_svg(figure, context.timezone), (f"An example, 24 h: {trend_text(figure)}",))


def build_message_id(receiver: ReceiverName, news: Iterable[str], *, at: datetime) -> str:
    """Return ten characters that depend on nothing but the receiver, the millisecond and the news."""
    parts = (receiver, str(int(at.timestamp() * 1000)), *news)
    return b32encode(sha256("\0".join(parts).encode("utf-8", "replace")).digest())[:10].decode().lower()


def format_footer(
    message_id: str, groups: Sequence[Sequence[NotificationItem]], reading: RenderContext
) -> tuple[RichText, ...]:
    """Return the last lines of a message: what to type to acknowledge it; then when it was written, and its id."""
    context, now = reading.context, reading.now
    if len(groups) == 1 and len(groups[0]) == 1:
        rule = groups[0][0].alert.key.rule
        return (acknowledge_text(groups[0], reading), dated_line(message_id, context, rule=rule, now=now))
    dated = dated_line(message_id, context, now=now)
    if all(is_over(item) for group in groups for item in group):
        return (dated,)
    return ((f"Acknowledge all that fire: {context.command} ack {message_id}",), dated)


def dated_line(message_id: str, context: MessageContext, *, rule: str = "", now: datetime) -> RichText:
    """Return when a message was written, the rule that it is about where there is one, and its id."""
    local = now.astimezone(context.timezone)
    about: RichText = (" · rule ", Untrusted(rule, HEADLINE_NAME)) if rule else ()
    return (f"alerter · {format_day(local)} {local:%H:%M} {local.tzname()}", *about, f" · ref {message_id}")


def _suppressed_notes(notification: Notification) -> tuple[RichText, ...]:
    count = notification.suppressed
    if not count:
        return ()
    was, their = ("was", "its") if count == 1 else ("were", "their")
    most = notification.receiver.max_per_hour
    text = f"{format_count(count, 'notification')} {was} suppressed before this one (at most {most:,} an hour)"
    return ((f"{text}; {their} news is in this one.",),)


def _threads(items: Iterable[NotificationItem]) -> tuple[str, ...]:
    """Return the first messages about these alerts, each once; a first alert begins a thread of its own."""
    threads = dict.fromkeys(
        item.previous_state.thread
        for item in items
        if item.previous_state is not None and item.reason is not NotifyReason.FIRST and item.previous_state.thread
    )
    return tuple(threads)[:MAX_THREADS]


# For on-call services


def build_dedup_key(subject: AlertSubject, severity: Severity) -> str:
    """Return the name of a topic at one level where something is opened and closed; the same for ever."""
    parts = (subject.rule, subject.tenant, subject.reason, severity)
    return f"alerter-{sha256(chr(0).join(parts).encode('utf-8', 'replace')).hexdigest()[:24]}"


def event_drafts(
    items: Iterable[NotificationItem], reading: RenderContext, *, is_late: bool = False
) -> Iterator[OnCallEventDraft]:
    """Yield what an on-call service does about each alert: opens the worst ones, and closes everything that is over.

    What another level has opened is closed after this one was opened, so that at no time nothing is open. Each of them
    is harmless when it is done again.

    Args:
        items: The alerts, the worst first.
        reading: Who reads it.
        is_late: Whether messages before it have not arrived: then nothing is known of what is open.
    """
    opened = 0
    for item in items:
        line = AlertLine(status_for(item), title_for((item,), reading))
        subject, firing = item.alert.key.subject, _firing_level(item)
        if firing is not None and item.reason is not NotifyReason.RESOLVED:
            opened += 1
            if opened <= MAX_TRIGGERED:
                yield OnCallEventDraft(
                    dedup_key=build_dedup_key(subject, firing),
                    action=EventAction.TRIGGER,
                    severity=firing,
                    line=line,
                    card=card_for((item,), reading),
                    record=_record(item, reading.context),
                )
        for severity in _other_levels(item, firing, reading.context, is_late=is_late):
            yield OnCallEventDraft(
                dedup_key=build_dedup_key(subject, severity), action=EventAction.RESOLVE, severity=severity, line=line
            )


def _firing_level(item: NotificationItem) -> Severity | None:
    """Return the level at which something fires for the receiver; None where it is over for it."""
    return None if item.reason is NotifyReason.RESOLVED else item.alert.key.severity


def _other_levels(
    item: NotificationItem, firing: Severity | None, context: MessageContext, *, is_late: bool
) -> list[Severity]:
    """Return the levels that may not stay open: all that the rule has, or had at the last notification.

    A first alert has opened nothing yet, and a reminder is of what is open already.
    """
    if not is_late and item.reason in {NotifyReason.FIRST, NotifyReason.REPEAT, NotifyReason.BROKEN}:
        return []
    known = {item.alert.key.severity, *context.levels_by_rule.get(item.alert.key.rule, ())}
    if item.previous_state is not None:
        known.add(item.previous_state.severity)
    return [severity for severity in Severity if severity in known and severity is not firing]


# For programs


def records_for(items: Iterable[NotificationItem], context: MessageContext) -> tuple[AlertRecord, ...]:
    """Return alerts for programs, in the order of the notices, at most `MAX_RECORDS`."""
    return tuple(_record(item, context) for item, _ in zip(items, range(MAX_RECORDS), strict=False))


def _record(item: NotificationItem, context: MessageContext) -> AlertRecord:
    alert = item.alert
    key = alert.key
    links = links_for(((item,),), context)
    return AlertRecord(
        id=key.id,
        rule=key.rule,
        severity=item.still_firing or key.severity,
        tenant=key.tenant,
        reason="" if alert.is_no_data else key.reason,
        notify_reason=str(item.reason),
        state="resolved" if is_over(item) else "firing",
        value=alert.value,
        limit="; ".join(each.limit_text for each in alert.evidence if each.limit_text),
        firing_since=item.firing_since or alert.firing_since,
        resolved_at=alert.resolved_at if is_over(item) else None,
        peak=alert.peak,
        labels=context.labels_by_tenant.get(key.tenant, {}),
        links=tuple((str(link.label[0]), link.url) for link in links),
    )


# The same at several tenants


def group_items(items: Sequence[NotificationItem]) -> list[tuple[NotificationItem, ...]]:
    """Return the entries of a message: the same news at several tenants together, everything else on its own."""
    by_news: dict[tuple[object, ...], list[NotificationItem]] = {}
    for item in items:
        by_news.setdefault(_news(item), []).append(item)
    groups: list[tuple[NotificationItem, ...]] = []
    for item in items:
        same = by_news[_news(item)]
        if len({each.alert.key.tenant for each in same}) < MIN_GROUPED_TENANTS:
            groups.append((item,))
        elif same[0] is item:
            groups.append(tuple(same))
    return groups


def _news(item: NotificationItem) -> tuple[object, ...]:
    alert = item.alert
    key = alert.key
    how = (item.reason, item.still_firing, alert.resolved_because if item.reason is NotifyReason.RESOLVED else "")
    return (key.rule, key.severity, key.reason, alert.is_no_data, *how)
