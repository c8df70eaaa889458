"""Two real daemons on one real PostgreSQL, what befalls them, and the book in which all of it stands.

Each daemon has its own way to the database (a proxy that can be cut) and its own HTTP proxy to the receivers, by which
is known who sent what: their configurations must be the same, or neither sends what the other planned. Tenants are well
and ill in turn, each time with a number of its own that is told once at the beginning and once at the end: a breach
lasts until it is stored as firing, and its end until that is stored.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import make_url

from alerter.core.alerts import AlertState, Transition
from alerter.core.series import Tenant
from alerter.simulator.api import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.storage import Store
from tests.faults.ledgers import reference_in, references, tellable, waiting
from tests.faults.proxies import Proxy, a_proxy
from tests.servers import HttpSink, http_sink
from tests.service.test_daemon import Daemon

TENANTS = 6
RECEIVERS = ("secops", "mail")
#: Longer than any lease of theirs, which lasts 10 s.
MAX_LIFE, MIN_HANG, MAX_HANG = 6.0, 11.0, 14.0
#: So long before a fault, and after its end, a message may have been on its way: a record waits for other writers.
IN_FLIGHT_SECONDS = 10.0
#: So long after the last fault everything is told at the latest.
SETTLE_SECONDS = 150.0

#: Real daemons live on the real clock.
_seconds, _sleep = time.monotonic, time.sleep  # noqa: TID251 - see above


class TimedPosts(list[tuple[str, object]]):
    """What a sink took, each with the second at which it did."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._lock = threading.Lock()

    def append(self, item: tuple[str, object]) -> None:
        """Keep an item."""
        with self._lock:
            self.seconds.append(_seconds())
            super().append(item)


class Account:
    """What one tenant holds: few, or a number that was never there before."""

    def __init__(self) -> None:
        self.count = 5

    def counts_at(self, _: timedelta) -> dict[str, int]:
        """Return it."""
        return {"Spam": self.count}


@dataclass(frozen=True, slots=True)
class RequestError:
    """What befell a daemon: of which couple's half, how, from when until when."""

    half: int
    kind: str
    begin: float
    end: float


@dataclass
class Book:
    """What came of it.

    Attributes:
        faults: How many of each kind.
        breaches: How many there were.
        messages: How many were planned, each for all receivers.
        arrivals: How many arrived, of all receivers together.
        repeats: How many of those had arrived before.
        problems: What must not be.
    """

    faults: Counter[str] = field(default_factory=Counter)
    breaches: int = 0
    messages: int = 0
    arrivals: int = 0
    repeats: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return it in a line."""
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(self.faults.items()))
        return (
            f"{self.faults.total()} faults ({kinds}): {self.breaches} breaches, {self.messages} messages for "
            f"{len(RECEIVERS)} receivers, {self.arrivals} arrivals, of which {self.repeats} repeat one that was in "
            f"flight at a fault; {len(self.problems)} problems"
        )


class Couple:
    """Two daemons that share six tenants, until they are parted."""

    def __init__(self, directory: Path, url: str, *, seed: int) -> None:
        self._stack = ExitStack()
        self._random = random.Random(seed)  # noqa: S311 - to repeat a run, not to hide anything
        self._url = url
        self._accounts = [Account() for _ in range(TENANTS)]
        self._mimecasts = [
            self._stack.enter_context(
                Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario(account.counts_at))  # noqa: TID251 - real
            )
            for account in self._accounts
        ]
        self._sinks: list[HttpSink] = [self._stack.enter_context(http_sink()) for _ in range(2)]
        self._posts = [TimedPosts() for _ in self._sinks]
        for sink, posts in zip(self._sinks, self._posts, strict=True):
            sink.posts = posts
        database = make_url(url)
        socket_file = Path(str(database.query["host"])) / ".s.PGSQL.5432"
        self._proxies = [self._stack.enter_context(a_proxy(socket_file)) for _ in range(2)]
        self._configs = [directory / f"{half}.toml" for half in range(2)]
        for half, config in enumerate(self._configs):
            config.write_text(self._configuration(half, str(database.database)))
        self._store = self._stack.enter_context(closing(Store(url)))
        self._daemons = [self._start(half) for half in range(2)]
        self.faults: list[RequestError] = []
        self.breaches: Counter[Tenant] = Counter()
        self._ends = threading.Event()
        self._left = 0
        self._lock = threading.Lock()

    def _configuration(self, half: int, database: str) -> str:
        tenants = "".join(
            f'[tenants.t{number}]\nbase_url = "{each.base_url}"\nclient_id = "{SIMULATOR_CLIENT_ID}"\n'
            f'client_secret = "{SIMULATOR_CLIENT_SECRET}"\n'
            for number, each in enumerate(self._mimecasts)
        )
        receivers = "".join(
            f'[receivers.{name}]\nurls = ["json://sink.example/{name}"]\nmax_per_hour = 100000\n' for name in RECEIVERS
        )
        return f"""
[service]
database      = "postgresql://postgres@127.0.0.1:{self._proxies[half].port}/{database}"
poll_interval = "10s"
{tenants}{receivers}
[[rules]]
name    = "Backlog"
warning = {{ threshold = {{ above = 100 }} }}

[[rules]]
name    = "Total"
per     = "all"
warning = {{ threshold = {{ above = 3000 }} }}
"""

    def _start(self, half: int) -> Daemon:
        proxy = f"http://127.0.0.1:{self._sinks[half].port}"
        environment = {**os.environ, "no_proxy": "127.0.0.1"}  # noqa: TID251 - of a child
        daemon = Daemon(self._configs[half], environment | {"http_proxy": proxy})
        self._stack.callback(daemon.end, signal.SIGKILL)
        return daemon

    # -- what befalls them ----------------------------------------------------------------------------------------

    def live(self, faults: int) -> None:
        """Let so many faults befall them, while tenants are well and ill in turn; then let them come to rest."""
        self._left = faults
        halves = [threading.Thread(target=self._suffer, args=(half,)) for half in range(2)]
        tide = threading.Thread(target=self._turn)
        for thread in (*halves, tide):
            thread.start()
        for thread in halves:
            thread.join()
        self._ends.set()
        tide.join()
        self._settle()

    def _suffer(self, half: int) -> None:
        kinds: list[Callable[[int], str]] = [self._kill, self._hang, self._swallow, self._refuse]
        while self._takes_one():
            _sleep(self._random.uniform(0.2, MAX_LIFE))
            self._supervise(half)
            begin = _seconds()
            kind = self._random.choices(kinds, weights=[6, 2, 1, 1])[0](half)
            self.faults.append(RequestError(half, kind, begin, _seconds()))
        self._supervise(half)

    def _supervise(self, half: int) -> None:
        """Start a daemon again that ended by itself, as a service manager does: it was cut off at its start."""
        daemon = self._daemons[half]
        code = daemon.process.poll()
        if code is not None:
            daemon.end()
            assert (code, "cannot run" in daemon.lines[-1]) == (1, True), "\n".join(daemon.lines[-20:])
            self._daemons[half] = self._start(half)

    def _takes_one(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def _kill(self, half: int) -> str:
        self._daemons[half].end(signal.SIGKILL)
        self._daemons[half] = self._start(half)
        return "killed"

    def _hang(self, half: int) -> str:
        self._daemons[half].send(signal.SIGSTOP)
        self._last()
        self._daemons[half].send(signal.SIGCONT)
        return "stopped"

    def _swallow(self, half: int) -> str:
        self._cut(self._proxies[half], self._proxies[half].swallow)
        return "cut off"

    def _refuse(self, half: int) -> str:
        self._cut(self._proxies[half], self._proxies[half].refuse)
        return "disconnected"

    def _cut(self, proxy: Proxy, cut: Callable[[], None]) -> None:
        cut()
        self._last()
        proxy.heal()

    def _last(self) -> None:
        _sleep(self._random.uniform(MIN_HANG, MAX_HANG))

    # -- what the tenants hold ------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Let each tenant be well and ill in turn, and each state last until it was seen."""
        numbers = iter(range(1000, 1_000_000))
        rests = dict.fromkeys(range(TENANTS), 0.0)
        while True:
            firing = self._firing()
            for number, account in enumerate(self._accounts):
                is_ill = account.count > 100
                if (f"t{number}" in firing) != is_ill or _seconds() < rests[number]:
                    continue
                if is_ill or not self._ends.is_set():
                    account.count = 5 if is_ill else next(numbers)
                    self.breaches[Tenant(f"t{number}")] += not is_ill
                    rests[number] = _seconds() + self._random.uniform(0, 10)
            if self._ends.is_set() and not firing and all(account.count < 100 for account in self._accounts):
                return
            if self._ends.is_set():
                self._supervise_both()
            _sleep(0.5)

    def _firing(self) -> set[str]:
        with self._store.read() as reader:
            return {
                each.key.tenant
                for each in reader.alerts.load_all()
                if each.state is AlertState.FIRING and each.key.rule == "Backlog"
            }

    def _settle(self) -> None:
        """Wait until everything was sent, and end both."""
        until = _seconds() + SETTLE_SECONDS
        while waiting(self._store) and _seconds() < until:
            self._supervise_both()
        for daemon in self._daemons:
            daemon.end()

    def _supervise_both(self) -> None:
        _sleep(0.5)
        for half in range(2):
            self._supervise(half)

    # -- what came of it ------------------------------------------------------------------------------------------

    def book(self) -> Book:
        """Return what came of it, with everything that contradicts the promise."""
        transitions, planned = tellable(self._store), references(self._store)
        book = Book(
            faults=Counter(fault.kind for fault in self.faults),
            breaches=self.breaches.total(),
            messages=len(planned),
            arrivals=sum(map(len, self._posts)),
        )
        book.problems += [f"still waiting: {each.message_id}" for each in waiting(self._store)]
        book.problems += self._problems_of_alerts(transitions)
        book.problems += self._problems_of_messages(transitions)
        for receiver in RECEIVERS:
            self._compare(book, receiver, planned)
        return book

    def _problems_of_alerts(self, transitions: list[Transition]) -> list[str]:
        """Return where an alert fired twice without an end, or a breach did not fire exactly once."""
        fired = Counter(each.key.tenant for each in transitions if each.to_state is AlertState.FIRING)
        problems = [
            f"{tenant}: {number} breaches fired {fired[tenant]} times"
            for tenant, number in self.breaches.items()
            if fired[tenant] != number
        ]
        state: dict[str, AlertState] = {}
        for each in transitions:
            if state.get(each.key.id, AlertState.INACTIVE) is not each.from_state:
                problems.append(
                    f"alert {each.key.id} at {each.at}: from {each.from_state} to {each.to_state}, out of turn"
                )
            state[each.key.id] = each.to_state
        return problems

    def _problems_of_messages(self, transitions: list[Transition]) -> list[str]:
        """Return which transitions were not put into exactly one message for each receiver."""
        with self._store.read() as reader:
            messages = [reader.outbox.message(reference) for reference in references(self._store)]
        notified = Counter(
            (message.created_at, key, str(message.receiver)) for message in messages for key in message.alert_ids
        )
        return [
            f"alert {each.key.id} at {each.at} was put into {number} messages for {receiver}"
            for each in transitions
            for receiver in RECEIVERS
            if (number := notified[each.at, each.key.id, receiver]) != 1
        ]

    def _compare(self, book: Book, receiver: str, planned: list[str]) -> None:
        """Find what did not arrive, and what arrived again without having been in flight at a fault."""
        arrived: dict[str, list[tuple[float, int]]] = {}
        for half, posts in enumerate(self._posts):
            for (path, body), took_at in zip(posts, posts.seconds, strict=True):
                if path.rstrip("/").endswith(f"/{receiver}"):
                    arrived.setdefault(reference_in(str(body), planned), []).append((took_at, half))
        missing = self._own(receiver) - arrived.keys()
        book.problems += [f"{receiver} was never told {each}" for each in sorted(missing)]
        used: set[RequestError] = set()
        for reference, times in arrived.items():
            for seconds, half in sorted(times)[:-1]:
                book.repeats += 1
                left = (each for each in self.faults if each not in used)
                fault = next((each for each in left if _explains(each, seconds, half)), None)
                if fault is None:
                    book.problems.append(f"{receiver} was told {reference} {len(times)} times: {times}")
                else:
                    used.add(fault)

    def _own(self, receiver: str) -> set[str]:
        with self._store.read() as reader:
            return {
                record.delivery.message_id
                for record in reader.outbox.deliveries(limit=1_000_000)
                if record.receiver == receiver
            }

    def close(self) -> None:
        """End everything."""
        self._stack.close()


def _explains(fault: RequestError, seconds: float, half: int) -> bool:
    """Say whether a message that arrived then from there was in flight at a fault."""
    return fault.half == half and fault.begin - IN_FLIGHT_SECONDS <= seconds <= fault.end + IN_FLIGHT_SECONDS
