"""The tenants, and one tenant."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.humanize import count_text
from alerter.queries.tenants import PollingState, TenantStatus
from alerter.storage import AlertFilter
from alerter.web.context import PAGE_ROWS, Screen, View
from alerter.web.views.rows import alert_rows, reason_rows, tenant_row, tenant_rows

_STATES = (("", "any"), ("failing", "without data"), ("firing", "with alerts"), ("ok", "all is well"))
_SORTS = (("worst", "worst first"), ("held", "most held"), ("name", "by name"))
#: A label with more values is no choice, but a name of each tenant.
_MAX_LABEL_VALUES = 40
_MAX_OUTAGES = 20


def tenants(view: View) -> Screen:
    """Return the list of tenants."""
    state, sort = view.choice("state", [key for key, _ in _STATES]), _sort(view)
    labels = view.request.labels
    found = found_tenants(view)
    rows, next_key = _page(found, view.request.first("after"))
    shown, is_complete = tenant_rows(view, rows)
    values = {
        "summary": _summary(view),
        "q": view.request.first("q"),
        "state": state,
        "states": _STATES,
        "sort": sort,
        "sorts": _SORTS,
        "label_choices": [(name, options, labels.get(name, "")) for name, options in _label_choices(view)],
        "rows": shown,
        "total": len(found),
        "next": _next(view, next_key),
    }
    return Screen(template="tenants.html", title="Tenants", section="tenants", values=values, is_complete=is_complete)


def found_tenants(view: View) -> list[TenantStatus]:
    """Return the tenants that the parameters want, in the order that they want."""
    query, state, sort = _query(view), view.choice("state", [key for key, _ in _STATES]), _sort(view)
    labels = view.request.labels
    found = [
        each
        for each in view.overview.tenants
        if query in each.name.casefold() and _is_in(each, state) and _has(each, labels)
    ]
    return _sorted(found, sort)


def _query(view: View) -> str:
    return view.request.first("q").casefold()[:200]


def _sort(view: View) -> str:
    return view.choice("sort", [key for key, _ in _SORTS], "worst")


def _is_in(status: TenantStatus, state: str) -> bool:
    match state:
        case "failing":
            return status.polling_state is not PollingState.OK
        case "firing":
            return bool(status.firing)
        case "ok":
            return status.polling_state is PollingState.OK and not status.firing
        case _:
            return True


def _has(status: TenantStatus, labels: Mapping[str, str]) -> bool:
    return all(status.config.labels.get(name, "") == value for name, value in labels.items())


def _sorted(found: list[TenantStatus], sort: str) -> list[TenantStatus]:
    if sort == "held":
        return sorted(found, key=lambda each: (-(each.held or 0), each.name))
    return sorted(found, key=lambda each: each.name) if sort == "name" else found


def _page(found: Sequence[TenantStatus], after: str) -> tuple[Sequence[TenantStatus], str]:
    """Return the rows after a tenant, and the key of the next page; after one that is gone, the first page."""
    start = next((index + 1 for index, each in enumerate(found) if each.name == after), 0)
    rows = found[start : start + PAGE_ROWS]
    return rows, rows[-1].name if start + PAGE_ROWS < len(found) else ""


def _next(view: View, key: str) -> str:
    if not key:
        return ""
    return "?" + urlencode([*((name, value) for name, value in view.request.query if name != "after"), ("after", key)])


def _summary(view: View) -> str:
    overview = view.overview
    states = Counter(each.polling_state for each in overview.tenants)
    parts = [
        count_text(len(overview.tenants), "tenant"),
        f"{states[PollingState.OK]:,} polled as they should be",
        f"{overview.held:,} messages held",
    ]
    return ", ".join(parts) + "."


def _label_choices(view: View) -> Iterable[tuple[str, list[str]]]:
    values: dict[str, set[str]] = {}
    for tenant in view.config.tenants.values():
        for name, value in tenant.labels.items():
            values.setdefault(name, set()).add(value)
    for name, found in sorted(values.items()):
        if len(found) <= _MAX_LABEL_VALUES:
            yield name, sorted(found)


def tenant(view: View, tenant: str) -> Screen:
    """Return one tenant."""
    name = view.tenant(tenant)
    status = view.overview.by_name[name]
    alerts, _ = view.reader.lists.find_alerts(AlertFilter(tenants=frozenset({name})), limit=PAGE_ROWS)
    values = {
        "tenant": name,
        "row": tenant_row(view, status),
        "alerts": alert_rows(view, alerts),
        "reasons": reason_rows(view, name, view.reader.history.reasons(name), alerts),
        "outages": view.reader.lists.failed_polls(name, limit=_MAX_OUTAGES),
        "first_polled_at": status.polling.first_polled_at,
        "receivers": list(_receivers(view, name)),
    }
    return Screen(template="tenant.html", title=name, section="tenants", values=values)


def _receivers(view: View, tenant: Tenant) -> Iterable[tuple[str, list[str]]]:
    """Yield who is notified of a tenant's alerts, and of which."""
    if view.config.tenants[tenant].muted:
        return
    for each in view.config.receivers:
        name = each.receiver.name
        texts = [
            " ".join(each for each in reversed(Severity) if each in route.severities) or "every severity"
            for route in view.config.routes
            if name in route.receivers and route.tenants.matches(tenant)
        ]
        if not view.config.routes:
            texts = ["every alert"]
        if texts:
            yield name, list(dict.fromkeys(texts))
