"""The page at the end of the demo, on the day that was played: its clock stands at the end of that day."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.alerting_config import AlertingConfig
    from alerter.storage import Store

#: Where nobody says otherwise; any free port if something else is there.
PORT = 9464


def show_page(
    store: "Store",
    alerting: "AlertingConfig",
    *,
    clock: Callable[[], datetime],
    seconds: Callable[[], float],
    wait: Callable[[], object] | None = None,
) -> None:
    """Serve the page of a day until the terminal says stop.

    Args:
        store: Has the day.
        alerting: Its rules and receivers.
        clock: Its end.
        seconds: The same as a monotonic clock.
        wait: Returns when the page is to close; without it, at Ctrl-C.
    """
    from alerter.errors import ListenError  # noqa: PLC0415 - the libraries cost more than `--help` may
    from alerter.health import Health  # noqa: PLC0415 - as above
    from alerter.web.context import SiteSources  # noqa: PLC0415 - as above
    from alerter.web.pages import WebApp  # noqa: PLC0415 - as above
    from alerter.web.server import HttpServer  # noqa: PLC0415 - as above
    from alerter.web.site import Site  # noqa: PLC0415 - as above
    from alerter.web.sources import DatabaseCounts, MetricsInput  # noqa: PLC0415 - as above

    config = _config(alerting)
    health = Health(seconds)
    site = Site(
        SiteSources(
            store=store,
            config=lambda: config,
            alerting=lambda: alerting,
            health=health,
            problems=lambda: (),
            clock=clock,
            seconds=seconds,
            started_at=clock,
            deliver=lambda: None,
            send_test=lambda _receiver: {},
            redact=lambda text: text,
            is_clock_fixed=True,
        )
    )
    sources = MetricsInput(
        health=health,
        problems=lambda: (),
        stored=lambda: DatabaseCounts(alerts={}, backlog_by_target={}),
        labels=dict,
        started_at=clock,
    )
    try:
        port = HttpServer("127.0.0.1", PORT)
    except ListenError:
        port = HttpServer("127.0.0.1", 0)
    port.serve(WebApp(sources, hosts=lambda: ("localhost",), site=site.respond), has_forms=True)
    click.echo(f"\nThe page of this day: http://127.0.0.1:{port.number}/  (Ctrl-C ends it)")
    try:
        (wait or Event().wait)()
    except KeyboardInterrupt:
        click.echo()
    finally:
        port.close()
        site.close()


def _config(alerting: "AlertingConfig") -> "Config":
    """Return a configuration that says what the day was played with; everybody on this machine may act."""
    from alerter.config import Config, ReceiverConfig, Secret, ServiceConfig, TenantConfig  # noqa: PLC0415
    from alerter.config.models import PageAccess, WebConfig  # noqa: PLC0415 - as above

    interval = max(alerting.poll_intervals.values(), default=timedelta(minutes=5))
    zone = ZoneInfo("UTC")
    tenants = {
        name: TenantConfig(
            name=name,
            client_id=Secret("demo"),
            client_secret=Secret("demo"),
            poll_interval=each,
            timezone=zone,
        )
        for name, each in alerting.poll_intervals.items()
    }
    return Config(
        path=Path("demo"),
        service=ServiceConfig(
            database="sqlite://",
            poll_interval=interval,
            retention=timedelta(days=400),
            downsample_after=timedelta(days=90),
            timezone=zone,
            console_url="https://login.mimecast.com",
        ),
        tenants=tenants,
        receivers=tuple(ReceiverConfig(receiver=each, targets=()) for each in alerting.receivers),
        routes=alerting.routes,
        rules=tuple(alerting.rules),
        web=WebConfig(access=PageAccess.OPERATE),
    )
