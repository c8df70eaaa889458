"""How the service shows that it is alive, to those outside who would notice if it were not.

`SelfWatch` does what the configuration says: it pings the heartbeat. It reads `Health` and never writes to it but for
what came of a ping; the service tells it when a cycle ended. `heard` is the same for one poll without a service.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from alerter.adapters.heartbeat import Heartbeat, Patience, ping_of, send
from alerter.config import Config
from alerter.errors import AlerterError, DeliveryError
from alerter.health import Health
from alerter.redaction import Redactor

log = logging.getLogger(__name__)


class SelfWatch:
    """The signs of life of a service.

    Args:
        health: What its cycles came to.
        redactor: Knows what nobody outside may read.
    """

    def __init__(self, health: Health, redactor: Redactor) -> None:
        self._health = health
        self._redactor = redactor
        self._heartbeat: Heartbeat | None = None
        self._heartbeat_url: str | None = None

    def follow(self, config: Config) -> None:
        """Do what the configuration says, at the start and after each reload."""
        if config.service.heartbeat_url != self._heartbeat_url:
            self._change_heartbeat(config.service.heartbeat_url)

    def cycle_ended(self, trouble: str = "") -> None:
        """Take note that a cycle was completed or, with what is wrong, that one could not be; return at once."""
        heartbeat = self._heartbeat
        if heartbeat is not None:
            heartbeat.cycle_ended(trouble)

    def close(self) -> None:
        """Show no more signs of life."""
        self._change_heartbeat(None)

    def _change_heartbeat(self, url: str | None) -> None:
        if self._heartbeat is not None:
            self._heartbeat.close()
        self._heartbeat_url = url
        self._heartbeat = None if url is None else self._new_heartbeat(url)

    def _new_heartbeat(self, url: str) -> Heartbeat:
        return Heartbeat(url, trouble=self._trouble, redact=self._redactor.redacted, note=self._health.ping_tried)

    def _trouble(self) -> str:
        return "\n".join(self._health.complaints())


@contextmanager
def heard(config: Config, redactor: Redactor) -> Iterator[None]:
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
    if url is None:
        return
    try:
        send(ping_of(url, trouble), Patience())
    except DeliveryError as error:
        log.error("heartbeat failed: %s", error)  # noqa: TRY400 - the text is the whole story
