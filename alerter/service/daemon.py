"""The daemon: schedules the jobs and waits for signals.

The main thread does nothing but wait for signals and look around: after a few seconds, or when something is due or a
thread has asked for it (`looks`). What it does then is `_look`, and when it does so again says `_next_look_seconds`.
The pollers' threads poll and judge, APScheduler's deliver and prune. Jobs never touch the scheduler, so that shutting
it down cannot wait for itself.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from threading import Event, Thread

from apscheduler.executors.pool import ThreadPoolExecutor as SchedulerPool
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from alerter import __version__
from alerter.clock import now
from alerter.config import Config, TenantConfig, load_config
from alerter.core.alerting_config import AlertingConfig
from alerter.core.outbox import TargetName
from alerter.core.series import Tenant
from alerter.errors import AlerterError, ConfigError, ListenError, StoreError, StoreUnavailable
from alerter.health import Health
from alerter.humanize import first_of
from alerter.jobs.addresses import follow_urls
from alerter.jobs.deliver import deliver, next_attempt_due_at, release_claims
from alerter.jobs.notify import flush_groups
from alerter.jobs.poll import poll_many, reconcile, shift_after_clock_jump, tell_unpolled
from alerter.jobs.retention import BatchSizer, apply_retention
from alerter.notifiers.apprise import AppriseNotifier
from alerter.processes import alerter_command, start, wait
from alerter.redaction import Redactor
from alerter.service.alerting_config import policy_of
from alerter.service.looks import APART_SECONDS, Looks, Moment
from alerter.service.membership import Clocks
from alerter.service.scheduler import Answer, Pollers
from alerter.service.sd_notify import Systemd
from alerter.service.self_monitoring import SelfWatch
from alerter.service.slots import first_round
from alerter.service.status_line import Tally
from alerter.service.systemd import Supervision
from alerter.service.wiring import DAEMON_LIMITS, SENDERS, fingerprint, sharing_of, source_of, url_problem, urls_of
from alerter.sources.mimecast import Lines, MimecastSource
from alerter.storage import SchemaState, Store

log = logging.getLogger(__name__)

#: A wall clock that moves against the monotonic one by more than this has jumped, rather than been corrected.
JUMP = timedelta(seconds=5)
#: So many runs may deliver at once, all but one of them held up by a target that hangs.
DELIVERY_RUNS = 4
UPKEEP_INTERVAL = timedelta(hours=1)
#: How soon delivery is tried again when it failed as a whole, as with a database that is locked.
RETRY_AFTER_FAILURE = timedelta(seconds=15)
#: How long a poll or a message in flight may take to end after a SIGTERM; what takes longer is cut off.
DRAIN = timedelta(seconds=20)
#: How long the main thread does not look around at most, in seconds: so late it notices a clock that has jumped, a
#: machine that slept, and a tenant that is overdue.
MAX_NAP_SECONDS = 5.0
#: The same where it has a share of the tenants, which may end; and until the daemon is ready, as it is as soon as every
#: tenant was tried.
SHARED_NAP_SECONDS, FIRST_NAP_SECONDS = 1.0, 0.1
#: How often it is tried again to reach a database's server at the start, in seconds.
DATABASE_SECONDS = 2
#: How often the daemon says that an upgrade goes on, in seconds.
UPGRADE_SIGN_SECONDS = 10
#: How often it is looked for deliveries that another process wants to be tried, and cannot tell: a person's, or another
#: instance's.
OTHERS_SECONDS = 30

#: The first two from outside, the last two from a thread: there is something to deliver, or to look at.
SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})


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
        source_of: Callable[[TenantConfig], MimecastSource],
    ) -> "Runtime":
        """Build it; a tenant whose account is as before keeps what it has there, such as its token."""
        kept = {} if before is None else before.sources
        accounts = {} if before is None else {name: each.account for name, each in before.config.tenants.items()}
        sources = {
            name: kept[name] if accounts.get(name) == tenant.account else source_of(tenant)
            for name, tenant in config.tenants.items()
        }
        return cls(config=config, alerting=policy_of(config), urls=urls_of(config), sources=sources)


class Service:
    """`alerter run`: polls, delivers and prunes until it is told to stop.

    Args:
        path: The configuration, which is read again at a reload.
        redactor: The log's; gets to know the secrets of each configuration, and the tokens that Mimecast hands out.
        read: The clocks, by which it notices that one of them has jumped; None for those of this machine.
    """

    def __init__(self, path: Path, *, redactor: Redactor, read: Callable[[], Moment] | None = None) -> None:
        self.path = path
        self._redactor = redactor
        self._stop = Event()
        self._notifier = AppriseNotifier(redactor=redactor)
        self._health = Health(_boot_seconds)
        self._lines = Lines(_boot_seconds)
        self._mine: Mapping[Tenant, timedelta] = {}
        self._pollers = Pollers(
            lambda tenant: self._runtime.sources.get(tenant) if self._sharing.may_act() else None,
            self._judge,
            clock=now,
            seconds=_boot_seconds,
        )
        self._supervision = Supervision(Systemd(os.environ, pid=os.getpid()), self._health, monotonic=_boot_seconds)
        self._looks = Looks(read or moment, lambda: _raise(signal.SIGUSR2))
        self._errands = ThreadPoolExecutor(1, thread_name_prefix="errands")
        self._errand: Future[None] | None = None
        self._others_boot = _boot_seconds() + OTHERS_SECONDS
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="deliver")
        self._scheduler: BackgroundScheduler | None = None
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
            self._sharing = sharing_of(
                self._store,
                Clocks(now=now, seconds=_boot_seconds),
                name=_own_name(),
                version=__version__,
                changed=lambda: _raise(signal.SIGUSR1),
            )
            stack.enter_context(self._opened(config.path))
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # before any thread starts, so that this one gets them
            self._runtime = Runtime.of(config, source_of=self._source_of)
            self._follow(self._runtime)
            reconcile(self._store, self._runtime.alerting, now=now())
            release_claims(self._store, now=self._sharing.clock())
            self._watch = SelfWatch(self._health, self._redactor, self._store)
            stack.callback(self._watch.close)
            self._watch.follow(config, now=now())
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
            stack.enter_context(self._sharing.opened())
            _upgrade_apart(self._store, path, go_on=self._supervision.starting)
            self._store.check_writable()
            return stack.pop_all()

    def _reload_early(self) -> None:
        """Have a reload that comes too early made up for."""
        self._wants_reload = True

    # -- the main thread ------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        while True:
            received = signal.sigtimedwait(SIGNALS, self._looks.left())
            match received.si_signo if received else None:
                case signal.SIGTERM | signal.SIGINT:
                    log.info("stopping")
                    return
                case signal.SIGHUP:
                    self._reload()
                case signal.SIGUSR1:
                    self._schedule_delivery()
                case signal.SIGUSR2:
                    continue  # somebody wants an earlier look, which need not be due yet
                case _:
                    pass
            self._look()

    def _look(self) -> None:
        """Look around once, and decide when to do so again."""
        before, clocks = self._looks.begin()
        self._follow_clocks(before, clocks)
        self._look_at_share()
        self._look_for_others(clocks)
        self._schedule_retries()
        self._supervise()
        self._looks.plan(self._next_look_seconds(clocks))

    def _next_look_seconds(self, clocks: Moment) -> float:
        """Return in how many seconds to look around again, where nobody asks for it before."""
        if not self._supervision.is_ready:
            return FIRST_NAP_SECONDS
        if self._sharing.is_shared:
            return SHARED_NAP_SECONDS
        retry_at = self._retry_at
        due = self._others_boot - clocks.boot, inf if retry_at is None else (retry_at - now()).total_seconds()
        # What is due and cannot be done yet is not looked at all the time.
        return max(min(MAX_NAP_SECONDS, *due), APART_SECONDS)

    def _look_at_share(self) -> None:
        """Poll others where the share has changed, and nobody in time where this instance is cut off."""
        if self._sharing.look():
            self._assign()
            # What nobody was sure to be removed from all configurations may be so now.
            self._add("reconcile", self._upkeep, None)
        trouble = self._sharing.trouble()
        self._health.cut_off(trouble)
        if trouble:
            self._watch.cycle_ended(trouble)
        elif not self._mine:
            # Others poll everything: there is no cycle to show that this one is well.
            self._health.stood_by()
            self._watch.cycle_ended()

    def _supervise(self) -> None:
        self._supervision.look(sharing=self._sharing.notified(), now=self._local_now())
        if self._supervision.wants_tally():
            self._add("tally", self._tally, None)

    def _local_now(self) -> datetime:
        return now().astimezone(self._runtime.config.service.timezone)

    def _follow_clocks(self, before: Moment, clocks: Moment) -> None:
        """Notice a clock that jumped and a machine that slept; both would leave the pollers waiting."""
        jump = clocks.jump_since(before)
        if abs(jump) > JUMP:
            log.warning("the clock jumped seconds=%+.0f", jump.total_seconds())
            own = tuple(self._mine) if self._sharing.is_shared else None
            self._guarded("follow the clock", lambda: shift_after_clock_jump(self._store, by=jump, tenants=own))
            self._pollers.restart()
        elif clocks.slept_since(before) > JUMP:
            log.warning("the machine was suspended seconds=%.0f", clocks.slept_since(before).total_seconds())
            self._health.expect_anew(begun_within=first_round(self._health.tenant_count()))
            self._pollers.restart()

    def _look_for_others(self, clocks: Moment) -> None:
        """Look now and then for deliveries that another process wants to be tried."""
        if clocks.boot >= self._others_boot:
            if self._errand is None or self._errand.done():
                self._errand = self._errands.submit(self._look_for_errands)
            self._others_boot = clocks.boot + OTHERS_SECONDS

    def _reload(self) -> None:
        self._supervision.reloading()
        refusal = self._take_configuration()
        if refusal:
            self._health.configuration_refused()
        self._supervision.reloaded(refusal, now=self._local_now())

    def _take_configuration(self) -> str:
        """Take the configuration as it is now; return why it was refused, or nothing."""
        try:
            config = load_config(self.path, redactor=self._redactor, check_url=url_problem)
            runtime = Runtime.of(config, before=self._runtime, source_of=self._source_of)
            if config.service.database == self._runtime.config.service.database:
                self._watch.follow(config, now=now())
        except ListenError as error:
            log.error("configuration refused: %s", error)  # noqa: TRY400 - as below
            return str(error)
        except ConfigError as error:
            for problem in error.problems:
                log.error("configuration refused: %s", problem)  # noqa: TRY400 - the problem is the whole story
            log.error("the configuration is as before problems=%d", len(error.problems))  # noqa: TRY400
            return f"problems: {len(error.problems)}, the first at {error.problems[0].place}"
        except Exception:
            # Whatever a configuration can do to us, the one that works stays.
            log.exception("configuration refused by a bug in alerter")
            return "a bug in alerter"
        if config.service.database != self._runtime.config.service.database:
            why = "another database needs a restart"
            log.error("configuration refused: %s", why)
            return why
        self._use(runtime)
        return ""

    def _use(self, runtime: Runtime) -> None:
        # The others must know first: what they have a say in depends on whether all decide alike.
        self._follow(runtime)
        self._guarded("follow URLs", lambda: follow_urls(self._store, runtime.alerting))
        before, self._runtime = self._runtime, runtime
        for name, source in before.sources.items():
            if runtime.sources.get(name) is not source:
                source.close()
        self._store.forget(before.sources.keys() - runtime.sources.keys())
        self._guarded("resolve removed rules", lambda: reconcile(self._store, self._runtime.alerting, now=now()))
        self._assign(soon=self._news_since(before))
        self._schedule_delivery()
        self._warn_of_configuration()
        log.info(
            "reloaded tenants=%d rules=%d receivers=%d pid=%d added=%d changed=%d removed=%d",
            *self._sizes(), os.getpid(), *_changes(before.config.tenants, runtime.config.tenants),
        )  # fmt: skip

    def _follow(self, runtime: Runtime) -> None:
        """Share the tenants by a configuration."""
        kept = runtime.config.service
        digest = fingerprint(__version__, runtime.alerting, kept.retention, kept.fine_retention)
        self._sharing.follow(digest, runtime.alerting.poll_intervals)

    def _news_since(self, before: Runtime) -> set[Tenant]:
        """Return who is polled soon after a reload: whom other rules or keys concern now, and who failed last.

        All others keep their slots. What the rules find now, the polls tell, in a round like that of a start.
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

    # -- the schedule: only the main thread touches it ------------------------------------------------------------

    def _start(self) -> None:
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={
                "default": SchedulerPool(1),
                "deliver": SchedulerPool(DELIVERY_RUNS),
                "keep": SchedulerPool(1),
            },
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.start()
        self._assign()
        self._pollers.start()
        self._schedule_delivery()
        hourly = IntervalTrigger(seconds=int(UPKEEP_INTERVAL.total_seconds()), timezone="UTC")
        self._add("upkeep", self._upkeep, hourly)
        self._add("keep history now", self._keep_history, None, "keep")
        self._add("keep history", self._keep_history, hourly, "keep")

    def _source_of(self, tenant: TenantConfig) -> MimecastSource:
        return source_of(tenant, stop=self._stop, limits=DAEMON_LIMITS, lines=self._lines, redactor=self._redactor)

    def _assign(self, *, soon: Collection[Tenant] = ()) -> None:
        """Poll the tenants that are this daemon's share; an answer of any other is not wanted from now on."""
        before = self._mine
        self._mine = intervals = self._sharing.share(self._runtime.alerting.poll_intervals)
        self._store.forget(before.keys() - intervals.keys())
        self._health.expect(intervals, begun_within=first_round(len(intervals)))
        # Not here: the main thread must not wait for a database that says nothing.
        self._add("recall", self._watch.recall, None)
        self._pollers.assign(intervals, soon=soon)
        self._pollers.tick()

    def _schedule_delivery(self) -> None:
        self._add("deliver", self._deliver, None, "deliver")

    def _schedule_retries(self) -> None:
        if self._retry_at is not None and self._retry_at <= now():
            self._retry_at = None
            self._schedule_delivery()

    def _add(
        self,
        name: str,
        job: Callable[..., None],
        trigger: IntervalTrigger | None,
        executor: str = "default",
        *arguments: str,
    ) -> None:
        assert self._scheduler is not None  # noqa: S101 - for the type checker
        # Several at a time, so that a run that meets another is not lost: a tenant's lock, or a claim, orders them.
        self._scheduler.add_job(
            job, trigger, arguments, id=name, executor=executor, replace_existing=True, max_instances=DELIVERY_RUNS
        )

    def _shut_down(self) -> None:
        self._supervision.stopping()
        self._stop.set()
        self._pollers.stop()
        assert self._scheduler is not None  # noqa: S101 - for the type checker
        self._scheduler.pause()
        # shutdown() has no time limit, so that a thread waits for it, and this one for the thread.
        drain = Thread(target=self._scheduler.shutdown, daemon=True)
        drain.start()
        drain.join(DRAIN.total_seconds())
        for pool in (self._senders, self._errands):
            pool.shutdown(wait=False, cancel_futures=True)
        for source in self._runtime.sources.values():
            source.close()
        self._lines.close()
        log.info("stopped")

    # -- the jobs, in the scheduler's threads ---------------------------------------------------------------------

    _retry_at: datetime | None = None

    def _judge(self, answers: Mapping[Tenant, Answer]) -> set[Tenant]:
        """Keep what tenants' accounts answered, judge it by the rules of now, and wake the delivery."""
        runtime = self._runtime
        wanted = {tenant: answer for tenant, answer in answers.items() if self._is_wanted(tenant, answer)}
        if wanted:
            self._keep_or_log(runtime, wanted)
        return answers.keys() - wanted.keys()

    def _is_wanted(self, tenant: Tenant, answer: Answer) -> bool:
        source = self._runtime.sources.get(tenant) if tenant in self._mine else None
        return source is not None and answer.source in (None, source) and not self._stop.is_set()

    def _keep_or_log(self, runtime: Runtime, answers: Mapping[Tenant, Answer]) -> None:
        began = _boot_seconds()
        try:
            self._keep(runtime, answers)
        except AlerterError as error:
            log.error("cycle failed tenant=%s: %s", first_of(answers), error)  # noqa: TRY400 - it says what to do
            self._note_failure(answers, _told_of(error), seconds=_boot_seconds() - began)
        except Exception as error:
            if len(answers) > 1:
                # One of them met a bug; the others must not be lost with it.
                for tenant, answer in answers.items():
                    self._keep_or_log(runtime, {tenant: answer})
                return
            # A bug in one cycle must not end the daemon, nor stay unseen.
            log.exception("cycle ended by a bug in alerter tenant=%s", first_of(answers))
            self._note_failure(answers, _told_of(error), seconds=_boot_seconds() - began)

    def _note_failure(self, answers: Mapping[Tenant, Answer], said: str, *, seconds: float) -> None:
        for tenant, answer in answers.items():
            self._health.cycle_failed(tenant, seconds=answer.took.total_seconds() + seconds, error=said)
        self._watch.cycle_ended(f"{first_of(answers)}: {said}")

    def _keep(self, runtime: Runtime, answers: Mapping[Tenant, Answer]) -> None:
        began = _boot_seconds()
        cycles = poll_many(answers.items(), self._store, runtime.alerting, clock=now)
        seconds = _boot_seconds() - began
        for cycle in cycles:
            cause = None if cycle.error is None else cycle.error.cause
            took = answers[cycle.tenant].took.total_seconds()
            self._health.cycle_completed(cycle.tenant, seconds=took + seconds, cause=cause, snapshot=cycle.snapshot)
        if cycles:
            self._watch.cycle_ended()
        if runtime is not self._runtime:
            # The rules changed while this was written by the old ones.
            reconcile(self._store, self._runtime.alerting, now=now())
        if any(cycle.messages for cycle in cycles) or any(each.group_wait for each in runtime.alerting.receivers):
            _raise(signal.SIGUSR1)
        if any(cycle.transitions for cycle in cycles):
            self._supervision.hear_news()
        if self._supervision.awaits_cycles:
            self._looks.ask()

    def _deliver(self) -> None:
        # Until it is known when the next message is due: if the database cannot be asked, it is tried again soon.
        self._retry_at = now() + RETRY_AFTER_FAILURE
        if self._sharing.may_act():
            self._guarded("deliver", self._deliver_due)

    def _deliver_due(self) -> None:
        runtime = self._runtime
        if self._sharing.is_shared:
            release_claims(self._store, now=self._sharing.clock())
        flush_groups(self._store, runtime.alerting, now=now())
        tried = deliver(
            self._store,
            self._notifier,
            runtime.urls,
            alerting=runtime.alerting,
            clock=self._sharing.clock,
            map_=self._senders.map,
            is_stopping=self._stop.is_set,
            may_send=self._sharing.may_act,
        )
        for delivery in tried:
            self._health.delivery_tried(delivery)
        if tried:
            self._supervision.hear_news()
        self._note_errand(next_attempt_due_at(self._store))

    def _look_for_errands(self) -> None:
        """Have a delivery run where anything waits for its time; that nothing does costs one look at the database.

        What no poll tells is told here, such as the end of a removed tenant's alert once its silence has ended.
        """

        def look() -> None:
            if self._sharing.may_act():
                tell_unpolled(self._store, self._runtime.alerting, now=now())
            if next_attempt_due_at(self._store) is not None:
                _raise(signal.SIGUSR1)

        self._guarded("look for errands", look)

    def _note_errand(self, next_at: datetime | None) -> None:
        """Have it tried when it is due."""
        self._retry_at = next_at
        if next_at is not None:
            self._looks.ask((next_at - now()).total_seconds())

    def _tally(self) -> None:
        """Count what fires and what is undelivered, for people who look at the service."""

        def count() -> None:
            with self._store.read() as reader:
                firing = reader.firing_by_severity()
                self._supervision.note(Tally(firing=firing, undelivered=reader.waiting_count()))

        self._guarded("count alerts and messages", count)

    def _upkeep(self) -> None:
        self._guarded("reconcile", lambda: reconcile(self._store, self._runtime.alerting, now=now()))

    def _keep_history(self) -> None:
        """Prune and thin, for as long as that takes; the executor runs one after the other."""
        kept = self._runtime.config.service
        batch_sizer = BatchSizer(seconds=_boot_seconds, wait=self._stop.wait)

        def keep() -> None:
            apply_retention(
                self._store,
                retention=kept.retention,
                fine_retention=kept.fine_retention,
                batch_sizer=batch_sizer,
                now=now(),
            )

        self._guarded("keep history", keep)

    def _guarded(self, what: str, job: Callable[[], object]) -> None:
        """Run a job; what it cannot do is logged, and the next run tries again."""
        try:
            job()
        except AlerterError as error:
            log.error("job failed job=%s: %s", what, error)  # noqa: TRY400 - it says what to do; a traceback does not
        except Exception:
            # The boundary of the thread, as with a cycle.
            log.exception("job ended by a bug in alerter job=%s", what)


def _stop_starting(*_: object) -> None:
    """End a start that waits, when it is told to stop; from then on the main thread waits for signals."""
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
            upgrade.terminate()  # whoever is told to stop does not wait for all of it; nothing of it is kept
            raise
    if upgrade.returncode:
        raise StoreError(err.strip().removeprefix("alerter: "))
    log.info("database prepared: %s", " ".join(out.split()))


def _told_of(error: Exception) -> str:
    """Return what everybody may read of an error: the texts of others may hold anything."""
    return str(error) if isinstance(error, AlerterError) else f"a bug in alerter: {type(error).__name__}"


def _changes(before: Mapping[Tenant, TenantConfig], after: Mapping[Tenant, TenantConfig]) -> tuple[int, int, int]:
    """Return how many tenants were added, changed and removed."""
    changed = sum(before[name] != after[name] for name in before.keys() & after.keys())
    return len(after.keys() - before.keys()), changed, len(before.keys() - after.keys())


def _boot_seconds() -> float:
    """Return the seconds since the machine started, also those in which it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def moment() -> Moment:
    """Return the three clocks as they are now."""
    return Moment(time.time(), time.monotonic(), _boot_seconds())
