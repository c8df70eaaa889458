"""The weekly report of a receiver: what was held, which alerts there were, and who was without data."""

from collections.abc import Iterable
from datetime import datetime

from alerter.core.message.content import (
    HEADLINE_NAME,
    HEADLINE_TENANT,
    MAX_RECORDS,
    AlertCard,
    AlertLine,
    Fact,
    Message,
    MessageContent,
    MessageContext,
    MessageStatus,
    RichText,
    Untrusted,
    UntrustedName,
)
from alerter.core.message.draft import build_message_id, dated_line
from alerter.core.message.reader import TimeFormatter, format_count, format_day, format_span
from alerter.core.message.render import render
from alerter.core.review import BRIEF, EpisodeSummary, TenantWeek, WeeklyReport, most
from alerter.core.routes import ReceiverName
from alerter.core.series import ALL_REASONS, Tenant, from_epoch_us

#: The tenants, rules and series that are named; the rest is counted.
MAX_NAMED = 5


def compose_report_content(
    report: WeeklyReport, receiver: ReceiverName, context: MessageContext, *, id_: str, now: datetime
) -> MessageContent:
    """Return a weekly report in words.

    Args:
        report: What the week was like.
        receiver: Who gets it.
        context: Where its readers live.
        id_: Its id, which `weekly_report_id` returns.
        now: When it is written.
    """
    cards = (_held_card(report, context), _alerts_card(report), _no_data_card(report))
    alerts = format_count(report.review.summary.episodes, "alert")
    title: RichText = (
        "Weekly report: ",
        f"{alerts}, {report.review.summary.without_action:,} without action; {report.held:,} held now (",
        *_tenants_text(report),
        ")",
    )
    span = report.review.span
    since, until = (at.astimezone(context.timezone) for at in (span.start_at, span.end_at))
    return MessageContent(
        id=id_,
        receiver=receiver,
        status=MessageStatus.INFO,
        title=title,
        cards=cards,
        lines=tuple(AlertLine(card.status, (f"{card.badge}: ", *card.heading), count=0) for card in cards),
        total=0,
        preface=(f"{format_day(since)} {since:%H:%M} to {format_day(until)} {until:%H:%M} {until.tzname()}",),
        links=(),
        footer=(
            (f"Which limits would make the alerts half as many: {context.command} review --since 7d",),
            dated_line(id_, context, now=now),
        ),
        created_at=now,
        kind="report",
        figures=build_figures(report),
        command=context.command,
        page=context.public_url,
    )


def build_report_message(
    report: WeeklyReport, receiver: ReceiverName, context: MessageContext, *, id_: str, now: datetime
) -> Message:
    """Return a weekly report in every format."""
    return render(compose_report_content(report, receiver, context, id_=id_, now=now))


def build_figures(report: WeeklyReport) -> dict[str, object]:
    """Return a weekly report for programs: instants in UTC, spans in seconds, the tenants that held most first."""
    summary, span = report.review.summary, report.review.span
    return {
        "since": span.start_at.isoformat(timespec="seconds"),
        "until": span.end_at.isoformat(timespec="seconds"),
        "held": report.held,
        "firing": report.firing,
        "alerts": summary.episodes,
        "sent": summary.sent,
        "acknowledged": summary.acknowledged,
        "silenced": summary.silenced,
        "brief": summary.brief,
        "without_action": summary.without_action,
        "median_seconds": None if summary.median is None else summary.median.total_seconds(),
        "longest_seconds": None if summary.longest is None else summary.longest.total_seconds(),
        "rules": [{"rule": each.rule, "alerts": each.summary.episodes} for each in report.review.rules[:MAX_RECORDS]],
        "tenant_count": len(report.tenants),
        "tenants": [
            {
                "tenant": each.tenant,
                "held": each.held,
                "highest": None if each.highest is None else each.highest[0],
                "came": each.came,
                "left": each.left,
                "no_data_seconds": each.no_data.total_seconds(),
            }
            for each in sorted(report.tenants, key=lambda week: (-_held(week), week.tenant))[:MAX_RECORDS]
        ],
    }


def weekly_report_id(receiver: ReceiverName, due_date: str) -> str:
    """Return the id of a receiver's report, which is the same for every process that would send it."""
    return build_message_id(receiver, ("weekly report", due_date), at=from_epoch_us(0))


def _tenants_text(report: WeeklyReport) -> RichText:
    if len(report.tenants) == 1:
        return (Untrusted(report.tenants[0].tenant, HEADLINE_TENANT),)
    return (format_count(len(report.tenants), "tenant"),)


def _held_card(report: WeeklyReport, context: MessageContext) -> AlertCard:
    came, left = sum(each.came for each in report.tenants), sum(each.left for each in report.tenants)
    facts = [
        Fact("Came", (f"at least {came:,}",)),
        Fact("Left", (f"at least {left:,}, released, rejected or expired",)),
    ]
    if len(report.tenants) == 1:
        (only,) = report.tenants
        if only.highest is not None:
            clock = TimeFormatter(context.timezone, report.review.span.end_at)
            facts.insert(0, Fact("Highest", (f"{only.highest[0]:,} at {clock.short(only.highest[1])}",)))
    else:
        facts += [
            Fact(label, _named((each.tenant, f"{number(each):,}") for each in most(report.tenants, number)))
            for label, number in (("Most held", _held), ("Most came", _came), ("Most left", _left))
            if most(report.tenants, number)
        ]
    return AlertCard(
        status=MessageStatus.INFO,
        badge="Held",
        heading=(f"{format_count(report.held, 'message')} now",),
        facts=tuple(facts),
    )


def _held(week: TenantWeek) -> int:
    return week.held or 0


def _came(week: TenantWeek) -> int:
    return week.came


def _left(week: TenantWeek) -> int:
    return week.left


def _named(named: Iterable[tuple[Tenant, str]]) -> RichText:
    """Return the first tenants with what is said of each, and how many more there are."""
    parts: list[str | Untrusted] = []
    every = list(named)
    for tenant, text in every[:MAX_NAMED]:
        parts += [", " if parts else "", Untrusted(tenant, HEADLINE_TENANT), f" {text}"]
    if len(every) > MAX_NAMED:
        parts.append(f" and {len(every) - MAX_NAMED:,} more")
    return tuple(each for each in parts if each)


def _alerts_card(report: WeeklyReport) -> AlertCard:
    review = report.review
    if not review.summary.episodes:
        going_on = f"; {report.firing:,} still {'fires' if report.firing == 1 else 'fire'}" if report.firing else ""
        return AlertCard(status=MessageStatus.RESOLVED, badge="Alerts", heading=(f"none began{going_on}",))
    return AlertCard(
        status=MessageStatus.WARNING if review.summary.without_action else MessageStatus.INFO,
        badge="Alerts",
        heading=(_how_many(review.summary, report.firing),),
        facts=(
            Fact("Lasted", (_lasted(review.summary),)),
            Fact("Acted on", (_acted_on(review.summary),)),
            Fact("Brief", (f"{review.summary.brief:,} over within {format_span(BRIEF)} by themselves",)),
            Fact("Rules", _rules(report)),
            Fact("Most often", _most_often(report)),
        ),
    )


def _how_many(summary: EpisodeSummary, firing: int) -> str:
    return f"{summary.episodes:,} began; {firing:,} {'fires' if firing == 1 else 'fire'} now"


def _lasted(summary: EpisodeSummary) -> str:
    median = "none is over yet" if summary.median is None else f"median {format_span(summary.median)}"
    return median if summary.longest is None else f"{median}, longest {format_span(summary.longest)}"


def _acted_on(summary: EpisodeSummary) -> str:
    without = f"{summary.without_action:,} of {summary.sent:,} that were sent without action"
    return f"{summary.acknowledged:,} acknowledged, {summary.silenced:,} silenced; {without}"


def _rules(report: WeeklyReport) -> RichText:
    parts: list[str | Untrusted] = []
    for each in report.review.rules[:MAX_NAMED]:
        parts += [", " if parts else "", Untrusted(each.rule, HEADLINE_NAME), f" {each.summary.episodes:,}"]
    if len(report.review.rules) > MAX_NAMED:
        parts.append(f" and {len(report.review.rules) - MAX_NAMED:,} more")
    return tuple(each for each in parts if each)


def _most_often(report: WeeklyReport) -> RichText:
    """Return the series of most alerts, and how many these were."""
    counted = [(number, subject) for rule in report.review.rules for subject, number in rule.subjects]
    number, subject = max(counted, key=lambda each: each[0])
    what: RichText = (
        ("all hold reasons together",)
        if subject.reason == ALL_REASONS
        else (UntrustedName(subject.reason, HEADLINE_NAME),)
    )
    tenant: RichText = () if len(report.tenants) == 1 else (" (", Untrusted(subject.tenant, HEADLINE_TENANT), ")")
    return (*what, *tenant, f": {number:,} of rule ", Untrusted(subject.rule, HEADLINE_NAME))


def _no_data_card(report: WeeklyReport) -> AlertCard:
    found = report.without_data
    if not found:
        return AlertCard(status=MessageStatus.RESOLVED, badge="Data", heading=("complete: every tenant was polled",))
    named = _named(
        (each.tenant, f"for {format_span(each.no_data)}" if each.no_data else "never polled") for each in found
    )
    return AlertCard(
        status=MessageStatus.WARNING,
        badge="No data",
        heading=(f"at {len(found):,} of {format_count(len(report.tenants), 'tenant')}",),
        facts=(Fact("Without data", named),),
    )
