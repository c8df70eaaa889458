"""`kill -9` at any instant: no alert is lost, and at most the message in flight is sent twice."""

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.storage import Store
from tests.builders import NOON, span
from tests.commands import a_configuration
from tests.faults.driver import Death, Life, as_line
from tests.faults.ledgers import check_whole, received, references, tellable, waiting
from tests.servers import HttpSink, http_sink, ping_sink
from tests.service.test_daemon import Daemon

QUIET: Mapping[str, int] = {"Spam": 5, "Graymail": 30}
BREACH: Mapping[str, int] = {"Spam": 150, "Graymail": 31, "Virus": 400}
RELEASE: Mapping[str, int] = {"Graymail": 29}

#: The quick run kills where something has just become true outside or is about to: each is a step of the driver.
IN_FLIGHT = "sent, not yet recorded"
SEAMS = frozenset({"commit", "before sending", IN_FLIGHT})
#: As many real daemons die in the slow run, at random moments.
RANDOM_KILLS = 200


class Driver:
    """The process whose children live and die."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.driver"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def play(self, life: Life) -> Death:
        """Let a life begin, and return how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(as_line(life))
        self._process.stdin.flush()
        return Death(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    """A process that forks lives."""
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture
def sinks() -> Iterator[list[HttpSink]]:
    """Two targets that take everything."""
    with http_sink() as slack, http_sink() as teams:
        yield [slack, teams]


class Saga:
    """A database, two targets, and the lives of the processes that share them."""

    def __init__(self, driver: Driver, empty: Path, path: Path, sinks: Sequence[HttpSink]) -> None:
        shutil.copy(empty, path)
        self.url = f"sqlite:///{path}"
        self.sinks = sinks
        for sink in sinks:
            sink.posts.clear()
        self._driver = driver
        self._now = NOON

    def live(self, *polls: Mapping[str, int], kill_at: int = 0, kill_on: str = "") -> Death:
        """Start a process that polls and delivers, and is killed if it is told to."""
        self._now += span("5m") * len(polls)
        urls = {f"secops/{number}": f"json://127.0.0.1:{sink.port}" for number, sink in enumerate(self.sinks)}
        now = self._now.isoformat()
        life = Life(database=self.url, urls=urls, polls=polls, now=now, kill_at=kill_at, kill_on=kill_on)
        return self._driver.play(life)

    def check(self, *, kills: int) -> None:
        """Fail unless all is told, in order, and so many messages at most twice."""
        check_whole(self.url, [QUIET, BREACH, RELEASE, {}])
        with closing(Store(self.url)) as store:
            planned = references(store)
            assert [(each.key.reason, each.to_state) for each in tellable(store)] == [
                ("Spam", "firing"), ("Virus", "firing"), ("Spam", "inactive"), ("Virus", "inactive"),
            ]  # fmt: skip
            assert waiting(store) == []
        assert len(planned) == 2
        arrived = [received(sink, planned) for sink in self.sinks]
        assert [[*dict.fromkeys(each)] for each in arrived] == [planned, planned]
        assert sum(len(each) for each in arrived) - 2 * len(planned) <= kills


def steps_of(saga: Saga) -> list[str]:
    """Return the steps of a life in which something begins: as many as there are points to be killed at."""
    saga.live(QUIET)
    return saga.live(BREACH).steps


def check_kills(driver: Driver, empty: Path, tmp_path: Path, sinks: list[HttpSink], *, seams_only: bool) -> int:
    """Kill a life at each point of a breach, and another at each point of its end; return the number of kills."""
    steps = steps_of(Saga(driver, empty, tmp_path / "steps.db", sinks))
    points = [number for number, step in enumerate(steps, start=1) if step in SEAMS or not seams_only]
    kills = 0
    for point in points:
        saga = Saga(driver, empty, tmp_path / f"{point}.db", sinks)
        saga.live(QUIET)
        deaths = [saga.live(BREACH, kill_at=point)]
        saga.live(BREACH)
        deaths.append(saga.live(RELEASE, kill_at=point))
        saga.live(RELEASE)
        assert [death.signal for death in deaths] in ([9, 9], [9, 0])
        saga.check(kills=2)
        kills += sum(death.signal == signal.SIGKILL for death in deaths)
    return kills


def test_a_kill_around_a_commit_or_a_delivery_loses_no_alert_and_repeats_one_message_at_most(
    driver: Driver, migrated_file: Path, tmp_path: Path, sinks: list[HttpSink]
) -> None:
    """A real SIGKILL just before a commit, before a message is sent, and after it was sent but not yet recorded."""
    assert check_kills(driver, migrated_file, tmp_path, sinks, seams_only=True) > 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_kill_at_any_point_loses_no_alert_and_repeats_one_message_at_most(
    driver: Driver, migrated_file: Path, tmp_path: Path, sinks: list[HttpSink]
) -> None:
    """A real SIGKILL before and after every statement of a cycle and of a delivery."""
    assert check_kills(driver, migrated_file, tmp_path, sinks, seams_only=False) > 100


def test_a_process_that_is_killed_again_and_again_in_flight_repeats_one_message_each_time(
    driver: Driver, migrated_file: Path, tmp_path: Path, sinks: list[HttpSink]
) -> None:
    """However often it dies with a message sent but not recorded, each new process repeats that one, and no other."""
    saga = Saga(driver, migrated_file, tmp_path / "saga.db", sinks)
    saga.live(QUIET)

    deaths = [saga.live(BREACH, kill_on=IN_FLIGHT) for _ in range(4)]
    saga.live(BREACH)
    saga.live(RELEASE)

    assert [death.signal for death in deaths] == [signal.SIGKILL] * 4
    saga.check(kills=4)


def test_what_a_daemon_had_in_flight_is_sent_by_the_next_one_at_once(tmp_path: Path) -> None:
    """A target that had not answered when the daemon was killed does not wait a minute for the next one to ask it."""
    tide = Tide()
    tide.is_high = True
    simulator = Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario(tide.counts_at))  # noqa: TID251 - a real daemon lives on the real clock
    with simulator, ping_sink() as sink, ExitStack() as stack:
        config = tmp_path / "rules.toml"
        config.write_text(a_configuration(simulator, urls=f'"json://127.0.0.1:{sink.port}"', above=100))
        sink.hold.clear()
        killed = Daemon(config)
        stack.callback(killed.end, signal.SIGKILL)
        sink.wait_for(1)
        killed.end(signal.SIGKILL)
        daemon = Daemon(config)
        stack.callback(daemon.end, signal.SIGKILL)
        sink.wait_for(2)
        sink.hold.set()
        daemon.wait_for("delivery sent")

    first, again = (json.loads(ping.body)["message"] for ping in sink.pings)
    assert first == again


# a real daemon, killed at random


class Tide:
    """What the simulator holds: high and low in turn, and everything that it ever served."""

    def __init__(self) -> None:
        self.is_high = False
        self.polls = 0
        self.served: list[dict[str, int]] = [{}]

    def counts_at(self, _: timedelta) -> dict[str, int]:
        """Return what is held, another number each time; all reasons rise and fall together."""
        self.polls += 1
        high = {"Spam": 1000 + self.polls, "Virus": 3000 + 2 * self.polls}
        held = (high if self.is_high else {}) | {"Graymail": self.polls % 50 + 1}
        self.served.append(held)
        return held


class Shore:
    """A configuration, its daemons, and what their targets took in each life."""

    def __init__(self, directory: Path, *, seed: int) -> None:
        self._stack = ExitStack()
        self._random = random.Random(seed)  # noqa: S311 - to repeat a run, not to hide anything
        self.tide = Tide()
        simulator = Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario(self.tide.counts_at))  # noqa: TID251 - a real daemon lives on the real clock
        self._stack.enter_context(simulator)
        self.sinks = [self._stack.enter_context(http_sink()) for _ in range(2)]
        urls = ", ".join(f'"json://127.0.0.1:{sink.port}"' for sink in self.sinks)
        self.config = directory / "rules.toml"
        text = a_configuration(simulator, urls=f"{urls}]\nmax_per_hour = 100000\n#", above=100)
        self.config.write_text(text.replace("#]", "#"))
        self.url = f"sqlite:///{directory}/alerter.db"
        #: How many messages each target had taken when each life ended.
        self.lives: list[list[int]] = []

    def _start(self) -> Daemon:
        """Start a daemon that does not outlive the test."""
        daemon = Daemon(self.config)
        self._stack.callback(daemon.end, signal.SIGKILL)
        return daemon

    def live_and_die(self) -> None:
        """Let a daemon work for a random moment while the tide turns, then kill it; now and then while it starts."""
        daemon = self._start()
        if self._random.random() < 0.9:
            daemon.wait_for("ready tenants=1")
            self.tide.is_high = not self.tide.is_high
            for _ in range(self._random.randrange(3)):
                daemon.send(signal.SIGHUP)
        # Not a sleep: the daemon may end by itself, which would be a failure of its own.
        with suppress(subprocess.TimeoutExpired):
            daemon.process.wait(self._random.uniform(0, 0.25))
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
        self.lives.append([len(sink.posts) for sink in self.sinks])

    def live_in_peace(self) -> None:
        """Let a last daemon see low water, and tell whatever there is to tell."""
        self.tide.is_high = False
        daemon = self._start()
        daemon.wait_for("poll succeeded")
        with closing(Store(self.url)) as store:
            while waiting(store):
                with suppress(subprocess.TimeoutExpired):
                    assert daemon.process.wait(0.1) is None
        assert daemon.end() == 0

    def check(self) -> None:
        """Fail unless everything was told, in order, and each life repeated at most what the one before had sent."""
        check_whole(self.url, self.tide.served)
        with closing(Store(self.url)) as store:
            planned = references(store)
            assert len({(each.at, each.to_state) for each in tellable(store)}) == len(planned)
        assert len(planned) > len(self.lives) / 3
        for number, sink in enumerate(self.sinks):
            arrived = received(sink, planned)
            assert [*dict.fromkeys(arrived)] == planned
            self._check_repeats(arrived, [life[number] for life in self.lives])

    def _check_repeats(self, arrived: list[str], ends: list[int]) -> None:
        for begin, end in zip([0, *ends], [*ends, len(arrived)], strict=True):
            before, life = arrived[:begin], arrived[begin:end]
            assert len({*life}) == len(life)
            assert [each for each in life if each in before] in ([], before[-1:])

    def close(self) -> None:
        """Stop the servers."""
        self._stack.close()


@pytest.fixture
def shore(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shore]:
    """A place where daemons die, seeded by the test's parameter."""
    shore = Shore(tmp_path, seed=int(request.param))
    yield shore
    shore.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shore", [1], indirect=True)
def test_a_daemon_that_is_killed_at_random_loses_no_alert_and_repeats_one_message_per_target_at_most(
    shore: Shore,
) -> None:
    """Hundreds of real daemons die at random moments; the last one finds everything in order and tells the rest."""
    for _ in range(RANDOM_KILLS):
        shore.live_and_die()

    shore.live_in_peace()

    shore.check()
