"""Runs checks: several at a time, each in a thread of its own that may be left behind when its time is up.

Names that do not resolve and servers that drip have no deadline of their own; a person who waits needs one.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

from alerter.doctor.findings import Finding, Group, Outcome

#: The checks that run at a time; more would measure one another.
AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTimeouts:
    """How many seconds one check may take, and all of them: after that none begins any more."""

    each: float = 60.0
    altogether: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Something to look at.

    Attributes:
        group: What its findings belong to.
        subject: What is looked at.
        run: Does it, and returns or yields at least one finding; it raises nothing on purpose.
    """

    group: Group
    subject: str
    run: Callable[[], Iterable[Finding]]


@dataclass(slots=True)
class _Running:
    check: Check
    until: float


def run_checks(
    checks: Sequence[Check],
    *,
    monotonic: Callable[[], float],
    patience: CheckTimeouts = CheckTimeouts(),
    at_once: int = AT_ONCE,
) -> Iterator[tuple[int, Sequence[Finding]]]:
    """Yield what each check found, by its number, as soon as it has; one that takes too long has failed.

    Args:
        checks: In the order in which they begin.
        monotonic: Seconds that never jump.
        patience: For how long.
        at_once: How many run at a time.
    """
    waiting = deque(enumerate(checks))
    running: dict[int, _Running] = {}
    ended: SimpleQueue[tuple[int, Sequence[Finding]]] = SimpleQueue()
    last_start = monotonic() + patience.altogether
    while waiting or running:
        while waiting and monotonic() > last_start:
            number, check = waiting.popleft()
            yield number, [_unseen(check)]
        while waiting and len(running) < at_once:
            number, check = waiting.popleft()
            running[number] = _Running(check, monotonic() + patience.each)
            Thread(target=_run, args=(number, check, ended), daemon=True, name=f"check {check.subject}").start()
        for number, found in _ended(ended, running, monotonic):
            if (each := running.pop(number, None)) is not None:
                yield number, [_overdue(each.check, patience.each)] if found is None else found


def _ended(
    ended: "SimpleQueue[tuple[int, Sequence[Finding]]]", running: Mapping[int, _Running], monotonic: Callable[[], float]
) -> Sequence[tuple[int, Sequence[Finding] | None]]:
    """Return the next check that ends, with what it found; or those of which the time is up, with None."""
    left = min((each.until for each in running.values()), default=0.0) - monotonic()
    try:
        return [ended.get(timeout=max(left, 0.0))]
    except Empty:
        now = monotonic()
        return [(number, None) for number, each in running.items() if each.until <= now]


def _run(number: int, check: Check, ended: "SimpleQueue[tuple[int, Sequence[Finding]]]") -> None:
    try:
        findings = list(check.run())
    except Exception as error:  # noqa: BLE001 - the boundary of the thread: one broken check must not hide the others
        text = f"a bug in alerter: {type(error).__name__}: {error}"
        findings = [Finding(group=check.group, subject=check.subject, outcome=Outcome.FAILED, text=text)]
    ended.put((number, findings))


def _unseen(check: Check) -> Finding:
    return Finding(
        group=check.group,
        subject=check.subject,
        outcome=Outcome.NOT_APPLICABLE,
        text="not checked: the others took too long",
        advice="Look at fewer: --tenant GLOB.",
    )


def _overdue(check: Check, longest: float) -> Finding:
    return Finding(
        group=check.group,
        subject=check.subject,
        outcome=Outcome.FAILED,
        text=f"not finished within {longest:g} s",
        advice="Something does not answer at all: a name server, a file system or a host. Try it alone.",
    )
