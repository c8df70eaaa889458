"""A backtest as text for people, as CSV for spreadsheets, and as JSON for programs."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from operator import itemgetter
from shutil import get_terminal_size

import click

from alerter.cli.colors import paint
from alerter.cli.output import bars_text, clean, count_text, data_output, print_json
from alerter.core.backtest.result import Backtest, FiringPeriod, HistoryCoverage
from alerter.core.backtest.summary import (
    Comparison,
    RuleSummary,
    compare_firings,
    covered_slots,
    firing_time_within,
    max_concurrent,
    summarize_rule,
)
from alerter.core.charts.sparkline import BARS
from alerter.core.notifications import NotifyReason
from alerter.core.rules import RuleName
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Span
from alerter.humanize import local_time_text, short_duration_text

#: A picture is no wider than this, in characters, and no narrower.
WIDEST, NARROWEST = 120, 20
#: The firings of each kind that are listed where two sets of rules are compared.
MAX_LISTED = 20
_SHORT = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestReport:
    """What was tried, and what came of it.

    Attributes:
        span: What was asked about.
        timezone: In which people read times.
        known: How much is known of each tenant.
        sets: Of each set of rules those that are shown, and what it would have done; one, or two to compare.
        has_silences: Whether somebody had silenced something within the span.
        is_part: Whether a rule over all tenants has looked at some of them alone.
    """

    span: Span
    timezone: tzinfo
    known: tuple[HistoryCoverage, ...]
    sets: tuple[tuple[Sequence[RuleName], Backtest], ...]
    has_silences: bool
    is_part: bool

    def summaries(self, number: int) -> list[RuleSummary]:
        """Return what each rule of a set comes to."""
        names, found = self.sets[number]
        return [summarize_rule(name, found, self.span, timezone=self.timezone) for name in names]

    def firings(self, number: int) -> list[FiringPeriod]:
        """Return what fires by the rules of a set that are shown."""
        names, found = self.sets[number]
        return [firing for firing in found.firings if firing.key.rule in names]

    def comparison(self) -> Comparison | None:
        """Return what the second set does otherwise; None where there is one set."""
        return compare_firings(self.firings(0), self.firings(1)) if len(self.sets) > 1 else None


# to people


def print_text(found: BacktestReport) -> None:
    """Print a paragraph for each rule with a picture of when it would have fired, or what is otherwise."""
    difference = found.comparison()
    lines = [_heading(found), ""]
    lines += (
        [line for summary in found.summaries(0) for line in _paragraph(summary, found)] if difference is None else []
    )
    lines += [] if difference is None else _difference(difference, found)
    lines += _messages(found)
    lines += [f"note: {note}" for note in notes(found)]
    click.echo("\n".join(lines))


def _heading(found: BacktestReport) -> str:
    span = found.span
    tenants = found.known[0].tenant if len(found.known) == 1 else count_text(len(found.known), "tenant")
    begin, end = (local_time_text(at, found.timezone) for at in (span.start_at, span.end_at))
    return f"{begin} to {end} ({short_duration_text(span.end_at - span.start_at)}), {clean(tenants)}"


def _paragraph(summary: RuleSummary, found: BacktestReport) -> Iterator[str]:
    yield f"{paint(clean(summary.rule), 'title')}: {_how_often(summary)}"
    if summary.peak_day is not None and summary.peak_day[1] > 1:
        day, number = summary.peak_day
        yield f"  busiest   {day:%a %Y-%m-%d}: {number} times"
    if summary.notified:
        notified = (
            f"{name} {summary.messages[name]} ({_whys(whys)})" for name, whys in sorted(summary.notified.items())
        )
        yield f"  messages  {', '.join(notified)}"
    picture = poll_times(summary, found, width=_width())
    worst = max((firing.key.severity for firing in summary.firings), key=lambda severity: severity.rank, default=None)
    yield "  " + (picture if worst is None else paint(picture, worst))
    yield "  " + _axis(found, width=_width())
    yield ""


def _how_often(summary: RuleSummary) -> str:
    going_on = len(summary.firings) - summary.began
    if not summary.firings:
        return "would never have fired"
    severities = sorted({firing.key.severity for firing in summary.firings}, key=lambda each: -each.rank)
    numbers = Counter(firing.key.severity for firing in summary.firings)
    parts = [f"{numbers[each]} {each}" if len(severities) > 1 else str(each) for each in severities]
    parts += [f"{going_on} of them since before"] if going_on else []
    times = f"would have fired {count_text(len(summary.firings), 'time')} ({', '.join(parts)})"
    if len(summary.firings) == 1:
        return f"{times}, for {_lasting(summary.total)}"
    spans = (_lasting(summary.total), _lasting(summary.median), _lasting(summary.longest))
    return f"{times}, {spans[0]} in all, median {spans[1]}, longest {spans[2]}"


def _lasting(span: timedelta) -> str:
    return short_duration_text(span) if span >= timedelta(seconds=1) else "a moment"


def _whys(whys: Mapping[NotifyReason, int]) -> str:
    return ", ".join(f"{number:,} {why}" for why, number in whys.items())


def poll_times(summary: RuleSummary, found: BacktestReport, *, width: int) -> str:
    """Return how many alerts of a rule fired at once over the span, as bars; a dot where nobody was polled."""
    most = max_concurrent(summary.firings, found.span, slots=width)
    known = covered_slots(found.known, found.span, slots=width)
    top = max(most)
    # However short it was, and however few of many, it is seen.
    heights = (-(-number * (len(BARS) - 1) // top) if top else 0 for number in most)
    return bars_text(height if is_known or height else None for height, is_known in zip(heights, known, strict=True))


def _axis(found: BacktestReport, *, width: int) -> str:
    """Return the line below a picture: when it begins and ends, and its middle where there is room."""
    span = found.span
    form = "%H:%M" if span.end_at - span.start_at <= _SHORT else "%d %b"
    middle = span.start_at + (span.end_at - span.start_at) / 2
    left, centre, right = (at.astimezone(found.timezone).strftime(form) for at in (span.start_at, middle, span.end_at))
    return left + centre.center(width - len(left) - len(right)) + right


def _width() -> int:
    return max(NARROWEST, min(WIDEST, get_terminal_size().columns - 4))


def _difference(difference: Comparison, found: BacktestReport) -> Iterator[str]:
    gained, lost, moved = len(difference.added), len(difference.removed), len(difference.moved)
    yield (
        f"{click.style(f'+{gained:,}', fg='green')} {click.style(f'-{lost:,}', fg='red')} alerts; "
        f"{moved:,} moved, {difference.unchanged:,} unchanged"
    )
    for title, sign, colour, firings in (
        ("added", "+", "green", difference.added),
        ("removed", "-", "red", difference.removed),
    ):
        for firing in firings[:MAX_LISTED]:
            yield click.style(f"  {sign} {_firing_text(firing, found)}", fg=colour)
        yield from _more(len(firings), title)
    for move in difference.moved[:MAX_LISTED]:
        yield f"  ~ {_firing_text(move.after, found)}, before: {_when(move.before, found)}"
    yield from _more(moved, "moved")
    yield ""


def _more(number: int, what: str) -> Iterator[str]:
    if number > MAX_LISTED:
        yield f"    … and {number - MAX_LISTED:,} more {what}; --csv lists all of them"


def _firing_text(firing: FiringPeriod, found: BacktestReport) -> str:
    key = firing.key
    tenant = "all tenants" if key.tenant == ALL_TENANTS else key.tenant
    about = tenant if key.reason == ALL_REASONS else f"{key.reason!r} of {tenant}"
    peak = "" if firing.peak is None else f", peak {firing.peak:,}"
    return clean(f"{key.rule} {key.severity}, {about}: {_when(firing, found)}{peak}")


def _when(firing: FiringPeriod, found: BacktestReport) -> str:
    since = f"{firing.since.astimezone(found.timezone):%a %Y-%m-%d %H:%M}"
    if firing.until is None:
        return f"{since}, still firing"
    return f"{since} for {_lasting(firing.until - firing.since)}"


def _messages(found: BacktestReport) -> Iterator[str]:
    """Yield how many messages there would have been; one may be about several rules."""
    which = ("before: ", "after: ") if len(found.sets) > 1 else ("",)
    for when, (names, each) in zip(which, found.sets, strict=True):
        shown = any(item.rule in names for item in each.items)
        listed = ", ".join(f"{clean(name)} {count:,}" for name, count in each.messages.items()) if shown else "none"
        yield f"messages of all rules together: {when}{listed}"


# what a reader must know


def notes(found: BacktestReport) -> list[str]:
    """Return what limits the answer."""
    said = [*_late(found), *_gaps(found), *_thinned(found)]
    if found.is_part:
        said.append("rules over all tenants together have evaluated the chosen ones only")
    if found.has_silences:
        said.append("silences and acknowledgements of that time are left out: fewer notifications were sent than this")
    return said


def _late(found: BacktestReport) -> Iterator[str]:
    """Yield whose history is shorter than what is asked about."""
    span = found.span
    late = [(known.since, known.tenant) for known in found.known if known.since and known.since > span.start_at]
    never = [known.tenant for known in found.known if known.since is None]
    if late:
        since, tenant = max(late)
        begin = local_time_text(since, found.timezone)
        known, asked = max(span.end_at - since, timedelta(0)), span.end_at - span.start_at
        part = f"{short_duration_text(known)} of the {short_duration_text(asked)} asked for"
        if len(found.known) == 1:
            yield f"the history begins {begin}: {part}"
        else:
            yield f"the history of {count_text(len(late), 'tenant')} is shorter: of {clean(tenant)} it is {part}"
    if never:
        yield f"nothing is known of {count_text(len(never), 'tenant')}, such as {clean(never[0])}"


def _gaps(found: BacktestReport) -> Iterator[str]:
    """Yield where nothing was seen; of many tenants, of whom most is missing."""
    with_gaps = [known for known in found.known if known.gaps]
    if not with_gaps:
        return
    total, most = max(((_unseen(known), known) for known in with_gaps), key=itemgetter(0))
    longest = most.gaps[0]
    where = "" if len(found.known) == 1 else f" of {clean(most.tenant)}"
    others = f"; {count_text(len(with_gaps), 'tenant')} have gaps" if len(with_gaps) > 1 else ""
    yield (
        f"no data{where} for {short_duration_text(total)} in {count_text(len(most.gaps), 'gap')}, the longest "
        f"{short_duration_text(longest.end_at - longest.start_at)} "
        f"from {local_time_text(longest.start_at, found.timezone)}{others}"
    )


def _unseen(known: HistoryCoverage) -> timedelta:
    return sum((gap.end_at - gap.start_at for gap in known.gaps), timedelta(0))


def _thinned(found: BacktestReport) -> Iterator[str]:
    downsampled = [known.thinned_until for known in found.known if known.thinned_until is not None]
    if downsampled:
        until = local_time_text(max(downsampled), found.timezone)
        yield f"before {until} only the lowest, highest and last count of each hour are known: what fired, to the hour"


# to spreadsheets and programs


def print_csv(found: BacktestReport) -> None:
    """Print a line per firing; where two sets are compared, what becomes of it and when it was before."""
    with data_output() as stream:
        csv.writer(stream, lineterminator="\n").writerows(_csv_rows(found))


def _csv_rows(found: BacktestReport) -> Iterator[tuple[object, ...]]:
    difference = found.comparison()
    head = ("rule", "severity", "tenant", "reason", "since", "until", "seconds", "peak")
    if difference is None:
        yield head
        yield from (_cells(firing, found.span) for firing in found.firings(0))
        return
    yield ("change", *head, "since_before", "until_before")
    rows: list[tuple[str, FiringPeriod, FiringPeriod | None]] = [("added", firing, None) for firing in difference.added]
    rows += [("removed", firing, None) for firing in difference.removed]
    rows += [("moved", move.after, move.before) for move in difference.moved]
    for change, firing, before in rows:
        yield (change, *_cells(firing, found.span), *(_instants(before) if before else ("", "")))


def _cells(firing: FiringPeriod, span: Span) -> tuple[object, ...]:
    # Names are data: no spreadsheet may take one for a formula.
    from alerter.import_export.cells import escape_formula  # noqa: PLC0415 - only for this form

    key = firing.key
    seconds = int(firing_time_within(firing, span).total_seconds())
    peak = "" if firing.peak is None else firing.peak
    return (
        escape_formula(key.rule),
        key.severity,
        key.tenant,
        escape_formula(key.reason),
        *_instants(firing),
        seconds,
        peak,
    )


def _instants(firing: FiringPeriod) -> tuple[str, str]:
    return firing.since.isoformat(), "" if firing.until is None else firing.until.isoformat()


def print_json_report(found: BacktestReport) -> None:
    """Print all of it."""
    difference = found.comparison()
    body: dict[str, object] = {
        "since": found.span.start_at,
        "until": found.span.end_at,
        "tenants": [_known_json(each) for each in found.known],
        "notes": notes(found),
    }
    if difference is None:
        print_json(body | _set_json(found, 0))
        return
    print_json(
        body
        | {
            "before": _set_json(found, 0),
            "after": _set_json(found, 1),
            "added": [_firing_json(each) for each in difference.added],
            "removed": [_firing_json(each) for each in difference.removed],
            "moved": [
                {"before": _firing_json(each.before), "after": _firing_json(each.after)} for each in difference.moved
            ],
            "unchanged": difference.unchanged,
        }
    )


def _set_json(found: BacktestReport, number: int) -> dict[str, object]:
    return {
        "rules": [_summary_json(each) for each in found.summaries(number)],
        "messages": found.sets[number][1].messages,
        "firings": [_firing_json(each) for each in found.firings(number)],
    }


def _summary_json(summary: RuleSummary) -> dict[str, object]:
    day, most = summary.peak_day or (None, 0)
    return {
        "rule": summary.rule,
        "fired": len(summary.firings),
        "began": summary.began,
        "total_seconds": summary.total,
        "median_seconds": summary.median,
        "longest_seconds": summary.longest,
        "busiest_day": None if day is None else {"day": day.isoformat(), "began": most},
        "messages": summary.messages,
        "notified": summary.notified,
    }


def _firing_json(firing: FiringPeriod) -> dict[str, object]:
    key = firing.key
    return {
        "alert": key.id,
        "rule": key.rule,
        "severity": key.severity,
        "tenant": key.tenant,
        "reason": key.reason,
        "since": firing.since,
        "until": firing.until,
        "peak": firing.peak,
    }


def _known_json(known: HistoryCoverage) -> dict[str, object]:
    return {
        "tenant": known.tenant,
        "first_polled_at": known.since,
        "gaps": [{"since": gap.start_at, "until": gap.end_at} for gap in known.gaps],
        "downsampled_until": known.thinned_until,
    }
