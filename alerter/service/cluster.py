"""The tenants that this instance polls: all, or those whose leases it has in a shared database.

An instance on PostgreSQL renews its leases every `BEAT_SECONDS`, in a thread that does nothing else. It may act (begin
to poll, begin to send) until a lease has passed since it *asked for* the newest renewal that came about, by seconds
that go on while the machine sleeps: no other one can have begun by then. Another thread looks whether that time is
over, for every other one may wait for a database that says nothing; then this instance has no tenants, what waits is
ended, and a new life begins as soon as the database answers. What it had in hand is not kept: every transaction asks
for its leases (`storage.leases`, where the invariants are).

| this instance | polls and sends | becomes |
|---|---|---|
| joined, its leases hold | what it has leases of | cut off: a lease has passed without a renewal |
| cut off | nothing | joined, with another number: the database answers |
| left: a clean stop | nothing; others have its leases at once | nothing more |
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Lock, Thread

from alerter.core.series import ALL_TENANTS, Tenant
from alerter.core.sharding import Instance, configs_match, lease_duration
from alerter.errors import StoreError
from alerter.service.membership import Clocks
from alerter.storage import LeaseRenewal, Leases, OwnInstance, SchemaState, Store

log = logging.getLogger(__name__)

#: How often leases are renewed, shared out again, and deliveries that another instance planned looked for, in seconds.
BEAT_SECONDS = 2.0
#: So much earlier than its leases end an instance stops, in seconds: no two clocks go alike.
MARGIN_SECONDS = 0.5
#: How often it is checked whether the leases still hold, in seconds; a renewal that takes this number of checks is
#: ended.
LOOK_SECONDS, MAX_TRIES = 1.0, 8
#: The clocks of this machine and of the database may be so far apart before it is said.
WORTH_SAYING = timedelta(seconds=5)
_NOBODY = OwnInstance(number=0, configuration="")
_DIFFERING = (
    "has another one, or another version of alerter: until all have the same, nobody gives up tenants, nothing is "
    "taken for removed, and the leader alone evaluates sums over all tenants"
)
_APART = "this is how far the time here is ahead of the database's: let all machines keep the same"


@dataclass(frozen=True, slots=True)
class _Known:
    """What a renewal came to.

    Attributes:
        renewal: That.
        asked_seconds: When it was asked for.
        at_seconds: When the database's clock was as it says, nearly.
        lasting: How long its leases last.
    """

    renewal: LeaseRenewal
    asked_seconds: float
    at_seconds: float
    lasting: timedelta


class Cluster:
    """One of the instances on a PostgreSQL database."""

    is_shared = True

    def __init__(
        self,
        store: Store,
        leases: Leases,
        clocks: Clocks,
        *,
        name: str,
        version: str,
        changed: Callable[[], None],
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        """Take no part yet.

        Args:
            store: The database.
            leases: How it is shared.
            clocks: Those of this machine.
            name: Of the instance, for people.
            version: Of alerter.
            changed: Called from a thread after each renewal, and when this instance is cut off.
            beat_seconds: How often a thread renews the leases.
        """
        self._store = store
        self._leases = leases
        self._clocks = clocks
        self._name = name
        self._version = version
        self._changed = changed
        self._beat_seconds = beat_seconds
        self._configuration = ""
        self._wanted: frozenset[Tenant] = frozenset()
        self._enrolled: frozenset[Tenant] = frozenset()
        self._lasting = lease_duration(())
        # Of the present life, 0 for none; and of the newest one.
        self._number = self._newest_number = 0
        self._known: _Known | None = None
        self._seen: tuple[frozenset[Tenant], bool] = frozenset(), True
        self._error = ""
        self._outgrown: StoreError | None = None
        self._beating, self._ending = Lock(), Lock()
        self._looks_while_beating = 0
        self._stop, self._hurry, self._beaten = Event(), Event(), Event()

    # -- the main thread ------------------------------------------------------------------------------------------

    @contextmanager
    def join(self) -> Iterator[None]:
        """Make sure that nobody has the database for itself; leave it in the end, if it was joined."""
        self._leases.check_unlocked()
        self._store.use_leases_of(_NOBODY)
        try:
            yield
        finally:
            self._leave()

    def apply_config(self, configuration: str, intervals: Mapping[Tenant, timedelta]) -> None:
        """Announce this instance, and take a share; the first time, begin."""
        self._configuration, self._wanted = configuration, frozenset(intervals)
        self._lasting = lease_duration(intervals.values())
        if not self._newest_number:
            self._renew()
            for work in (self._beat_on, self._watch_on):
                Thread(target=work, name="leases", daemon=True).start()
            return
        # Not in this thread, which must go on to look: the database may say nothing any more.
        self._beaten.clear()
        self._hurry.set()
        self._beaten.wait(BEAT_SECONDS)

    def own_tenants(self, intervals: Mapping[Tenant, timedelta]) -> Mapping[Tenant, timedelta]:
        """Return those whose leases are held, in the configuration's order."""
        held = self._held()
        return {tenant: interval for tenant, interval in intervals.items() if tenant in held}

    def refresh(self) -> bool:
        """Stop doing anything in time; say whether the share, or whether all have one configuration, has changed."""
        if self._outgrown is not None:
            raise self._outgrown
        self._stop_in_time()
        known = self._known
        present = self._held(), known is None or configs_match(known.renewal.alive)
        if present == self._seen:
            return False
        self._seen = present
        return True

    def may_act(self) -> bool:
        """Say whether its leases hold for some time yet."""
        known = self._known
        if known is None:
            return False
        passed = self._clocks.seconds() - known.asked_seconds
        return passed < known.lasting.total_seconds() - MARGIN_SECONDS

    def clock(self) -> datetime:
        """Return the database's time, as it was at the newest renewal and has gone on since."""
        known = self._known
        if known is None:
            return self._clocks.now()
        return known.renewal.at + timedelta(seconds=self._clocks.seconds() - known.at_seconds)

    def fatal_reason(self) -> str:
        """Return why nothing is polled and sent."""
        if self._known is not None or not self._newest_number:
            return ""
        return f"database unreachable, polling and sending stopped: {self._error}"

    def summary(self) -> str:
        """Return how many of the tenants are polled here, and by how many instances all of them are."""
        known = self._known
        if known is None:
            return self.fatal_reason()
        alive = known.renewal.alive
        differing = "" if configs_match(alive) else ", whose configurations DIFFER"
        here = len(self._held() - {ALL_TENANTS})
        return f"instances: {len(alive)}{differing}, tenants here: {here} of {len(self._wanted)}"

    def _leave(self) -> None:
        self._stop.set()
        self._hurry.set()
        if not self._beating.acquire(timeout=BEAT_SECONDS):
            return
        member, self._known = self._member(), None
        if member.number:
            try:
                self._leases.leave(member)
            except StoreError as error:
                log.warning("leases not given back, others wait until they run out: %s", error)
        self._beating.release()

    # -- the thread that watches, whatever the others wait for ------------------------------------------------------

    def _watch_on(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.check_deadline()

    def check_deadline(self) -> None:
        """Stop in time, and end a renewal that takes too long, with all else that waits for the database.

        That is counted in looks: a process that stood still has made none, and need not end anything.
        """
        self._stop_in_time()
        self._looks_while_beating = self._looks_while_beating + 1 if self._beating.locked() else 0
        if self._looks_while_beating >= MAX_TRIES:
            self._looks_while_beating = 0
            self._store.cancel_waits()

    def _stop_in_time(self) -> None:
        if self._known is not None and not self.may_act():
            self._cut_off("its leases were not renewed in time")

    # -- the thread that renews -----------------------------------------------------------------------------------

    def _beat_on(self) -> None:
        while True:
            self._hurry.wait(self._beat_seconds)
            self._hurry.clear()
            if self._stop.is_set():
                return
            self.renew()
            self._beaten.set()
            self._changed()

    def renew(self) -> None:
        """Renew once, unless that is just being done; whatever goes wrong, the next beat tries again."""
        if not self._beating.acquire(timeout=BEAT_SECONDS):
            return
        try:
            if not self._stop.is_set():
                self._renew()
        except StoreError as error:
            # Another server may answer from now on, which may not know all that this one did.
            self._enrolled = frozenset()
            self._error = str(error)
            log.warning("leases not renewed: %s", error)
        except Exception:
            # The boundary of the thread: one that ends renews nothing any more, and nobody would know why.
            log.exception("internal error job=%s", "leases")
        finally:
            self._beating.release()

    def _renew(self) -> None:
        """Renew the leases; begin another life where there is none, or where its time was up.

        Raises:
            StoreError: The database does not answer, somebody has it for itself, or it has another schema by now.
        """
        if not self._renewed():
            self._check_schema()
            self._begin()
            self._renewed()

    def _renewed(self) -> bool:
        """Renew the leases of the present life; say whether that goes on."""
        member, wanted = self._member(), self._wanted
        if not member.number:
            return False
        if self._enrolled != wanted:
            self._leases.add_tenants(wanted)
            self._enrolled = wanted
        asked, lasting = self._clocks.seconds(), self._lasting
        renewal = self._leases.renew(member, wanted, self._held(), lasting=lasting)
        if renewal is None:
            self._cut_off("its leases had run out")
            return False
        # Meanwhile the main thread may have ended this life.
        if self._number == member.number:
            self._note(_Known(renewal, asked, (asked + self._clocks.seconds()) / 2, lasting))
        return True

    def _begin(self) -> None:
        """Begin a life."""
        before = self._newest_number
        member = self._leases.join(
            self._name, self._version, self._configuration, lasting=self._lasting, instead_of=before
        )
        self._number = self._newest_number = member.number
        log.info("joined instance=%d", member.number)

    def _note(self, known: _Known) -> None:
        before, self._known = self._known, known
        self._store.use_leases_of(self._member())
        self._error = ""
        alive = known.renewal.alive
        if before is None or _faces(before.renewal.alive) != _faces(alive):
            self._say_who(alive)
            self._say_time()

    def _say_who(self, alive: Collection[Instance]) -> None:
        log.info("tenants are shared instances=%d", len(alive))
        if not configs_match(alive):
            different = [each.name for each in alive if each.configuration != self._configuration]
            log.error("configurations differ instances=%d: %s", len(alive), f"{', '.join(different)} {_DIFFERING}")

    def _say_time(self) -> None:
        apart = self._clocks.now() - self.clock()
        if abs(apart) > WORTH_SAYING:
            log.warning("the clock differs seconds=%+.0f: %s", apart.total_seconds(), _APART)

    def _cut_off(self, why: str) -> None:
        """Have no life and no leases any more."""
        with self._ending:
            if self._known is None and not self._number:
                return
            self._known, self._number = None, 0
            self._store.use_leases_of(self._member())
            self._error = self._error or why
        self._changed()
        log.error("database unreachable, polling and sending stopped: %s", self._error)

    def _check_schema(self) -> None:
        if self._store.schema_state() is not SchemaState.CURRENT:
            said = "the database has another schema by now: install the newer alerter here, too"
            self._outgrown = StoreError(said)
            raise self._outgrown

    def _member(self) -> OwnInstance:
        return OwnInstance(number=self._number, configuration=self._configuration)

    def _held(self) -> frozenset[Tenant]:
        known = self._known
        return frozenset() if known is None else known.renewal.owned


def _faces(alive: Collection[Instance]) -> list[tuple[int, str]]:
    return [(each.number, each.configuration) for each in alive]
