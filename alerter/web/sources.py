"""The data behind `/healthz` and `/metrics`: counters of this process, and a short look into the database."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from threading import Lock, Thread
from typing import Generic, TypeVar

from alerter.core.alerts import AlertState
from alerter.core.outbox import TargetBacklog, TargetName
from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.errors import AlerterError
from alerter.health import Health

log = logging.getLogger(__name__)

Seen = TypeVar("Seen")

#: How long a page waits for the database, in seconds. Prometheus waits for ten.
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCounts:
    """What the database says.

    Attributes:
        alerts: How many alerts are in a state, by severity; only those of which there are some.
        backlog_by_target: What waits for each target that has something to wait for.
        instances: How many services that live share the database, this one included.
    """

    alerts: Mapping[tuple[AlertState, Severity], int]
    backlog_by_target: Mapping[TargetName, TargetBacklog]
    instances: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsInput:
    """Where the pages get what they show.

    Attributes:
        health: What the service's cycles and deliveries came to.
        problems: What is wrong with them, without secrets; empty where nothing is.
        stored: Looks into the database; None where it does not answer, or not soon.
        labels: Those that the configuration gives to tenants.
        started_at: Since when the service runs; None before it does.
    """

    health: Health
    problems: Callable[[], tuple[str, ...]]
    stored: Callable[[], DatabaseCounts | None]
    labels: Callable[[], Mapping[Tenant, Mapping[str, str]]]
    started_at: Callable[[], datetime | None]


class TimedCache(Generic[Seen]):
    """A look at something that may hang: it ends in time, and those who look at the same time share one look.

    Args:
        look: What may hang, and may raise an error of ours.
        seconds: How long it is waited for. A look that takes longer goes on alone; until it ends there is no other.
    """

    def __init__(self, look: Callable[[], Seen], *, seconds: float = PATIENCE_SECONDS) -> None:
        self._look = look
        self._seconds = seconds
        self._lock = Lock()
        self._running: Future[Seen] | None = None

    def __call__(self) -> Seen | None:
        """Return what is seen, or None where it cannot be seen, or not in time."""
        try:
            return self._seen().result(self._seconds)
        except TimeoutError:
            log.warning("database unavailable for metrics: %s", f"no answer within {self._seconds:g} s")
        except AlerterError as error:
            log.warning("database unavailable for metrics: %s", error)
        return None

    def _seen(self) -> "Future[Seen]":
        with self._lock:
            if self._running is None or self._running.done():
                self._running = Future()
                # A daemon, so that a database that hangs does not hold up the end of the process.
                Thread(target=_keep, args=(self._look, self._running), name="glance", daemon=True).start()
            return self._running


def _keep(look: Callable[[], Seen], seen: "Future[Seen]") -> None:
    try:
        seen.set_result(look())
    except BaseException as error:  # noqa: BLE001 - the one that waits for it raises it
        seen.set_exception(error)
