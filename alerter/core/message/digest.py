"""Messages about messages that could not be delivered when they were written, and about where they could not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from json import loads
from re import compile as compile_regex

from alerter.core.alerts import Alert, AlertSubject
from alerter.core.charts.figure import Figure
from alerter.core.message.card import cards_for, links_for
from alerter.core.message.content import (
    CARD_DETAIL,
    HEADLINE_ERROR,
    HEADLINE_NAME,
    HEADLINE_TENANT,
    MAX_CARDS,
    MAX_THREADS,
    AlertCard,
    AlertLine,
    EventAction,
    Fact,
    Format,
    Message,
    MessageContent,
    MessageContext,
    MessageStatus,
    Missed,
    OnCallEvent,
    OnCallEventDraft,
    PastAlerts,
    RichText,
    TargetOutage,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.draft import (
    build_message_id,
    compose_content,
    dated_line,
    event_drafts,
    format_footer,
    group_items,
    records_for,
)
from alerter.core.message.headline import badge_and_text, line_for, tenant_name, worst_count
from alerter.core.message.reader import RenderContext, TimeFormatter, format_count, format_late, format_span
from alerter.core.message.render import render
from alerter.core.notifications import Notification, NotificationItem, NotifyReason
from alerter.core.routes import Receiver, ReceiverName
from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS

#: How much of a part of a report a fallback shows, in characters.
MAX_REPORT_PART = 1000
#: Where a row of a card begins in plain text.
_ROW = compile_regex(r"\n {2}(?=\S)")


def compose_digest_content(
    missed: Missed,
    receiver: Receiver,
    context: MessageContext,
    *,
    figures: Mapping[AlertSubject, Figure] | None = None,
    now: datetime,
) -> MessageContent:
    """Return the message for a target that is back: all that fires now, then what came and went.

    Its id depends on the messages alone, so that a digest that is made again is recognised.

    Args:
        missed: What it missed; of what fires, all that fires for its receiver.
        receiver: Whose target it is.
        context: Where its readers live.
        figures: What the counts were of what fires.
        now: When the digest is made.
    """
    reading = RenderContext(
        receiver=receiver,
        context=context,
        now=now,
        figures=figures or {},
        has_one_tenant=len({alert.key.tenant for alert in (*missed.firing, *missed.over)}) == 1,
    )
    clock = reading.clock
    firing, over = _firing(missed), _over(missed)
    groups = group_items(firing)
    id_ = _id_of_missed("digest", missed, receiver.name)
    without_alerts = [message for message in missed.messages[::-1] if not message.alert_ids]
    count = format_count(len(missed.messages), "message")
    return MessageContent(
        id=id_,
        receiver=receiver.name,
        status=_status_of_missed(missed),
        title=(
            Untrusted(missed.target, HEADLINE_NAME),
            f" works again ({clock.short(missed.since)}\u2013{clock.short(now)} missed): ",
            *(_still_firing(firing, reading) if firing else (_came_and_went(over),)),
        ),
        cards=cards_for(groups, reading),
        lines=tuple(line_for(group, reading) for group in groups),
        total=len(firing),
        past=PastAlerts(
            heading="Came and went",
            lines=(
                *(_line_of_the_past(alert, clock) for alert in missed.over),
                *(_line_of_message(message, clock) for message in without_alerts),
            ),
        ),
        notes=(
            (
                f"{count} could not be delivered from {clock.short(missed.since)} to {clock.short(now)}: ",
                Untrusted(missed.error, CARD_DETAIL),
            ),
        ),
        links=links_for(groups[:MAX_CARDS], context),
        labels=reading.label_facts(alert.key.tenant for alert in missed.firing),
        footer=format_footer(id_, groups, reading) if groups else (dated_line(id_, context, now=now),),
        created_at=now,
        alert_ids=tuple(item.alert.key.id for item in (*firing, *over)),
        threads=_threads_of_missed(missed),
        events=tuple(event_drafts((*firing, *over), reading, is_late=True)),
        records=records_for((*firing, *over), context),
        kind="digest",
        command=context.command,
        page=context.public_url,
    )


def compose_fallback_content(
    missed: Missed, receiver: Receiver, context: MessageContext, *, now: datetime
) -> MessageContent:
    """Return the message for a receiver in another's place, late: what is true now of what was missed, then that.

    Args:
        missed: What had to be given up; of what fires, what it notified of.
        receiver: Who gets it instead.
        context: Where its readers live.
        now: When it was given up.
    """
    clock = TimeFormatter(context.timezone, now)
    newest = missed.messages[-1]
    items = (*_firing(missed), *_over(missed))
    id_ = _id_of_missed("fallback", missed, receiver.name)
    if items:
        base = compose_content(Notification(receiver=receiver, items=items), context, now=now)
    else:
        # Nothing is known any more of what it was about: then what it said must do.
        base = replace(
            _empty_draft(receiver.name, context, now=now), title=(Untrusted(newest.title),), status=newest.status
        )
    whom = Untrusted(newest.receiver, HEADLINE_TENANT)
    report, figures = _newest_report(missed)
    return replace(
        base,
        id=id_,
        title=("[for ", whom, format_late(missed.since, now=now), "] ", *base.title),
        preface=(
            Untrusted(newest.receiver, HEADLINE_TENANT),
            " cannot be reached through ",
            Untrusted(missed.target, HEADLINE_NAME),
            f" since {clock.text(missed.since)} (",
            Untrusted(missed.error, HEADLINE_ERROR),
            "). You get this as its fallback.",
        ),
        past=PastAlerts(
            heading="Missed", lines=tuple(_line_of_message(message, clock) for message in missed.messages[::-1])
        ),
        notes=(*base.notes, *report),
        footer=(*base.footer[:-1], dated_line(id_, context, now=now)),
        figures=figures,
        kind="fallback",
        threads=_threads_of_missed(missed),
    )


def _newest_report(missed: Missed) -> tuple[tuple[RichText, ...], Mapping[str, object]]:
    """Return what the newest weekly report among the messages says, a sentence for each part, and its figures."""
    for message in missed.messages[::-1]:
        figures = loads(message.bodies.get(Format.JSON, "{}")).get("report")
        if figures:
            # Its title stands among what was missed, and its footer names a message that nobody got.
            _, *parts, _ = message.bodies[Format.TEXT].rstrip().split("\n\n")
            return tuple((Untrusted(_on_one_line(part), MAX_REPORT_PART),) for part in parts), figures
    return (), {}


def _on_one_line(part: str) -> str:
    """Return a heading with rows below it on one line; a row goes on where a line is indented further."""
    return _ROW.sub("; ", part)


def compose_unreachable_content(
    receiver: ReceiverName, outage: TargetOutage, waiting: int, context: MessageContext, *, now: datetime
) -> MessageContent:
    """Return the message for others about a target that cannot be reached.

    Args:
        receiver: Who is notified.
        outage: Which target, since when, and why.
        waiting: How many messages wait for it.
        context: Where its readers live.
        now: When they are notified.
    """
    clock = TimeFormatter(context.timezone, now)
    target, error = Untrusted(outage.target, HEADLINE_NAME), Untrusted(outage.error, HEADLINE_ERROR)
    wait = f"{format_count(waiting, 'notification')} {'waits' if waiting == 1 else 'wait'}"
    since = f" cannot be reached since {clock.short(outage.since)}"
    card = AlertCard(
        status=MessageStatus.WARNING,
        badge="Cannot be reached",
        heading=(target, f" since {clock.with_age(outage.since)}"),
        facts=(
            Fact("Since", (clock.with_age(outage.since),)),
            Fact("Cause", (Untrusted(outage.error, CARD_DETAIL),)),
            Fact("Waiting", (f"{wait}, and will be delivered when it is back",)),
            Fact("Test it", (Untrusted(f"{context.command} test-notify {outage.target.partition('/')[0]}"),)),
        ),
        notes=(
            ("What to do: check that service and its URL.",),
            ("Until then nobody is notified there.",),
        ),
    )
    return _draft_of_outage(receiver, outage, (target, since, ": ", error, f"; {wait}"), card, context, now=now)


def compose_reachable_content(
    receiver: ReceiverName,
    outage: TargetOutage,
    context: MessageContext,
    *,
    delivered: int,
    waiting: int,
    now: datetime,
) -> MessageContent:
    """Return the message that a target is back, for those who were notified that it could not be reached.

    Args:
        receiver: Who is notified.
        outage: Which target, since when, and why.
        context: Where its readers live.
        delivered: How many of the messages that it missed it has now.
        waiting: How many it gets next.
        now: When it was reached again.
    """
    target = Untrusted(outage.target, HEADLINE_NAME)
    how_long, notified = format_span(now - outage.since), f"{format_count(delivered, 'notification')} delivered"
    if waiting:
        notified += f", {waiting:,} more {'follows' if waiting == 1 else 'follow'}"
    card = AlertCard(
        status=MessageStatus.RESOLVED,
        badge="Works again",
        heading=(target, f" after {how_long}"),
        facts=(Fact("Delivered", (notified,)), Fact("Before", (Untrusted(outage.error, CARD_DETAIL),))),
    )
    title: RichText = (target, f" works again after {how_long}; {notified}")
    words = _draft_of_outage(receiver, outage, title, card, context, now=now)
    return replace(words, threads=(_id_of_outage("unreachable", receiver, outage),))


def _draft_of_outage(
    receiver: ReceiverName,
    outage: TargetOutage,
    title: RichText,
    card: AlertCard,
    context: MessageContext,
    *,
    now: datetime,
) -> MessageContent:
    action = EventAction.RESOLVE if card.status is MessageStatus.RESOLVED else EventAction.TRIGGER
    id_ = _id_of_outage("unreachable" if action is EventAction.TRIGGER else "reachable", receiver, outage)
    line = AlertLine(card.status, title)
    key = f"alerter-target-{sha256(outage.target.encode('utf-8', 'replace')).hexdigest()[:24]}"
    event = OnCallEventDraft(dedup_key=key, action=action, severity=Severity.WARNING, line=line, card=card)
    empty = _empty_draft(receiver, context, now=now)
    return replace(
        empty,
        id=id_,
        status=card.status,
        title=title,
        cards=(card,),
        lines=(line,),
        total=1,
        footer=(dated_line(id_, context, now=now),),
        events=(event,),
        kind="target",
    )


def _empty_draft(receiver: ReceiverName, context: MessageContext, *, now: datetime) -> MessageContent:
    return MessageContent(
        id="", receiver=receiver, status=MessageStatus.INFO, title=(), cards=(), lines=(), total=0, links=(),
        footer=(dated_line("", context, now=now),), created_at=now, command=context.command,
        page=context.public_url,
    )  # fmt: skip


def _id_of_missed(kind: str, missed: Missed, receiver: ReceiverName) -> str:
    ids = (message.id for message in missed.messages)
    return build_message_id(receiver, (kind, missed.target, *ids), at=missed.messages[-1].created_at)


def _id_of_outage(kind: str, receiver: ReceiverName, outage: TargetOutage) -> str:
    return build_message_id(receiver, (kind, outage.target), at=outage.since)


def _firing(missed: Missed) -> tuple[NotificationItem, ...]:
    return tuple(NotificationItem(reason=NotifyReason.FIRST, alert=alert) for alert in missed.firing)


def _over(missed: Missed) -> tuple[NotificationItem, ...]:
    return tuple(NotificationItem(reason=NotifyReason.RESOLVED, alert=alert) for alert in missed.over)


def _status_of_missed(missed: Missed) -> MessageStatus:
    if missed.firing:
        return MessageStatus(missed.firing[0].key.severity)
    return MessageStatus.RESOLVED if missed.over else missed.messages[-1].status


def _still_firing(firing: Sequence[NotificationItem], reading: RenderContext) -> RichText:
    worst = firing[0]
    many = "" if len(firing) == 1 else "worst "
    badge, text = badge_and_text((worst,), reading)
    return (f"{len(firing):,} still firing, {many}{badge} ", *text)


def _came_and_went(over: Sequence[NotificationItem]) -> str:
    return f"nothing fires now, {format_count(len(over), 'alert')} came and went" if over else "nothing fires now"


def _line_of_the_past(alert: Alert, clock: TimeFormatter) -> AlertLine:
    """Return what has come and gone: what it was, how bad, from when to when."""
    key = alert.key
    extreme = worst_count(alert)
    how = "no data from Mimecast" if alert.is_no_data else ""
    what: RichText = (
        (how,) if how else ("in total",) if key.reason == ALL_REASONS else (UntrustedName(key.reason, HEADLINE_NAME),)
    )
    worst = f", {extreme[0].lower()} {extreme[1]:,}" if extreme else ""
    begin, end = alert.fired_at or clock.now, alert.resolved_at or clock.now
    how_bad = f"){worst}, {clock.short(begin)} to {clock.short(end)}"
    return AlertLine(
        MessageStatus.RESOLVED, ("Over: ", *what, " (", tenant_name(key.tenant, Untrusted), how_bad), count=0
    )


def _line_of_message(message: Message, clock: TimeFormatter) -> AlertLine:
    """Return one missed message as a line: when it was written, and its title."""
    return AlertLine(message.status, (f"{clock.short(message.created_at)}: ", Untrusted(message.title)), count=0)


def _threads_of_missed(missed: Missed) -> tuple[str, ...]:
    """Return what later messages about the same will answer: mails stay together though the first never arrived."""
    threads = (thread for message in missed.messages[::-1] for thread in message.threads or (message.id,))
    return tuple(dict.fromkeys(threads))[:MAX_THREADS]


def build_digest_message(
    missed: Missed,
    receiver: Receiver,
    context: MessageContext,
    *,
    figures: Mapping[AlertSubject, Figure] | None = None,
    now: datetime,
) -> Message:
    """Return one message for several that could not be delivered.

    Its events leave a service that opens and closes as the messages themselves would have, and as is true now.
    """
    words = compose_digest_content(missed, receiver, context, figures=figures, now=now)
    return _with_events_of_none(render(words), missed)


def build_fallback_message(missed: Missed, receiver: Receiver, context: MessageContext, *, now: datetime) -> Message:
    """Return one message for the receiver that gets those of another one in its place."""
    return _with_events_of_none(render(compose_fallback_content(missed, receiver, context, now=now)), missed)


def build_unreachable_message(
    receiver: ReceiverName, outage: TargetOutage, waiting: int, context: MessageContext, *, now: datetime
) -> Message:
    """Return the message for a receiver about somebody else's target that cannot be reached."""
    return render(compose_unreachable_content(receiver, outage, waiting, context, now=now))


def build_reachable_message(
    receiver: ReceiverName,
    outage: TargetOutage,
    context: MessageContext,
    *,
    delivered: int,
    waiting: int,
    now: datetime,
) -> Message:
    """Return the message for a receiver about that target when it is back."""
    words = compose_reachable_content(receiver, outage, context, delivered=delivered, waiting=waiting, now=now)
    return render(words)


def _with_events_of_none(message: Message, missed: Missed) -> Message:
    """Return a message with the last events of those that it stands for and that are about no alert."""
    last: dict[str, OnCallEvent] = {}
    for event in (event for each in missed.messages if not each.alert_ids for event in each.events):
        # The key goes first, so that topics stand in the order of their last news.
        last.pop(event.dedup_key, None)
        last[event.dedup_key] = event
    return replace(message, events=(*message.events, *last.values()))
