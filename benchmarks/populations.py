"""Simulated tenants of all sizes whose held mail behaves like real held mail, with incidents and with harmless events.

Each hold reason is a queue (`benchmarks.queues`). It has incidents, which are labeled (`benchmarks.labels`), and things
that look like some and are none: newsletters to hundreds, month ends, holidays, edits that shift a level for good, new
policies that are wanted, renamed policies, queues that are released once a week or never. No queue has two incidents.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from math import exp, log
from zoneinfo import ZoneInfo

from alerter.core.history import SeriesHistory, TenantHistory
from alerter.core.poll_times import FailureRun, Outage, PollTimes, int64_array, packed_instants
from alerter.core.series import ALL_REASONS, HoldReason, Tenant, to_epoch_us
from alerter.errors import Cause
from benchmarks.labels import (
    BEGIN,
    POLL_INTERVAL,
    POLLS_PER_DAY,
    POLLS_PER_HOUR,
    Incident,
    IncidentKind,
    instant,
    label,
    outage,
)
from benchmarks.queues import EXPIRY_POLLS, Played, Release, play, poisson

#: Users of a tenant, and how many hold reasons such a tenant has.
REASONS_BY_USERS = {20: (3, 6), 100: (4, 8), 500: (6, 11), 2_000: (9, 16), 8_000: (13, 22), 20_000: (20, 28)}
#: Queues have filled up before the first poll.
WARM_UP_DAYS = 16
#: Fewer failed polls in a row are no outage.
MIN_OUTAGE_POLLS = 3
#: Incidents of a hold reason in a week.
INCIDENTS_PER_REASON_WEEK = 0.025
#: A newsletter goes to hundreds at most.
MAX_COPIES = 800
SATURDAY = 5
#: Where nothing is released, or nothing is suppressed.
NOTHING = range(0)


class Habit(StrEnum):
    """Who releases held mail."""

    DAILY = "an administrator, some times a day"
    WEEKLY = "an administrator, once a week"
    DIGEST = "its recipients, from digests"
    NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class _Policy:
    """A kind of hold reason.

    Attributes:
        name: What administrators call it.
        habit: Who releases its mail.
        per_user: Messages a day for each user, from and to.
        per_day: Messages a day, however many users there are, from and to.
        at_night: The part of a busy hour's mail that comes outside working hours.
        newsletters: How often in a week one mail to many recipients is held, each copy a message; from and to.
        has_month_end: Whether it holds three times as much around the end of a month.
        is_outbound: Whether it holds what users send.
        is_rare: Whether it hardly ever holds anything.
    """

    name: str
    habit: Habit
    per_user: tuple[float, float] = (0, 0)
    per_day: tuple[float, float] = (0, 0)
    at_night: float = 0.15
    newsletters: tuple[float, float] = (0, 0)
    has_month_end: bool = False
    is_outbound: bool = False
    is_rare: bool = False


_POLICIES = (
    _Policy(name="Aggressive Spam Detection", habit=Habit.NOBODY, per_user=(0.02, 0.1), at_night=0.7),
    _Policy(name="Default Spam Scanning Definition", habit=Habit.DIGEST, per_user=(0.02, 0.1), at_night=0.6,
            newsletters=(0.2, 1)),
    _Policy(name="Moderate Spam Detection", habit=Habit.DIGEST, per_user=(0.01, 0.06), at_night=0.6,
            newsletters=(0.1, 1)),
    _Policy(name="Graymail", habit=Habit.DIGEST, per_user=(0.01, 0.06), newsletters=(0.5, 3)),
    _Policy(name="Default Attachment Management Definition - Block Dangerous File Types", habit=Habit.DAILY,
            per_user=(0.002, 0.02)),
    _Policy(name="Encrypted Attachments - Finance", habit=Habit.DAILY, per_user=(0.001, 0.01), has_month_end=True),
    _Policy(name="Invoices - Hold for Review", habit=Habit.DAILY, per_user=(0.001, 0.01), has_month_end=True),
    _Policy(name="Hold > 25MB", habit=Habit.DAILY, per_user=(0.0005, 0.005)),
    _Policy(name="Strict Impersonation Protection Definition", habit=Habit.DAILY, per_user=(0.001, 0.01)),
    _Policy(name="VIP Impersonation - Board", habit=Habit.DAILY, per_day=(0.01, 0.15), is_rare=True),
    _Policy(name="VIP Impersonation - CEO", habit=Habit.WEEKLY, per_day=(0.005, 0.08), is_rare=True),
    _Policy(name="Whaling - Executive Assistants", habit=Habit.NOBODY, per_day=(0.01, 0.1), is_rare=True),
    _Policy(name="Default URL Protect Definition", habit=Habit.WEEKLY, per_user=(0.001, 0.005)),
    _Policy(name="PCI - Credit Card Numbers (Outbound)", habit=Habit.WEEKLY, per_user=(0.0005, 0.005), at_night=0.02,
            is_outbound=True),
    _Policy(name="Outbound Spam Detection", habit=Habit.NOBODY, per_user=(0.0002, 0.002), is_outbound=True),
    _Policy(name="Outbound - Bulk to External", habit=Habit.DAILY, per_user=(0.0005, 0.005), is_outbound=True),
    _Policy(name="Suspicious Message Structure", habit=Habit.NOBODY, per_user=(0.0005, 0.005), at_night=0.5),
    _Policy(name="DNS Authentication - Reject or Hold", habit=Habit.NOBODY, per_user=(0.005, 0.04), at_night=0.5),
    _Policy(name="Greylisted Newly Observed Domain", habit=Habit.DIGEST, per_user=(0.003, 0.03)),
    _Policy(name="Content Examination - Profanity", habit=Habit.WEEKLY, per_user=(0.0005, 0.004)),
    _Policy(name="Content Examination - HR", habit=Habit.DAILY, per_user=(0.0005, 0.005)),
    _Policy(name="Legal Hold Review", habit=Habit.WEEKLY, per_user=(0.0005, 0.005)),
    _Policy(name="Macro Documents", habit=Habit.DAILY, per_user=(0.001, 0.01)),
    _Policy(name="Password Protected Archives", habit=Habit.DAILY, per_user=(0.001, 0.01)),
    _Policy(name="Geo Block - Hold", habit=Habit.NOBODY, per_user=(0.002, 0.02), at_night=0.8),
    _Policy(name="Mailing Lists - Staff", habit=Habit.DAILY, per_user=(0.001, 0.01), newsletters=(0.2, 1)),
    _Policy(name="Supplier Impersonation", habit=Habit.DAILY, per_user=(0.0005, 0.005)),
    _Policy(name="Quarantined Files - Sandbox", habit=Habit.NOBODY, per_user=(0.0005, 0.005)),
)  # fmt: skip
_ZONES = ("Europe/London", "Europe/Berlin", "America/New_York", "Australia/Sydney", "UTC")


@dataclass(frozen=True, kw_only=True)
class SimulatedTenant:
    """A tenant, and what went wrong with it.

    Attributes:
        history: What polling it has seen.
        users: How many people it has.
        incidents: What went wrong, by instant.
    """

    history: TenantHistory
    users: int
    incidents: Sequence[Incident]


@dataclass(frozen=True, kw_only=True)
class _Office:
    """When the people of a tenant work: in which time zone, from and to which hour, and not on which days."""

    timezone: ZoneInfo
    holidays: frozenset[date]
    opens: int
    closes: int

    def is_workday(self, day: date) -> bool:
        """Return True if people work on a day."""
        return day.weekday() < SATURDAY and day not in self.holidays

    def activity(self, at: datetime, at_night: float) -> float:
        """Return how much mail there is at an instant, from 0 to about 1."""
        local = at.astimezone(self.timezone)
        if not self.is_workday(local.date()):
            return at_night * 0.6
        if not self.opens <= local.hour < self.closes:
            return at_night
        lunch = 0.75 if abs(local.hour - (self.opens + self.closes) / 2) < 1 else 1.0
        morning = 1.25 if local.hour == self.opens + 1 else 1.0
        return lunch * morning

    def poll_at(self, day: int, hour: float) -> int:
        """Return the poll at an hour of the clock on a day of the simulation."""
        local = datetime.combine((BEGIN + timedelta(days=day)).date(), time(), self.timezone)
        return int(((local + timedelta(hours=hour)).astimezone(UTC) - BEGIN) / POLL_INTERVAL)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """One incident: its cause, from which poll to which, and how many messages it brings in all."""

    kind: IncidentKind
    first: int
    last: int
    messages: float = 0.0

    @property
    def suppressed(self) -> range:
        """The polls at which nothing of what usually arrives is held."""
        return range(self.first, self.last) if self.kind is IncidentKind.DISABLED else NOTHING

    @property
    def unattended(self) -> range:
        """The polls at which nobody releases anything."""
        return range(self.first, self.last) if self.kind is IncidentKind.ABSENCE else NOTHING


def simulate(counts: Iterable[tuple[int, int]], *, weeks: int, seed: int) -> Iterator[SimulatedTenant]:
    """Yield tenants, each with its own habits and incidents.

    Args:
        counts: For each tenant a number and its users; the same seed, number and users yield the same.
        weeks: How long each is polled.
        seed: Other tenants.
    """
    for number, users in counts:
        yield _Tenant(Tenant(f"tenant-{number}-{users}"), random.Random(f"{seed}/{number}/{users}"), users, weeks).run()


class _Tenant:
    """A tenant that is being simulated."""

    def __init__(self, name: Tenant, rng: random.Random, users: int, weeks: int) -> None:
        self._name, self._rng, self.users, self.weeks = name, rng, users, weeks
        self.polls = weeks * 7 * POLLS_PER_DAY
        self.office = _office(rng, weeks)
        self._outages = _outages(rng, self.polls)
        down = {poll for first, after in self._outages for poll in range(first, after)}
        self._good = [poll for poll in range(self.polls) if poll not in down]
        self.incidents = [outage(*span) for span in self._outages if span[1] - span[0] >= MIN_OUTAGE_POLLS]
        self._polling = SeriesHistory(
            tenant=name,
            reason=ALL_REASONS,
            at=int64_array([to_epoch_us(BEGIN)]),
            held=int64_array([0]),
            poll_times=_timeline(self.office, self._outages, self.polls, self._good),
        )

    def run(self) -> SimulatedTenant:
        """Return the tenant with its history and its incidents."""
        policies = self._rng.sample(_POLICIES, self._rng.randint(*REASONS_BY_USERS[self.users]))
        reasons: dict[str, list[tuple[int, int]]] = {}
        for each in policies:
            # Every queue has numbers of its own, so that what one does changes nothing of another.
            rng = random.Random(self._rng.random())
            reasons |= _Queue(self, each, rng).run()
        histories = [self._history(HoldReason(reason), changes) for reason, changes in reasons.items()]
        seen = [each for each in histories if each is not None]
        return SimulatedTenant(
            history=TenantHistory(polling=self._polling, reasons=sorted(seen, key=lambda each: each.first_seen_at)),
            users=self.users,
            incidents=sorted(self.incidents, key=lambda each: each.began_at),
        )

    def _history(self, reason: HoldReason, changes: Sequence[tuple[int, int]]) -> SeriesHistory | None:
        """Return what polling sees of a queue; None if it never sees anything."""
        at, held = int64_array(), int64_array()
        initial = next((count for poll, count in reversed(changes) if poll <= 0), 0)
        seen = {self._good[0]: initial}
        for poll, count in changes:
            if poll > 0 and (place := bisect_right(self._good, poll - 1)) < len(self._good):
                seen[self._good[place]] = count
        for poll, count in seen.items():
            if not held or held[-1] != count:
                at.append(to_epoch_us(instant(poll)))
                held.append(count)
        first = next((place for place, count in enumerate(held) if count), None)
        if first is None:
            return None
        first_held_at = instant(0) + timedelta(microseconds=at[first] - to_epoch_us(BEGIN))
        return replace(
            self._polling, reason=reason, at=at, held=held, first_seen_at=at[first], first_held_at=first_held_at
        )


class _Queue:
    """A queue of a tenant that is being simulated."""

    def __init__(self, tenant: _Tenant, held_by: _Policy, rng: random.Random) -> None:
        self._tenant, self._policy, self._rng = tenant, held_by, rng
        self._office, self._users, self._polls = tenant.office, tenant.users, tenant.polls
        per_user, per_day = _log_uniform(rng, *held_by.per_user), _log_uniform(rng, *held_by.per_day)
        self._per_day = per_user * self._users + per_day
        self._newsletters = _log_uniform(rng, *held_by.newsletters)
        #: A policy that is new, and wanted: from which poll on.
        self._starts_at = rng.randrange(self._polls) if rng.random() < 0.006 * tenant.weeks else -(2**60)
        #: An edit that changes how much is held, for good.
        self._shift = (
            (rng.randrange(self._polls), _log_uniform(rng, 0.3, 3.5))
            if rng.random() < 0.012 * tenant.weeks
            else (2**60, 1.0)
        )

    def run(self) -> dict[str, list[tuple[int, int]]]:
        """Return how the count changes, by name, and note what goes wrong at the tenant."""
        rng, weeks = self._rng, self._tenant.weeks
        plan = self._plan() if rng.random() < INCIDENTS_PER_REASON_WEEK * weeks else None
        usual = self._usual_arrivals(random.Random(rng.random()))
        releases = self._releases(random.Random(rng.random()))
        extra = [] if plan is None else self._extra(plan, random.Random(rng.random()))
        is_renamed = plan is None and rng.random() < 0.012 * weeks
        if plan is None:
            changes = play(usual, releases).changes
            return self._renamed(usual, releases, changes) if is_renamed else {self._policy.name: changes}
        if plan.kind is IncidentKind.NEW_POLICY:
            usual = []
        twin = play(usual, releases)
        arrivals = _merge([each for each in usual if each[0] not in plan.suppressed], extra)
        kept = [each for each in releases if each.poll not in plan.unattended]
        if plan.kind is IncidentKind.MASS_RELEASE:
            share = self._rng.uniform(0.9, 1)
            kept = sorted([*kept, Release(plan.first, share, EXPIRY_POLLS)], key=lambda each: each.poll)
        real = play(arrivals, kept)
        self._tenant.incidents.append(self._label(plan, twin, real, usual, extra))
        return {self._policy.name: real.changes}

    def _label(
        self, plan: _Plan, twin: Played, real: Played, usual: list[tuple[int, int]], extra: list[tuple[int, int]]
    ) -> Incident:
        """Return the incident, with its harm against the twin."""
        harm: list[tuple[int, int]]
        match plan.kind:
            case IncidentKind.MASS_RELEASE:
                harm = [(plan.first, real.released.get(plan.first, 0) - twin.released.get(plan.first, 0))]
            case IncidentKind.DISABLED:
                harm = [each for each in usual if each[0] in plan.suppressed]
            case IncidentKind.ABSENCE:
                harm = [(poll, gone) for poll, gone in twin.released.items() if poll in plan.unattended]
            case _:
                harm = extra
        return label(
            plan.kind,
            self._policy.name,
            first=plan.first,
            last=plan.last,
            harm_at=harm,
            shown_until=_last_difference(twin.changes, real.changes, first=plan.first, polls=self._polls),
        )

    def _plan(self) -> _Plan:  # noqa: PLR0911 - one for each kind
        """Return an incident that fits the queue."""
        rng, users = self._rng, self._users
        first = rng.randrange(2 * POLLS_PER_HOUR, self._polls - 2 * POLLS_PER_DAY)
        hour, day = POLLS_PER_HOUR, POLLS_PER_DAY
        match rng.choice(self._possible()):
            case IncidentKind.EXECUTIVES:
                return _Plan(
                    kind=IncidentKind.EXECUTIVES,
                    first=first,
                    last=first + rng.randint(6, 3 * hour),
                    messages=rng.randint(3, 9),
                )
            case IncidentKind.OUTBOUND:
                # One mailbox sends as much as it can, in a small company as in a large one.
                last = first + rng.randint(2, 2 * hour)
                return _Plan(kind=IncidentKind.OUTBOUND, first=first, last=last, messages=_log_uniform(rng, 30, 2000))
            case (IncidentKind.WAVE | IncidentKind.FIRST_DAYS) as kind:
                if kind is IncidentKind.FIRST_DAYS:
                    first = rng.randrange(2 * hour, 5 * day)
                last = first + rng.randint(hour // 2, 6 * hour)
                return _Plan(kind=kind, first=first, last=last, messages=max(12.0, users * _log_uniform(rng, 0.03, 1)))
            case (IncidentKind.MISCONFIGURED | IncidentKind.NEW_POLICY) as kind:
                # It holds a part of all mail, of which there are thirty a day for each user.
                last = self._noticed(first, rng.uniform(0.2, 2))
                messages = 30 * users * _log_uniform(rng, 0.01, 0.2) * (last - first) / day
                return _Plan(kind=kind, first=first, last=last, messages=max(12.0, messages))
            case IncidentKind.SLOW:
                days = rng.uniform(3, 10)
                messages = max(20.0, self._per_day * days * rng.uniform(1, 4))
                return _Plan(kind=IncidentKind.SLOW, first=first, last=first + int(days * day), messages=messages)
            case IncidentKind.MASS_RELEASE:
                return _Plan(kind=IncidentKind.MASS_RELEASE, first=first, last=first)
            case kind:
                # A policy that was switched off, or nobody who releases.
                return _Plan(kind=kind, first=first, last=first + rng.randint(4 * day, 14 * day))

    def _noticed(self, first: int, days: float) -> int:
        return first + int(days * POLLS_PER_DAY)

    def _possible(self) -> list[IncidentKind]:
        """Return the incidents that fit the queue; those that need something to be held fit only where it is."""
        held_by = self._policy
        if held_by.is_rare:
            return [IncidentKind.EXECUTIVES]
        if held_by.is_outbound:
            return [IncidentKind.OUTBOUND, IncidentKind.OUTBOUND, IncidentKind.SLOW]
        kinds = [
            IncidentKind.WAVE,
            IncidentKind.WAVE,
            IncidentKind.MISCONFIGURED,
            IncidentKind.MISCONFIGURED,
            IncidentKind.NEW_POLICY,
            IncidentKind.SLOW,
            IncidentKind.FIRST_DAYS,
        ]
        if self._per_day >= 2:  # noqa: PLR2004 - a queue that holds less is empty for days anyway
            kinds.append(IncidentKind.DISABLED)
            if held_by.habit in (Habit.DAILY, Habit.WEEKLY):
                kinds.append(IncidentKind.ABSENCE)
        if held_by.habit is not Habit.DAILY and self._per_day >= 5:  # noqa: PLR2004 - at least some dozens are held
            kinds.append(IncidentKind.MASS_RELEASE)
        return kinds

    def _usual_arrivals(self, rng: random.Random) -> list[tuple[int, int]]:
        """Return what is held without any incident."""
        arrivals: dict[int, int] = {}
        busy = self._per_day / (10 + 14 * self._policy.at_night)
        for hour in range(-WARM_UP_DAYS * 24, self._polls // POLLS_PER_HOUR):
            first = hour * POLLS_PER_HOUR
            if first < self._starts_at:
                continue
            at = instant(first)
            rate = busy * self._office.activity(at, self._policy.at_night) * rng.gammavariate(4, 0.25)
            rate *= 3 if self._policy.has_month_end and _is_month_end(at) else 1
            rate *= self._shift[1] if first >= self._shift[0] else 1
            _spread(arrivals, rng, poisson(rng, rate), range(first, first + POLLS_PER_HOUR))
        weeks = (self._polls / POLLS_PER_DAY + WARM_UP_DAYS) / 7
        for _ in range(poisson(rng, self._newsletters * weeks)):
            day = rng.randrange(-WARM_UP_DAYS, self._polls // POLLS_PER_DAY)
            poll = self._office.poll_at(day, rng.uniform(7, 18))
            copies = round(min(MAX_COPIES, self._users * _log_uniform(rng, 0.01, 0.3)))
            if self._starts_at <= poll < self._polls:
                _spread(arrivals, rng, copies, range(poll, poll + 3))
        return sorted(arrivals.items())

    def _extra(self, plan: _Plan, rng: random.Random) -> list[tuple[int, int]]:
        """Return what an incident adds; a policy holds mail when there is mail, the others at any time."""
        arrivals: dict[int, int] = {}
        if not plan.messages:
            return []
        steady = (IncidentKind.WAVE, IncidentKind.FIRST_DAYS, IncidentKind.OUTBOUND, IncidentKind.EXECUTIVES)
        polls = range(plan.first, min(plan.last, self._polls))
        if plan.kind in steady:
            _spread(arrivals, rng, round(plan.messages), polls)
            return sorted(arrivals.items())
        weights = [self._office.activity(instant(poll - poll % POLLS_PER_HOUR), 0.15) for poll in polls]
        scale = plan.messages / (sum(weights) or 1)
        drawn = ((poll, poisson(rng, weight * scale)) for poll, weight in zip(polls, weights, strict=True))
        return [(poll, messages) for poll, messages in drawn if messages]

    def _releases(self, rng: random.Random) -> list[Release]:
        """Return when people release which share of what arrived when."""
        releases: list[Release] = []
        diligence, weekday = rng.uniform(0.6, 1), rng.randrange(5)
        digests = rng.choice(((7,), (8, 13), (8, 12, 16)))
        for day in range(-WARM_UP_DAYS, self._polls // POLLS_PER_DAY):
            today = (BEGIN + timedelta(days=day)).date()
            at_work = self._office.is_workday(today)
            match self._policy.habit:
                case Habit.DIGEST:
                    for sent in digests:
                        share = rng.uniform(0.2, 0.6) * (1.0 if at_work else 0.3)
                        poll = self._office.poll_at(day, sent + 0.1)
                        releases.append(Release(poll, share, POLLS_PER_DAY // len(digests)))
                case Habit.DAILY if at_work:
                    hours = [rng.uniform(self._office.opens, self._office.closes) for _ in range(rng.randint(1, 5))]
                    for hour in hours:
                        share = min(1.0, rng.uniform(0.5, 1.1) * diligence)
                        releases.append(Release(self._office.poll_at(day, hour), share, EXPIRY_POLLS))
                case Habit.WEEKLY if at_work and today.weekday() == weekday:
                    hour = rng.uniform(self._office.opens, self._office.closes)
                    share = min(1.0, rng.uniform(0.8, 1.1))
                    releases.append(Release(self._office.poll_at(day, hour), share, EXPIRY_POLLS))
        return sorted(releases, key=lambda each: each.poll)

    def _renamed(
        self, usual: list[tuple[int, int]], releases: list[Release], changes: list[tuple[int, int]]
    ) -> dict[str, list[tuple[int, int]]]:
        """Return the counts under the old and the new name of a policy that somebody renames.

        Whether held mail takes the new name along, or keeps the old one until it is gone, is not documented: both.
        """
        at = self._rng.randrange(2 * POLLS_PER_DAY, self._polls)
        names = self._policy.name, f"{self._policy.name} v2"
        if self._rng.random() < 0.5:  # noqa: PLR2004
            stock = next((count for poll, count in reversed(changes) if poll < at), 0)
            before = [each for each in changes if each[0] < at]
            return {
                names[0]: [*before, (at, 0)],
                names[1]: [(at, stock), *(each for each in changes if each[0] >= at)],
            }
        old, new = ([each for each in usual if (each[0] >= at) is is_new] for is_new in (False, True))
        return {names[0]: play(old, releases).changes, names[1]: play(new, releases).changes}


def _office(rng: random.Random, weeks: int) -> _Office:
    days = [BEGIN.date() + timedelta(days=day) for day in range(weeks * 7)]
    # A public holiday every three weeks, and one whole week off in some organizations.
    holidays = set(rng.sample(days, max(1, weeks // 3)))
    if rng.random() < 0.3:  # noqa: PLR2004
        first = rng.randrange(len(days))
        holidays |= set(days[first : first + 7])
    return _Office(
        timezone=ZoneInfo(rng.choice(_ZONES)),
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


def _timeline(office: _Office, outages: Sequence[tuple[int, int]], polls: int, good: Sequence[int]) -> PollTimes:
    """Return when a tenant was polled."""
    starts = [0, *(after for _, after in outages)]
    ends = [*(first - 1 for first, _ in outages), polls - 1]
    return PollTimes(
        polls=int64_array(to_epoch_us(instant(poll)) for poll in range(polls)),
        good=int64_array(to_epoch_us(instant(poll)) for poll in good),
        since=int64_array(to_epoch_us(instant(poll)) for poll in starts),
        until=int64_array(to_epoch_us(instant(poll)) for poll in ends),
        outages=tuple(_outage(first, after) for first, after in outages),
        poll_interval=POLL_INTERVAL,
        timezone=office.timezone,
        first_polled_at=BEGIN,
    )


def _spread(arrivals: dict[int, int], rng: random.Random, messages: int, polls: range) -> None:
    """Let messages arrive at some polls, evenly."""
    if messages > 4 * len(polls):
        for poll in polls:
            arrivals[poll] = arrivals.get(poll, 0) + poisson(rng, messages / len(polls))
        return
    for _ in range(messages):
        poll = rng.randrange(polls.start, polls.stop)
        arrivals[poll] = arrivals.get(poll, 0) + 1


def _merge(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the sum of what arrives."""
    merged = dict(one)
    for poll, messages in other:
        merged[poll] = merged.get(poll, 0) + messages
    return sorted(merged.items())


def _last_difference(
    one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]], *, first: int, polls: int
) -> int:
    """Return the last poll at which two counts differ noticeably: by a tenth of the most by which they ever do."""
    steps = sorted({poll for poll, _ in (*one, *other) if poll >= first})
    gaps = [(poll, abs(_count_at(one, poll) - _count_at(other, poll))) for poll in steps]
    most = max((gap for _, gap in gaps), default=0)
    return max(
        (following for (_, gap), (following, _) in zip(gaps, [*gaps[1:], (polls, 0)], strict=True) if gap > most / 10),
        default=first,
    )


def _count_at(changes: Sequence[tuple[int, int]], poll: int) -> int:
    place = bisect_right(changes, (poll, 2**60))
    return changes[place - 1][1] if place else 0


def _log_uniform(rng: random.Random, low: float, high: float) -> float:
    return exp(rng.uniform(log(low), log(high))) if low else 0.0


def _is_month_end(at: datetime) -> bool:
    return at.day <= 2 or (at + timedelta(days=2)).month != at.month  # noqa: PLR2004 - two days before and after


def _outage(first: int, after: int) -> Outage:
    """Return polls that failed in a row."""
    instants = [to_epoch_us(instant(poll)) for poll in range(first, after)]
    run = FailureRun(
        since=instants[0],
        until=instants[-1],
        polls=len(instants),
        outage_since=instants[0],
        ended_at=to_epoch_us(instant(after)),
        cause=Cause.TIMEOUT,
        detail="",
        steps=packed_instants(instants),
    )
    return Outage(since=instants[0], until=to_epoch_us(instant(after)), runs=(run,))
