"""The real `alerter` in a random world: the configuration as a file, an SQLite database, the commands of its users.

Only the account and the way out are stand-ins. What it decided is read from what it returns and what it stores.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from alerter import clock
from alerter.cli import cli
from alerter.config import load_config
from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, Transition
from alerter.core.backtest.replay import run_replay
from alerter.core.message.content import Message
from alerter.core.message.render import compose_message
from alerter.core.notifications import Notification
from alerter.core.outbox import Delivery, TargetName
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.errors import Cause, DeliveryError, SourceUnavailable
from alerter.jobs.deliver import deliver
from alerter.jobs.notify import flush_groups, next_flush_at
from alerter.jobs.poll import notify_removed_tenants, poll, reconcile, shift_after_clock_jump
from alerter.service.alerting_config import build_alerting_config
from alerter.service.wiring import target_urls
from alerter.storage import Store
from tests.commands import unchanged_logging
from tests.reference.mutes import Subject
from tests.reference.script import Acknowledged, Configured, Delivered, Event, Jumped, PollRange, Restarted, Silenced


@dataclass
class Account:
    """An account that gives one answer."""

    polled: PollRange

    def fetch(self) -> Snapshot:
        """Return the snapshot, or raise the failure."""
        if self.polled.counts is None:
            raise SourceUnavailable(Cause(self.polled.cause), "found nothing")
        counts = {HoldReason(name): count for name, count in self.polled.counts.items()}
        return Snapshot(tenant=Tenant(self.polled.tenant), taken_at=self.polled.at, counts=counts)


@dataclass
class WayOut:
    """Targets that take messages, refuse them, or cannot be reached."""

    outcomes: Mapping[str, str] = field(default_factory=dict)
    taken: list[tuple[str, Message]] = field(default_factory=list)
    shortened: set[str] = field(default_factory=set)

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Take the message, or fail as its URL does."""
        del had_by
        match self.outcomes.get(str(url), "ok"):
            case "ok":
                self.taken.append((str(url), message))
            case "refused":
                raise DeliveryError("HTTP 400", refused=True)
            case "long" if message.id not in self.shortened:
                self.shortened.add(message.id)
                raise DeliveryError("HTTP 413", refused=True)
            case "long":
                self.taken.append((str(url), message))
            case _:
                raise DeliveryError("connection refused")


@dataclass
class Happened:
    """What came of one event: transitions, who is told what, and what went out."""

    transitions: list[Transition] = field(default_factory=list)
    notified: list[tuple[str, Notification]] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)


@dataclass
class Real:
    """The service and its users, in a folder of their own."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    alerting: AlertingConfig | None = None
    urls: Mapping[TargetName, str] = field(default_factory=dict)
    way_out: WayOut = field(default_factory=WayOut)
    notifications: dict[str, Notification] = field(default_factory=dict)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __post_init__(self) -> None:
        """Open the database, and listen to what is told."""
        self.store = Store(self.url)
        compose = compose_message

        def composed(notification: Notification, *args: object, **kwargs: object) -> Message:
            message = compose(notification, *args, **kwargs)  # type: ignore[arg-type]
            self.notifications[message.id] = notification
            return message

        self.monkeypatch.setattr("alerter.jobs.notify.compose_message", composed)
        self.monkeypatch.setattr(clock, "now", lambda: self.now)

    @property
    def url(self) -> str:
        """Return where the database is."""
        return f"sqlite:///{self.folder / 'alerter.db'}"

    def happen(self, event: Event) -> Happened:
        """Let one event happen, and return what came of it."""
        happened = Happened()
        if self.alerting is not None:
            self.tell_groups_until(event.at)
            happened.notified = self.notified()
        self.now = event.at
        match event:
            case Configured():
                happened.transitions = self.configure(event.toml)
            case PollRange():
                happened.transitions = self.poll(event)
            case Restarted():
                happened.transitions = self.restart()
            case Delivered():
                happened.deliveries = self.deliver(dict(event.outcomes))
            case _:
                self.act(event)
        happened.notified += self.notified()
        return happened

    def notified(self) -> list[tuple[str, Notification]]:
        """Return what was put into the outbox since the last time, each with the URL for which it is."""
        if not self.notifications:
            return []
        planned, self.notifications = self.notifications, {}
        return [
            (self.url_of(each.target), planned[each.message_id])
            for each in self.deliveries()
            if each.message_id in planned
        ]

    def replayed(self) -> list[Transition]:
        """Return what a backtest of the stored history finds, by the rules as they are now."""
        assert self.alerting is not None
        with self.store.read() as reader:
            histories = [
                reader.history.full_history(name, poll_interval=each, timezone=self.alerting.timezone_for(name))
                for name, each in self.alerting.poll_intervals.items()
            ]
        return [each for moment in run_replay(self.alerting, histories) for each in moment.transitions]

    def deliveries(self) -> list[Delivery]:
        """Return all that was ever put into the outbox."""
        with self.store.read() as reader:
            return [each.delivery for each in reader.outbox.deliveries(limit=10_000)]

    def url_of(self, target: TargetName) -> str:
        """Return where a target is, or was when it was last configured."""
        return str(self.urls[target])

    def act(self, event: Silenced | Acknowledged | Jumped) -> None:
        """Do what a user does beside the service, or the clock."""
        match event:
            case Silenced():
                self.command(
                    "silence", "add", *self.options(event), "--until", event.ends_at.isoformat(), "--comment", "known"
                )
            case Acknowledged():
                self.acknowledge(event.subject, is_undone=event.is_undone)
            case Jumped():
                shift_after_clock_jump(self.store, by=event.by)

    def poll(self, polled: PollRange) -> list[Transition]:
        """Poll a tenant, and notify of what no poll does, as the service does within half a minute."""
        assert self.alerting is not None
        cycle = poll(Tenant(polled.tenant), Account(polled), self.store, self.alerting, clock=lambda: self.now)
        notify_removed_tenants(self.store, self.alerting, now=self.now)
        return list(cycle.transitions)

    def tell_groups_until(self, until: datetime) -> None:
        """Tell what has been collected for long enough, when its time has come."""
        assert self.alerting is not None
        while (due_at := next_flush_at(self.store)) is not None and due_at <= until:
            flush_groups(self.store, self.alerting, now=due_at)

    def configure(self, toml: str) -> list[Transition]:
        """Read a configuration, as at the start and after a reload."""
        path = self.folder / "rules.toml"
        path.write_text(toml, encoding="utf-8")
        config = load_config(path, {})
        self.alerting, self.urls = build_alerting_config(config), {**self.urls, **target_urls(config)}
        return reconcile(self.store, self.alerting, now=self.now)

    def restart(self) -> list[Transition]:
        """End the service and start it again."""
        self.store.close()
        self.store = Store(self.url)
        assert self.alerting is not None
        return reconcile(self.store, self.alerting, now=self.now)

    def command(self, *words: str, may_refuse: bool = False) -> None:
        """Run a command as a user does."""
        config = str(self.folder / "rules.toml")
        with unchanged_logging():
            result = CliRunner().invoke(cli, [*words, "--config", config], catch_exceptions=False)
        assert may_refuse or result.exit_code == 0, result.output

    @staticmethod
    def options(event: Silenced) -> list[str]:
        """Return the matchers of a silence as options."""
        options = []
        for name, values in (
            ("--tenant", event.tenants), ("--reason", event.reasons), ("--rule", event.rules),
            ("--severity", event.levels),
        ):  # fmt: skip
            options += [word for value in values for word in (name, value)]
        return options or ["--all"]

    def acknowledge(self, subject: Subject, *, is_undone: bool) -> None:
        """Acknowledge what fires of a subject, or take that back, if anything does."""
        firing = [
            alert
            for alert in self.alerts()
            if alert.is_firing and (alert.key.rule, alert.key.tenant, alert.key.reason) == subject
        ]
        if firing:
            # There may be nothing to take back, which is said.
            self.command("ack", firing[0].key.id, *(["--undo"] if is_undone else []), may_refuse=is_undone)

    def alerts(self) -> list[Alert]:
        """Return the alerts that are stored."""
        with self.store.read() as reader:
            return list(reader.alerts.load_all())

    def deliver(self, outcomes: Mapping[str, str]) -> list[Delivery]:
        """Send what is due, and before it make messages of what no poll tells, as the service does."""
        assert self.alerting is not None
        notify_removed_tenants(self.store, self.alerting, now=self.now)
        self.way_out.outcomes = outcomes
        return deliver(self.store, self.way_out, self.urls, alerting=self.alerting, clock=lambda: self.now)


@contextmanager
def real(template: Path, folder: Path) -> Iterator[Real]:
    """Open a world with a database of its own."""
    shutil.copy(template, folder / "alerter.db")
    with pytest.MonkeyPatch.context() as monkeypatch:
        opened = Real(folder, monkeypatch)
        try:
            yield opened
        finally:
            opened.store.close()
