"""The daemon as its operator meets it: a real process, real signals, a real database, a real target."""

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest

from alerter.service.heartbeat import PingTimeouts
from alerter.simulator.api import SUMMARY_PATH, TOKEN_PATH, Misbehaviour
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import a_configuration
from tests.servers import HttpSink, PingSink, a_free_port, http_sink, ping_sink

#: How long a daemon may take for anything; a test fails after it, and waits only as long as it must.
PATIENCE_SECONDS = 60
#: For so long it is watched how often a service wakes up that has nothing to do.
SPAN_SECONDS = 6


class Daemon:
    """`alerter run` in a process of its own, read line by line."""

    def __init__(
        self,
        config: Path,
        environment: Mapping[str, str] | None = None,
        *,
        program: Sequence[str] = ("-m", "alerter", "run", "--config"),
    ) -> None:
        command = [sys.executable, *program, str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, text: str, *, times: int = 1) -> str:
        """Return the line that holds the text, the `times`-th such; fail if it does not come."""

        def found() -> list[str]:
            return [line for line in self.lines if text in line]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= times, timeout=PATIENCE_SECONDS)
        assert len(found()) >= times, f"no {text!r} in:\n" + "\n".join(self.lines)
        return found()[times - 1]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal that ends it; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


class InitialCount:
    """How many messages the simulator holds; a test changes it as it goes."""

    def __init__(self) -> None:
        self.count = 5
        self.answers = threading.Event()
        self.answers.set()

    def scenario(self) -> Scenario:
        """Return it as a scenario; while `answers` is clear, the simulator does not answer."""
        return Scenario(self._counts)

    def _counts(self, _: timedelta) -> dict[str, int]:
        self.answers.wait(PATIENCE_SECONDS)
        return {"Attachments": self.count}


@pytest.fixture
def held() -> InitialCount:
    """Five held messages, below every limit."""
    return InitialCount()


@pytest.fixture
def simulator(held: InitialCount) -> Iterator[Simulator]:
    """A Mimecast that holds what the test says."""
    with Simulator(clock=lambda: datetime.now(UTC), scenario=held.scenario()) as simulator:  # noqa: TID251 - as above
        yield simulator


@pytest.fixture
def sinks() -> Iterator[list[HttpSink]]:
    """Three targets that take everything."""
    with http_sink() as slack, http_sink() as teams, http_sink() as mail:
        yield [slack, teams, mail]


@pytest.fixture
def switch() -> Iterator[PingSink]:
    """A dead man's switch that takes every ping."""
    with ping_sink() as sink:
        yield sink


@pytest.fixture
def config(tmp_path: Path, simulator: Simulator, sinks: list[HttpSink]) -> Path:
    """A configuration that fires above 100 held messages and tells all three targets."""
    path = tmp_path / "rules.toml"
    urls = ", ".join(f'"json://127.0.0.1:{sink.port}"' for sink in sinks)
    path.write_text(a_configuration(simulator, urls=urls, above=100))
    return path


#: `alerter run` whose wall clock is an hour ahead as soon as there is a file beside the configuration.
JUMPING = """
import logging
import sys
from dataclasses import replace
from pathlib import Path
from alerter.config import load_config
from alerter.redaction import Redactor
from alerter.service.daemon import Daemon, read_clocks

path = Path(sys.argv[1])

def read():
    return replace(read_clocks(), wall=read_clocks().wall + 3600 * path.with_name("jump").exists())

logging.basicConfig(level=logging.INFO)
redactor = Redactor()
Daemon(path, redactor=redactor, read=read).run(load_config(path, redactor=redactor))
"""


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    """The daemons of a test, which do not outlive it."""
    started: list[Daemon] = []
    yield started
    for daemon in started:
        daemon.end(signal.SIGKILL)


def start(config: Path, daemons: list[Daemon]) -> Daemon:
    """Start a daemon and wait until its first poll is done."""
    daemon = Daemon(config)
    daemons.append(daemon)
    daemon.wait_for("ready tenants=1")
    daemon.wait_for("poll succeeded")
    return daemon


def titles(sink: HttpSink) -> list[str]:
    """Return the titles that a target took."""
    return [str(body["title"]) for _, body in sink.posts]


def test_an_idle_daemon_stops_within_two_seconds_of_a_sigterm(config: Path, daemons: list[Daemon]) -> None:
    """A service manager stops it with SIGTERM, and it ends with 0; a busy machine may need as long as for the start."""
    began = time.monotonic()  # noqa: TID251 - real time, in which a real process must start and end
    daemon = start(config, daemons)
    started = time.monotonic()  # noqa: TID251 - as above

    daemon.send(signal.SIGTERM)
    code = daemon.process.wait(PATIENCE_SECONDS)
    ended = time.monotonic()  # noqa: TID251 - as above

    assert code == 0
    assert ended - started < max(2, started - began)
    daemon.wait_for("stopped")


def test_after_a_kill_nobody_is_told_twice_and_everybody_is_told_the_end(
    config: Path, daemons: list[Daemon], held: InitialCount, sinks: list[HttpSink]
) -> None:
    """A breach, an alert at all three targets, kill -9, a new start: silence; a release: the all-clear at all three."""
    held.count = 250
    first = start(config, daemons)
    first.wait_for("delivery sent", times=3)
    first.end(signal.SIGKILL)

    second = start(config, daemons)
    second.end()
    told_before_release = [len(sink.posts) for sink in sinks]
    held.count = 3
    third = start(config, daemons)
    third.wait_for("delivery sent", times=3)
    third.end()

    assert told_before_release == [1, 1, 1]
    for sink in sinks:
        assert len(sink.posts) == 2
        assert "250" in titles(sink)[0]
        assert titles(sink)[1].startswith("Resolved")


def test_a_reload_takes_a_sound_configuration_and_refuses_a_broken_one(
    config: Path, daemons: list[Daemon], sinks: list[HttpSink]
) -> None:
    """SIGHUP reads the file again; a mistake in it is logged with its line, and the old rules stay."""
    daemon = start(config, daemons)
    text = config.read_text()

    config.write_text(text.replace("above = 100", "abvoe = 100"))
    daemon.send(signal.SIGHUP)
    refused = daemon.wait_for("configuration rejected")
    config.write_text(text.replace("above = 100", "above = 2"))
    daemon.send(signal.SIGHUP)
    reloaded = daemon.wait_for("reloaded tenants=1")
    daemon.wait_for("delivery sent", times=3)
    code = daemon.end()

    assert f"{config}:" in refused
    assert "added=0 changed=0 removed=0" in reloaded
    assert code == 0
    assert all("5 held" in titles(sink)[0] for sink in sinks)


def test_a_reload_that_changes_nothing_of_a_tenant_leaves_it_alone(
    config: Path, daemons: list[Daemon], simulator: Simulator
) -> None:
    """It is not polled again at once, and its token stays good, also when other rules have it polled again."""
    config.write_text(config.read_text().replace("[service]", '[service]\npoll_interval = "1d"'))
    daemon = start(config, daemons)

    daemon.send(signal.SIGHUP)
    daemon.wait_for("reloaded")
    config.write_text(config.read_text().replace("above = 100", "above = 101"))
    daemon.send(signal.SIGHUP)
    daemon.wait_for("poll succeeded", times=2)
    daemon.end()

    assert simulator.requests_by_path == {TOKEN_PATH: 1, SUMMARY_PATH: 2}


def test_a_rule_that_a_reload_removed_is_told_as_over(
    config: Path, daemons: list[Daemon], held: InitialCount, sinks: list[HttpSink]
) -> None:
    """Whoever was told of an alert is told when its rule has gone."""
    held.count = 250
    daemon = start(config, daemons)
    daemon.wait_for("delivery sent", times=3)

    config.write_text(config.read_text().replace("Backlog", "Another").replace("above = 100", "above = 1000"))
    daemon.send(signal.SIGHUP)
    daemon.wait_for("delivery sent", times=6)
    daemon.end()

    assert all("rule removed" in str(sink.posts[1]) for sink in sinks)


def test_a_tenant_that_a_reload_removed_is_told_as_over(
    config: Path, daemons: list[Daemon], held: InitialCount, sinks: list[HttpSink]
) -> None:
    """The message says that the tenant has gone, and the log how many others have come."""
    held.count = 250
    daemon = start(config, daemons)
    daemon.wait_for("delivery sent", times=3)

    config.write_text(config.read_text().replace("[tenants.acme]", "[tenants.globex]"))
    daemon.send(signal.SIGHUP)
    reloaded = daemon.wait_for("reloaded tenants=1")
    daemon.wait_for("delivery sent", times=6)
    daemon.end()

    assert "added=1 changed=0 removed=1" in reloaded
    assert all("tenant removed" in str(sink.posts[1]) for sink in sinks)


def test_one_database_has_one_daemon(config: Path, daemons: list[Daemon]) -> None:
    """A second daemon, or a poll beside it, is refused and says which process is there."""
    daemon = start(config, daemons)

    second = subprocess.run(
        [sys.executable, "-m", "alerter", "run", "--config", str(config)], capture_output=True, text=True, check=False
    )
    poll = subprocess.run(
        [sys.executable, "-m", "alerter", "poll", "--config", str(config)], capture_output=True, text=True, check=False
    )

    assert (second.returncode, poll.returncode) == (1, 1)
    assert str(daemon.process.pid) in second.stderr
    assert str(daemon.process.pid) in poll.stderr


def test_a_broken_configuration_does_not_start(config: Path) -> None:
    """`run` ends with 2 and every error before it touches the database."""
    config.write_text(config.read_text().replace("above", "abvoe"))

    ended = subprocess.run(
        [sys.executable, "-m", "alerter", "run", "--config", str(config)], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert "above" in ended.stderr
    assert not (config.parent / "alerter.db").exists()


def test_a_failing_poll_is_logged_with_its_cause_and_the_daemon_goes_on(
    config: Path, daemons: list[Daemon], simulator: Simulator
) -> None:
    """Wrong keys are a line in the log, and whoever failed is tried again at a reload, though nothing has changed."""
    simulator.misbehaviour = Misbehaviour.PERMISSION_MISSING
    daemon = Daemon(config)
    daemons.append(daemon)
    failed = daemon.wait_for("poll failed")

    simulator.misbehaviour = None
    reloads = 0
    # The line is written a moment before it is known that the poll has failed: one reload may come in between.
    while not any("poll succeeded" in line for line in daemon.lines) and reloads < PATIENCE_SECONDS:
        reloads += 1
        daemon.send(signal.SIGHUP)
        daemon.wait_for("reloaded", times=reloads)

    daemon.wait_for("poll succeeded")
    assert "cause=permission_missing" in failed
    assert daemon.end() == 0


def test_a_stop_is_not_taken_for_a_failed_poll(config: Path, daemons: list[Daemon], simulator: Simulator) -> None:
    """SIGTERM while Mimecast keeps it waiting ends the daemon at once, and says nothing of the tenant."""
    simulator.misbehaviour = Misbehaviour.TIMEOUT
    daemon = Daemon(config)
    daemons.append(daemon)
    daemon.wait_for("ready")

    daemon.send(signal.SIGTERM)
    code = daemon.process.wait(PATIENCE_SECONDS)

    with closing(sqlite3.connect(config.parent / "alerter.db")) as database:
        assert database.execute("SELECT count(*) FROM poll_failures").fetchone() == (0,)
    assert code == 0


@pytest.mark.parametrize(
    ("found", "wrong", "why"),
    [
        pytest.param("json://", "slakc://", "slakc://", id="a target that cannot be reached by anything"),
        pytest.param("http://127.0.0.1", "https://127.0.0.1:0#", "base_url", id="an address that is none"),
    ],
)
def test_what_check_config_refuses_neither_starts_nor_reloads(
    *, config: Path, daemons: list[Daemon], found: str, wrong: str, why: str
) -> None:
    """A receiver that could never be told would make silence mean nothing; the daemon keeps what works."""
    daemon = start(config, daemons)
    config.write_text(config.read_text().replace(found, wrong, 1))

    daemon.send(signal.SIGHUP)
    refused = daemon.wait_for("configuration rejected")
    code = daemon.end()
    ended = subprocess.run(
        [sys.executable, "-m", "alerter", "run", "--config", str(config)], capture_output=True, text=True, check=False
    )

    assert why in refused
    assert (code, ended.returncode) == (0, 2)
    assert why in ended.stderr


def test_keys_are_not_in_the_log(config: Path, daemons: list[Daemon], simulator: Simulator) -> None:
    """Whatever is logged, the client secret is not in it."""
    simulator.misbehaviour = Misbehaviour.WRONG_KEYS
    daemon = Daemon(config)
    daemons.append(daemon)
    daemon.wait_for("poll failed")
    daemon.end()

    assert "simulated-client-secret" not in "\n".join(daemon.lines)


def test_the_service_blocks_its_signals_before_any_thread_starts(config: Path, daemons: list[Daemon]) -> None:
    """Every other thread has SIGTERM blocked, so that the main thread, which waits for it, is the one to meet it."""
    daemon = start(config, daemons)
    tasks = Path(f"/proc/{daemon.process.pid}/task")

    blocked = [
        int(line.split()[1], 16)
        for task in tasks.iterdir()
        if int(task.name) != daemon.process.pid
        for line in (task / "status").read_text().splitlines()
        if line.startswith("SigBlk:")
    ]

    assert len(blocked) >= 3
    assert all(mask >> (signal.SIGTERM - 1) & 1 for mask in blocked)


def watched(config: Path, **settings: str) -> None:
    """Set more keys of `[service]`, each a text."""
    lines = "".join(f'{key} = "{value}"\n' for key, value in settings.items())
    config.write_text(config.read_text().replace("[service]\n", f"[service]\n{lines}"))


def test_the_heartbeat_is_pinged_after_a_cycle_and_follows_a_reload(
    config: Path, daemons: list[Daemon], switch: PingSink
) -> None:
    """The first complete cycle is a sign of life, and a new URL is pinged from the reload on."""
    watched(config, heartbeat_url=f"{switch.url}/first-0001")
    daemon = start(config, daemons)
    first = switch.wait_for(1)

    # Other rules are judged at once, so that there is a cycle to tell of.
    config.write_text(config.read_text().replace("first-0001", "second-0002").replace("above = 100", "above = 99"))
    daemon.send(signal.SIGHUP)
    pings = switch.wait_for(2)
    daemon.end()

    assert [ping.path for ping in first] == ["/first-0001"]
    assert [ping.path for ping in pings] == ["/first-0001", "/second-0002"]
    assert not any(secret in line for line in daemon.lines for secret in ("first-0001", "second-0002"))


def test_a_cycle_that_cannot_be_kept_is_told_to_the_heartbeat(
    config: Path, daemons: list[Daemon], held: InitialCount, switch: PingSink
) -> None:
    """A database that is gone fails the cycle, and whoever watches the switch reads why."""
    watched(config, heartbeat_url=f"{switch.url}/uuid")
    held.answers.clear()
    daemon = Daemon(config)
    daemons.append(daemon)
    daemon.wait_for("ready")

    (config.parent / "alerter.db").rename(config.parent / "elsewhere.db")
    held.answers.set()
    ping = switch.wait_for(1)[0]

    assert ping.path == "/uuid/fail"
    assert ping.body.startswith(f"acme: {config.parent}/alerter.db: ")


def test_a_heartbeat_that_hangs_holds_no_cycle_up(config: Path, daemons: list[Daemon], switch: PingSink) -> None:
    """Polling goes on while the switch does not answer, and a stop does not wait for it."""
    watched(config, heartbeat_url=f"{switch.url}/uuid")
    switch.hold.clear()
    daemon = start(config, daemons)
    switch.wait_for(1)

    for number in range(2, 5):
        config.write_text(config.read_text().replace(f"above = {102 - number}", f"above = {101 - number}"))
        daemon.send(signal.SIGHUP)
        daemon.wait_for("poll succeeded", times=number)
    daemon.send(signal.SIGTERM)

    assert daemon.process.wait(PingTimeouts().total - 2) == 0


def ask(port: int, path: str) -> tuple[int, str]:
    """Return the status and the content of a page of the port."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def ask_until(text: str, port: int, path: str) -> tuple[int, str]:
    """Return the first answer that has the text in it; the log may say a thing a moment before the port does."""
    deadline = time.monotonic() + PATIENCE_SECONDS  # noqa: TID251 - real time, in which a real process must answer
    while True:
        status, content = ask(port, path)
        if text in content:
            return status, content
        assert time.monotonic() < deadline, f"no {text!r} in:\n{content}"  # noqa: TID251 - as above


def test_the_port_shows_how_the_service_is(config: Path, daemons: list[Daemon], held: InitialCount) -> None:
    """What is held, what fires and what was sent; and 503 when a cycle could not be kept."""
    port = a_free_port()
    watched(config, listen=f"127.0.0.1:{port}")
    held.count = 250
    daemon = start(config, daemons)
    daemon.wait_for("delivery sent", times=3)
    well = ask(port, "/healthz")
    _, metrics = ask(port, "/metrics")

    (config.parent / "alerter.db").rename(config.parent / "elsewhere.db")
    config.write_text(config.read_text().replace("above = 100", "above = 99"))
    daemon.send(signal.SIGHUP)
    daemon.wait_for("poll cycle failed tenant=acme")
    failing = ask_until("acme: the last cycle was not completed: ", port, "/healthz")
    _, without_database = ask(port, "/metrics")

    assert (well[0], failing[0]) == (200, 503)
    for line in (
        'alerter_held_messages{tenant="acme",reason="Attachments"} 250',
        'alerter_alerts{severity="warning",state="firing"} 1.0',
        'alerter_polls_total{tenant="acme"} 1',
        "alerter_database_up 1.0",
    ):
        assert f"{line}\n" in metrics
    assert "alerter_cycle_failures_total 1.0\n" in without_database
    assert "alerter_database_up 0.0\n" in without_database


def test_a_port_that_is_taken_ends_the_start(config: Path) -> None:
    """The daemon says which address is in the way, and has polled nobody."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        watched(config, listen=f"127.0.0.1:{port}")
        command = [sys.executable, "-m", "alerter", "run", "--config", str(config)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert f"cannot run: cannot listen on 127.0.0.1:{port}: address already in use" in ended.stderr
    assert "poll succeeded" not in ended.stderr


def test_a_reload_to_a_port_that_is_taken_keeps_all_of_the_old_configuration(
    config: Path, daemons: list[Daemon]
) -> None:
    """The old port goes on, with the old rules, and shows that the configuration was refused."""
    port = a_free_port()
    watched(config, listen=f"127.0.0.1:{port}")
    daemon = start(config, daemons)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = taken.getsockname()[1]
        config.write_text(config.read_text().replace(str(port), str(other)).replace("above = 100", "above = 2"))
        daemon.send(signal.SIGHUP)
        refused = daemon.wait_for("configuration rejected")
    ask_until("alerter_config_last_reload_successful 0.0\n", port, "/metrics")
    config.write_text(config.read_text().replace("above = 2", "above = 100"))
    daemon.send(signal.SIGHUP)
    daemon.wait_for("reloaded")

    assert f"cannot listen on 127.0.0.1:{other}: address already in use" in refused
    ask_until("alerter_config_last_reload_successful 1.0\n", other, "/metrics")
    assert not [line for line in daemon.lines if "delivery sent" in line]


def test_a_scrape_that_nobody_reads_holds_no_stop_up(config: Path, daemons: list[Daemon]) -> None:
    """A Prometheus that hangs in the middle of an answer, and one that never asks, are left alone."""
    port = a_free_port()
    watched(config, listen=f"127.0.0.1:{port}")
    daemon = start(config, daemons)
    with ExitStack() as stack:
        for request in (b"GET /metrics HTTP/1.1\r\n\r\n", b"GET /met", b""):
            stack.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(request)

        daemon.send(signal.SIGTERM)

        assert daemon.process.wait(PATIENCE_SECONDS) == 0


def test_a_clock_that_jumps_is_noticed_while_nothing_else_happens(config: Path, daemons: list[Daemon]) -> None:
    """Whoever is polled once a day is polled anew: slots that the wrong clock has set are not waited for."""
    watched(config, poll_interval="1d")
    daemon = Daemon(config, program=("-c", JUMPING))
    daemons.append(daemon)
    daemon.wait_for("poll succeeded")

    config.with_name("jump").touch()

    jumped = daemon.wait_for("the clock jumped")
    daemon.wait_for("poll succeeded", times=2)
    assert "seconds=+3600" in jumped


def test_what_is_collected_is_told_when_its_time_is_over(
    config: Path, daemons: list[Daemon], held: InitialCount, sinks: list[HttpSink]
) -> None:
    """A group is flushed when its `group_wait` ends, not when something else happens."""
    config.write_text(config.read_text().replace("[receivers.secops]\n", '[receivers.secops]\ngroup_wait = "1s"\n'))
    held.count = 250
    daemon = start(config, daemons)

    daemon.wait_for("delivery sent", times=3)

    assert all(len(sink.posts) == 1 for sink in sinks)


def test_a_service_with_nothing_to_do_sleeps(config: Path, daemons: list[Daemon]) -> None:
    """While no poll and no message is due, all of its threads together wake up less than once a second."""
    watched(config, poll_interval="1d")
    daemon = start(config, daemons)
    nap = threading.Event()
    before = -1
    while (woken := wake_ups(daemon)) != before:
        before = woken
        nap.wait(0.5)

    nap.wait(SPAN_SECONDS)

    assert wake_ups(daemon) - before < SPAN_SECONDS


def wake_ups(daemon: Daemon) -> int:
    """Return how often the threads of a daemon have gone to sleep since they began."""
    tasks = Path(f"/proc/{daemon.process.pid}/task").iterdir()
    status = [line.split() for task in tasks for line in (task / "status").read_text().splitlines()]
    return sum(int(words[1]) for words in status if words[0] == "voluntary_ctxt_switches:")
