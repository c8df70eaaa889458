"""A process that lives the lives of a daemon, each in a child of its own, and lets them die where it is told to.

`python -m tests.faults.driver` reads one life as JSON per line from standard input and answers with one line. It has no
threads, so that it may fork: a life costs milliseconds, and is killed by a real SIGKILL all the same.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import Engine, event

from alerter.core.message.content import Message
from alerter.core.outbox import TargetName
from alerter.core.series import Tenant
from alerter.jobs.deliver import deliver
from alerter.jobs.poll import poll, reconcile
from alerter.notifiers.apprise import AppriseNotifier
from alerter.storage import Store
from tests.builders import a_policy, a_rule
from tests.fakes import FakeClock, FakeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one process does from its start to its end.

    Attributes:
        database: The URL of the store.
        urls: Where each target of the only receiver is.
        polls: What each poll sees: messages held by hold reason.
        now: The instant of the first poll, in ISO 8601; the others follow every 5 minutes.
        kill_at: The step at which it is killed, counted from 1; 0 for none.
        kill_on: The name of a step, at the first of which it is killed; empty for none.
    """

    database: str
    urls: Mapping[str, str]
    polls: tuple[Mapping[str, int], ...]
    now: str
    kill_at: int = 0
    kill_on: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a life ended: by which signal (0: by itself), and after which steps, known only if it ended by itself.

    A life that failed has neither, and is an error of the test.
    """

    signal: int
    steps: list[str] = field(default_factory=list)


def as_line(life: Life) -> str:
    """Return a life as one line."""
    return json.dumps(asdict(life)) + "\n"


class _Steps:
    """Counts the steps of a life, and ends the process at the one that it was told."""

    def __init__(self, life: Life) -> None:
        self.names: list[str] = []
        self._life = life

    def reach(self, name: str) -> None:
        """Count a step; nothing survives the one to be killed at."""
        self.names.append(name)
        if len(self.names) == self._life.kill_at or name == self._life.kill_on:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Count what any database connection does from now on, before and after each statement."""
        for name in ("begin", "commit", "before_cursor_execute", "after_cursor_execute"):
            event.listen(Engine, name, self._reaches(name))

    def _reaches(self, name: str) -> Callable[..., None]:
        def reached(*_: object) -> None:
            self.reach(name)

        return reached


class _DyingNotifier:
    """The real way out, with a step before and after each message."""

    def __init__(self, steps: _Steps) -> None:
        self._steps = steps
        self._notifier = AppriseNotifier()

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Send a message."""
        self._steps.reach("before sending")
        self._notifier.deliver(message, url, had_by=had_by)
        self._steps.reach("sent, not yet recorded")


def live(life: Life, steps: _Steps) -> None:
    """Do what a daemon does: begin, then poll and deliver."""
    clock = FakeClock(datetime.fromisoformat(life.now))
    alerting = a_policy(a_rule(), receivers={"secops": [*life.urls]})
    urls = {TargetName(name): url for name, url in life.urls.items()}
    notifier = _DyingNotifier(steps)
    source = FakeSource(clock)
    source.answers.extend(life.polls)
    with closing(Store(life.database)) as store:
        reconcile(store, alerting, now=clock.now)
        steps.reach("ready")
        for _ in life.polls:
            poll(Tenant("acme"), source, store, alerting, clock=clock)
            steps.reach("polled")
            deliver(store, notifier, urls, clock=clock)
            steps.reach("delivered")
            clock.forward("5m")


def _in_a_child(life: Life) -> Death:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        steps = _Steps(life)
        steps.watch()
        live(life, steps)
        os.write(writer, json.dumps(steps.names).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        names = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(f"a life ended with {os.WEXITSTATUS(status)}, expected 0 or a signal")
    return Death(signal=os.WTERMSIG(status), steps=json.loads(names or b"[]"))


def _lives() -> Iterator[Life]:
    for line in sys.stdin:
        yield Life(**json.loads(line))


if __name__ == "__main__":
    for each in _lives():
        sys.stdout.write(json.dumps(asdict(_in_a_child(each))) + "\n")
        sys.stdout.flush()
