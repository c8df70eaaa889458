"""The readers of a message: their time zone, and how counts, spans and instants are written for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from re import compile as compile_regex

from alerter.core.conditions import duration_text
from alerter.core.message.content import CARD_DETAIL, Fact, MessageContext, Untrusted
from alerter.core.notifications import NotificationItem, NotifyReason, Receiver, next_repeat_at
from alerter.core.rules import RuleName
from alerter.core.series import Tenant

_WEB_PAGE = compile_regex(r"https?://[!-~]{1,1000}")


def is_web_page(text: str) -> bool:
    """Say whether a service will take it for a link: one bad link has a whole message refused."""
    return _WEB_PAGE.fullmatch(text) is not None


def format_count(count: int, noun: str) -> str:
    """Return a count with its noun: `1 message`, `1,240 messages`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_late(at: datetime, *, now: datetime) -> str:
    """Return how late something of an instant is told, for a title; empty if it is not."""
    return f", {format_span(now - at)} late" if now - at >= timedelta(minutes=1) else ""


def format_span(span: timedelta) -> str:
    """Return a span in the two units that matter: `40s`, `12m`, `3h5m`, `2d7h`."""
    minute, day = timedelta(minutes=1), timedelta(days=1)
    span = max(span, timedelta(0))
    unit = timedelta(seconds=1) if span < minute else minute if span < day else timedelta(hours=1)
    return duration_text(round(span / unit) * unit)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_date(local: datetime) -> str:
    """Return a day: `2 Mar`."""
    # Not strftime's %b, which follows the machine's locale.
    return f"{local.day} {_MONTHS[local.month - 1]}"


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
    """Who reads it, where and when."""

    receiver: Receiver
    context: MessageContext
    now: datetime

    @property
    def clock(self) -> TimeFormatter:
        """The reader's clock."""
        return TimeFormatter(self.context.timezone, self.now)

    def reminder(self, notice: NotificationItem) -> str:
        """Return `reminder 2, next in 16h`; empty where a notice is no reminder, or not known to be one."""
        if notice.reason is not NotifyReason.REPEAT or notice.previous_state is None:
            return ""
        notified = replace(notice.previous_state, repeats=notice.previous_state.repeats + 1, at=self.now)
        return (
            f"reminder {notified.repeats:,}, next in {format_span(next_repeat_at(notified, self.receiver) - self.now)}"
        )

    def tenants(self, group: Sequence[NotificationItem]) -> str:
        """Return `9 of 40 tenants`, or `9 tenants` where it is not known of how many."""
        known = self.context.tenant_count
        return f"{len(group):,}{f' of {known:,}' if known >= len(group) else ''} tenants"

    def label_facts(self, tenant: Tenant) -> tuple[Fact, ...]:
        """Return what a tenant is known by besides its name."""
        labels = self.context.labels_by_tenant.get(tenant, {})
        text = ", ".join(f"{name} {value}" for name, value in labels.items())
        return (Fact("Tenant", (Untrusted(text, CARD_DETAIL),)),) if text else ()

    def runbook_facts(self, rule: RuleName) -> tuple[Fact, ...]:
        """Return a rule's runbook where it is no page to link to."""
        runbook = self.context.runbook_by_rule.get(rule, "")
        return (Fact("Runbook", (Untrusted(runbook),)),) if runbook and not is_web_page(runbook) else ()
