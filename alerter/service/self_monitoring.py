"""Heartbeat pings, and the HTTP server of /healthz, /metrics and the page.

`SelfMonitoring` does what the configuration says: it pings the heartbeat, and answers on a port. What it shows is
`Health` and a few rows of the database. `with_heartbeat` is the heartbeat of one poll without a service.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from alerter.clock import now
from alerter.config import Config, ListenAddress
from alerter.core.outbox import TargetName
from alerter.errors import AlerterError, DeliveryError, ListenError, StoreError
from alerter.health import Health
from alerter.redaction import Redactor
from alerter.service.alerting_config import build_alerting_config
from alerter.service.heartbeat import Heartbeat, PingTimeouts, build_ping, says_failure, send
from alerter.storage import Store
from alerter.web.sources import DatabaseCounts, MetricsInput, TimedCache

if TYPE_CHECKING:
    from alerter.core.alerting_config import AlertingConfig
    from alerter.core.series import Tenant
    from alerter.web.server import HttpServer
    from alerter.web.site import Site

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageActions:
    """What people may set going on the page, besides what they write into the database.

    Attributes:
        deliver: Wakes delivery up.
        send_test: Sends a test message to each target of a receiver; returns what went wrong, None for nothing.
    """

    deliver: Callable[[], None] = lambda: None
    send_test: Callable[[Config, str], Mapping[TargetName, str | None]] = lambda _config, _receiver: {}


class SelfMonitoring:
    """The signs of life of a service. The main thread alone changes them.

    Args:
        health: What its cycles came to.
        redactor: Knows what nobody outside may read.
        store: The database.
        actions: What people may set going on the page.
    """

    def __init__(
        self, health: Health, redactor: Redactor, store: Store, *, actions: "PageActions | None" = None
    ) -> None:
        self._actions = actions or PageActions()
        self._config: Config | None = None
        self._alerting: AlertingConfig | None = None
        self._site: Site | None = None
        self._health = health
        self._redactor = redactor
        self._store = store
        self._labels: Mapping[Tenant, Mapping[str, str]] = {}
        self._started_at: datetime | None = None
        self._sources = MetricsInput(
            health=health,
            problems=self.problems,
            stored=TimedCache(self._stored),
            labels=lambda: self._labels,
            started_at=lambda: self._started_at,
        )
        self._heartbeat: Heartbeat | None = None
        self._heartbeat_to: tuple[str | None, Mapping[str, str]] = None, {}
        self._port: HttpServer | None = None
        self._address: ListenAddress | None = None
        self._public_url: str | None = None

    def apply_config(self, config: Config, *, now: datetime) -> None:
        """Do what the configuration says, at the start and after each reload.

        Raises:
            ListenError: The address cannot be listened on; everything is as before.
        """
        service = config.service
        had_page = self._has_page
        self._config, self._alerting = config, build_alerting_config(config)
        self._public_url = service.public_url
        if service.listen != self._address or had_page != self._has_page:
            self._listen(service.listen)
        if (service.heartbeat_url, service.heartbeat_headers) != self._heartbeat_to:
            self._change_heartbeat(service.heartbeat_url, service.heartbeat_headers)
        self._started_at = self._started_at or now
        self._labels = {name: tenant.labels for name, tenant in config.tenants.items()}
        self._health.track_reasons(is_wanted=self._port is not None and service.metrics_per_reason)
        self._health.config_loaded([target.name for each in config.receivers for target in each.targets], now=now)

    def load_last_polls(self) -> None:
        """Give the account what the database knows of earlier processes, if anybody outside can see it."""
        if self._port is None:
            return
        try:
            with self._store.read() as reader:
                pollings = reader.polls.status_by_tenant()
        except StoreError as error:
            log.warning("database unavailable for metrics: %s", error)
            return
        self._health.set_last_polls(
            {name: each.last_success_at for name, each in pollings.items() if each.last_success_at}
        )

    def record_cycle(self, trouble: str = "") -> None:
        """Take note that a cycle was completed or, with what is wrong, that one could not be; return at once."""
        heartbeat = self._heartbeat
        if heartbeat is not None:
            heartbeat.record_cycle(trouble)

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the service, as anybody may read it; empty if nothing is."""
        return tuple(map(self._redactor.redacted, self._health.problems()))

    def close(self) -> None:
        """Show no more signs of life."""
        self._change_heartbeat(None, {})
        self._listen(None)
        if self._site is not None:
            self._site.close()

    def _change_heartbeat(self, url: str | None, headers: Mapping[str, str]) -> None:
        if self._heartbeat is not None:
            self._heartbeat.close()
        self._heartbeat_to = url, headers
        self._heartbeat = None if url is None else self._new_heartbeat(url, headers)

    def _new_heartbeat(self, url: str, headers: Mapping[str, str]) -> Heartbeat:
        redact, note = self._redactor.redacted, self._health.record_ping
        trouble = self._health.problems
        return Heartbeat(url, trouble=lambda: "\n".join(trouble()), redact=redact, note=note, headers=headers)

    def _listen(self, address: ListenAddress | None) -> None:
        """Listen there, and no longer where it was: which goes on where the new address cannot be listened on."""
        before, port = self._address, self._port
        # Two addresses with one port may be in each other's way, such as 127.0.0.1 and 0.0.0.0.
        is_in_the_way = before is not None and address is not None and before.port == address.port
        if port is not None and is_in_the_way:
            port.close()
        try:
            self._port = None if address is None else self._opened(address)
        except ListenError:
            if before is not None and is_in_the_way:
                self._port = self._opened(before)
            raise
        self._address = address
        if port is not None:
            port.close()

    def _opened(self, address: ListenAddress) -> "HttpServer":
        # Only where they are wanted: a service without a port is 2 MiB leaner.
        from alerter.web.pages import WebApp  # noqa: PLC0415 - see above
        from alerter.web.server import HttpServer  # noqa: PLC0415 - see above

        port = HttpServer(address.host, address.port, address.path)
        site = self._opened_site().respond if self._has_page else None
        app = WebApp(self._sources, hosts=lambda: self._hosts(address), web=lambda: _known(self._config).web, site=site)
        port.serve(app, has_forms=site is not None)
        log.info("listening address=%s", address)
        return port

    @property
    def _has_page(self) -> bool:
        return self._config is not None and self._config.web.page

    def _opened_site(self) -> "Site":
        """Return the page, whose libraries cost 2 MiB more."""
        from alerter.web.context import SiteSources  # noqa: PLC0415 - see above
        from alerter.web.site import Site  # noqa: PLC0415 - see above

        if self._site is None:
            self._site = Site(
                SiteSources(
                    store=self._store,
                    config=lambda: _known(self._config),
                    alerting=lambda: _known(self._alerting),
                    health=self._health,
                    problems=self.problems,
                    clock=now,
                    seconds=time.monotonic,
                    started_at=lambda: self._started_at,
                    deliver=self._actions.deliver,
                    send_test=lambda receiver: self._actions.send_test(_known(self._config), receiver),
                    redact=self._redactor.redacted,
                )
            )
        return self._site

    def _hosts(self, address: ListenAddress) -> tuple[str, ...]:
        public = urlsplit(self._public_url or "").hostname
        more = () if self._config is None else self._config.web.hosts
        own = socket.gethostname()
        return (
            "localhost",
            address.host,
            own,
            own.partition(".")[0],
            *more,
            *([public] if public else []),
        )

    def _stored(self) -> DatabaseCounts:
        with self._store.read() as reader:
            alive = sum(each.is_alive for each in reader.leases.instances())
            return DatabaseCounts(
                alerts=reader.alerts.counts_by_state(),
                backlog_by_target=reader.outbox.backlog_by_target(),
                instances=max(1, alive),
            )


Known = TypeVar("Known")


def _known(value: Known | None) -> Known:
    """Return what is known as soon as a configuration is in force, which is before anybody listens."""
    if value is None:
        raise RuntimeError("expected a configuration in force, found none")
    return value


@contextmanager
def with_heartbeat(config: Config, redactor: Redactor) -> Iterator[None]:
    """Ping the heartbeat once when the block has ended: that it was complete or, after an error of ours, why not.

    A ping that nobody takes is an error in the log, and changes nothing else.
    """
    try:
        yield
    except AlerterError as error:
        _ping_once(config, redactor.redacted(str(error)))
        raise
    _ping_once(config, "")


def _ping_once(config: Config, trouble: str) -> None:
    url = config.service.heartbeat_url
    if url is None or (trouble and not says_failure(url)):
        return
    try:
        send(replace(build_ping(url, trouble), headers=config.service.heartbeat_headers), PingTimeouts())
    except DeliveryError as error:
        log.error("heartbeat ping failed: %s", error)  # noqa: TRY400 - the text is the whole story
