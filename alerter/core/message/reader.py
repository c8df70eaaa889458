"""The readers of a message: their time zone, and how counts, spans and instants are written for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from re import compile as compile_regex

from alerter.core.alerts import AlertSubject
from alerter.core.charts.figure import Figure
from alerter.core.charts.sparkline import sparkline
from alerter.core.charts.svg import picture_svg
from alerter.core.conditions import duration_text
from alerter.core.message.content import (
    CARD_DETAIL,
    CARD_NAME,
    HEADLINE_NAME,
    HEADLINE_TENANT,
    MAX_IDS,
    MAX_LABELLED_TENANTS,
    Bars,
    Chart,
    Fact,
    MessageContext,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.notifications import NotificationItem, NotifyReason, next_repeat_at
from alerter.core.renames import Rename
from alerter.core.routes import Receiver
from alerter.core.rules import RuleName
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Tenant

#: The characters of a sparkline beside other text on its line.
SHORT_TREND = 8


def format_count(count: int, noun: str) -> str:
    """Return a count with its noun: `1 message`, `1,240 messages`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_late(at: datetime, *, now: datetime) -> str:
    """Return how late a message about an instant is, for a title; empty if it is not."""
    return f", {format_span(now - at)} late" if now - at >= timedelta(minutes=1) else ""


def format_span(span: timedelta) -> str:
    """Return a span in the two units that matter: `40s`, `12m`, `3h 5m`, `2d 7h`."""
    minute, day = timedelta(minutes=1), timedelta(days=1)
    span = max(span, timedelta(0))
    unit = timedelta(seconds=1) if span < minute else minute if span < day else timedelta(hours=1)
    return duration_text(round(span / unit) * unit)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def format_date(local: datetime) -> str:
    """Return a day: `2 Mar`."""
    # Not strftime's %b, which follows the machine's locale.
    return f"{local.day} {_MONTHS[local.month - 1]}"


def format_day(local: datetime) -> str:
    """Return a day with its weekday and year: `Tue 2 Mar 2027`."""
    return f"{_DAYS[local.weekday()]} {format_date(local)} {local.year}"


@dataclass(frozen=True, slots=True)
class TimeFormatter:
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
        return f"{format_date(local)}{year} {clock}"

    def short(self, at: datetime) -> str:
        """Return `14:05`, with the date unless it is today's."""
        local, today = at.astimezone(self.timezone), self.now.astimezone(self.timezone)
        return f"{local:%H:%M}" if local.date() == today.date() else f"{format_date(local)} {local:%H:%M}"

    def with_age(self, at: datetime) -> str:
        """Return the instant and, from a minute on, how long ago it was."""
        age = self.now - at
        return f"{self.text(at)} ({format_span(age)} ago)" if age >= timedelta(minutes=1) else self.text(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """Who reads it, where and when.

    Attributes:
        receiver: Who.
        context: Where.
        now: When.
        figures: The counts of the alerts; what is not known is missing.
        renames: Which hold reasons were renamed; all others are missing.
        has_one_tenant: Whether everything in the message is about the same tenant, which its title names.
    """

    receiver: Receiver
    context: MessageContext
    now: datetime
    figures: Mapping[AlertSubject, Figure] = field(default_factory=dict)
    renames: Mapping[AlertSubject, Rename] = field(default_factory=dict)
    has_one_tenant: bool = False

    @property
    def clock(self) -> TimeFormatter:
        """The reader's clock."""
        return TimeFormatter(self.context.timezone, self.now)

    def reminder_number(self, item: NotificationItem) -> int | None:
        """Return which reminder this is, from 1 on; None where it is none, or not known to be one."""
        if item.reason is not NotifyReason.REPEAT or item.previous_state is None:
            return None
        return item.previous_state.repeat_count + 1

    def reminder_facts(self, item: NotificationItem) -> tuple[Fact, ...]:
        """Return where a reminder stands in the row of reminders, and when the next one comes."""
        number = self.reminder_number(item)
        if number is None or item.previous_state is None:
            return ()
        notified = replace(item.previous_state, repeat_count=number, notified_at=self.now)
        wait = format_span(next_repeat_at(notified, self.receiver) - self.now)
        return (Fact("Reminder", (f"{number:,}, next in {wait}",)),)

    def tenants(self, group: Sequence[NotificationItem]) -> str:
        """Return `9 of 40 tenants`, or `9 tenants` where it is not known of how many."""
        known = self.context.tenant_count
        return f"{len(group):,}{f' of {known:,}' if known >= len(group) else ''} tenants"

    def rename_facts(self, subject: AlertSubject) -> tuple[Fact, ...]:
        """Return what the hold reason was called before, or what it is called now."""
        rename = self.renames.get(subject)
        if rename is None:
            return ()
        word, other = ("from ", rename.old) if subject.reason == rename.new else ("to ", rename.new)
        return (Fact("Renamed", (word, UntrustedName(other, CARD_NAME), f" at {self.clock.text(rename.at)}")),)

    def trend_facts(self, subject: AlertSubject) -> tuple[Fact, ...]:
        """Return what the counts were, as bars and in words."""
        figure = self.figures.get(subject)
        if figure is None or not figure.segments:
            return ()
        return (Fact(_span_text(figure), (Bars(sparkline(figure)), f"  {trend_text(figure)}")),)

    def chart_for(self, subject: AlertSubject) -> Chart | None:
        """Return a picture of what the counts were; None where that is not known, or the receiver wants none."""
        figure = self.figures.get(subject)
        if figure is None or not figure.segments or not self.receiver.charts:
            return None
        is_sum = subject.reason == ALL_REASONS
        reason = "all hold reasons" if is_sum else UntrustedName(subject.reason, HEADLINE_NAME)
        tenant = "all tenants" if subject.tenant == ALL_TENANTS else Untrusted(subject.tenant, HEADLINE_TENANT)
        caption = (reason, " (", tenant, f"), {_span_text(figure)}: {trend_text(figure)}")
        return Chart(picture_svg(figure, self.context.timezone), caption)

    def short_trend(self, subject: AlertSubject) -> RichText:
        """Return what the counts were as a few bars, with the space behind them; empty where that is not known."""
        figure = self.figures.get(subject)
        if figure is None or not figure.segments:
            return ()
        return (Bars(sparkline(figure, width=SHORT_TREND)), " ")

    def label_facts(self, tenants: Iterable[Tenant]) -> tuple[Fact, ...]:
        """Return what tenants are known by besides their names; the name stands before it where there are several."""
        labelled = {
            tenant: labels
            for tenant in dict.fromkeys(tenants)
            if tenant != ALL_TENANTS and (labels := self.context.labels_by_tenant.get(tenant))
        }
        if self.has_one_tenant:
            return tuple(_label_fact(labels) for labels in labelled.values())
        facts = [
            Fact("Labels", (Untrusted(tenant, HEADLINE_TENANT), ": ", Untrusted(_labels_text(labels), CARD_DETAIL)))
            for tenant, labels in labelled.items()
        ]
        return tuple(facts[:MAX_LABELLED_TENANTS])

    def runbook_facts(self, rule: RuleName) -> tuple[Fact, ...]:
        """Return a rule's runbook where it is no page to link to."""
        runbook = self.context.runbook_by_rule.get(rule, "")
        return (Fact("Runbook", (Untrusted(runbook),)),) if runbook and not is_web_page(runbook) else ()


def _span_text(figure: Figure) -> str:
    """Return how much time a figure shows: `24 h`, `4h`, `14d`."""
    span = format_span(figure.end_at - figure.start_at)
    return "24 h" if span == "1d" else span


def trend_text(figure: Figure) -> str:
    """Return a figure in words: `40 → 612, highest 640`; empty where nothing is known."""
    highest, newest = figure.highest, figure.newest
    if highest is None or newest is None:
        return ""
    first = figure.segments[0].count
    top = f", highest {highest.count:,}" if highest.count not in {first, newest.count} else ""
    return f"{first:,} → {newest.count:,}{top}"


def format_ids(items: Sequence[NotificationItem]) -> str:
    """Return the ids of alerts, of many the first ones and how many more there are."""
    ids = [item.alert.key.id for item in items]
    more = f", +{len(ids) - MAX_IDS:,}" if len(ids) > MAX_IDS else ""
    return f"{', '.join(ids[:MAX_IDS])}{more}"


def _label_fact(labels: Mapping[str, str]) -> Fact:
    """Return labels as a row whose name is that of the first: `Customer  Acme Ltd · tier gold`."""
    (name, value), *others = labels.items()
    rest = f" · {_labels_text(dict(others))}" if others else ""
    return Fact(f"{name[:1].upper()}{name[1:]}", (Untrusted(f"{value}{rest}", CARD_DETAIL),))


def _labels_text(labels: Mapping[str, str]) -> str:
    return " · ".join(f"{name} {value}" for name, value in labels.items())


_WEB_PAGE = compile_regex(r"https?://[!-~]{1,1000}")


def is_web_page(text: str) -> bool:
    """Say whether a service will take it for a link: one bad link has a whole message refused."""
    return _WEB_PAGE.fullmatch(text) is not None
