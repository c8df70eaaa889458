"""The input of a view, and its result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from alerter.config import Config
from alerter.core.alerting_config import AlertingConfig
from alerter.core.outbox import TargetName
from alerter.core.series import Tenant
from alerter.health import Health
from alerter.queries.overview import Overview
from alerter.storage import Reader, Store
from alerter.web.request import HttpError, WebRequest
from alerter.web.router import Need
from alerter.web.security import Visitor

if TYPE_CHECKING:
    from collections.abc import Collection

    from alerter.queries.sparklines import TenantPeaks

#: Rows of a page.
PAGE_ROWS = 100


@dataclass(frozen=True, kw_only=True)
class SiteSources:
    """Where the page gets what it shows, and what it sets going.

    Attributes:
        store: The database.
        config: Returns the configuration that is in force.
        alerting: Returns what decides by it.
        health: What the service's cycles and deliveries came to.
        problems: Returns what is wrong with the service, without secrets.
        clock: The wall clock.
        seconds: A monotonic clock.
        started_at: Since when the service runs.
        deliver: Wakes delivery up, after a person asked for it.
        send_test: Sends a test message to a receiver; returns what went wrong with each target, None for nothing.
        redact: Takes secrets out of a text.
        is_clock_fixed: Whether the clock stands still, as at the end of a simulated day: "ago" is by it then.
    """

    store: Store
    config: Callable[[], Config]
    alerting: Callable[[], AlertingConfig]
    health: Health
    problems: Callable[[], tuple[str, ...]]
    clock: Callable[[], datetime]
    seconds: Callable[[], float]
    started_at: Callable[[], datetime | None]
    deliver: Callable[[], None]
    send_test: Callable[[str], Mapping[TargetName, str | None]]
    redact: Callable[[str], str]
    is_clock_fixed: bool = False


@dataclass(frozen=True, kw_only=True)
class View:
    """What a view is given.

    Attributes:
        request: What is asked.
        visitor: By whom.
        reader: The database, as it is now.
        config: The configuration.
        sources: Everything else.
        overview: What is known of all tenants.
        now: The present.
        peaks: Returns the small charts of tenants, as far as time allows.
    """

    request: WebRequest
    visitor: Visitor
    reader: Reader
    config: Config
    sources: SiteSources
    overview: Overview
    now: datetime
    peaks: "Callable[[Collection[Tenant]], Mapping[Tenant, TenantPeaks]]"

    @property
    def zone(self) -> tzinfo:
        """In which times are read."""
        return self.config.service.timezone

    @property
    def alerting(self) -> AlertingConfig:
        """What decides by the configuration."""
        return self.sources.alerting()

    @property
    def is_many(self) -> bool:
        """Whether there is more than one tenant."""
        return len(self.config.tenants) > 1

    def with_reader(self, reader: Reader) -> "View":
        """Return the same with a database that is read again."""
        return replace(self, reader=reader)

    def may(self, need: Need) -> bool:
        """Return True if who asks may do it."""
        return self.visitor.may(need)

    def tenant(self, name: str) -> Tenant:
        """Return a tenant of the configuration.

        Raises:
            HttpError: There is none of this name.
        """
        tenant = Tenant(name)
        if tenant not in self.config.tenants:
            raise HttpError(
                404, f"there is no tenant {name!r}", field="tenant", nearest=nearest(name, self.config.tenants)
            )
        return tenant

    def tenants_with(self, labels: Mapping[str, str], *, part: str = "") -> frozenset[Tenant]:
        """Return the tenants that have all of these labels, and whose names contain a text in any case."""
        return frozenset(
            name
            for name, each in self.config.tenants.items()
            if part.casefold() in name.casefold()
            and all(each.labels.get(key, "") == value for key, value in labels.items())
        )

    def choice(self, name: str, allowed: "Collection[str]", default: str = "") -> str:
        """Return a parameter that must be one of some values.

        Raises:
            HttpError: It is another one.
        """
        found = self.request.first(name) or default
        if found and found not in allowed:
            expected = ", ".join(each for each in allowed if each)
            raise HttpError(400, f"{name}: expected one of {expected}, found {found!r}", field=name)
        return found


@dataclass(frozen=True, kw_only=True)
class Screen:
    """What a view returns: a template and its values.

    Attributes:
        template: The file.
        title: Stands in the browser's tab.
        section: The entry of the navigation that it belongs to.
        values: What the template shows.
        refresh: Whether the browser asks again every few seconds.
        status: The HTTP status.
        is_complete: Whether everything is there; else it has no ETag, so that it is made again.
    """

    template: str
    title: str
    section: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    refresh: bool = True
    status: int = 200
    is_complete: bool = True


def nearest(name: str, known: "Collection[str]", *, limit: int = 3) -> tuple[str, ...]:
    """Return the names that may have been meant, the nearest first."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    # Ten thousand names take a second: those with the same beginning are nearly always enough.
    candidates = [each for each in known if each[:1].casefold() == name[:1].casefold()][:2000] or list(known)[:2000]
    return tuple(get_close_matches(name, candidates, n=limit, cutoff=0.5))
