"""What is said: the words of a notification, before any format.

`draft` turns what one receiver is told into a `Draft`: cards for the worst alerts, a line for each of the next ones,
and links. No I/O: values in, values out. Layout and escaping belong to `formats`; text that is not ours travels as
`Data` or `Name`, as it is, so that no format can mistake it for our words.
"""

from base64 import b32encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from hashlib import sha256
from re import compile as compile_regex
from typing import TypeAlias, assert_never

from alerter.core.alerts import Alert, Topic, no_data_since
from alerter.core.conditions import CONDITIONS, Operands, duration_text
from alerter.core.mutes import Mute, MuteKind, has_doubled
from alerter.core.notifications import Notice, Notification, NotifyReason, Receiver, ReceiverName, repeat_due_at
from alerter.core.rules import RuleName, Severity
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Sample, Tenant
from alerter.errors import Cause


class Tone(StrEnum):
    """How a message looks: the severity of its worst alert, or that all is well again."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    RESOLVED = "resolved"


class Format(StrEnum):
    """The forms in which a message is kept, ready to be sent."""

    TEXT = "text"
    HTML = "html"
    SLACK = "slack"
    TEAMS = "teams"
    BRIEF = "brief"


class EventAction(StrEnum):
    """What an on-call service does about a topic."""

    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One topic of a message, for services that open something and close the same thing again.

    Attributes:
        dedup_key: Names the topic, the same for ever: whatever is opened under it is closed under it.
        action: What is to be done.
        severity: Of the alert.
        summary: One line of plain text.
        details: All there is to say about it, in plain text.
    """

    dedup_key: str
    action: EventAction
    severity: Severity
    summary: str
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one receiver, frozen when it was planned.

    Attributes:
        id: Short and stable, and printed in every body, so that a duplicate is recognised.
        receiver: To whom.
        tone: How it looks.
        title: One line of plain text.
        bodies: The body in each format: plain text, an HTML document, JSON for Slack (`text` and `attachments` with
            blocks), for Teams (an Adaptive Card), and what `formats.fitted` makes shorter texts of.
        created_at: When it was planned.
        alert_ids: The alerts that it tells of, worst first.
        threads: The ids of the first messages about those alerts, which this one answers; at most `THREADS`.
        events: What services that open and close do about it, one event per topic.
    """

    id: str
    receiver: ReceiverName
    tone: Tone
    title: str
    bodies: Mapping[Format, str]
    created_at: datetime
    alert_ids: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a message needs to know besides the alerts.

    Attributes:
        timezone: In which its readers live.
        console_url: The page where held messages are looked at and released; empty for none.
        runbook_by_rule: Where a person reads what to do; a rule without one is missing.
        tenant_count: How many tenants there are, for "9 of 40 tenants"; 0 where that is not known.
        labels_by_tenant: What readers know a tenant by besides its name; a tenant without labels is missing.
        poll_intervals: How often each tenant is polled.
    """

    timezone: tzinfo
    console_url: str
    runbook_by_rule: Mapping[RuleName, str]
    tenant_count: int = 0
    labels_by_tenant: Mapping[Tenant, Mapping[str, str]] = field(default_factory=dict)
    poll_intervals: Mapping[Tenant, timedelta] = field(default_factory=dict)


#: Names are cut to so many characters in a headline, which must fit a phone, and where a card has room for them.
HEADLINE_NAME = 60
HEADLINE_TENANT = 30
HEADLINE_ERROR = 80
CARD_NAME = 200
CARD_DETAIL = 400


@dataclass(frozen=True, slots=True)
class Data:
    """Text that is not ours: it is shown, and never trusted.

    Attributes:
        text: As it came.
        longest: Characters to show at most; a longer text is cut in its middle.
    """

    text: str
    longest: int = CARD_NAME


@dataclass(frozen=True, slots=True)
class Name(Data):
    """Data inside a sentence of ours, which each format sets off in its own way."""


#: A run of text: our words, and what is not ours.
Phrase: TypeAlias = tuple[str | Data, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value of a card."""

    label: str
    value: Phrase


@dataclass(frozen=True, slots=True)
class Link:
    """A page to open next; `url` begins with `http://` or `https://`."""

    label: Phrase
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One alert in detail.

    Attributes:
        tone: How it looks.
        badge: What happened: "CRITICAL", "Resolved after 35m".
        heading: The rest of the first line: what is true now.
        subject: The second line: what it is about.
        facts: The numbers behind it.
        notes: Sentences, each a paragraph.
    """

    tone: Tone
    badge: str
    heading: Phrase
    subject: Phrase = ()
    facts: tuple[Fact, ...] = ()
    notes: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One alert in one line, or the same at several tenants.

    Attributes:
        tone: How it looks.
        text: Begins with a badge.
        count: How many alerts it stands for.
    """

    tone: Tone
    text: Phrase
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is over, below what is true now: the only part of a message that may be cut.

    Attributes:
        heading: What these are.
        lines: The newest first.
    """

    heading: str = ""
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A target that cannot be reached.

    Attributes:
        target: A name like `secops/slack`.
        since: When the first attempt failed, with none that succeeded since.
        error: What the last attempt failed of.
        told: Which receivers were told of it; None as long as it is no news.
    """

    target: str
    since: datetime
    error: str
    told: tuple[ReceiverName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An `Event` in words."""

    dedup_key: str
    action: EventAction
    severity: Severity
    line: Line
    card: Card


#: So many alerts are told in detail, and so many in all; the rest is counted.
CARDS = 5
LINES = 25
#: From so many tenants on the same news is told once for all of them, of which so many are named.
SEVERAL_TENANTS = 3
NAMED_TENANTS = 12
HEADLINE_TENANTS = 3
#: So many different causes, limits and ended mutes are named for several tenants.
NAMED_CAUSES = 3
NAMED_MUTES = 3
#: A message answers so many others at most.
THREADS = 20
#: So many things are opened at most by one message, the worst ones; whatever ended is always closed.
OPENED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message in words.

    Attributes:
        id: See `Message`.
        receiver: See `Message`.
        tone: See `Message`.
        title: One line.
        cards: The worst alerts, at most `CARDS`.
        lines: The same and the next ones, at most `LINES`, so that a format with little room may show fewer cards.
        total: How many alerts there are to tell of.
        preface: A sentence before everything but the title; empty for none.
        past: What is over, below the alerts.
        notes: Sentences about the message itself, each a paragraph.
        links: Where to go next.
        footer: When it was written, and its id.
        created_at: See `Message`.
        alert_ids: See `Message`.
        threads: See `Message`.
        happenings: See `Message.events`.
    """

    id: str
    receiver: ReceiverName
    tone: Tone
    title: Phrase
    cards: tuple[Card, ...]
    lines: tuple[Line, ...]
    total: int
    preface: Phrase = ()
    past: Past = Past()
    notes: tuple[Phrase, ...] = ()
    links: tuple[Link, ...]
    footer: str
    created_at: datetime
    alert_ids: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    happenings: tuple[Happening, ...] = ()

    @property
    def says_title(self) -> bool:
        """Whether the title is said in the body as well: it is not that of a single alert, which says the same."""
        return len(self.lines) != 1 or bool(self.preface or self.past.lines)


def draft(notification: Notification, context: Context, *, now: datetime) -> Draft:
    """Return what a receiver is told, in words.

    Args:
        notification: The notices, worst first.
        context: Where its readers live, and where they find more.
        now: When it is planned.
    """
    notices = notification.notices
    reading = _Reading(receiver=notification.receiver, context=context, now=now)
    receiver = notification.receiver.name
    targets = () if notification.targets == notification.receiver.targets else notification.targets
    news = (*targets, *(f"{notice.reason} {notice.alert.key.id}" for notice in notices))
    message_id = message_id_of(receiver, news, at=now)
    groups = _grouped(notices)
    lines = tuple(_line(group, reading) for group in groups[:LINES])
    return Draft(
        id=message_id,
        receiver=receiver,
        tone=_tone(notices[0]),
        title=(*lines[0].text, *_mute_in_brief(groups[0])) if len(groups) == 1 else _summary(notices),
        cards=tuple(_card_of(group, reading) for group in groups[:CARDS]),
        lines=lines,
        total=len(notices),
        notes=_held_back_notes(notification),
        links=_links((group[0] for group in groups[:CARDS]), context),
        footer=_footer(message_id, context, now=now),
        created_at=now,
        alert_ids=tuple(notice.alert.key.id for notice in notices),
        threads=_threads(notices),
        happenings=tuple(_happenings(notices, reading)),
    )


def draft_test(receiver: ReceiverName, context: Context, *, now: datetime) -> Draft:
    """Return a message that only proves that a receiver can be reached."""
    message_id = message_id_of(receiver, ("test",), at=now)
    heading: Phrase = ("alerter can reach ", Name(receiver, HEADLINE_NAME))
    line = Line(Tone.INFO, ("Test: ", *heading))
    card = Card(
        tone=Tone.INFO,
        badge="Test",
        heading=heading,
        subject=("Nothing is wrong and nothing is to be done.",),
        notes=(("Alerts will arrive here, and will look like this.",),),
    )
    return Draft(
        id=message_id,
        receiver=receiver,
        tone=Tone.INFO,
        title=line.text,
        cards=(card,),
        lines=(line,),
        total=1,
        links=_links((), context),
        footer=_footer(message_id, context, now=now),
        created_at=now,
        # What a test opens, it closes: nobody has to tidy up.
        happenings=tuple(
            Happening(
                dedup_key=f"alerter-test-{message_id}", action=action, severity=Severity.INFO, line=line, card=card
            )
            for action in EventAction
        ),
    )


def message_id_of(receiver: ReceiverName, news: Iterable[str], *, at: datetime) -> str:
    """Return ten characters that depend on nothing but the receiver, the millisecond and the news."""
    parts = (receiver, str(int(at.timestamp() * 1000)), *news)
    return b32encode(sha256("\0".join(parts).encode("utf-8", "replace")).digest())[:10].decode().lower()


def _footer(message_id: str, context: Context, *, now: datetime) -> str:
    local = now.astimezone(context.timezone)
    return f"alerter · {_date_text(local)} {local.year} {local:%H:%M} {local.tzname()} · ref {message_id}"


def _held_back_notes(notification: Notification) -> tuple[Phrase, ...]:
    count = notification.held_back
    if not count:
        return ()
    was, their = ("was", "its") if count == 1 else ("were", "their")
    most = notification.receiver.max_per_hour
    held_back = f"{_count_text(count, 'message')} {was} held back before this one"
    return ((f"{held_back}: no more than {most:,} in an hour; {their} news is in this one.",),)


def _threads(notices: Iterable[Notice]) -> tuple[str, ...]:
    """Return the first messages about what is told now, each once; a first alert begins a thread of its own."""
    threads = dict.fromkeys(
        notice.told_before.thread
        for notice in notices
        if notice.told_before is not None and notice.reason is not NotifyReason.FIRST and notice.told_before.thread
    )
    return tuple(threads)[:THREADS]


def dedup_key_of(topic: Topic) -> str:
    """Return the name of a topic where something is opened and closed; the same for ever."""
    parts = (topic.rule, topic.tenant, topic.reason)
    return f"alerter-{sha256(chr(0).join(parts).encode('utf-8', 'replace')).hexdigest()[:24]}"


def _happenings(notices: Iterable[Notice], reading: "_Reading") -> Iterator[Happening]:
    opened = 0
    for notice in notices:
        is_over = notice.reason is NotifyReason.RESOLVED
        opened += not is_over
        if is_over or opened <= OPENED:
            yield Happening(
                dedup_key=dedup_key_of(notice.alert.key.topic),
                action=EventAction.CLOSE if is_over else EventAction.OPEN,
                severity=notice.alert.key.severity,
                line=_line((notice,), reading),
                card=_card(notice, reading),
            )


# What is said of messages that did not arrive, and of where they could not


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Messages that did not arrive, and what has become of what they told.

    Attributes:
        target: Where: a name like `secops/slack`.
        since: When the first of them was planned.
        error: Why the last attempt failed; text that is not ours.
        messages: Oldest first; at least one.
        firing: What fires now, the worst first.
        over: What has come and gone meanwhile, the newest end first.
    """

    target: str
    since: datetime
    error: str
    messages: tuple[Message, ...]
    firing: tuple[Alert, ...] = ()
    over: tuple[Alert, ...] = ()


def draft_digest(missed: Missed, receiver: Receiver, context: Context, *, now: datetime) -> Draft:
    """Return what a target is told that is back: all that fires now, then what came and went.

    Its id depends on the messages alone, so that a digest that is made again is recognised.

    Args:
        missed: What it missed; of what fires, all that fires for its receiver.
        receiver: Whose target it is.
        context: Where its readers live.
        now: When the digest is made.
    """
    reading = _Reading(receiver=receiver, context=context, now=now)
    clock = reading.clock
    firing, over = _firing(missed), _over(missed)
    groups = _grouped(firing)
    id_ = _id_of_missed("digest", missed, receiver.name)
    told_of_no_alert = [message for message in missed.messages[::-1] if not message.alert_ids]
    count = _count_text(len(missed.messages), "message")
    return Draft(
        id=id_,
        receiver=receiver.name,
        tone=_tone_of_missed(missed),
        title=(
            Data(missed.target, HEADLINE_NAME),
            f" works again ({clock.short(missed.since)}\u2013{clock.short(now)} missed): ",
            *(_still_firing(firing, reading) if firing else (_came_and_went(over),)),
        ),
        cards=tuple(_card_of(group, reading) for group in groups[:CARDS]),
        lines=tuple(_line(group, reading) for group in groups),
        total=len(firing),
        past=Past(
            heading="Came and went",
            lines=(
                *(_line_of_the_past(alert, clock) for alert in missed.over),
                *(_line_of_message(message, clock) for message in told_of_no_alert),
            ),
        ),
        notes=(
            (
                f"{count} could not be delivered from {clock.short(missed.since)} to {clock.short(now)}: ",
                Data(missed.error, CARD_DETAIL),
            ),
        ),
        links=_links((group[0] for group in groups[:CARDS]), context),
        footer=_footer(id_, context, now=now),
        created_at=now,
        alert_ids=tuple(notice.alert.key.id for notice in (*firing, *over)),
        threads=_threads_of_missed(missed),
        happenings=tuple(_happenings((*firing, *over), reading)),
    )


def draft_fallback(missed: Missed, receiver: Receiver, context: Context, *, now: datetime) -> Draft:
    """Return what a receiver is told in another's place, late: what is true now of what was missed, then that.

    Args:
        missed: What had to be given up; of what fires, what it told of.
        receiver: Who gets it instead.
        context: Where its readers live.
        now: When it was given up.
    """
    clock = _Clock(context.timezone, now)
    newest = missed.messages[-1]
    notices = (*_firing(missed), *_over(missed))
    id_ = _id_of_missed("fallback", missed, receiver.name)
    if notices:
        base = draft(Notification(receiver=receiver, notices=notices), context, now=now)
    else:
        # Nothing is known any more of what it was about: then what it said must do.
        base = replace(_empty_draft(receiver.name, context, now=now), title=(Data(newest.title),), tone=newest.tone)
    whom = Data(newest.receiver, HEADLINE_TENANT)
    return replace(
        base,
        id=id_,
        title=("[for ", whom, _late_text(missed.since, now=now), "] ", *base.title),
        preface=(
            Data(newest.receiver, HEADLINE_TENANT),
            " cannot be reached through ",
            Data(missed.target, HEADLINE_NAME),
            f" since {clock.text(missed.since)} (",
            Data(missed.error, HEADLINE_ERROR),
            "). You get this as its fallback.",
        ),
        past=Past(heading="Missed", lines=tuple(_line_of_message(message, clock) for message in missed.messages[::-1])),
        footer=_footer(id_, context, now=now),
        threads=_threads_of_missed(missed),
    )


def draft_unreachable(
    receiver: ReceiverName, outage: "Outage", waiting: int, context: Context, *, now: datetime
) -> Draft:
    """Return what others are told of a target that cannot be reached.

    Args:
        receiver: Who is told.
        outage: Which target, since when, and why.
        waiting: How many messages wait for it.
        context: Where its readers live.
        now: When it is told.
    """
    clock = _Clock(context.timezone, now)
    target, error = Data(outage.target, HEADLINE_NAME), Data(outage.error, HEADLINE_ERROR)
    wait = f"{_count_text(waiting, 'notification')} {'waits' if waiting == 1 else 'wait'}"
    since = f" cannot be reached since {clock.short(outage.since)}"
    card = Card(
        tone=Tone.WARNING,
        badge="Cannot be reached",
        heading=(target, f" since {clock.with_age(outage.since)}"),
        subject=(Data(outage.error, CARD_DETAIL),),
        facts=(
            Fact("Waiting", (f"{wait}, and will be delivered when it is back",)),
            Fact("Test it", (Data(f"alerter test-notify {outage.target.partition('/')[0]}"),)),
        ),
        notes=(
            ("What to do: check that service and its URL.",),
            ("Until then nobody is told anything there.",),
        ),
    )
    return _draft_of_outage(receiver, outage, (target, since, ": ", error, f"; {wait}"), card, context, now=now)


def draft_reachable(
    receiver: ReceiverName, outage: "Outage", context: Context, *, delivered: int, waiting: int, now: datetime
) -> Draft:
    """Return what those are told, once it is back, who were told of a target that could not be reached.

    Args:
        receiver: Who is told.
        outage: Which target, since when, and why.
        context: Where its readers live.
        delivered: How many of the messages that it missed it has now.
        waiting: How many it gets next.
        now: When it was reached again.
    """
    target = Data(outage.target, HEADLINE_NAME)
    how_long, told = _span_text(now - outage.since), f"{_count_text(delivered, 'notification')} delivered"
    if waiting:
        told += f", {waiting:,} more {'follows' if waiting == 1 else 'follow'}"
    card = Card(
        tone=Tone.RESOLVED,
        badge="Works again",
        heading=(target, f" after {how_long}"),
        subject=(f"{told}.",),
        facts=(Fact("Before", (Data(outage.error, CARD_DETAIL),)),),
    )
    title: Phrase = (target, f" works again after {how_long}; {told}")
    words = _draft_of_outage(receiver, outage, title, card, context, now=now)
    return replace(words, threads=(_id_of_outage("unreachable", receiver, outage),))


def _draft_of_outage(
    receiver: ReceiverName,
    outage: "Outage",
    title: Phrase,
    card: Card,
    context: Context,
    *,
    now: datetime,
) -> Draft:
    action = EventAction.CLOSE if card.tone is Tone.RESOLVED else EventAction.OPEN
    id_ = _id_of_outage("unreachable" if action is EventAction.OPEN else "reachable", receiver, outage)
    line = Line(card.tone, ("", *title))
    key = f"alerter-target-{sha256(outage.target.encode('utf-8', 'replace')).hexdigest()[:24]}"
    happening = Happening(dedup_key=key, action=action, severity=Severity.WARNING, line=line, card=card)
    empty = _empty_draft(receiver, context, now=now)
    return replace(
        empty,
        id=id_,
        tone=card.tone,
        title=title,
        cards=(card,),
        lines=(line,),
        total=1,
        footer=_footer(id_, context, now=now),
        happenings=(happening,),
    )


def _empty_draft(receiver: ReceiverName, context: Context, *, now: datetime) -> Draft:
    return Draft(
        id="", receiver=receiver, tone=Tone.INFO, title=(), cards=(), lines=(), total=0, links=(),
        footer=_footer("", context, now=now), created_at=now,
    )  # fmt: skip


def _id_of_missed(kind: str, missed: Missed, receiver: ReceiverName) -> str:
    ids = (message.id for message in missed.messages)
    return message_id_of(receiver, (kind, missed.target, *ids), at=missed.messages[-1].created_at)


def _id_of_outage(kind: str, receiver: ReceiverName, outage: "Outage") -> str:
    return message_id_of(receiver, (kind, outage.target), at=outage.since)


def _firing(missed: Missed) -> tuple[Notice, ...]:
    return tuple(Notice(reason=NotifyReason.FIRST, alert=alert) for alert in missed.firing)


def _over(missed: Missed) -> tuple[Notice, ...]:
    return tuple(Notice(reason=NotifyReason.RESOLVED, alert=alert) for alert in missed.over)


def _tone_of_missed(missed: Missed) -> Tone:
    if missed.firing:
        return Tone(missed.firing[0].key.severity)
    return Tone.RESOLVED if missed.over else missed.messages[-1].tone


def _still_firing(firing: Sequence[Notice], reading: "_Reading") -> Phrase:
    worst = firing[0]
    many = "" if len(firing) == 1 else "worst "
    severity = worst.alert.key.severity.upper()
    return (f"{len(firing):,} still firing, {many}{severity} ", *_headline(worst, reading))


def _came_and_went(over: Sequence[Notice]) -> str:
    return f"nothing fires now, {_count_text(len(over), 'alert')} came and went" if over else "nothing fires now"


def _line_of_the_past(alert: Alert, clock: "_Clock") -> Line:
    """Return what has come and gone: what it was, how bad, from when to when."""
    key = alert.key
    extreme = _extreme(alert)
    how = "no data from Mimecast" if alert.is_about_polling else ""
    what: Phrase = (how,) if how else ("in total",) if key.reason == ALL_REASONS else (Name(key.reason, HEADLINE_NAME),)
    worst = f", {extreme[0].lower()} {extreme[1]:,}" if extreme else ""
    begin, end = alert.fired_at or clock.now, alert.resolved_at or clock.now
    how_bad = f"){worst}, {clock.short(begin)} to {clock.short(end)}"
    return Line(Tone.RESOLVED, ("Over: ", *what, " (", _tenant(key.tenant, Data), how_bad), count=0)


def _line_of_message(message: Message, clock: "_Clock") -> Line:
    """Return one missed message as a line: when it was written, and its title."""
    return Line(message.tone, (f"{clock.short(message.created_at)}: ", Data(message.title)), count=0)


def _threads_of_missed(missed: Missed) -> tuple[str, ...]:
    """Return what later messages about the same will answer: mails stay together though the first never arrived."""
    threads = (thread for message in missed.messages[::-1] for thread in message.threads or (message.id,))
    return tuple(dict.fromkeys(threads))[:THREADS]


# The title of several alerts


def _summary(notices: Sequence[Notice]) -> Phrase:
    """Return one line for several notices: how many, how bad, and whose."""
    firing = [notice for notice in notices if notice.reason is not NotifyReason.RESOLVED]
    resolved = len(notices) - len(firing)
    if not firing:
        return (f"Resolved: {_count_text(resolved, 'alert')}: ", *_tenants(notices))
    worst = firing[0].alert.key.severity
    worst_count = sum(notice.alert.key.severity is worst for notice in firing)
    parts = [_count_text(len(firing), "alert")]
    if worst_count < len(firing):
        parts.append(f"{worst_count:,} {worst}")
    if resolved:
        parts.append(f"{resolved:,} resolved")
    return (f"{worst.upper()}: {', '.join(parts)}: ", *_tenants(notices))


def _tenants(notices: Sequence[Notice]) -> Phrase:
    """Return the tenants with the most to tell, and how many more there are."""
    most = 3
    by_count = Counter(notice.alert.key.tenant for notice in notices).most_common()
    phrase: list[str | Data] = []
    for tenant, _ in by_count[:most]:
        phrase += [*([", "] if phrase else []), _tenant(tenant, Data)]
    if len(by_count) > most:
        phrase.append(f" and {len(by_count) - most:,} more")
    return tuple(phrase)


# One alert


def _tone(notice: Notice) -> Tone:
    return Tone.RESOLVED if notice.reason is NotifyReason.RESOLVED else Tone(notice.alert.key.severity)


def _badge(notice: Notice) -> str:
    """Return what happened, in two or three words."""
    severity = notice.alert.key.severity
    match notice.reason:
        case NotifyReason.FIRST:
            return severity.upper()
        case NotifyReason.RAISED | NotifyReason.LOWERED:
            before = notice.told_before.severity if notice.told_before else severity
            return f"{severity.upper()}, was {before}"
        case NotifyReason.BROKEN:
            return f"{severity.upper()} again"
        case NotifyReason.REPEAT:
            return "Reminder"
        case NotifyReason.RESOLVED:
            return _end_text(notice, severity)
        case _:
            assert_never(notice.reason)


def _end_text(notice: Notice, severity: Severity) -> str:
    alert = notice.alert
    if notice.still_firing is not None:
        before = notice.told_before.severity if notice.told_before else severity
        return f"No longer {before}, still firing as {notice.still_firing}"
    if alert.resolution:
        return f"Resolved ({alert.resolution})"
    return "Resolved" if alert.duration is None else f"Resolved after {_span_text(alert.duration)}"


def _headline(notice: Notice, reading: "_Reading") -> Phrase:
    """Return what is true, whom and what it concerns, as one line that works as a phone's push."""
    alert = notice.alert
    key = alert.key
    reminder = reading.reminder(notice)
    if alert.is_about_polling:
        return (*_polling_text(notice, now=reading.now), *((f"; {reminder}",) if reminder else ()))
    count = "an unknown number" if alert.value is None else f"{alert.value:,}"
    where: Phrase = ("in total",) if key.reason == ALL_REASONS else ("for ", Name(key.reason, HEADLINE_NAME))
    return (f"{_still(notice)}{count} held ", *where, " (", _tenant(key.tenant, Data), ")", *_end(notice, reading))


def _end(notice: Notice, reading: "_Reading") -> Phrase:
    """Return the end of a headline: why it is told now."""
    mute = notice.mute_ended
    match notice.reason:
        case NotifyReason.REPEAT:
            return (_lasting(notice, reading), _no_data(notice, reading))
        case NotifyReason.BROKEN if mute is not None:
            how = "twice as many as" if has_doubled(notice.alert.value, mute.count) else "worse than"
            return (f", {how} when ", Data(mute.name, HEADLINE_TENANT), " acknowledged")
        case _:
            return (_because(notice, now=reading.now),)


def _still(notice: Notice) -> str:
    return f"{notice.alert.key.severity.upper()}, still " if notice.reason is NotifyReason.REPEAT else ""


def _lasting(notice: Notice, reading: "_Reading") -> str:
    """Return how long it has lasted, and where the reminder stands in the row of reminders."""
    since = notice.alert.active_at or notice.alert.fired_at
    lasting = "" if since is None else f", for {_span_text(reading.now - since)}"
    reminder = reading.reminder(notice)
    return f"{lasting}; {reminder}" if reminder else lasting


def _no_data(notice: Notice, reading: "_Reading") -> str:
    """Return since when nobody knows whether it is still so; empty where it is known."""
    since = no_data_since(notice.alert, reading.context.poll_intervals, now=reading.now)
    return "" if since is None else f"; no data since {reading.clock.text(since)}"


def _tenant(tenant: Tenant, kind: type[Data]) -> str | Data:
    return "all tenants" if tenant == ALL_TENANTS else kind(tenant, HEADLINE_TENANT)


def _because(notice: Notice, *, now: datetime) -> str:
    """Return why it fires, or how bad it was, as the end of a sentence."""
    alert = notice.alert
    if notice.reason is NotifyReason.RESOLVED:
        extreme = _extreme(alert)
        return f", {extreme[0].lower()} {extreme[1]:,}" if extreme else ""
    # What fires at this very moment is beyond its limit; later it may be between the limit and `clear_at`.
    has_just_fired = alert.fired_at == now
    parts = [_news_text(each) or ("" if has_just_fired else "limit: ") + _short_limit(each) for each in alert.operands]
    return "".join(f", {part}" for part in parts if part)


def _news_text(operands: Operands) -> str:
    """Return what there is to tell besides the count; empty where the limit says it."""
    kind = CONDITIONS.get(operands.condition)
    if operands.value and operands.reference and kind is not None and kind.compares and not operands.news:
        return _change_text(operands.value, operands.reference)
    return operands.news


def _short_limit(operands: Operands) -> str:
    """Return the limit without what only a card has room for."""
    return operands.limit.partition(", ")[0]


def _change_text(value: Sample, reference: Sample) -> str:
    delta = value.count - reference.count
    direction = "up" if delta >= 0 else "down"
    return f"{direction} {abs(delta):,} in {_span_text(value.at - reference.at)}"


def _extreme(alert: Alert) -> tuple[str, int] | None:
    """Return the worst count with its label; None where nothing was counted."""
    if alert.peak is None:
        return None
    # A peak below the present count can only be that of a condition for which smaller is worse.
    is_lowest = alert.value is not None and alert.peak < alert.value
    return ("Lowest" if is_lowest else "Peak"), alert.peak


def _polling_text(notice: Notice, *, now: datetime) -> Phrase:
    alert = notice.alert
    tenant = _tenant(alert.key.tenant, Data)
    if notice.reason is NotifyReason.RESOLVED:
        held = "" if alert.resolution or alert.value is None else f", {alert.value:,} held"
        return (f"{_polling_end(alert)} (", tenant, f"){held}")
    last = _last_good_at(alert)
    how_long = "yet" if last is None else f"for {_span_text(now - last)}"
    return (f"{_still(notice)}no data from Mimecast {how_long} (", tenant, f"){_short_cause((notice,))}")


def _polling_end(alert: Alert) -> str:
    return "polling is no longer watched" if alert.resolution else "Mimecast answers again"


def _short_cause(notices: Iterable[Notice]) -> str:
    """Return why there is no data, as the end of a title; empty where that is not known, or not the same for all."""
    notices = [notice for notice in notices if notice.reason is not NotifyReason.RESOLVED]
    names = {each.note.partition(": ")[0] for notice in notices for each in notice.alert.operands}
    causes = [Cause(name) for name in names if name in set(Cause)]
    return f", {causes[0].brief}" if len(causes) == 1 else ""


def _last_good_at(alert: Alert) -> datetime | None:
    return next((each.last_good_at for each in alert.operands if each.last_good_at is not None), None)


# One alert in detail


def _card(notice: Notice, reading: "_Reading") -> Card:
    alert = notice.alert
    key = alert.key
    clock = reading.clock
    is_polling = alert.is_about_polling
    reason: Phrase = ("Total of its hold reasons",) if key.reason == ALL_REASONS else (Name(key.reason),)
    subject: Phrase = (
        *(() if is_polling else (*reason, " · ")),
        _tenant(key.tenant, Data),
        " · rule ",
        Data(key.rule, HEADLINE_NAME),
    )
    facts = _polling_facts(notice, clock) if is_polling else _held_facts(notice, clock)
    if reminder := reading.reminder(notice):
        facts = [*facts, Fact("Reminder", (reminder.removeprefix("reminder "),))]
    return Card(
        tone=_tone(notice),
        badge=_badge(notice),
        heading=_polling_text(notice, now=reading.now) if is_polling else (_held_text(notice, now=reading.now),),
        subject=subject,
        facts=(*facts, *reading.label_facts(key.tenant), *reading.runbook_facts(key.rule)),
        notes=(*(_polling_notes((notice,)) if is_polling else ()), *_mute_notes((notice,), clock)),
    )


def _held_text(notice: Notice, *, now: datetime) -> str:
    alert = notice.alert
    count = "an unknown number of messages" if alert.value is None else _count_text(alert.value, "message")
    because = "" if notice.reason is NotifyReason.RESOLVED else _because(notice, now=now)
    return f"{_still(notice)}{count} held{because}"


def _held_facts(notice: Notice, clock: "_Clock") -> list[Fact]:
    alert = notice.alert
    facts = [*_before_facts(alert.operands, clock), *_expected_facts(alert.operands, clock)]
    limits = [each.limit for each in alert.operands if each.limit]
    if limits:
        facts.append(Fact("Limit", ("; ".join(limits),)))
    extreme = _extreme(alert)
    if extreme and (notice.reason is NotifyReason.RESOLVED or extreme[1] != alert.value):
        facts.append(Fact(extreme[0], (_count_text(extreme[1], "message"),)))
    facts += _time_facts(notice, clock)
    return [*facts, *(Fact("Note", (Data(each.note, CARD_DETAIL),)) for each in alert.operands if each.note)]


def _before_facts(operands: Iterable[Operands], clock: "_Clock") -> Iterable[Fact]:
    for each in operands:
        if each.value and each.reference:
            value, reference = each.value, each.reference
            delta = value.count - reference.count
            percent = f", {round(100 * delta / reference.count):+,} %" if reference.count else ""
            span = _span_text(value.at - reference.at)
            yield Fact(
                "Before", (f"{reference.count:,} at {clock.text(reference.at)}, {span} earlier ({delta:+,}{percent})",)
            )


def _expected_facts(operands: Iterable[Operands], clock: "_Clock") -> Iterable[Fact]:
    """Yield the count that a condition reckons with: a later one is a forecast, one of the same instant is usual."""
    for each in operands:
        if each.value is None or each.expected is None:
            continue
        value, expected = each.value, each.expected
        delta = expected.count - value.count
        if expected.at > value.at:
            span = _span_text(expected.at - value.at)
            yield Fact("Forecast", (f"{expected.count:,} at {clock.text(expected.at)}, {span} later ({delta:+,})",))
        else:
            yield Fact("Usual", (f"{expected.count:,} at this hour of the week ({-delta:+,} now)",))


def _time_facts(notice: Notice, clock: "_Clock") -> list[Fact]:
    """Return since when it fires, or for how long it did; and how old the count is, if it is not of now."""
    alert = notice.alert
    facts = []
    since = alert.active_at or alert.fired_at
    if notice.reason is not NotifyReason.RESOLVED and since is not None:
        facts.append(Fact("Since", (clock.with_age(since),)))
    if alert.ending_since is not None:
        facts.append(Fact("Ending", (f"clear since {clock.with_age(alert.ending_since)}",)))
    if alert.began_at is not None and alert.resolved_at is not None:
        until = f"{clock.text(alert.began_at)} to {clock.text(alert.resolved_at)}"
        facts.append(Fact("Lasted", (f"{_span_text(alert.resolved_at - alert.began_at)}, {until}",)))
    counted_at = next((each.value.at for each in alert.operands if each.value), None)
    if counted_at is not None and clock.now - counted_at >= timedelta(minutes=1):
        facts.append(Fact("Counted", (clock.with_age(counted_at),)))
    return facts


def _polling_facts(notice: Notice, clock: "_Clock") -> list[Fact]:
    alert = notice.alert
    if notice.reason is NotifyReason.RESOLVED:
        return _time_facts(notice, clock)
    last = _last_good_at(alert)
    facts = [Fact("Last good poll", ("never" if last is None else clock.with_age(last),))]
    for each in alert.operands:
        cause, _ = _cause_and_advice(each.note)
        if cause:
            facts.append(Fact("Cause", (Data(cause, CARD_DETAIL),)))
    return [*facts, *(Fact("Limit", (each.limit,)) for each in alert.operands if each.limit)]


def _polling_notes(notices: Sequence[Notice]) -> tuple[Phrase, ...]:
    """Return what to do, each advice once, and what cannot be known until then."""
    if notices[0].reason is NotifyReason.RESOLVED:
        return ()
    notes = (each.note for notice in notices for each in notice.alert.operands)
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


def _mute_notes(notices: Iterable[Notice], clock: "_Clock") -> tuple[Phrase, ...]:
    """Return which mutes kept this quiet until a moment ago, each once."""
    mutes = dict.fromkeys(notice.mute_ended for notice in notices if notice.mute_ended is not None)
    return tuple(_mute_text(mute, clock) for mute in mutes)[:NAMED_MUTES]


def _mute_text(mute: Mute, clock: "_Clock") -> Phrase:
    until = f" (until {clock.text(mute.until)})" if mute.until is not None else ""
    comment: Phrase = (": ", Data(mute.comment, CARD_DETAIL)) if mute.comment else ()
    name = Data(mute.name, HEADLINE_NAME)
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


def _mute_in_brief(notices: Sequence[Notice]) -> Phrase:
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


# The same at several tenants


def _grouped(notices: Sequence[Notice]) -> list[tuple[Notice, ...]]:
    """Return what is told as one thing: the same news at several tenants together, everything else on its own."""
    by_news: dict[tuple[object, ...], list[Notice]] = {}
    for notice in notices:
        by_news.setdefault(_news(notice), []).append(notice)
    groups: list[tuple[Notice, ...]] = []
    for notice in notices:
        same = by_news[_news(notice)]
        if len({each.alert.key.tenant for each in same}) < SEVERAL_TENANTS:
            groups.append((notice,))
        elif same[0] is notice:
            groups.append(tuple(same))
    return groups


def _news(notice: Notice) -> tuple[object, ...]:
    alert = notice.alert
    key = alert.key
    how = (notice.reason, notice.still_firing, alert.resolution if notice.reason is NotifyReason.RESOLVED else "")
    return (key.rule, key.severity, key.reason, alert.is_about_polling, *how)


def _line(group: Sequence[Notice], reading: "_Reading") -> Line:
    notice = group[0]
    if len(group) == 1:
        return Line(_tone(notice), (f"{_badge(notice)}: ", *_headline(notice, reading)))
    where = (f" at {reading.tenants(group)}: ", *_values(group, HEADLINE_TENANTS))
    if notice.alert.is_about_polling:
        named = _values(group, HEADLINE_TENANTS)
        what: Phrase = (_group_polling_text(group, reading), " (", *named, ")", _short_cause(group))
    elif notice.alert.key.reason == ALL_REASONS:
        what = (_still(notice), "the total", *where)
    else:
        what = (_still(notice), Name(notice.alert.key.reason, HEADLINE_NAME), *where)
    return Line(_tone(notice), (f"{_group_badge(notice)}: ", *what), len(group))


def _card_of(group: Sequence[Notice], reading: "_Reading") -> Card:
    if len(group) == 1:
        return _card(group[0], reading)
    notice = group[0]
    key = notice.alert.key
    tenants = reading.tenants(group)
    is_polling = notice.alert.is_about_polling
    reason: Phrase = ("Totals of the hold reasons",) if key.reason == ALL_REASONS else (Name(key.reason),)
    return Card(
        tone=_tone(notice),
        badge=_group_badge(notice),
        heading=(_group_polling_text(group, reading) if is_polling else _group_held_text(group, reading),),
        subject=(*(() if is_polling else (*reason, " · ")), f"{tenants} · rule ", Data(key.rule, HEADLINE_NAME)),
        facts=(*_group_facts(group, reading), *reading.runbook_facts(key.rule)),
        notes=(*(_polling_notes(group) if is_polling else ()), *_mute_notes(group, reading.clock)),
    )


def _group_badge(notice: Notice) -> str:
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
            return _badge(notice)


def _group_polling_text(group: Sequence[Notice], reading: "_Reading") -> str:
    notice = group[0]
    is_over = notice.reason is NotifyReason.RESOLVED
    what = _polling_end(notice.alert) if is_over else f"{_still(notice)}no data from Mimecast"
    return f"{what} for {reading.tenants(group)}"


def _group_held_text(group: Sequence[Notice], reading: "_Reading") -> str:
    what = "rule" if group[0].alert.key.reason == ALL_REASONS else "reason"
    held = _count_text(sum(notice.alert.value or 0 for notice in group), "message")
    return f"{_still(group[0])}the same {what} at {reading.tenants(group)}, {held} held"


def _group_facts(group: Sequence[Notice], reading: "_Reading") -> Iterator[Fact]:
    is_polling = group[0].alert.is_about_polling
    operands = [each for notice in group for each in notice.alert.operands]
    yield Fact("Tenants" if is_polling else "Held", _values(group, NAMED_TENANTS))
    if is_polling and group[0].reason is not NotifyReason.RESOLVED:
        causes = dict.fromkeys(cause for each in operands if (cause := _cause_and_advice(each.note)[0]))
        yield from (Fact("Cause", (Data(cause, CARD_DETAIL),)) for cause in tuple(causes)[:NAMED_CAUSES])
    limits = dict.fromkeys(each.limit for each in operands if each.limit)
    if limits:
        yield Fact("Limit", ("; ".join(tuple(limits)[:NAMED_CAUSES]),))
    begins = [at for notice in group if (at := notice.alert.active_at or notice.alert.fired_at) is not None]
    if begins and group[0].reason is not NotifyReason.RESOLVED:
        yield Fact("Since", (f"{reading.clock.with_age(min(begins))} at the first",))


def _values(group: Sequence[Notice], most: int) -> Phrase:
    """Return the tenants with what each of them holds, in the order of the notices, and how many more there are."""
    phrase: list[str | Data] = []
    for notice in group[:most]:
        alert = notice.alert
        count = "" if alert.is_about_polling else " unknown" if alert.value is None else f" {alert.value:,}"
        phrase += [*([", "] if phrase else []), Data(alert.key.tenant, HEADLINE_TENANT), count]
    more = len(group) - most
    return (*phrase, f" and {more:,} more") if more > 0 else tuple(phrase)


def _links(notices: Iterable[Notice], context: Context) -> tuple[Link, ...]:
    """Return the console, and the runbooks of the alerts that are told in detail, each once."""
    rules = dict.fromkeys(notice.alert.key.rule for notice in notices)
    rule_by_url: dict[str, RuleName] = {}
    for rule in rules:
        url = context.runbook_by_rule.get(rule, "")
        if _is_web_page(url):
            rule_by_url.setdefault(url, rule)
    links = [Link(("Held messages",), context.console_url)] if _is_web_page(context.console_url) else []
    for url, rule in rule_by_url.items():
        label: Phrase = ("Runbook",) if len(rule_by_url) == 1 else ("Runbook: ", Data(rule, HEADLINE_TENANT))
        links.append(Link(label, url))
    return tuple(links)


_WEB_PAGE = compile_regex(r"https?://[!-~]{1,1000}")


def _is_web_page(text: str) -> bool:
    """Say whether a service will take it for a link: one bad link has a whole message refused."""
    return _WEB_PAGE.fullmatch(text) is not None


# Counts, spans, times


def _count_text(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _late_text(at: datetime, *, now: datetime) -> str:
    """Return how late something of an instant is told, for a title; empty if it is not."""
    return f", {_span_text(now - at)} late" if now - at >= timedelta(minutes=1) else ""


def _span_text(span: timedelta) -> str:
    """Return a span in the two units that matter: `40s`, `12m`, `3h5m`, `2d7h`."""
    minute, day = timedelta(minutes=1), timedelta(days=1)
    span = max(span, timedelta(0))
    unit = timedelta(seconds=1) if span < minute else minute if span < day else timedelta(hours=1)
    return duration_text(round(span / unit) * unit)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date_text(local: datetime) -> str:
    # Not strftime's %b, which follows the machine's locale.
    return f"{local.day} {_MONTHS[local.month - 1]}"


@dataclass(frozen=True, slots=True)
class _Clock:
    """Writes instants for readers in a time zone, at a moment."""

    timezone: tzinfo
    now: datetime

    def text(self, at: datetime) -> str:
        """Return `14:05 GMT`, with the date unless it is today's."""
        local, today = at.astimezone(self.timezone), self.now.astimezone(self.timezone)
        clock = f"{local:%H:%M} {local.tzname()}"
        if local.date() == today.date():
            return clock
        year = "" if local.year == today.year else f" {local.year}"
        return f"{_date_text(local)}{year} {clock}"

    def short(self, at: datetime) -> str:
        """Return `14:05`, with the date unless it is today's."""
        local, today = at.astimezone(self.timezone), self.now.astimezone(self.timezone)
        return f"{local:%H:%M}" if local.date() == today.date() else f"{_date_text(local)} {local:%H:%M}"

    def with_age(self, at: datetime) -> str:
        """Return the instant and, from a minute on, how long ago it was."""
        age = self.now - at
        return f"{self.text(at)} ({_span_text(age)} ago)" if age >= timedelta(minutes=1) else self.text(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Who reads it, where and when."""

    receiver: Receiver
    context: Context
    now: datetime

    @property
    def clock(self) -> _Clock:
        """The reader's clock."""
        return _Clock(self.context.timezone, self.now)

    def reminder(self, notice: Notice) -> str:
        """Return `reminder 2, next in 16h`; empty where a notice is no reminder, or not known to be one."""
        if notice.reason is not NotifyReason.REPEAT or notice.told_before is None:
            return ""
        told = replace(notice.told_before, repeats=notice.told_before.repeats + 1, at=self.now)
        return f"reminder {told.repeats:,}, next in {_span_text(repeat_due_at(told, self.receiver) - self.now)}"

    def tenants(self, group: Sequence[Notice]) -> str:
        """Return `9 of 40 tenants`, or `9 tenants` where it is not known of how many."""
        known = self.context.tenant_count
        return f"{len(group):,}{f' of {known:,}' if known >= len(group) else ''} tenants"

    def label_facts(self, tenant: Tenant) -> tuple[Fact, ...]:
        """Return what a tenant is known by besides its name."""
        labels = self.context.labels_by_tenant.get(tenant, {})
        text = ", ".join(f"{name} {value}" for name, value in labels.items())
        return (Fact("Tenant", (Data(text, CARD_DETAIL),)),) if text else ()

    def runbook_facts(self, rule: RuleName) -> tuple[Fact, ...]:
        """Return a rule's runbook where it is no page to link to."""
        runbook = self.context.runbook_by_rule.get(rule, "")
        return (Fact("Runbook", (Data(runbook),)),) if runbook and not _is_web_page(runbook) else ()
