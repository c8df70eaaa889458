"""One hold reason of a tenant: its chart with limits, alerts, gaps and mutes, and its changes as table and CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from urllib.parse import quote

from alerter.core.alerts import Alert, AlertKey, firing_spans
from alerter.core.charts.figure import Band, Figure, build_figure, fixed_limits
from alerter.core.charts.svg import chart_svg
from alerter.core.rules import Rule
from alerter.core.selectors import match_labels
from alerter.core.series import HoldReason, Sample, Tenant
from alerter.core.silences import MAX_SILENCE
from alerter.humanize import short_duration_text
from alerter.import_export.cells import escape_formula
from alerter.queries.renames import load_rename, rename_text
from alerter.storage import AlertFilter
from alerter.web.context import Screen, View
from alerter.web.render import local_text, trusted
from alerter.web.request import HttpError, Response
from alerter.web.times import parse_at
from alerter.web.views.rows import alert_rows, rules_of_reason
from alerter.web.views.rules import level_text

SPANS = {
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
}
_MAX_CHANGES = 50
#: More points than this are no better to see.
_MAX_POINTS = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One change of a count."""

    at: datetime
    count: int
    step: str


def reason(view: View, tenant: str, key: str) -> Screen:
    """Return the screen of a hold reason."""
    name = view.tenant(tenant)
    found = named_reason(view, name, key)
    start_at, end_at, span = wanted_span(view)
    rules = rules_of_reason(view.config.rules, name, found)
    figure = _figure(view, name, found, rules, (start_at, end_at))
    alerts, _ = view.reader.lists.find_alerts(AlertFilter(tenants=frozenset({name}), reason=found), limit=20)
    changes = list(_changes(figure))
    sentence = _sentence(view, figure, _renamed(view, name, found))
    values = {
        "tenant": name,
        "reason": found,
        "sentence": sentence,
        "spans": tuple(SPANS),
        "span": span,
        "chart": trusted(chart_svg(figure, view.zone, title=f"{found} of {name}: {sentence}")),
        "figure": _document(figure, str(view.zone)),
        "alerts": alert_rows(view, alerts),
        "limits": [(rule.name, severity, level_text(level)) for rule in rules for severity, level in rule.worst_first],
        "changes": changes[::-1][:_MAX_CHANGES],
        "change_total": len(changes),
        "csv": f"{quote(key, safe='')}.csv?from={_iso(start_at)}&to={_iso(end_at)}",
    }
    return Screen(template="reason.html", title=f"{found} of {name}", section="tenants", values=values)


def _iso(at: datetime) -> str:
    return quote(at.isoformat(timespec="seconds"))


def changes_csv(view: View, tenant: str, key: str) -> Response:
    """Return the changes of a hold reason as CSV."""
    name = view.tenant(tenant)
    found = named_reason(view, name, key)
    start_at, end_at, _ = wanted_span(view)
    figure = _figure(view, name, found, (), (start_at, end_at))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("at", "tenant", "reason", "held"))
    for each in _changes(figure):
        writer.writerow((each.at.isoformat(), escape_formula(name), escape_formula(found), each.count))
    return Response(
        content=text.getvalue().encode(),
        content_type="text/csv; charset=utf-8",
        headers=[("Content-Disposition", 'attachment; filename="held.csv"')],
    )


def named_reason(view: View, tenant: Tenant, key: str) -> HoldReason:
    """Return the hold reason that a path names, by itself or by its digest.

    Raises:
        HttpError: There is none.
    """
    known = [each.reason for each in view.reader.history.reasons(tenant)]
    if key in known:
        return HoldReason(key)
    found = view.reader.lists.reason_by_digest(tenant, key)
    if found is None:
        hint = get_close_matches(key, known, n=1, cutoff=0.4)
        meant = f"; did you mean {hint[0]!r}?" if hint else ""
        raise HttpError(404, f"{tenant} has no hold reason {key!r}{meant}", field="reason")
    return found


def wanted_span(view: View) -> tuple[datetime, datetime, str]:
    """Return what is drawn: a span until now, or between two instants.

    Raises:
        HttpError: It is no span.
    """
    from_text, to_text = view.request.first("from"), view.request.first("to")
    if from_text or to_text:
        end_at = parse_at(to_text, "to", view.zone, now=view.now) if to_text else view.now
        start_at = parse_at(from_text, "from", view.zone, now=view.now) if from_text else end_at - SPANS["7d"]
        if start_at >= end_at:
            raise HttpError(400, "expected 'from' before 'to', found it at or after it", field="from")
        return start_at, end_at, ""
    span = view.choice("span", SPANS, "7d")
    return view.now - SPANS[span], view.now, span


def _figure(
    view: View, tenant: Tenant, reason: HoldReason, rules: Sequence[Rule], span: tuple[datetime, datetime]
) -> Figure:
    start_at, end_at = span
    series = view.reader.history.samples(tenant, reason, since=start_at, until=end_at)
    return build_figure(
        series,
        start_at=start_at,
        end_at=end_at,
        limits=fixed_limits(rules),
        alerts=_alert_bands(view, tenant, reason, rules, start_at),
        mutes=_mute_bands(view, tenant, reason),
    )


def _alert_bands(
    view: View, tenant: Tenant, reason: HoldReason, rules: Sequence[Rule], start_at: datetime
) -> Iterator[Band]:
    keys = [
        AlertKey(rule=rule.name, severity=severity, tenant=tenant, reason=reason)
        for rule in rules
        for severity in rule.levels
    ]
    firings = view.reader.alerts.firing_transitions(keys, since=start_at) if keys else {}
    for key in keys:
        alert = next((each for each in view.reader.alerts.by_id(key.id) if each.key == key), Alert(key=key))
        for span in firing_spans(alert, firings.get(key, ()), since=start_at, now=view.now):
            yield Band(
                start_at=span.start_at, end_at=span.end_at, label=key.rule, severity=key.severity, alert_id=key.id
            )


def _mute_bands(view: View, tenant: Tenant, reason: HoldReason) -> Iterator[Band]:
    labels = view.config.tenants[tenant].labels
    for silence in view.reader.silences.silences(since=view.now - MAX_SILENCE):
        matcher = silence.matcher
        if matcher.tenants.matches(tenant) and matcher.reasons.matches(reason) and match_labels(labels, matcher.labels):
            yield Band(start_at=silence.starts_at, end_at=silence.ends_at, label=f"silence {silence.id}")


def _changes(figure: Figure) -> Iterator[ChangeRow]:
    before: int | None = None
    for segment in figure.segments:
        if segment.count != before:
            step = "" if before is None else f"{segment.count - before:+,}"
            yield ChangeRow(at=segment.start_at, count=segment.count, step=step)
        before = segment.count


def _renamed(view: View, tenant: Tenant, reason: HoldReason) -> str:
    """Return what a hold reason was called before, or is called since; empty where it was not renamed."""
    poll_interval = view.config.tenants[tenant].poll_interval
    rename = load_rename(view.reader, tenant, reason, poll_interval=poll_interval, now=view.now)
    return "" if rename is None else rename_text(rename, reason, local_text(rename.at, view.zone))


def _sentence(view: View, figure: Figure, renamed: str) -> str:
    newest, highest = figure.newest, figure.highest
    if newest is None or highest is None:
        return f"No data in this span{renamed and f'; {renamed}'}."
    parts = [f"{newest.count:,} {'now' if view.now - newest.at < timedelta(hours=1) else 'at the end'}"]
    if highest.count > newest.count:
        parts.append(f"highest {highest.count:,} at {local_text(highest.at, view.zone)}")
    fell = _last_decrease(figure)
    if newest.count and fell is None:
        parts.append("no decrease in this span")
    elif newest.count and fell is not None and view.now - fell >= timedelta(days=1):
        parts.append(f"no decrease for {short_duration_text(view.now - fell)}")
    parts += [renamed] if renamed else []
    return "; ".join(parts) + "."


def _last_decrease(figure: Figure) -> datetime | None:
    fell: datetime | None = None
    before: int | None = None
    for segment in figure.segments:
        if before is not None and segment.count < before:
            fell = segment.start_at
        before = segment.count
    return fell


def _document(figure: Figure, timezone: str) -> dict[str, object]:
    """Return the figure for the chart in the browser; a gap is a point without a count."""
    points = list(_points(figure))
    return {
        "timezone": timezone,
        "start": figure.start_at.timestamp(),
        "end": figure.end_at.timestamp(),
        "top": figure.top,
        "times": [round(at, 3) for at, _ in points],
        "counts": [count for _, count in points],
        "gaps": [
            {"start": begin.timestamp(), "end": end.timestamp()}
            for begin, end in figure.gaps(longer_than=(figure.end_at - figure.start_at) / 400)
        ],
        "limits": [
            {"severity": each.severity, "count": each.count, "text": f"{each.rule}: {each.text}"}
            for each in figure.limits
        ],
        "alerts": [
            {"severity": each.severity, "start": each.start_at.timestamp(), "end": each.end_at.timestamp()}
            for each in figure.alerts
        ],
        "mutes": [
            {"severity": None, "start": each.start_at.timestamp(), "end": each.end_at.timestamp()}
            for each in figure.mutes
        ],
    }


def _points(figure: Figure) -> Iterator[tuple[float, int | None]]:
    if len(figure.segments) > _MAX_POINTS:
        pitch = (figure.end_at - figure.start_at).total_seconds() / _MAX_POINTS
        start = figure.start_at.timestamp()
        yield from ((start + index * pitch, count) for index, count in enumerate(figure.peaks(_MAX_POINTS)))
        return
    known_until: datetime | None = None
    last: Sample | None = None
    for segment in figure.segments:
        if known_until is not None and segment.start_at > known_until and last is not None:
            yield known_until.timestamp(), last.count
            yield (known_until + timedelta(milliseconds=1)).timestamp(), None
        yield segment.start_at.timestamp(), segment.count
        known_until, last = segment.end_at, Sample(segment.end_at, segment.count)
    if last is not None and known_until is not None:
        yield known_until.timestamp(), last.count
