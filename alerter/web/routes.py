"""Every route of the page and of the API, in one table."""

from typing import Final

from alerter.web.router import Need, WebRoute
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
    WebRoute("GET", "/", now),
    WebRoute("GET", "/tenants", tenants),
    WebRoute("GET", "/tenants/{tenant}", tenant),
    WebRoute("GET", "/tenants/{tenant}/reasons/{key}.csv", changes_csv, is_live=False),
    WebRoute("GET", "/tenants/{tenant}/reasons/{key}", reason),
    WebRoute("GET", "/alerts", alerts),
    WebRoute("GET", "/alerts/{id}", alert),
    WebRoute("POST", "/alerts/{id}/acknowledge", act.acknowledge, need=Need.ACK),
    WebRoute("POST", "/alerts/{id}/unacknowledge", act.unacknowledge, need=Need.ACK),
    WebRoute("GET", "/silences", silences),
    WebRoute("GET", "/silences/new", act.silence_form, need=Need.SILENCE),
    WebRoute("POST", "/silences/new", act.add_silence, need=Need.SILENCE),
    WebRoute("POST", "/silences/{id}/expire", act.expire_silence, need=Need.SILENCE),
    WebRoute("GET", "/explain", explain),
    WebRoute("GET", "/notifications", notifications),
    WebRoute("POST", "/notifications/{id}/retry", act.retry, need=Need.OPERATE),
    WebRoute("POST", "/receivers/{name}/test", act.test_receiver, need=Need.OPERATE),
    WebRoute("GET", "/rules", rules),
    WebRoute("GET", "/rules/{name}", rule),
    WebRoute("GET", "/backtest", backtest.form),
    WebRoute("POST", "/backtest", backtest.run, max_body_bytes=2 * backtest.MAX_TEXT_BYTES),
    WebRoute("GET", "/api/v1/openapi.json", api.openapi),
    WebRoute("GET", "/api/v1/status", api.status),
    WebRoute("GET", "/api/v1/tenants", api.tenants),
    WebRoute("GET", "/api/v1/tenants/{tenant}", api.tenant),
    WebRoute("GET", "/api/v1/tenants/{tenant}/reasons/{key}", api.reason),
    WebRoute("GET", "/api/v1/alerts", api.alerts),
    WebRoute("GET", "/api/v1/alerts/{id}", api.alert),
    WebRoute("POST", "/api/v1/alerts/{id}/acknowledge", api.acknowledge, need=Need.ACK),
    WebRoute("DELETE", "/api/v1/alerts/{id}/acknowledge", api.unacknowledge, need=Need.ACK),
    WebRoute("GET", "/api/v1/silences", api.silences),
    WebRoute("POST", "/api/v1/silences", api.add_silence, need=Need.SILENCE),
    WebRoute("DELETE", "/api/v1/silences/{id}", api.expire_silence, need=Need.SILENCE),
    WebRoute("GET", "/api/v1/notifications", api.notifications),
    WebRoute("POST", "/api/v1/notifications/{id}/retry", api.retry, need=Need.OPERATE),
    WebRoute("POST", "/api/v1/receivers/{name}/test", api.test_receiver, need=Need.OPERATE),
    WebRoute("GET", "/api/v1/rules", api.rules),
    WebRoute("GET", "/api/v1/explain", api.explain),
    WebRoute("GET", "/about", about),
    WebRoute("GET", "/wall", wall),
)
