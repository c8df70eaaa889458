"""Tenants as people look at them: what `status`, `tenants`, the page and Nagios know of each."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING

from alerter.core.rules import NO_DATA_AFTER, NO_DATA_MISSED_POLLS
from alerter.errors import Cause
from alerter.humanize import count_text, short_duration_text

if TYPE_CHECKING:
    from alerter.config import TenantConfig
    from alerter.core.series import Tenant
    from alerter.storage import PollingStatus


class PollingState(IntEnum):
    """How well a tenant is seen, worst first."""

    FAILING = 0
    STALE = 1
    NEVER_POLLED = 2
    OK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStatus:
    """What is known of a tenant.

    Attributes:
        config: What the configuration says of it.
        polling: How polling goes.
        held: Its held messages when they were last seen; None before the first good poll, for a 0 would say that all
            is well.
        firing: How many of its alerts fire.
        polling_state: How well it is seen.
        instance: Who polls it, where several share the database; None where nobody does, or one has it for itself.
    """

    config: "TenantConfig"
    polling: "PollingStatus"
    held: int | None
    firing: int
    polling_state: PollingState
    instance: str | None = None

    @property
    def name(self) -> "Tenant":
        """Its name in the configuration."""
        return self.config.name

    @property
    def is_ok(self) -> bool:
        """Whether it is seen, and nothing fires."""
        return self.polling_state is PollingState.OK and not self.firing

    def polling_text(self, *, now: datetime) -> str:
        """Return how polling goes, with the cause where it fails, and since when."""
        failure = self.polling.failure
        if failure is not None:
            return f"failing for {short_duration_text(now - failure.started_at)}: {failure.cause}: {failure.detail}"
        texts = {
            PollingState.NEVER_POLLED: "never polled",
            PollingState.STALE: "not polled any more. Is the service running?",
        }
        return texts.get(self.polling_state, "good")


def status_for(
    settings: "TenantConfig", polling: "PollingStatus | None", held: int | None, firing: int, *, now: datetime
) -> TenantStatus:
    """Return what is known of a tenant, from its polling, its counts and how many of its alerts fire."""
    from alerter.storage import PollingStatus  # noqa: PLC0415 - SQLAlchemy costs more than `--help` may

    known = PollingStatus() if polling is None else polling
    return TenantStatus(
        config=settings,
        polling=known,
        held=held if known.last_success_at else None,
        firing=firing,
        polling_state=_polling_state(known, settings, now=now),
    )


def _polling_state(polling: "PollingStatus", settings: "TenantConfig", *, now: datetime) -> PollingState:
    """Return whether what is known is true now: the last poll was good and is recent enough for its built-in rule."""
    if polling.failure is not None:
        return PollingState.FAILING
    if polling.last_success_at is None:
        return PollingState.NEVER_POLLED
    is_recent = now - polling.last_success_at <= max(NO_DATA_AFTER, NO_DATA_MISSED_POLLS * settings.poll_interval)
    return PollingState.OK if is_recent else PollingState.STALE


def worst_first(account: TenantStatus) -> tuple[int, int, int, str]:
    """Return the order in which a person should read: who is not seen, then who has most that fires, then most held."""
    return account.polling_state, -account.firing, -(account.held or 0), account.name


def summarize(accounts: Collection[TenantStatus], *, firing: int) -> str:
    """Return all of it in one line."""
    seen = Counter(account.polling_state for account in accounts)
    causes = Counter(account.polling.failure.cause for account in accounts if account.polling.failure)
    parts = [
        f"{seen[PollingState.OK]:,} seen",
        *([f"{seen[PollingState.FAILING]:,} failing ({_counts(causes)})"] if causes else []),
        *([f"{seen[PollingState.STALE]:,} not polled any more"] if seen[PollingState.STALE] else []),
        *([f"{seen[PollingState.NEVER_POLLED]:,} never polled"] if seen[PollingState.NEVER_POLLED] else []),
        f"{sum(account.held or 0 for account in accounts):,} held",
        f"{count_text(firing, 'alert')} firing",
    ]
    return f"{count_text(len(accounts), 'tenant')}: {', '.join(parts)}"


def _counts(counter: Counter[Cause]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())


def polling_json(account: TenantStatus) -> Mapping[str, object]:
    """Return how the polling of a tenant stands, for `--json`."""
    failure = account.polling.failure
    return {
        "tenant": account.name,
        "last_success_at": account.polling.last_success_at,
        "failing_since": failure.started_at if failure else None,
        "cause": failure.cause if failure else None,
        "detail": failure.detail if failure else None,
    }


def tenant_json(account: TenantStatus) -> Mapping[str, object]:
    """Return everything that is known of a tenant, for a program."""
    settings = account.config
    return {
        **polling_json(account),
        "last_poll_at": account.polling.last_poll_at,
        "latency": account.polling.latency,
        "poll_interval": settings.poll_interval,
        "held": account.held,
        "firing": account.firing,
        "muted": settings.muted,
        "labels": settings.labels,
        "timezone": settings.timezone.key,
        "instance": account.instance,
    }
