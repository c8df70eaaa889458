"""A seeded population of tenants whose held mail behaves like real held mail, with incidents that are labelled.

Every hold reason is a queue: mail arrives with the rhythm of its organisation, people release some of it in their own
way, and Mimecast expires the rest after fourteen days. Nothing of it knows how alerter looks at it. What is an
incident of it, and from when on, `benchmarks.labels` says.
"""

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from math import exp
from zoneinfo import ZoneInfo

from benchmarks.labels import (
    BEGIN,
    POLL_INTERVAL,
    POLLS_PER_DAY,
    POLLS_PER_HOUR,
    Incident,
    IncidentKind,
    Played,
    absences,
    by_count,
    instant,
    outage,
    united,
)

EXPIRY_POLLS = 14 * POLLS_PER_DAY
#: Queues have filled up before the first poll.
WARM_UP_DAYS = 15
#: Fewer failed polls in a row are no outage.
OUTAGE_POLLS = 3
SATURDAY = 5
#: Above this mean a Poisson number is drawn from the normal distribution.
MANY = 30.0


class Release(StrEnum):
    """Who lets held mail go."""

    ADMINISTRATOR = "administrator"
    DIGEST = "digest"
    NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class History:
    """What polling a tenant would have seen.

    Attributes:
        name: The tenant's.
        timezone: Where its people live.
        polls: The instants of the good polls, oldest first.
        failures: The instants of the failed ones, oldest first.
        counts: The held messages of each reason at each good poll; a reason is 0 before it was first seen.
        incidents: What went wrong, by instant.
    """

    name: str
    timezone: ZoneInfo
    polls: Sequence[datetime]
    failures: Sequence[datetime]
    counts: dict[str, list[int]]
    incidents: Sequence[Incident]


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A kind of hold reason.

    Attributes:
        name: What administrators call it.
        release: Who lets its mail go.
        per_hour: Messages that arrive in a busy hour of a middle-sized organisation, from and to.
        at_night: The share of that outside working hours.
        newsletters_per_day: How often one mail to many recipients is held, each copy a message.
        newsletter_size: Copies, from and to.
    """

    name: str
    release: Release
    per_hour: tuple[float, float]
    at_night: float = 0.15
    newsletters_per_day: float = 0.0
    newsletter_size: tuple[int, int] = (5, 40)


KINDS = (
    _Kind(name="Aggressive Spam Detection", release=Release.NOBODY, per_hour=(4, 30), at_night=0.7),
    _Kind(name="Default Spam Scanning Definition", release=Release.DIGEST, per_hour=(4, 20), at_night=0.6,
          newsletters_per_day=0.7),
    _Kind(name="Moderate Spam Detection", release=Release.DIGEST, per_hour=(2, 12), at_night=0.6,
          newsletters_per_day=0.4),
    _Kind(name="Graymail", release=Release.DIGEST, per_hour=(2, 10), newsletters_per_day=1.0),
    _Kind(name="Default Attachment Management Definition - Block Dangerous File Types", release=Release.ADMINISTRATOR,
          per_hour=(0.3, 3)),
    _Kind(name="Encrypted Attachments - Finance", release=Release.ADMINISTRATOR, per_hour=(0.2, 2)),
    _Kind(name="Hold > 25MB", release=Release.ADMINISTRATOR, per_hour=(0.1, 1.5)),
    _Kind(name="Strict Impersonation Protection Definition", release=Release.ADMINISTRATOR, per_hour=(0.2, 2)),
    _Kind(name="VIP Impersonation - Board", release=Release.ADMINISTRATOR, per_hour=(0.02, 0.3)),
    _Kind(name="Default URL Protect Definition", release=Release.ADMINISTRATOR, per_hour=(0.1, 1)),
    _Kind(name="PCI - Credit Card Numbers (Outbound)", release=Release.ADMINISTRATOR, per_hour=(0.1, 1), at_night=0.02),
    _Kind(name="Suspicious Message Structure", release=Release.NOBODY, per_hour=(0.1, 1), at_night=0.5),
)  # fmt: skip
ZONES = ("Europe/London", "Europe/Berlin", "America/New_York", "Australia/Sydney", "UTC")
#: Of the tenants so many are small, middle-sized and large; the number scales what arrives.
SIZES = ((0.2, 0.35), (1.0, 0.45), (4.0, 0.2))


class _Queue:
    """Held messages of one reason, by the poll at which they came."""

    def __init__(self) -> None:
        self._cohorts: deque[list[int]] = deque()
        self.held = 0

    def expire(self, poll: int) -> None:
        """Drop what has been held for fourteen days."""
        while self._cohorts and self._cohorts[0][0] <= poll - EXPIRY_POLLS:
            self.held -= self._cohorts.popleft()[1]

    def arrive(self, poll: int, messages: int) -> None:
        """Hold further messages."""
        if messages:
            self._cohorts.append([poll, messages])
            self.held += messages

    def release(self, share: float, *, since: int = 0) -> int:
        """Let a share of what came at or after a poll go, and return how many messages that were."""
        before = self.held
        for cohort in self._cohorts:
            if cohort[0] >= since:
                gone = int(cohort[1] * share + 0.5)
                cohort[1] -= gone
                self.held -= gone
        return before - self.held


@dataclass(kw_only=True)
class _Office:
    """When the people of a tenant work.

    Attributes:
        timezone: Where.
        holidays: The days off besides weekends.
        opens: Their first hour.
        closes: The hour at which they leave.
    """

    timezone: ZoneInfo
    holidays: frozenset[date]
    opens: int
    closes: int

    def is_open(self, at: datetime) -> bool:
        """Say whether somebody is there."""
        local = at.astimezone(self.timezone)
        return self.is_workday(local.date()) and self.opens <= local.hour < self.closes

    def is_workday(self, day: date) -> bool:
        """Say whether people work on a day."""
        return day.weekday() < SATURDAY and day not in self.holidays

    def level(self, at: datetime, at_night: float) -> float:
        """Return how much mail there is, from 0 to about 1."""
        local = at.astimezone(self.timezone)
        if not self.is_workday(local.date()):
            return at_night * 0.6
        if not self.opens <= local.hour < self.closes:
            return at_night
        middle = (self.opens + self.closes) / 2
        lunch = 0.75 if abs(local.hour - middle) < 1 else 1.0
        morning = 1.25 if local.hour == self.opens + 1 else 1.0
        return lunch * morning


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """One incident to be played: where it is, and what it does."""

    kind: IncidentKind
    first: int
    last: int
    arrivals: float = 0.0

    def is_on(self, poll: int) -> bool:
        """Say whether it goes on."""
        return self.first <= poll < self.last

    def mean(self, level: float) -> float:
        """Return how many messages it brings with a poll, in the mean.

        A campaign comes when it comes; a policy that is wrong holds mail when there is mail.
        """
        return self.arrivals * (1.0 if self.kind is IncidentKind.WAVE else max(level, 0.1))


def tenants(numbers: Iterable[int], *, weeks: int, seed: int) -> Iterator[History]:
    """Yield tenants of all sizes, each with its own habits and incidents; the same seed and number yield the same."""
    for number in numbers:
        yield _tenant(f"tenant-{number}", random.Random(f"{seed}/{number}"), weeks)


def _tenant(name: str, rng: random.Random, weeks: int) -> History:
    polls = weeks * 7 * POLLS_PER_DAY
    office = _office(rng, weeks)
    size = rng.choices([size for size, _ in SIZES], [share for _, share in SIZES])[0]
    kinds = rng.sample(KINDS, rng.randint(5, len(KINDS)))
    failing = _outages(rng, polls)
    counts: dict[str, list[int]] = {}
    incidents = [outage(*span) for span in failing if span[1] - span[0] >= OUTAGE_POLLS]
    for kind in kinds:
        plan = _planned(rng, kind, size, polls) if rng.random() < 0.35 else None  # noqa: PLR2004 - a third of the queues
        played = _played(kind, office, random.Random(rng.random()), size=size, plan=plan, polls=polls)
        named = _named(rng, kind.name, played.held, plan)
        incidents += _incidents(kind, list(named)[-1], plan, played)
        counts |= named
    down = {poll for first, last in failing for poll in range(first, last)}
    good = [poll for poll in range(polls) if poll not in down]
    return History(
        name=name,
        timezone=office.timezone,
        polls=[instant(poll) for poll in good],
        failures=[instant(poll) for poll in sorted(down)],
        counts={reason: [held[poll] for poll in good] for reason, held in counts.items()},
        incidents=sorted(incidents, key=lambda incident: incident.began_at),
    )


def _office(rng: random.Random, weeks: int) -> _Office:
    days = [BEGIN.date() + timedelta(days=day) for day in range(weeks * 7)]
    # A public holiday every three weeks, and one whole week off in some organisations.
    holidays = set(rng.sample(days, max(1, weeks // 3)))
    if rng.random() < 0.3:  # noqa: PLR2004
        first = rng.randrange(len(days))
        holidays |= set(days[first : first + 7])
    return _Office(
        timezone=ZoneInfo(rng.choice(ZONES)),
        holidays=frozenset(holidays),
        opens=rng.choice((7, 8, 9)),
        closes=rng.choice((17, 18, 19)),
    )


def _outages(rng: random.Random, polls: int) -> list[tuple[int, int]]:
    """Return when polling fails: single polls now and then, and rarely for hours."""
    spans: list[tuple[int, int]] = []
    poll = 0
    while True:
        poll += int(rng.expovariate(1 / (4 * POLLS_PER_DAY))) + 1
        length = rng.choices((1, 2, 3, 12, 40, 150), (50, 20, 10, 8, 8, 4))[0]
        if poll + length >= polls:
            return spans
        spans.append((poll, poll + length))
        poll += length


def _planned(rng: random.Random, kind: _Kind, size: float, polls: int) -> _Plan:
    first = rng.randrange(polls // 8, polls - 7 * POLLS_PER_DAY)
    usual = sum(kind.per_hour) / 2 * size
    possible = [IncidentKind.WAVE, IncidentKind.MISCONFIGURED, IncidentKind.NEW]
    if kind.release is Release.ADMINISTRATOR:
        possible.append(IncidentKind.UNATTENDED)
    match rng.choice(possible):
        case IncidentKind.WAVE:
            # A campaign: from dozens to hundreds of messages within an hour or three.
            hours = rng.uniform(0.5, 3)
            messages = max(60.0, usual * rng.uniform(15, 60))
            return _Plan(
                kind=IncidentKind.WAVE,
                first=first,
                last=first + int(hours * POLLS_PER_HOUR) + 1,
                arrivals=messages / (hours * POLLS_PER_HOUR),
            )
        case (IncidentKind.MISCONFIGURED | IncidentKind.NEW) as wrong:
            # Somebody saves a policy that now holds ordinary mail, until somebody notices.
            return _Plan(
                kind=wrong,
                first=first,
                last=first + rng.randint(4 * POLLS_PER_HOUR, 2 * POLLS_PER_DAY),
                arrivals=max(20.0, usual * rng.uniform(8, 40)) / POLLS_PER_HOUR,
            )
        case _:
            # Whoever releases is ill, has left, or was never told.
            return _Plan(kind=IncidentKind.UNATTENDED, first=first, last=first + rng.randint(5, 12) * POLLS_PER_DAY)


def _played(kind: _Kind, office: _Office, rng: random.Random, *, size: float, plan: _Plan | None, polls: int) -> Played:
    """Return what becomes of a queue."""
    real, without = _Queue(), _Queue()
    releases = _releases(kind.release, office, rng, polls)
    played = Played(held=[], without=[], released=[])
    is_new = plan is not None and plan.kind is IncidentKind.NEW
    rate = 0.0 if is_new else rng.uniform(*kind.per_hour) * size / POLLS_PER_HOUR
    for poll, level, messages in _traffic(kind, office, rng, rate, polls):
        on = plan if plan is not None and plan.is_on(poll) else None
        for queue in (real, without):
            queue.expire(poll)
            queue.arrive(poll, messages)
        real.arrive(poll, 0 if on is None else _poisson(rng, on.mean(level)))
        due = releases.get(poll, ())
        for share, reach in due:
            without.release(share, since=poll - reach)
        is_absent = on is not None and on.kind is IncidentKind.UNATTENDED
        if sum(real.release(share, since=poll - reach) for share, reach in due if not is_absent):
            played.released.append(poll)
        if poll >= 0:
            played.held.append(real.held)
            played.without.append(without.held)
    return played


def _traffic(
    kind: _Kind, office: _Office, rng: random.Random, rate: float, polls: int
) -> Iterator[tuple[int, float, int]]:
    """Yield each poll with how busy the office is, and how many messages of the kind are held with it."""
    mood = level = 1.0
    for poll in range(-WARM_UP_DAYS * POLLS_PER_DAY, polls):
        if poll % POLLS_PER_HOUR == 0:
            mood = rng.gammavariate(4, 0.25)
            level = office.level(instant(poll), kind.at_night)
        newsletter = _newsletter(rng, kind, level) if rate else 0
        yield poll, level, _poisson(rng, rate * level * mood) + newsletter


def _incidents(kind: _Kind, reason: str, plan: _Plan | None, played: Played) -> Iterator[Incident]:
    """Yield what went wrong with a queue."""
    planned = [] if plan is None else [by_count(plan.kind, reason, played, first=plan.first, last=plan.last)]
    unattended = [each for each in planned if each.kind is IncidentKind.UNATTENDED]
    yield from (each for each in planned if each not in unattended)
    if kind.release is Release.ADMINISTRATOR:
        yield from united([*unattended, *absences(reason, played)])


def _releases(release: Release, office: _Office, rng: random.Random, polls: int) -> dict[int, list[tuple[float, int]]]:
    """Return at which polls which share is released, of what came how many polls before."""
    found: dict[int, list[tuple[float, int]]] = {}
    diligence = rng.uniform(0.6, 1.0)
    digests = rng.choice(((7,), (8, 13), (8, 12, 16)))
    reach = POLLS_PER_DAY // len(digests)
    for day in range(-WARM_UP_DAYS, polls // POLLS_PER_DAY):
        local = datetime.combine((BEGIN + timedelta(days=day)).date(), time(), office.timezone)
        at_work = office.is_workday(local.date())
        if release is Release.DIGEST:
            for hour in digests:
                share = rng.uniform(0.2, 0.6) * (1.0 if at_work else 0.3)
                found.setdefault(_poll_of(local + timedelta(hours=hour, minutes=5)), []).append((share, reach))
        elif release is Release.ADMINISTRATOR and at_work:
            for _ in range(rng.randint(1, 5)):
                hour = rng.uniform(office.opens, office.closes)
                share = rng.uniform(0.5, 1.0) * diligence
                found.setdefault(_poll_of(local + timedelta(hours=hour)), []).append((share, EXPIRY_POLLS))
    return found


def _poll_of(at: datetime) -> int:
    return int((at.astimezone(UTC) - BEGIN) / POLL_INTERVAL)


def _newsletter(rng: random.Random, kind: _Kind, level: float) -> int:
    if kind.newsletters_per_day and rng.random() < kind.newsletters_per_day * level / (POLLS_PER_DAY / 2):
        return rng.randint(*kind.newsletter_size)
    return 0


def _poisson(rng: random.Random, mean: float) -> int:
    if mean > MANY:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    limit, product = exp(-mean), rng.random()
    number = 0
    while product > limit:
        product *= rng.random()
        number += 1
    return number


def _named(rng: random.Random, name: str, held: list[int], plan: _Plan | None) -> dict[str, list[int]]:
    """Return the counts under the name, or under two where an administrator renamed the definition on the way.

    What is held keeps its name, as far as anybody knows: the old name empties while the new one fills.
    """
    if plan is not None or rng.random() > 0.15:  # noqa: PLR2004 - one definition in seven is renamed in a quarter
        return {name: held}
    at = rng.randrange(len(held) // 4, len(held))
    stock = held[at]
    old, new = held[:at], [0] * at
    for poll in range(at, len(held)):
        left = max(0, round(stock * (1 - (poll - at) / EXPIRY_POLLS)))
        stock_now = min(left, held[poll])
        old.append(stock_now)
        new.append(held[poll] - stock_now)
    return {name: old, f"{name} v2": new}
