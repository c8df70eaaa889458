"""The words of a message as values: text of ours and text that is not, cards, lines, links.

No layout and no escaping: values that `draft` and `digest` make, and that each format renders in its own way. Text that
is not ours travels as `Untrusted`, as it is, so that no format can mistake it for our words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TypeAlias

from alerter.core.alerts import Alert
from alerter.core.notifications import ReceiverName
from alerter.core.rules import RuleName, Severity
from alerter.core.series import Tenant


class MessageStatus(StrEnum):
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
class OnCallEvent:
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
            blocks), for Teams (an Adaptive Card), and what `text.fit` makes shorter texts of.
        created_at: When it was planned.
        alert_ids: The alerts that it tells of, worst first.
        threads: The ids of the first messages about those alerts, which this one answers; at most `THREADS`.
        events: What services that open and close do about it, one event per topic.
    """

    id: str
    receiver: ReceiverName
    tone: MessageStatus
    title: str
    bodies: Mapping[Format, str]
    created_at: datetime
    alert_ids: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    events: tuple[OnCallEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageContext:
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
class Untrusted:
    """Text that is not ours: it is shown, and never trusted.

    Attributes:
        text: As it came.
        longest: Characters to show at most; a longer text is cut in its middle.
    """

    text: str
    longest: int = CARD_NAME


@dataclass(frozen=True, slots=True)
class UntrustedName(Untrusted):
    """Data inside a sentence of ours, which each format sets off in its own way."""


#: A run of text: our words, and what is not ours.
RichText: TypeAlias = tuple[str | Untrusted, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value of a card."""

    label: str
    value: RichText


@dataclass(frozen=True, slots=True)
class Link:
    """A page to open next; `url` begins with `http://` or `https://`."""

    label: RichText
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCard:
    """One alert in detail.

    Attributes:
        tone: How it looks.
        badge: What happened: "CRITICAL", "Resolved after 35m".
        heading: The rest of the first line: what is true now.
        subject: The second line: what it is about.
        facts: The numbers behind it.
        notes: Sentences, each a paragraph.
    """

    tone: MessageStatus
    badge: str
    heading: RichText
    subject: RichText = ()
    facts: tuple[Fact, ...] = ()
    notes: tuple[RichText, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert in one line, or the same at several tenants.

    Attributes:
        tone: How it looks.
        text: Begins with a badge.
        count: How many alerts it stands for.
    """

    tone: MessageStatus
    text: RichText
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionSource:
    """What is over, below what is true now: the only part of a message that may be cut.

    Attributes:
        heading: What these are.
        lines: The newest first.
    """

    heading: str = ""
    lines: tuple[AlertLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A target that cannot be reached.

    Attributes:
        target: A name like `secops/slack`.
        since: When the first attempt failed, with none that succeeded since.
        error: What the last attempt failed of.
        notified: Which receivers were told of it; None as long as it is no news.
    """

    target: str
    since: datetime
    error: str
    notified: tuple[ReceiverName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCallEventDraft:
    """An `Event` in words."""

    dedup_key: str
    action: EventAction
    severity: Severity
    line: AlertLine
    card: AlertCard


#: So many alerts are told in detail, and so many in all; the rest is counted.
MAX_CARDS = 5
MAX_LINES = 25
#: From so many tenants on the same news is told once for all of them, of which so many are named.
MIN_GROUPED_TENANTS = 3
MAX_NAMED_TENANTS = 12
MAX_HEADLINE_TENANTS = 3
#: So many different causes, limits and ended mutes are named for several tenants.
MAX_NAMED_CAUSES = 3
MAX_NAMED_MUTES = 3
#: A message answers so many others at most.
MAX_THREADS = 20
#: So many things are opened at most by one message, the worst ones; whatever ended is always closed.
MAX_TRIGGERED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageContent:
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
    tone: MessageStatus
    title: RichText
    cards: tuple[AlertCard, ...]
    lines: tuple[AlertLine, ...]
    total: int
    preface: RichText = ()
    past: TransitionSource = TransitionSource()
    notes: tuple[RichText, ...] = ()
    links: tuple[Link, ...]
    footer: str
    created_at: datetime
    alert_ids: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    happenings: tuple[OnCallEventDraft, ...] = ()

    @property
    def says_title(self) -> bool:
        """Whether the title is said in the body as well: it is not that of a single alert, which says the same."""
        return len(self.lines) != 1 or bool(self.preface or self.past.lines)


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
