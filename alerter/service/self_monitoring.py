"""How the service shows that it is alive, to those outside who would notice if it were not.

`SelfWatch` does what the configuration says: it pings the heartbeat, and answers on a port. What it shows is `Health`
and a short look into the database. `is_routed` is the heartbeat of one poll without a service.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alerter.config import Address, Config
from alerter.errors import AlerterError, DeliveryError, ListenError, StoreError
from alerter.health import Health
from alerter.redaction import Redactor
from alerter.service.heartbeat import Heartbeat, Patience, ping_of, says_failure, send
from alerter.storage import Store
from alerter.web.sources import DatabaseCounts, Glance, Sources

if TYPE_CHECKING:
    from alerter.core.series import Tenant
    from alerter.web.server import Port

log = logging.getLogger(__name__)


class SelfWatch:
    """The signs of life of a service. The main thread alone changes them.

    Args:
        health: What its cycles came to.
        redactor: Knows what nobody outside may read.
        store: The database.
    """

    def __init__(self, health: Health, redactor: Redactor, store: Store) -> None:
        self._health = health
        self._redactor = redactor
        self._store = store
        self._labels: Mapping[Tenant, Mapping[str, str]] = {}
        self._started_at: datetime | None = None
        self._sources = Sources(
            health=health,
            complaints=self.complaints,
            stored=Glance(self._stored),
            labels=lambda: self._labels,
            started_at=lambda: self._started_at,
        )
        self._heartbeat: Heartbeat | None = None
        self._heartbeat_to: tuple[str | None, Mapping[str, str]] = None, {}
        self._port: Port | None = None
        self._address: Address | None = None
        self._public_url: str | None = None

    def follow(self, config: Config, *, now: datetime) -> None:
        """Do what the configuration says, at the start and after each reload.

        Raises:
            ListenError: The address cannot be listened on; everything is as before.
        """
        service = config.service
        self._public_url = service.public_url
        if service.listen != self._address:
            self._listen(service.listen)
        if (service.heartbeat_url, service.heartbeat_headers) != self._heartbeat_to:
            self._change_heartbeat(service.heartbeat_url, service.heartbeat_headers)
        self._started_at = self._started_at or now
        self._labels = {name: tenant.labels for name, tenant in config.tenants.items()}
        self._health.keep_reasons(is_wanted=self._port is not None and service.metrics_per_reason)
        self._health.configured([target.name for each in config.receivers for target in each.targets], now=now)

    def recall(self) -> None:
        """Tell the account what the database knows of earlier processes, if anybody outside can see it."""
        if self._port is None:
            return
        try:
            with self._store.read() as reader:
                pollings = reader.polls.status_by_tenant()
        except StoreError as error:
            log.warning("database unavailable for metrics: %s", error)
            return
        self._health.remember({name: each.last_success_at for name, each in pollings.items() if each.last_success_at})

    def cycle_ended(self, trouble: str = "") -> None:
        """Take note that a cycle was completed or, with what is wrong, that one could not be; return at once."""
        heartbeat = self._heartbeat
        if heartbeat is not None:
            heartbeat.cycle_ended(trouble)

    def complaints(self) -> tuple[str, ...]:
        """Return what is wrong with the service, as anybody may read it; empty if nothing is."""
        return tuple(map(self._redactor.redacted, self._health.complaints()))

    def close(self) -> None:
        """Show no more signs of life."""
        self._change_heartbeat(None, {})
        self._listen(None)

    def _change_heartbeat(self, url: str | None, headers: Mapping[str, str]) -> None:
        if self._heartbeat is not None:
            self._heartbeat.close()
        self._heartbeat_to = url, headers
        self._heartbeat = None if url is None else self._new_heartbeat(url, headers)

    def _new_heartbeat(self, url: str, headers: Mapping[str, str]) -> Heartbeat:
        redact, note = self._redactor.redacted, self._health.ping_tried
        trouble = self._health.complaints
        return Heartbeat(url, trouble=lambda: "\n".join(trouble()), redact=redact, note=note, headers=headers)

    def _listen(self, address: Address | None) -> None:
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

    def _opened(self, address: Address) -> "Port":
        # Only where they are wanted: a service without a port is 2 MiB leaner.
        from alerter.web.pages import Pages  # noqa: PLC0415 - see above
        from alerter.web.server import Port  # noqa: PLC0415 - see above

        port = Port(address.host, address.port)
        port.serve(Pages(self._sources, hosts=lambda: self._hosts(address)))
        log.info("listening address=%s", address)
        return port

    def _hosts(self, address: Address) -> tuple[str, ...]:
        public = urlsplit(self._public_url or "").hostname
        return ("localhost", address.host, *([public] if public else []))

    def _stored(self) -> DatabaseCounts:
        with self._store.read() as reader:
            alive = sum(each.is_alive for each in reader.leases.instances())
            return DatabaseCounts(
                alerts=reader.alerts.counts_by_state(),
                backlogs=reader.outbox.backlog_by_target(),
                instances=max(1, alive),
            )


@contextmanager
def is_routed(config: Config, redactor: Redactor) -> Iterator[None]:
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
        send(replace(ping_of(url, trouble), headers=config.service.heartbeat_headers), Patience())
    except DeliveryError as error:
        log.error("heartbeat ping failed: %s", error)  # noqa: TRY400 - the text is the whole story
