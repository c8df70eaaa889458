"""The first screen: what is wrong, the worst first, then what is held."""

from alerter.core.rules import Severity
from alerter.humanize import count_text
from alerter.queries.overview import Overview
from alerter.storage import AlertFilter
from alerter.web.context import Screen, View
from alerter.web.views.rows import alert_rows, reason_rows, tenant_row, tenant_rows

#: The most of each kind that are shown here.
MAX_ALERTS = 25
MAX_FAILING = 5
MAX_TENANTS = 20


def now(view: View) -> Screen:
    """Return the first screen."""
    overview = view.overview
    live = AlertFilter()
    alerts, _ = view.reader.lists.find_alerts(live, limit=MAX_ALERTS)
    failing = overview.failing
    values = {
        "headline": headline(overview),
        "summary": summary(overview),
        "failing": [tenant_row(view, each) for each in failing[:MAX_FAILING]],
        "failing_more": max(len(failing) - MAX_FAILING, 0),
        "alerts": alert_rows(view, alerts),
        "alerts_total": view.reader.lists.count_alerts(live),
    }
    if view.is_many:
        rows, is_complete = tenant_rows(view, overview.tenants[:MAX_TENANTS])
        values |= {"tenants": rows, "tenant_total": len(overview.tenants), "largest": overview.largest}
        return Screen(template="now.html", title="Now", values=values, is_complete=is_complete)
    tenant = next(iter(view.config.tenants))
    values |= {"tenant": tenant, "reasons": reason_rows(view, tenant, view.reader.history.reasons(tenant), alerts)}
    return Screen(template="now.html", title="Now", values=values)


def headline(overview: Overview, mildest: Severity = Severity.INFO) -> str:
    """Return the state of everything in a few words, leaving milder severities out."""
    parts = []
    if overview.failing:
        parts.append(f"{count_text(len(overview.failing), 'tenant')} without data")
    firing = [f"{number:,} {each}" for each, number in overview.firing.items() if each.rank >= mildest.rank]
    if firing:
        parts.append(", ".join(firing))
    if parts:
        return "; ".join(parts)
    return "Nothing fires" if overview.newest_poll else "Waiting for the first poll"


def summary(overview: Overview) -> str:
    """Return the totals in one line."""
    pending = f", {count_text(overview.pending, 'alert')} pending" if overview.pending else ""
    tenants = f" in {count_text(len(overview.tenants), 'tenant')}" if len(overview.tenants) > 1 else ""
    return f"{count_text(overview.held, 'message')} held{tenants}{pending}."
