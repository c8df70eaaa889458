"""The daemon: starts, reloads and stops the service, and does what its jobs are for.

The main thread waits for signals, and checks every two seconds what must not depend on any job: the clocks, its part in
the database, and what systemd is sent (`_check`). Polls, deliveries and clean-up are jobs of the `Scheduler`.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Lock

from alerter import __version__
from alerter.clock import now
from alerter.config import Config, TenantConfig, load_config
from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import MAX_SAVE_DELAY
from alerter.core.outbox import TargetName
from alerter.core.series import Tenant
from alerter.errors import AlerterError, ConfigError, ListenError, StoreError, StoreUnavailable
from alerter.health import Health
from alerter.humanize import first_and_more_text
from alerter.jobs.deliver import deliver, next_attempt_due_at, release_claims
from alerter.jobs.notify import flush_groups
from alerter.jobs.poll import notify_removed_tenants, poll_many, reconcile, shift_after_clock_jump
from alerter.jobs.report import enqueue_weekly_reports
from alerter.jobs.retention import BatchSizer, apply_retention
from alerter.notifiers.apprise import AppriseNotifier
from alerter.processes import alerter_command, start, wait
from alerter.redaction import Redactor
from alerter.service.alerting_config import build_alerting_config
from alerter.service.clock_reading import ClockReading
from alerter.service.commit_queue import FetchResult
from alerter.service.delayed_polls import MAX_UNSAVED_TENANTS, may_delay_polls
from alerter.service.membership import Clocks
from alerter.service.scheduler import Executor, Scheduler
from alerter.service.sd_notify import SdNotify
from alerter.service.self_monitoring import PageActions, SelfMonitoring
from alerter.service.slots import startup_spread
from alerter.service.status_line import AlertCounts
from alerter.service.systemd import SystemdStatus
from alerter.service.wiring import (
    DAEMON_LIMITS,
    DELIVERY_WORKERS,
    build_source,
    config_fingerprint,
    open_membership,
    picture_problem,
    send_test,
    target_urls,
    url_problem,
)
from alerter.sources.mimecast import Lines, MimecastSource
from alerter.storage import SchemaState, Store

log = logging.getLogger(__name__)

#: A wall clock that moves against the monotonic one by more than this has jumped, rather than been corrected.
JUMP = timedelta(seconds=5)
UPKEEP_INTERVAL = timedelta(hours=1)
#: How soon delivery is tried again when it failed as a whole, as with a database that is locked.
RETRY_AFTER_FAILURE = timedelta(seconds=15)
#: How long after a delivery the next one runs at the earliest, unless a commit has something to send.
MIN_DELIVERY_PAUSE = timedelta(seconds=1)
#: How long a poll or a message in flight may take to end after a SIGTERM; what takes longer is cut off.
MAX_DRAIN = timedelta(seconds=20)
#: How often the main thread checks, in seconds; and until the daemon is ready, which is when every tenant was tried.
CHECK_SECONDS, FIRST_CHECK_SECONDS = 2.0, 0.1
#: How often it is tried again to reach a database's server at the start, in seconds.
DATABASE_SECONDS = 2
#: How often the daemon says that an upgrade goes on, in seconds.
UPGRADE_SIGN_SECONDS = 10
#: How often it is checked whether a weekly report is due.
REPORT_INTERVAL = timedelta(minutes=1)
#: After each tenant that a report reads, this multiple of its time is left to others.
REPORT_PAUSE_FACTOR = 4
#: How often deliveries are looked for that another process made due: a person's, or another instance's.
OTHERS_INTERVAL = timedelta(seconds=30)

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Everything that one reading of the configuration decides; a reload makes a new one."""

    config: Config
    alerting: AlertingConfig
    urls: Mapping[TargetName, str]
    sources: Mapping[Tenant, MimecastSource]

    @classmethod
    def of(
        cls,
        config: Config,
        *,
        before: "Runtime | None" = None,
        build_source: Callable[[TenantConfig], MimecastSource],
    ) -> "Runtime":
        """Build it; a tenant whose account is as before keeps what it has there, such as its token."""
        kept = {} if before is None else before.sources
        accounts = {} if before is None else {name: each.account for name, each in before.config.tenants.items()}
        sources = {
            name: kept[name] if accounts.get(name) == tenant.account else build_source(tenant)
            for name, tenant in config.tenants.items()
        }
        return cls(config=config, alerting=build_alerting_config(config), urls=target_urls(config), sources=sources)


class Daemon:
    """`alerter run`: polls, delivers and prunes until it is stopped.

    Args:
        path: The configuration, which is read again at a reload.
        redactor: The log's; gets to know the secrets of each configuration, and the tokens that Mimecast hands out.
        read: The clocks, by which it notices that one of them has jumped; None for those of this machine.
    """

    def __init__(self, path: Path, *, redactor: Redactor, read: Callable[[], ClockReading] | None = None) -> None:
        self.path = path
        self._redactor = redactor
        self._stop = Event()
        self._health = Health(_boot_seconds)
        self._notifier = AppriseNotifier(
            redactor=redactor, on_chart=lambda outcome, _: self._health.chart_tried(outcome)
        )
        self._lines = Lines(_boot_seconds)
        self._mine: Mapping[Tenant, timedelta] = {}
        self._scheduler = Scheduler(
            lambda tenant: self._runtime.sources.get(tenant) if self._membership.may_act() else None,
            self._handle_results,
            clock=now,
            seconds=_boot_seconds,
        )
        self._supervision = SystemdStatus(SdNotify(os.environ, pid=os.getpid()), self._health, monotonic=_boot_seconds)
        self._read_clocks = read or read_clocks
        self._clocks = self._read_clocks()
        self._planning_delivery = Lock()
        self._senders = ThreadPoolExecutor(DELIVERY_WORKERS, thread_name_prefix="deliver")
        self._wants_reload = False

    def run(self, config: Config) -> None:
        """Run until SIGTERM or SIGINT; reload on SIGHUP.

        Raises:
            StoreError: The database cannot be used, or another daemon uses it.
            ListenError: The address of `listen` cannot be listened on.
        """
        with ExitStack() as stack:
            signal.signal(signal.SIGTERM, _stop_starting)
            signal.signal(signal.SIGINT, _stop_starting)
            signal.signal(signal.SIGHUP, lambda *_: self._reload_early())
            self._supervision.starting("the database is opened")
            self._store = stack.enter_context(closing(Store(config.service.database)))
            self._membership = open_membership(
                self._store,
                Clocks(now=now, seconds=_boot_seconds),
                name=_own_name(),
                version=__version__,
                changed=self._share_changed,
            )
            stack.enter_context(self._opened(config.path))
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # before any thread starts, so that this one gets them
            self._runtime = Runtime.of(config, build_source=self._build_source)
            self._share_tenants(self._runtime)
            reconcile(self._store, self._runtime.alerting, now=now())
            release_claims(self._store, now=self._membership.clock())
            self._monitoring = SelfMonitoring(
                self._health,
                self._redactor,
                self._store,
                actions=PageActions(deliver=self._deliver_soon, send_test=send_test),
            )
            stack.callback(self._monitoring.close)
            self._monitoring.apply_config(config, now=now())
            self._start()
            stack.callback(self._shut_down)
            self._supervision.polling()
            self._warn_of_configuration()
            if self._wants_reload:
                _raise(signal.SIGHUP)
            log.info("ready tenants=%d rules=%d receivers=%d pid=%d", *self._sizes(), os.getpid())
            self._wait()

    # -- the start --------------------------------------------------------------------------------------------------

    def _opened(self, path: Path) -> ExitStack:
        """Take part in the database, with its schema up to date; wait for a server that cannot be reached yet."""
        said = ""
        while True:
            try:
                return self._open(path)
            except StoreUnavailable as error:
                why = str(error)
            self._supervision.starting(f"waiting for the database: {why}")
            if why != said:
                log.warning("waiting for the database: %s", why)
            said = why
            self._stop.wait(DATABASE_SECONDS)

    def _open(self, path: Path) -> ExitStack:
        with ExitStack() as stack:
            stack.enter_context(self._membership.join())
            _upgrade_apart(self._store, path, go_on=self._supervision.starting)
            self._store.check_writable()
            return stack.pop_all()

    def _reload_early(self) -> None:
        """Have a reload that comes too early made up for."""
        self._wants_reload = True

    # -- the main thread ------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        while True:
            wait_seconds = CHECK_SECONDS if self._supervision.is_ready else FIRST_CHECK_SECONDS
            received = signal.sigtimedwait(SIGNALS, wait_seconds)
            match received.si_signo if received else None:
                case signal.SIGTERM | signal.SIGINT:
                    log.info("stopping")
                    return
                case signal.SIGHUP:
                    self._reload()
                case _:
                    self._check()

    def _check(self) -> None:
        """Do what must not depend on any job."""
        self._check_clocks()
        self._check_share()
        self._supervise()

    def _check_share(self) -> None:
        """Poll others where the share has changed, and nobody in time where this instance is cut off."""
        if self._membership.refresh():
            self._assign()
            # What nobody was sure to be removed from all configurations may be so now.
            self._scheduler.run_now("reconcile", self._upkeep)
        trouble = self._membership.fatal_reason()
        self._health.set_fatal(trouble)
        if trouble:
            self._monitoring.record_cycle(trouble)
        elif not self._mine:
            # Others poll everything: there is no cycle to show that this one is well.
            self._health.mark_standby()
            self._monitoring.record_cycle()

    def _share_changed(self) -> None:
        """Say at once, from any thread, if nothing can be polled or sent; deliver what another instance planned."""
        self._health.set_fatal(self._membership.fatal_reason())
        self._deliver_soon()

    def _supervise(self) -> None:
        self._supervision.update(sharing=self._membership.summary(), now=self._local_now())
        if self._supervision.needs_counts():
            self._scheduler.run_now("counts", self._count)

    def _local_now(self) -> datetime:
        return now().astimezone(self._runtime.config.service.timezone)

    def _check_clocks(self) -> None:
        """Notice a clock that jumped and a machine that slept: either makes APScheduler wait for the wrong instants."""
        before, self._clocks = self._clocks, self._read_clocks()
        jump, slept = self._clocks.jump_since(before), self._clocks.slept_since(before)
        if abs(jump) > JUMP:
            log.warning("the clock jumped seconds=%+.0f", jump.total_seconds())
            own = tuple(self._mine) if self._membership.is_shared else None
            self._guarded("follow the clock", lambda: shift_after_clock_jump(self._store, by=jump, tenants=own))
            self._scheduler.reschedule_all()
        elif slept > JUMP:
            log.warning("the machine was suspended seconds=%.0f", slept.total_seconds())
            self._health.restart_expectations(begun_within=startup_spread(self._health.tenant_count()))
            self._scheduler.reschedule_all()

    def _reload(self) -> None:
        self._supervision.reloading()
        refusal = self._take_configuration()
        if refusal:
            self._health.config_rejected()
        self._supervision.reloaded(refusal, now=self._local_now())

    def _take_configuration(self) -> str:
        """Take the configuration as it is now; return why it was refused, or nothing."""
        try:
            config = load_config(
                self.path, redactor=self._redactor, check_url=url_problem, check_picture=picture_problem
            )
            runtime = Runtime.of(config, before=self._runtime, build_source=self._build_source)
            if config.service.database == self._runtime.config.service.database:
                self._monitoring.apply_config(config, now=now())
        except ListenError as error:
            log.error("configuration rejected: %s", error)  # noqa: TRY400 - as below
            return str(error)
        except ConfigError as error:
            for problem in error.problems:
                log.error("configuration rejected: %s", problem)  # noqa: TRY400 - the problem is the whole story
            log.error("previous configuration stays active problems=%d", len(error.problems))  # noqa: TRY400
            return f"problems: {len(error.problems)}, the first at {error.problems[0].location}"
        except Exception:
            # Whatever a configuration can do to us, the one that works stays.
            log.exception("internal error job=%s", "reload")
            return "a bug in alerter"
        if config.service.database != self._runtime.config.service.database:
            why = "another database needs a restart"
            log.error("configuration rejected: %s", why)
            return why
        self._activate(runtime)
        return ""

    def _activate(self, runtime: Runtime) -> None:
        # The others must know first: what they have a say in depends on whether all decide alike.
        self._share_tenants(runtime)
        before, self._runtime = self._runtime, runtime
        for name, source in before.sources.items():
            if runtime.sources.get(name) is not source:
                source.close()
        self._save_polls()
        self._store.evict(before.sources.keys() - runtime.sources.keys())
        self._guarded("resolve removed rules", lambda: reconcile(self._store, self._runtime.alerting, now=now()))
        self._assign(soon=self._news_since(before))
        self._deliver_soon()
        self._warn_of_configuration()
        log.info(
            "reloaded tenants=%d rules=%d receivers=%d pid=%d added=%d changed=%d removed=%d",
            *self._sizes(), os.getpid(), *_changes(before.config.tenants, runtime.config.tenants),
        )  # fmt: skip

    def _share_tenants(self, runtime: Runtime) -> None:
        """Share the tenants by a configuration."""
        kept = runtime.config.service
        digest = config_fingerprint(__version__, runtime.alerting, kept.retention, kept.downsample_after)
        self._membership.apply_config(digest, runtime.alerting.poll_intervals)

    def _news_since(self, before: Runtime) -> set[Tenant]:
        """Return who is polled soon after a reload: whom other rules or keys concern now, and who failed last.

        All others keep their slots. What the rules find now comes with the polls, spread as after a start.
        """
        is_new = {name for name, source in self._runtime.sources.items() if before.sources.get(name) is not source}
        has_failed = {name for name, record in self._health.newest_cycles().items() if record.cause is not None}
        return is_new | has_failed | self._runtime.alerting.tenants_changed_since(before.alerting)

    def _warn_of_configuration(self) -> None:
        for warning in self._runtime.config.warnings:
            log.warning("configuration warning: %s", warning)

    def _sizes(self) -> tuple[int, int, int]:
        """Return how many tenants, rules and receivers there are."""
        config = self._runtime.config
        return len(config.tenants), len(config.rules), len(config.receivers)

    # -- the schedule -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._assign()
        self._scheduler.start()
        self._deliver_soon()
        self._scheduler.run_every("look for deliveries", OTHERS_INTERVAL, self._look_for_deliveries)
        self._scheduler.run_every("upkeep", UPKEEP_INTERVAL, self._upkeep)
        self._scheduler.run_every("save polls", MAX_SAVE_DELAY, self._save_polls)
        self._scheduler.run_now("keep history now", self._keep_history, Executor.RETENTION)
        self._scheduler.run_every("weekly reports", REPORT_INTERVAL, self._report, Executor.RETENTION)
        self._scheduler.run_every("keep history", UPKEEP_INTERVAL, self._keep_history, Executor.RETENTION)

    def _build_source(self, tenant: TenantConfig) -> MimecastSource:
        return build_source(tenant, stop=self._stop, limits=DAEMON_LIMITS, lines=self._lines, redactor=self._redactor)

    def _assign(self, *, soon: Collection[Tenant] = ()) -> None:
        """Poll the tenants that are this daemon's share; an answer of any other is not wanted from now on."""
        before = self._mine
        self._mine = intervals = self._membership.own_tenants(self._runtime.alerting.poll_intervals)
        self._store.evict(before.keys() - intervals.keys())
        self._store.delay_polls(is_on=may_delay_polls(intervals, self._runtime.alerting))
        self._health.set_tenants(intervals, begun_within=startup_spread(len(intervals)))
        # Not here: the main thread must not wait for a database that says nothing.
        self._scheduler.run_now("recall", self._monitoring.load_last_polls)
        self._scheduler.set_tenants(intervals, soon=soon)

    def _deliver_soon(self) -> None:
        self._scheduler.run_now("deliver", self._deliver, Executor.DELIVER)

    def _deliver_at(self, at: datetime | None) -> None:
        """Deliver again at an instant, and at no other: the one from before does not count any more."""
        if at is None:
            self._scheduler.cancel("deliver later")
            return
        # What is due and cannot be sent yet, as while another instance has it, is not tried all the time.
        at = max(at, now() + MIN_DELIVERY_PAUSE)
        self._scheduler.run_at("deliver later", at, self._deliver, Executor.DELIVER)

    def _shut_down(self) -> None:
        self._supervision.stopping()
        self._stop.set()
        self._scheduler.stop(drain=MAX_DRAIN)
        self._save_polls()
        self._senders.shutdown(wait=False, cancel_futures=True)
        for source in self._runtime.sources.values():
            source.close()
        self._lines.close()
        log.info("stopped")

    # -- the jobs, in the scheduler's threads ---------------------------------------------------------------------

    def _handle_results(self, results: Mapping[Tenant, FetchResult]) -> set[Tenant]:
        """Store fetched results, evaluate the rules of now, and have notifications delivered."""
        runtime = self._runtime
        wanted = {tenant: result for tenant, result in results.items() if self._is_wanted(tenant, result)}
        if wanted:
            self._commit_or_log(runtime, wanted)
        return results.keys() - wanted.keys()

    def _is_wanted(self, tenant: Tenant, result: FetchResult) -> bool:
        source = self._runtime.sources.get(tenant) if tenant in self._mine else None
        return source is not None and result.source in (None, source) and not self._stop.is_set()

    def _commit_or_log(self, runtime: Runtime, results: Mapping[Tenant, FetchResult]) -> None:
        began = _boot_seconds()
        try:
            self._commit(runtime, results)
        except AlerterError as error:
            log.error("poll cycle failed tenant=%s: %s", first_and_more_text(results), error)  # noqa: TRY400 - it says what to do
            self._record_failure(results, _public_text(error), seconds=_boot_seconds() - began)
        except Exception as error:
            if len(results) > 1:
                # One of them met a bug; the others must not be lost with it.
                for tenant, result in results.items():
                    self._commit_or_log(runtime, {tenant: result})
                return
            # A bug in one cycle must not end the daemon, nor stay unseen.
            log.exception("internal error job=%s tenant=%s", "cycle", first_and_more_text(results))
            self._record_failure(results, _public_text(error), seconds=_boot_seconds() - began)

    def _record_failure(self, results: Mapping[Tenant, FetchResult], text: str, *, seconds: float) -> None:
        for tenant, result in results.items():
            self._health.cycle_failed(tenant, seconds=result.duration.total_seconds() + seconds, error=text)
        self._monitoring.record_cycle(f"{first_and_more_text(results)}: {text}")

    def _commit(self, runtime: Runtime, results: Mapping[Tenant, FetchResult]) -> None:
        began = _boot_seconds()
        cycles = poll_many(results.items(), self._store, runtime.alerting, clock=now)
        self._store.save_polls(at_least=MAX_UNSAVED_TENANTS)
        seconds = _boot_seconds() - began
        for cycle in cycles:
            cause = None if cycle.error is None else cycle.error.cause
            fetch_seconds = results[cycle.tenant].duration.total_seconds()
            self._health.cycle_completed(
                cycle.tenant, seconds=fetch_seconds + seconds, cause=cause, snapshot=cycle.snapshot
            )
        if cycles:
            self._monitoring.record_cycle()
        if runtime is not self._runtime:
            # The rules changed while this was written by the old ones.
            reconcile(self._store, self._runtime.alerting, now=now())
        if any(cycle.messages for cycle in cycles) or any(each.group_wait for each in runtime.alerting.receivers):
            self._deliver_soon()
        if any(cycle.transitions for cycle in cycles):
            self._supervision.mark_changed()

    def _deliver(self) -> None:
        if not self._membership.may_act() or not self._guarded("deliver", self._deliver_due):
            # When the next message is due is not known.
            self._deliver_at(now() + RETRY_AFTER_FAILURE)

    def _deliver_due(self) -> None:
        runtime = self._runtime
        if self._membership.is_shared:
            release_claims(self._store, now=self._membership.clock())
        flush_groups(self._store, runtime.alerting, now=now())
        tried = deliver(
            self._store,
            self._notifier,
            runtime.urls,
            alerting=runtime.alerting,
            clock=self._membership.clock,
            map_=self._senders.map,
            is_stopping=self._stop.is_set,
            may_send=self._membership.may_act,
        )
        for delivery in tried:
            self._health.record_delivery(delivery)
        if tried:
            self._supervision.mark_changed()
        self._deliver_at(next_attempt_due_at(self._store))

    def _look_for_deliveries(self) -> None:
        """Deliver if anything waits for its time; that nothing does costs one statement.

        What no poll notifies of is enqueued here, such as the end of a removed tenant's alert once its silence ended.
        """

        def look() -> None:
            if self._membership.may_act():
                notify_removed_tenants(self._store, self._runtime.alerting, now=now())
            if next_attempt_due_at(self._store) is not None:
                self._deliver_soon()

        self._guarded("look for deliveries", look)

    def _count(self) -> None:
        """Count what fires and what is undelivered, for people who look at the service."""

        def count() -> None:
            with self._store.read() as reader:
                firing = reader.alerts.firing_by_severity()
                self._supervision.set_counts(AlertCounts(firing=firing, undelivered=reader.outbox.waiting_count()))

        self._guarded("count alerts and messages", count)

    def _save_polls(self) -> None:
        self._guarded("save polls", self._store.save_polls)

    def _upkeep(self) -> None:
        self._guarded("reconcile", lambda: reconcile(self._store, self._runtime.alerting, now=now()))

    def _keep_history(self) -> None:
        """Prune and thin, for as long as that takes; the executor runs one after the other."""
        kept = self._runtime.config.service
        batch_sizer = BatchSizer(seconds=_boot_seconds, pause=self._stop.wait)

        def keep() -> None:
            apply_retention(
                self._store,
                retention=kept.retention,
                downsample_after=kept.downsample_after,
                batch_sizer=batch_sizer,
                now=now(),
            )

        self._guarded("keep history", keep)

    def _report(self) -> None:
        """Plan the weekly reports that are due."""

        def plan() -> None:
            began = _boot_seconds()

            def pause() -> bool:
                nonlocal began
                is_stopping = self._stop.wait(REPORT_PAUSE_FACTOR * (_boot_seconds() - began))
                began = _boot_seconds()
                return is_stopping

            alerting = self._runtime.alerting
            if self._membership.may_act() and enqueue_weekly_reports(self._store, alerting, pause=pause, now=now()):
                self._deliver_soon()

        self._guarded("weekly reports", plan)

    def _guarded(self, what: str, job: Callable[[], object]) -> bool:
        """Run a job; what it cannot do is logged, and the next run tries again. Return True if it did it."""
        try:
            job()
        except AlerterError as error:
            log.error("job failed job=%s: %s", what, error)  # noqa: TRY400 - it says what to do; a traceback does not
        except Exception:
            # The boundary of the thread, as with a cycle.
            log.exception("internal error job=%s", what)
        else:
            return True
        return False


def _stop_starting(*_: object) -> None:
    """End a start that waits, when it is to stop; from then on the main thread waits for signals."""
    log.info("stopped")
    sys.exit(0)


def _own_name() -> str:
    """Return what this instance is called: its machine, and its process there."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _raise(number: signal.Signals) -> None:
    """Send the main thread a signal."""
    os.kill(os.getpid(), number)


def _upgrade_apart(store: Store, path: Path, *, go_on: Callable[[str], None]) -> None:
    """Bring the schema up to date in a process of its own, whose libraries (9 MiB) the daemon then never loads.

    Args:
        store: The database.
        path: The configuration that names it.
        go_on: Called again and again while it lasts: a large database takes its time, and must be given it.

    Raises:
        StoreError: It cannot be done; the database is as before.
    """
    if store.schema_state() is SchemaState.CURRENT:
        return
    sign = "the database gets this version's schema"
    with start(alerter_command("db", "upgrade", "--config", str(path.absolute()))) as upgrade:
        try:
            go_on(sign)
            out, err = wait(upgrade, every=UPGRADE_SIGN_SECONDS, meanwhile=lambda: go_on(sign))
        except BaseException:
            upgrade.terminate()  # a stop does not wait for all of it; nothing of it is kept
            raise
    if upgrade.returncode:
        raise StoreError(err.strip().removeprefix("alerter: "))
    log.info("database prepared: %s", " ".join(out.split()))


def _public_text(error: Exception) -> str:
    """Return what everybody may read of an error: the texts of others may hold anything."""
    return str(error) if isinstance(error, AlerterError) else f"a bug in alerter: {type(error).__name__}"


def _changes(before: Mapping[Tenant, TenantConfig], after: Mapping[Tenant, TenantConfig]) -> tuple[int, int, int]:
    """Return how many tenants were added, changed and removed."""
    changed = sum(before[name] != after[name] for name in before.keys() & after.keys())
    return len(after.keys() - before.keys()), changed, len(before.keys() - after.keys())


def _boot_seconds() -> float:
    """Return the seconds since the machine started, also those in which it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_clocks() -> ClockReading:
    """Return the three clocks as they are now."""
    return ClockReading(time.time(), time.monotonic(), _boot_seconds())
