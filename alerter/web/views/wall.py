"""The wall display: large, without navigation, nothing to dismiss."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Tenant
from alerter.queries.overview import overdue_text
from alerter.storage import AlertFilter
from alerter.web.context import Screen, View
from alerter.web.views.now import headline, summary

if TYPE_CHECKING:
    from alerter.core.alerts import AlertSubject

MAX_ROWS = 8
#: Milder alerts are not worth a headline that is read from across a room.
MIN_SEVERITY = Severity.WARNING


def wall(view: View) -> Screen:
    """Return the wall display; `label.NAME=value` shows the tenants with a label alone."""
    labels = view.request.labels
    tenants = view.tenants_with(labels) if labels else None
    rows = list(_rows(view, tenants))
    tone = "good"
    if rows or overdue_text(view.overview, view.config, now=view.now):
        tone = "critical" if any(row["tone"] == "critical" for row in rows) or not rows else rows[0]["tone"]
    elif view.overview.newest_poll is None:
        tone = "warning"
    values = {
        "headline": headline(view.overview, MIN_SEVERITY) if tenants is None else _headline_of(rows),
        "summary": summary(view.overview),
        "tone": tone,
        "rows": rows[:MAX_ROWS],
        "more": max(len(rows) - MAX_ROWS, 0),
    }
    return Screen(template="wall.html", title="Wall", section="wall", values=values)


def _headline_of(rows: Collection[object]) -> str:
    return f"{len(rows)} to look at" if rows else "Nothing fires"


def _rows(view: View, tenants: frozenset[Tenant] | None) -> Iterator[Mapping[str, str]]:
    for status in view.overview.failing:
        if tenants is None or status.name in tenants:
            failure = status.polling.failure
            text = f"{status.name}: {failure.cause.brief if failure else status.polling_text(now=view.now)}"
            yield {"tone": "critical", "text": text, "number": "no data"}
    wanted = AlertFilter(states=frozenset({"firing"}), tenants=tenants)
    found, _ = view.reader.lists.find_alerts(wanted, limit=50)
    shown: set[AlertSubject] = set()
    for alert in found:
        key = alert.key
        # The worst comes first: of several levels of one rule and series it is the one that people are notified of.
        if alert.is_no_data or key.subject in shown:
            continue
        shown.add(key.subject)
        tenant = "all tenants" if key.tenant == ALL_TENANTS else key.tenant
        reason = "" if key.reason == ALL_REASONS else f": {key.reason}"
        where = f"{tenant}{reason}" if view.is_many else (key.reason if reason else key.rule)
        yield {
            "tone": str(key.severity),
            "text": where,
            "number": "" if alert.value is None else f"{alert.value:,}",
        }
