"""What is said: the words of a notification, before any format.

`draft` turns what one receiver is told into a `Draft`: cards for the worst alerts, a line for each of the next ones,
and links. No I/O: values in, values out. Layout and escaping belong to `formats`; text that is not ours travels as
`Data` or `Name`, as it is, so that no format can mistake it for our words.
"""

from base64 import b32encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from hashlib import sha256
from re import compile as compile_regex
from typing import TypeAlias, assert_never

from alerter.core.alerts import Alert
from alerter.core.conditions import CONDITIONS, Operands, duration_text
from alerter.core.notifications import Notice, Notification, NotifyReason, ReceiverName
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one receiver, frozen when it was planned.

    Attributes:
        id: Short and stable, and printed in every body, so that a duplicate is recognised.
        receiver: To whom.
        tone: How it looks.
        title: One line of plain text.
        bodies: The body in each format: plain text, an HTML document, and JSON for Slack (`text` and `attachments`
            with blocks) and for Teams (an Adaptive Card).
        created_at: When it was planned.
        alert_ids: The alerts that it tells of, worst first.
    """

    id: str
    receiver: ReceiverName
    tone: Tone
    title: str
    bodies: Mapping[Format, str]
    created_at: datetime
    alert_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a message needs to know besides the alerts.

    Attributes:
        timezone: In which its readers live.
        console_url: The page where held messages are looked at and released; empty for none.
        runbook_by_rule: Where a person reads what to do; a rule without one is missing.
    """

    timezone: tzinfo
    console_url: str
    runbook_by_rule: Mapping[RuleName, str]


#: Names are cut to so many characters in a headline, which must fit a phone, and where a card has room for them.
HEADLINE_NAME = 60
HEADLINE_TENANT = 30
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
    """One alert in one line."""

    tone: Tone
    text: Phrase


#: So many alerts are told in detail, and so many in all; the rest is counted.
CARDS = 5
LINES = 25


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
        links: Where to go next.
        footer: When it was written, and its id.
        created_at: See `Message`.
        alert_ids: See `Message`.
    """

    id: str
    receiver: ReceiverName
    tone: Tone
    title: Phrase
    cards: tuple[Card, ...]
    lines: tuple[Line, ...]
    total: int
    links: tuple[Link, ...]
    footer: str
    created_at: datetime
    alert_ids: tuple[str, ...]


def draft(notification: Notification, context: Context, *, now: datetime) -> Draft:
    """Return what a receiver is told, in words.

    Args:
        notification: The notices, worst first.
        context: Where its readers live, and where they find more.
        now: When it is planned.
    """
    notices = notification.notices
    receiver = notification.receiver.name
    alert_ids = tuple(notice.alert.key.id for notice in notices)
    news = (f"{notice.reason} {notice.alert.key.id}" for notice in notices)
    message_id = _message_id(receiver, news, now=now)
    lines = tuple(
        Line(_tone(notice), (f"{_badge(notice)}: ", *_headline(notice, now=now))) for notice in notices[:LINES]
    )
    return Draft(
        id=message_id,
        receiver=receiver,
        tone=_tone(notices[0]),
        title=lines[0].text if len(notices) == 1 else _summary(notices),
        cards=tuple(_card(notice, context, now=now) for notice in notices[:CARDS]),
        lines=lines,
        total=len(notices),
        links=_links(notices[:CARDS], context),
        footer=_footer(message_id, context, now=now),
        created_at=now,
        alert_ids=alert_ids,
    )


def draft_test(receiver: ReceiverName, context: Context, *, now: datetime) -> Draft:
    """Return a message that only proves that a receiver can be reached."""
    message_id = _message_id(receiver, ("test",), now=now)
    heading: Phrase = ("alerter can reach ", Name(receiver, HEADLINE_NAME))
    return Draft(
        id=message_id,
        receiver=receiver,
        tone=Tone.INFO,
        title=("Test: ", *heading),
        cards=(
            Card(
                tone=Tone.INFO,
                badge="Test",
                heading=heading,
                subject=("Nothing is wrong and nothing is to be done.",),
                notes=(("Alerts will arrive here, and will look like this.",),),
            ),
        ),
        lines=(Line(Tone.INFO, ("Test: ", *heading)),),
        total=1,
        links=_links((), context),
        footer=_footer(message_id, context, now=now),
        created_at=now,
        alert_ids=(),
    )


def _message_id(receiver: ReceiverName, news: Iterable[str], *, now: datetime) -> str:
    """Return ten characters that depend on nothing but the receiver, the millisecond and the news."""
    parts = (receiver, str(int(now.timestamp() * 1000)), *news)
    return b32encode(sha256("\0".join(parts).encode("utf-8", "replace")).digest())[:10].decode().lower()


def _footer(message_id: str, context: Context, *, now: datetime) -> str:
    local = now.astimezone(context.timezone)
    return f"alerter · {_date_text(local)} {local.year} {local:%H:%M} {local.tzname()} · ref {message_id}"


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
        case NotifyReason.REPEAT:
            return f"STILL {severity.upper()}"
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


def _headline(notice: Notice, *, now: datetime) -> Phrase:
    """Return what is true, whom and what it concerns, as one line that works as a phone's push."""
    alert = notice.alert
    key = alert.key
    if alert.is_about_polling:
        return _polling_text(notice, now=now)
    count = "an unknown number" if alert.value is None else f"{alert.value:,}"
    where: Phrase = ("in total",) if key.reason == ALL_REASONS else ("for ", Name(key.reason, HEADLINE_NAME))
    tenant = _tenant(key.tenant, Data)
    return (f"{count} held ", *where, " (", tenant, ")", _because(notice, now=now))


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
    parts = [
        _change_text(each.value, each.reference)
        if each.value and each.reference and CONDITIONS[each.condition].compares
        else ("" if has_just_fired else "limit: ") + each.limit.partition(", ")[0]
        for each in alert.operands
    ]
    return "".join(f", {part}" for part in parts if part)


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
    tenant = _tenant(alert.key.tenant, Name)
    if notice.reason is NotifyReason.RESOLVED:
        verb = "polling is no longer watched for " if alert.resolution else "polls work again for "
        return (verb, tenant)
    last = _last_good_at(alert)
    how_long = "no good poll yet" if last is None else f"no good poll for {_span_text(now - last)}"
    return ("alerter is blind for ", tenant, f", {how_long}")


def _last_good_at(alert: Alert) -> datetime | None:
    return next((each.last_good_at for each in alert.operands if each.last_good_at is not None), None)


# One alert in detail


def _card(notice: Notice, context: Context, *, now: datetime) -> Card:
    alert = notice.alert
    key = alert.key
    clock = _Clock(context.timezone, now)
    is_polling = alert.is_about_polling
    reason: Phrase = ("Total of its hold reasons",) if key.reason == ALL_REASONS else (Name(key.reason),)
    subject: Phrase = (
        *(() if is_polling else (*reason, " · ")),
        _tenant(key.tenant, Data),
        " · rule ",
        Data(key.rule, HEADLINE_NAME),
    )
    facts = _polling_facts(notice, clock) if is_polling else _held_facts(notice, clock)
    runbook = context.runbook_by_rule.get(key.rule, "")
    if runbook and not _is_web_page(runbook):
        facts = [*facts, Fact("Runbook", (Data(runbook),))]
    return Card(
        tone=_tone(notice),
        badge=_badge(notice),
        heading=_polling_text(notice, now=now) if is_polling else (_held_text(notice, now=now),),
        subject=subject,
        facts=tuple(facts),
        notes=_polling_notes(notice) if is_polling else (),
    )


def _held_text(notice: Notice, *, now: datetime) -> str:
    alert = notice.alert
    count = "an unknown number of messages" if alert.value is None else _count_text(alert.value, "message")
    return f"{count} held{'' if notice.reason is NotifyReason.RESOLVED else _because(notice, now=now)}"


def _held_facts(notice: Notice, clock: "_Clock") -> list[Fact]:
    alert = notice.alert
    facts = [*_before_facts(alert.operands, clock)]
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


def _time_facts(notice: Notice, clock: "_Clock") -> list[Fact]:
    """Return since when it fires, or for how long it did; and how old the count is, if it is not of now."""
    alert = notice.alert
    facts = []
    since = alert.active_at or alert.fired_at
    if notice.reason is not NotifyReason.RESOLVED and since is not None:
        facts.append(Fact("Since", (clock.with_age(since),)))
    if alert.ending_since is not None:
        facts.append(Fact("Ending", (f"clear since {clock.with_age(alert.ending_since)}",)))
    if alert.fired_at is not None and alert.resolved_at is not None:
        until = f"{clock.text(alert.fired_at)} to {clock.text(alert.resolved_at)}"
        facts.append(Fact("Lasted", (f"{_span_text(alert.resolved_at - alert.fired_at)}, {until}",)))
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


def _polling_notes(notice: Notice) -> tuple[Phrase, ...]:
    if notice.reason is NotifyReason.RESOLVED:
        return ()
    advice = [advice for each in notice.alert.operands if (advice := _cause_and_advice(each.note)[1])]
    return (
        *((f"What to do: {each}",) for each in advice),
        ("Until then this tenant's counts may be old, and none of its other alerts can fire or resolve.",),
    )


def _cause_and_advice(note: str) -> tuple[str, str]:
    """Return a blind condition's note as the cause with its detail, and what to do about it."""
    name, _, rest = note.partition(": ")
    if name not in set(Cause):
        return note, ""
    advice = Cause(name).advice
    detail = rest.removesuffix(advice).rstrip(" .")
    return f"{name.replace('_', ' ')}: {detail}", advice


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

    def with_age(self, at: datetime) -> str:
        """Return the instant and, from a minute on, how long ago it was."""
        age = self.now - at
        return f"{self.text(at)} ({_span_text(age)} ago)" if age >= timedelta(minutes=1) else self.text(at)
