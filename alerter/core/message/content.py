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
from alerter.core.routes import ReceiverName, TargetId
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
    JSON = "json"
    BRIEF = "brief"
    CHART = "chart"


class EventAction(StrEnum):
    """What an on-call service does about a topic."""

    TRIGGER = "trigger"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCallEvent:
    """One alert at one level, for services that open something and close the same thing again.

    Attributes:
        dedup_key: Names the rule, the series and the level, the same for ever: what is opened under it is closed under
            it, and a higher level opens something of its own, also where somebody has acknowledged the lower one.
        action: What is to be done.
        severity: Of the alert.
        summary: One line of plain text.
        details: The numbers behind it by their names, in plain text; values of `labels` are a mapping of their own.
        source: The tenant.
        component: The hold reason.
        rule: The name of the rule.
        group: Whom it concerns: the tenant's label `customer`, or else the tenant.
        started_at: When it began to fire; None where that is not known.
        links: Pages to open next, each a label and an address.
    """

    dedup_key: str
    action: EventAction
    severity: Severity
    summary: str
    details: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    source: str = ""
    component: str = ""
    rule: str = ""
    group: str = ""
    started_at: datetime | None = None
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one receiver, frozen when it was planned.

    Attributes:
        id: Short and stable, and printed in every body, so that a duplicate is recognised.
        receiver: To whom.
        status: How it looks.
        title: One line of plain text.
        bodies: The body in each format: plain text, an HTML document, JSON for Slack (`text`, `blocks` and
            `attachments`), for Teams (an Adaptive Card), for programs, what `text.fit` makes shorter texts of, and JSON
            for a picture (`svg`, and `text` for people who cannot see it) where the receiver wants one.
        created_at: When it was planned.
        alert_ids: The alerts that it is about, worst first.
        threads: The ids of the first messages about those alerts, which this one answers; at most `MAX_THREADS`.
        events: What services that open and close do about it, in the order in which it is done.
    """

    id: str
    receiver: ReceiverName
    status: MessageStatus
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
        levels_by_rule: The levels of each rule.
        public_url: Where people open the page of this service; empty for none.
        command: How `alerter` is called on its machine: `sudo alerter` where root alone may read the configuration.
    """

    timezone: tzinfo
    console_url: str
    runbook_by_rule: Mapping[RuleName, str]
    tenant_count: int = 0
    labels_by_tenant: Mapping[Tenant, Mapping[str, str]] = field(default_factory=dict)
    poll_intervals: Mapping[Tenant, timedelta] = field(default_factory=dict)
    levels_by_rule: Mapping[RuleName, tuple[Severity, ...]] = field(default_factory=dict)
    public_url: str = ""
    command: str = "alerter"

    def alert_url(self, alert_id: str) -> str:
        """Return the address of an alert's page; empty where there is none."""
        return f"{self.public_url.rstrip('/')}/alerts/{alert_id}" if self.public_url else ""


#: The characters to which names are cut: in a headline, which must fit a phone, and where a card has room for them.
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


@dataclass(frozen=True, slots=True)
class Bars:
    """A sparkline: characters that only make sense to the eye.

    Attributes:
        text: One character for each slot of time.
    """

    text: str


#: A run of text: our words, what is not ours, and sparklines.
RichText: TypeAlias = tuple[str | Untrusted | Bars, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value of a card."""

    label: str
    value: RichText

    @property
    def is_trend(self) -> bool:
        """Whether it shows how counts went."""
        return any(isinstance(part, Bars) for part in self.value)


@dataclass(frozen=True, slots=True)
class Link:
    """A page to open next; `url` begins with `http://` or `https://`."""

    label: RichText
    url: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of counts.

    Attributes:
        svg: The picture, without any text that is not ours.
        caption: The same in words.
    """

    svg: str
    caption: RichText


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCard:
    """One alert in detail.

    Attributes:
        status: How it looks.
        badge: What happened: "CRITICAL", "Resolved after 35m".
        heading: The rest of the first line: what is true now.
        facts: The numbers behind it, in the order of interest.
        notes: Sentences, each a paragraph.
        reference: The last line where there are several cards: the rule, the alert's id and how to acknowledge it.
        group: What is new, worse, better, over, or a reminder; empty where nothing is distinguished.
        chart: What was held, for formats that can show a picture; at most one card of a message has it.
    """

    status: MessageStatus
    badge: str
    heading: RichText
    facts: tuple[Fact, ...] = ()
    notes: tuple[RichText, ...] = ()
    reference: RichText = ()
    group: str = ""
    chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert in one line, or the same at several tenants.

    Attributes:
        status: How it looks.
        text: Begins with a badge, which is text of ours.
        count: How many alerts it stands for.
        group: See `AlertCard`.
    """

    status: MessageStatus
    text: RichText
    count: int = 1
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """One alert for programs: nothing in it is made fit to be read.

    Attributes:
        id: The alert's.
        rule: Its rule.
        severity: Its level.
        tenant: Its tenant.
        reason: Its hold reason.
        notify_reason: Why it is in the message.
        state: `firing` or `resolved`.
        value: What is held; None where that is not known, or about polling.
        limit: What would have made it fire, in words.
        firing_since: When it began.
        resolved_at: When it ended; None while it fires.
        peak: The worst count.
        labels: The tenant's.
        links: Pages to open next, each a label and an address.
    """

    id: str
    rule: str
    severity: Severity
    tenant: str
    reason: str
    notify_reason: str
    state: str
    value: int | None
    limit: str
    firing_since: datetime | None
    resolved_at: datetime | None
    peak: int | None
    labels: Mapping[str, str]
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAlerts:
    """What is over, below what is true now: the only part of a message that may be cut.

    Attributes:
        heading: What these are.
        lines: The newest first.
    """

    heading: str = ""
    lines: tuple[AlertLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOutage:
    """A target that cannot be reached.

    Attributes:
        target: What it was called then, such as `secops/slack`.
        target_id: Which URL it is, whatever the configuration calls it now.
        since: When the first attempt failed, with none that succeeded since.
        error: What the last attempt failed of.
        notified: Which receivers were notified of it; None as long as nobody is to be.
    """

    target: str
    target_id: TargetId
    since: datetime
    error: str
    notified: tuple[ReceiverName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCallEventDraft:
    """An `OnCallEvent` in words.

    Attributes:
        dedup_key: See `OnCallEvent`.
        action: See `OnCallEvent`.
        severity: See `OnCallEvent`.
        line: Its summary.
        card: Its details; None of what is closed without a word.
        record: What it is about; None where that is no alert.
    """

    dedup_key: str
    action: EventAction
    severity: Severity
    line: AlertLine
    card: AlertCard | None = None
    record: AlertRecord | None = None


#: The alerts that a message shows in detail, and in all; the rest is counted.
MAX_CARDS = 3
MAX_LINES = 25
#: From this number of tenants on the same news is one entry for all of them; and the number of them that are named.
MIN_GROUPED_TENANTS = 3
MAX_NAMED_TENANTS = 12
MAX_HEADLINE_TENANTS = 2
#: The different causes, limits and ended mutes that are named for several tenants.
MAX_NAMED_CAUSES = 3
MAX_NAMED_MUTES = 3
#: The messages that one message answers.
MAX_THREADS = 20
#: The incidents that one message opens, the worst ones; all that have ended are always closed.
MAX_TRIGGERED = 100
#: The alerts in the JSON for programs; the rest is counted.
MAX_RECORDS = 100
#: The tenants that are shown with their labels, and the ids that stand for several alerts.
MAX_LABELLED_TENANTS = 5
MAX_IDS = 3
#: The characters of a title.
MAX_TITLE = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageContent:
    """A message in words.

    Attributes:
        id: See `Message`.
        receiver: See `Message`.
        status: See `Message`.
        title: One line.
        cards: The worst alerts, at most `MAX_CARDS`.
        lines: The same and the next ones, at most `MAX_LINES`, so that a format with little room may show fewer cards.
        total: How many alerts there are.
        preface: A sentence before everything but the title; empty for none.
        past: What is over, below the alerts.
        notes: Sentences about the message itself, each a paragraph.
        links: Where to go next.
        footer: Lines: how to acknowledge, when it was written, and its id.
        created_at: See `Message`.
        alert_ids: See `Message`.
        threads: See `Message`.
        labels: What readers know the tenants by besides their names.
        events: See `Message.events`.
        records: The alerts for programs, at most `MAX_RECORDS`.
        kind: Why it is sent, in one word.
        figures: The figures of a weekly report for programs, as JSON has them; empty for every other message.
        command: See `MessageContext`.
        page: The address of the page of this service; empty for none.
    """

    id: str
    receiver: ReceiverName
    status: MessageStatus
    title: RichText
    cards: tuple[AlertCard, ...]
    lines: tuple[AlertLine, ...]
    total: int
    preface: RichText = ()
    past: PastAlerts = PastAlerts()
    notes: tuple[RichText, ...] = ()
    links: tuple[Link, ...]
    footer: tuple[RichText, ...]
    created_at: datetime
    alert_ids: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    labels: tuple[Fact, ...] = ()
    events: tuple[OnCallEventDraft, ...] = ()
    records: tuple[AlertRecord, ...] = ()
    kind: str = ""
    figures: Mapping[str, object] = field(default_factory=dict)
    command: str = "alerter"
    page: str = ""

    @property
    def is_single(self) -> bool:
        """Whether the title says what its only alert says, so that the card needs no heading of its own."""
        return len(self.lines) == 1 and not self.preface and not self.past.lines

    @property
    def chart(self) -> Chart | None:
        """The picture of one of its alerts; None for a message without."""
        return next((card.chart for card in self.cards if card.chart), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Messages that did not arrive, and what has become of their alerts.

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
