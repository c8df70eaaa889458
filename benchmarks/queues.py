"""Queues of held mail: what arrives, what people release, and what Mimecast expires after fourteen days.

Polls are whole numbers, negative before the first one. Nothing here knows how alerter looks at a queue.
"""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from benchmarks.labels import POLLS_PER_DAY

EXPIRY_POLLS = 14 * POLLS_PER_DAY
#: Above this mean a Poisson number is drawn from the normal distribution.
MAX_POISSON_MEAN = 30.0


@dataclass(frozen=True, slots=True)
class Release:
    """Held mail that somebody lets go, or rejects.

    Attributes:
        poll: When.
        share: Which part of it, 0 to 1.
        reach: Of what arrived within how many polls before.
    """

    poll: int
    share: float
    reach: int


@dataclass(frozen=True, kw_only=True)
class Played:
    """What happened in a queue.

    Attributes:
        changes: The polls at which the count changed, and to what; oldest first, one per poll.
        released: The polls at which something was released, and how many messages.
    """

    changes: list[tuple[int, int]]
    released: dict[int, int]


def play(arrivals: Sequence[tuple[int, int]], releases: Sequence[Release]) -> Played:
    """Return what happens in a queue.

    Args:
        arrivals: At which polls how many messages are held; oldest first.
        releases: Oldest first.
    """
    cohorts: deque[list[int]] = deque()
    changes: list[tuple[int, int]] = []
    released: dict[int, int] = {}
    held, next_arrival, next_release = 0, 0, 0
    never = 2**60
    while True:
        poll = min(
            arrivals[next_arrival][0] if next_arrival < len(arrivals) else never,
            releases[next_release].poll if next_release < len(releases) else never,
            cohorts[0][0] + EXPIRY_POLLS if cohorts else never,
        )
        if poll == never:
            return Played(changes=changes, released=released)
        before = held
        while cohorts and cohorts[0][0] + EXPIRY_POLLS <= poll:
            held -= cohorts.popleft()[1]
        while next_arrival < len(arrivals) and arrivals[next_arrival][0] == poll:
            cohorts.append([poll, arrivals[next_arrival][1]])
            held += arrivals[next_arrival][1]
            next_arrival += 1
        while next_release < len(releases) and releases[next_release].poll == poll:
            gone = _release(cohorts, releases[next_release])
            held -= gone
            released[poll] = released.get(poll, 0) + gone
            next_release += 1
        if held != before:
            changes.append((poll, held))


def _release(cohorts: deque[list[int]], release: Release) -> int:
    """Take a share of what arrived lately out of a queue, and return how many messages that are."""
    total, rest = 0, 0.0
    kept: deque[list[int]] = deque()
    while cohorts and cohorts[-1][0] >= release.poll - release.reach:
        cohort = cohorts.pop()
        rest += cohort[1] * release.share
        gone = int(rest)
        rest -= gone
        total += gone
        if cohort[1] > gone:
            cohort[1] -= gone
            kept.appendleft(cohort)
    cohorts.extend(kept)
    return total


def poisson(rng: random.Random, mean: float) -> int:
    """Return a random whole number around a mean."""
    if mean <= 0:
        return 0
    if mean > MAX_POISSON_MEAN:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    limit, product, number = exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        number += 1
    return number
