"""`alerter status --nagios`: the same as a plugin of Nagios, Icinga and whatever else runs such plugins.

Whatever happens, nothing else is printed, and what cannot be found out is UNKNOWN. Missing data is as bad as its rule
says (CRITICAL, unless another rule watches), not UNKNOWN: alerter knows that it sees nothing, and UNKNOWN wakes few
people. What a mute keeps from receivers does not count here either: Nagios is one receiver more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli.database_access import open_store
from alerter.cli.options import load_without_secrets
from alerter.cli.output import count_text
from alerter.cli.plugins import PluginFigure, State, Trouble, report, unknown
from alerter.core.alerts import no_data_since
from alerter.core.rules import NO_DATA_AFTER, NO_DATA_MISSED_POLLS, Severity
from alerter.humanize import local_time_text, short_duration_text
from alerter.queries.mutes import load_active_mutes
from alerter.queries.notifications import is_recent

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.alerts import Alert, AlertKey
    from alerter.core.series import Tenant
    from alerter.storage import DeliveryRecord, PollingStatus, Reader, Store

#: The tenants that have a figure of their own.
MAX_TENANTS = 20
#: What waits for longer than this does so for no passing trouble.
SLOW = timedelta(minutes=15)
#: More undelivered messages than this are not counted.
MAX_MESSAGES = 10_000

STATE_BY_SEVERITY = {Severity.CRITICAL: State.CRITICAL, Severity.WARNING: State.WARNING, Severity.INFO: State.OK}


def print_plugin(config_path: Path | None, *, as_json: bool) -> State:
    """Print what a plugin prints; return how it must end."""
    if as_json:
        lines, state = unknown("expected --nagios or --json, found both")
    else:
        lines, state = _lines(config_path)
    click.echo("\n".join(lines))
    return state


def _lines(config_path: Path | None) -> tuple[list[str], State]:
    from alerter.errors import AlerterError  # noqa: PLC0415 - only where it is needed

    try:
        polling_state = look(load_without_secrets(config_path), now=clock.now())
        return report(find_problems(polling_state), _overview(polling_state), perf_data(polling_state))
    except click.ClickException as error:
        return unknown(error.format_message())
    except AlerterError as error:
        return unknown(str(error))
    except Exception as error:  # noqa: BLE001 - a traceback would be printed, and its 1 would mean a warning
        from alerter.logs import redact  # noqa: PLC0415 - as above

        return unknown(redact(f"a bug in alerter: {type(error).__name__}: {error}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInput:
    """Everything that counts.

    Attributes:
        pollings: How polling goes, of each tenant that is configured; None for one that was never polled.
        limits: After how long without any poll nobody is polling a tenant any more.
        held: What each tenant holds that was ever seen.
        firing: The alerts that fire and are not muted, of several levels the highest, worst first.
        muted_count: How many more fire, but are muted.
        no_data_since: Since when those of them have had no data that have had none for long.
        undelivered: What waits or was given up within a day.
        unwritable: Why the database takes nothing more, so that no poll can be kept; empty where it does.
        timezone: In which people read times.
        now: The instant.
    """

    pollings: Mapping["Tenant", "PollingStatus | None"]
    limits: Mapping["Tenant", timedelta]
    held: Mapping["Tenant", int]
    firing: Sequence["Alert"]
    muted_count: int
    no_data_since: Mapping["AlertKey", datetime]
    undelivered: Sequence["DeliveryRecord"]
    unwritable: str
    timezone: tzinfo
    now: datetime

    def since_poll(self, tenant: "Tenant") -> timedelta | None:
        """Return how long ago the last poll was, good or failed; None where there never was one."""
        polling = self.pollings[tenant]
        last = None if polling is None else polling.last_poll_at
        return None if last is None else max(self.now - last, timedelta(0))

    def unpolled(self) -> list["Tenant"]:
        """Return the tenants that nobody is polling."""
        ages = {tenant: self.since_poll(tenant) for tenant in self.pollings}
        return [tenant for tenant, age in ages.items() if age is None or age > self.limits[tenant]]

    def failures(self) -> list[tuple["Tenant", str]]:
        """Return the tenants of which the last poll failed, and why."""
        return [
            (tenant, f"{polling.failure.cause}: {polling.failure.detail}")
            for tenant, polling in self.pollings.items()
            if polling is not None and polling.failure is not None
        ]

    def given_up(self) -> list["DeliveryRecord"]:
        """Return the messages that will not be tried again."""
        return [record for record in self.undelivered if record.delivery.dead_at is not None]

    def slow(self) -> list["DeliveryRecord"]:
        """Return the messages that were tried in vain and have waited for long."""
        waiting = (record for record in self.undelivered if record.delivery.is_waiting and record.delivery.attempts)
        return [record for record in waiting if self.now - record.delivery.created_at > SLOW]


def look(config: "Config", *, now: datetime) -> PluginInput:
    """Return what the database says.

    Raises:
        click.ClickException: There is no database yet, or its schema is not this version's.
        StoreError: It cannot be read.
    """
    intervals = {name: each.poll_interval for name, each in config.tenants.items()}
    with open_store(config) as store, store.read() as reader:
        unwritable = _unwritable(store)
        pollings, held = reader.polls.status_by_tenant(), reader.history.held_by_tenant()
        firing, muted_count = _firing(reader, config, now=now)
        undelivered = reader.outbox.deliveries(only_failed=True, limit=MAX_MESSAGES)
    return PluginInput(
        pollings={tenant: pollings.get(tenant) for tenant in config.tenants},
        limits={
            name: max(NO_DATA_AFTER, NO_DATA_MISSED_POLLS * each.poll_interval) for name, each in config.tenants.items()
        },
        held={tenant: held[tenant] for tenant in config.tenants if tenant in held},
        firing=firing,
        muted_count=muted_count,
        no_data_since={alert.key: since for alert in firing if (since := no_data_since(alert, intervals, now=now))},
        undelivered=[record for record in undelivered if is_recent(record, now=now)],
        unwritable=unwritable,
        timezone=config.service.timezone,
        now=now,
    )


def _unwritable(store: "Store") -> str:
    """Return why the database takes nothing more: the polls that could not be kept show only when they are overdue."""
    from alerter.errors import StoreError  # noqa: PLC0415 - as above
    from alerter.kernel import disk_problem  # noqa: PLC0415 - only where it is needed

    try:
        if store.file is not None:
            problem = disk_problem(store.file.absolute().parent)
            return problem and f"{store.location}: {problem}"
        store.check_server()
    except StoreError as error:
        return str(error)
    except OSError:
        pass  # a user who cannot read the folder still sees what is in the file
    return ""


def _firing(reader: "Reader", config: "Config", *, now: datetime) -> tuple[list["Alert"], int]:
    """Return the alerts that fire and are not muted, worst first, and how many others fire."""
    stored = reader.alerts.load()
    active_mutes = load_active_mutes(reader, config, stored, now=now)
    mildest_first = sorted((alert for alert in stored if alert.is_firing), key=lambda alert: alert.key.severity.rank)
    highest = {alert.key.subject: alert for alert in mildest_first}.values()
    notified = [alert for alert in highest if active_mutes.mute_for(alert) is None]
    return sorted(notified, key=lambda alert: -alert.key.severity.rank), len(highest) - len(notified)


def find_problems(polling_state: PluginInput) -> Iterator[Trouble]:
    """Yield everything that is wrong, and what may become so."""
    if unpolled := polling_state.unpolled():
        texts = [f"{tenant}: {_age_text(polling_state.since_poll(tenant))}" for tenant in unpolled]
        text = f"{_one_of(texts, 'tenants are not polled')}: is the service running?"
        yield Trouble(state=State.CRITICAL, text=text, details=texts)
    if polling_state.unwritable:
        yield Trouble(state=State.WARNING, text=f"no poll can be kept: {polling_state.unwritable}")
    if failures := polling_state.failures():
        # Whether that is wrong yet, the rules say: a single poll that fails is nothing.
        texts = [f"{tenant}: {why}" for tenant, why in failures]
        yield Trouble(state=State.OK, text=f"the last poll of {count_text(len(texts), 'tenant')} failed", details=texts)
    for severity, state in STATE_BY_SEVERITY.items():
        if texts := [
            _alert_text(alert, polling_state) for alert in polling_state.firing if alert.key.severity is severity
        ]:
            yield Trouble(state=state, text=_one_of(texts, f"{severity} alerts"), details=texts)
    for state, records, what in (
        (State.CRITICAL, polling_state.given_up(), "could not be delivered"),
        (State.WARNING, polling_state.slow(), f"not delivered for more than {short_duration_text(SLOW)}"),
    ):
        if records:
            texts = [f"{record.delivery.target}: {record.delivery.last_error}" for record in records]
            yield Trouble(state=state, text=f"{count_text(len(texts), 'message')} {what}", details=texts)


def _one_of(texts: Sequence[str], what: str) -> str:
    return texts[0] if len(texts) == 1 else f"{len(texts)} {what}, such as {texts[0]}"


def _age_text(age: timedelta | None) -> str:
    return "never polled" if age is None else f"not polled for {short_duration_text(age)}"


def _alert_text(alert: "Alert", polling_state: PluginInput) -> str:
    key = alert.key
    if alert.is_no_data:
        return f"{key.severity}: {key.tenant} cannot be polled ({key.rule}, alert {key.id})"
    held = "unknown" if alert.value is None else f"{alert.value:,}"
    since = polling_state.no_data_since.get(key)
    no_data = "" if since is None else f", no data since {local_time_text(since, polling_state.timezone)}"
    return f"{key.severity}: {held} held for {key.reason!r} of {key.tenant}{no_data} ({key.rule}, alert {key.id})"


def _overview(polling_state: PluginInput) -> str:
    held = f"{sum(polling_state.held.values()):,} held" if polling_state.held else "nobody knows what is held"
    muted = f", {count_text(polling_state.muted_count, 'alert')} muted" if polling_state.muted_count else ""
    return f"{held}, {count_text(len(polling_state.pollings), 'tenant')}{muted}"


def perf_data(polling_state: PluginInput) -> Iterator[PluginFigure]:
    """Yield the figures, always the same ones in the same order: graphs are kept of them."""
    yield PluginFigure(label="held", value=sum(polling_state.held.values()) if polling_state.held else None)
    yield PluginFigure(label="tenants", value=len(polling_state.pollings))
    yield PluginFigure(label="tenants_unpolled", value=len(polling_state.unpolled()), critical=0)
    yield PluginFigure(label="tenants_failing", value=len(polling_state.failures()))
    yield _oldest_poll(polling_state)
    for severity, state in STATE_BY_SEVERITY.items():
        number = sum(alert.key.severity is severity for alert in polling_state.firing)
        warning, critical = (0 if state is limit else None for limit in (State.WARNING, State.CRITICAL))
        yield PluginFigure(label=f"alerts_{severity}", value=number, warning=warning, critical=critical)
    yield PluginFigure(label="alerts_muted", value=polling_state.muted_count)
    yield PluginFigure(label="messages_waiting", value=len(polling_state.undelivered) - len(polling_state.given_up()))
    yield PluginFigure(label="messages_given_up", value=len(polling_state.given_up()), critical=0)
    if len(polling_state.pollings) <= MAX_TENANTS:
        yield from (
            PluginFigure(label=f"held {tenant}", value=polling_state.held.get(tenant))
            for tenant in polling_state.pollings
        )


def _oldest_poll(polling_state: PluginInput) -> PluginFigure:
    """Return how long ago the tenant was polled that is the nearest to its limit, and that limit."""
    ages = {tenant: polling_state.since_poll(tenant) for tenant in polling_state.pollings}
    known = {tenant: age for tenant, age in ages.items() if age is not None}
    if len(known) < len(ages):
        return PluginFigure(label="oldest_poll", value=None, unit="s")
    tenant = max(known, key=lambda tenant: known[tenant] / polling_state.limits[tenant])
    limit = int(polling_state.limits[tenant].total_seconds())
    return PluginFigure(label="oldest_poll", value=known[tenant].total_seconds(), unit="s", critical=limit)
