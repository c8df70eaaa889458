"""Every route of the page and of the API, in one table."""

from typing import Final

from alerter.web.router import Need, Route
from alerter.web.views import act, api, backtest
from alerter.web.views.about import about
from alerter.web.views.alerts import alert, alerts
from alerter.web.views.explain import explain
from alerter.web.views.notifications import notifications
from alerter.web.views.now import now
from alerter.web.views.reason import changes_csv, reason
from alerter.web.views.rules import rule, rules
from alerter.web.views.silences import silences
from alerter.web.views.tenants import tenant, tenants
from alerter.web.views.wall import wall

#: Label and path of each entry, in their order.
NAVIGATION: Final[tuple[tuple[str, str], ...]] = (
    ("Now", ""),
    ("Tenants", "tenants"),
    ("Alerts", "alerts"),
    ("Silences", "silences"),
    ("Notifications", "notifications"),
    ("Rules", "rules"),
    ("Explain", "explain"),
)

ROUTES: Final = (
    Route("GET", "/", now),
    Route("GET", "/tenants", tenants),
    Route("GET", "/tenants/{tenant}", tenant),
    Route("GET", "/tenants/{tenant}/reasons/{key}.csv", changes_csv, is_live=False),
    Route("GET", "/tenants/{tenant}/reasons/{key}", reason),
    Route("GET", "/alerts", alerts),
    Route("GET", "/alerts/{id}", alert),
    Route("POST", "/alerts/{id}/acknowledge", act.acknowledge, need=Need.ACK),
    Route("POST", "/alerts/{id}/unacknowledge", act.unacknowledge, need=Need.ACK),
    Route("GET", "/silences", silences),
    Route("GET", "/silences/new", act.silence_form, need=Need.SILENCE),
    Route("POST", "/silences/new", act.add_silence, need=Need.SILENCE),
    Route("POST", "/silences/{id}/expire", act.expire_silence, need=Need.SILENCE),
    Route("GET", "/explain", explain),
    Route("GET", "/notifications", notifications),
    Route("POST", "/notifications/{id}/retry", act.retry, need=Need.OPERATE),
    Route("POST", "/receivers/{name}/test", act.test_receiver, need=Need.OPERATE),
    Route("GET", "/rules", rules),
    Route("GET", "/rules/{name}", rule),
    Route("GET", "/backtest", backtest.form),
    Route("POST", "/backtest", backtest.run, max_body_bytes=2 * backtest.MAX_TEXT_BYTES),
    Route("GET", "/api/v1/openapi.json", api.openapi),
    Route("GET", "/api/v1/status", api.status),
    Route("GET", "/api/v1/tenants", api.tenants),
    Route("GET", "/api/v1/tenants/{tenant}", api.tenant),
    Route("GET", "/api/v1/tenants/{tenant}/reasons/{key}", api.reason),
    Route("GET", "/api/v1/alerts", api.alerts),
    Route("GET", "/api/v1/alerts/{id}", api.alert),
    Route("POST", "/api/v1/alerts/{id}/acknowledge", api.acknowledge, need=Need.ACK),
    Route("DELETE", "/api/v1/alerts/{id}/acknowledge", api.unacknowledge, need=Need.ACK),
    Route("GET", "/api/v1/silences", api.silences),
    Route("POST", "/api/v1/silences", api.add_silence, need=Need.SILENCE),
    Route("DELETE", "/api/v1/silences/{id}", api.expire_silence, need=Need.SILENCE),
    Route("GET", "/api/v1/notifications", api.notifications),
    Route("POST", "/api/v1/notifications/{id}/retry", api.retry, need=Need.OPERATE),
    Route("POST", "/api/v1/receivers/{name}/test", api.test_receiver, need=Need.OPERATE),
    Route("GET", "/api/v1/rules", api.rules),
    Route("GET", "/api/v1/explain", api.explain),
    Route("GET", "/about", about),
    Route("GET", "/wall", wall),
)
