"""What alerts went through, in the order of time: of tenants whose archives are at hand, or were looked at before.

A replay asks for three things: how alerts changed, when a tenant is polled next, and, for the count that a message
shows, how an alert is at a poll that changed nothing. `InMemoryTransitions` answers all of them and needs all at once.
`Courses` looks at one archive after the other and keeps what somebody is told of: when alerts began and ceased to fire,
and when their tenants were polled. No I/O: values in, values out.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from heapq import merge
from itertools import accumulate, chain
from operator import itemgetter, sub
from typing import NamedTuple, Protocol
from zlib import compress, decompress

from alerter.core.alerts import Alert, AlertState, Transition
from alerter.core.backtest.tracks import AlertChange, AlertReplay, alert_replays, sum_selected
from alerter.core.history import TenantHistory
from alerter.core.poll_times import Int64Array, numbers
from alerter.core.rules import Per, Rule, RuleName
from alerter.core.series import ALL_TENANTS, Tenant, from_epoch_us

#: Of so many tenants the polls are at hand at the same time: 200 KB each after a quarter by five minutes.
_MAX_AT_HAND = 32
#: The first of compression's levels: most polls are evenly apart.
_LEVEL = 1


class Rulebook(Protocol):
    """What judges: the part of a policy that does."""

    @property
    def rules(self) -> Sequence[Rule]:
        """Every rule, also the built-in ones."""
        ...

    @property
    def sum_trigger_tenants(self) -> Mapping[RuleName, Collection[Tenant]]:
        """With whose polls a rule over the sum of all is judged; with every poll, where it is missing."""
        ...


class TenantAlertChange(NamedTuple):
    """A stage in the order of time; at one poll in the order in which rules judge.

    Attributes:
        at: The poll.
        tenant: Whose it was, by the place of its name.
        number: Which of the alerts it is, in the order in which they are judged.
        stage: What it came to.
    """

    at: int
    tenant: int
    number: tuple[int, int]
    stage: AlertChange


class TransitionSource(Protocol):
    """What a replay asks for."""

    @property
    def names(self) -> Sequence[Tenant]:
        """The tenants."""
        ...

    def events(self) -> Iterator[TenantAlertChange]:
        """Yield how alerts changed, in the order of time."""
        ...

    def first_poll(self, tenant: int, since: int) -> int | None:
        """Return a tenant's first poll from an instant on, or None."""
        ...

    def newest(self, alert: Alert, *, evaluated_at: int, now: int) -> tuple[Alert, int] | None:
        """Return an alert as of its newest poll with data, and that poll; None where it cannot be another one."""
        ...


class InMemoryTransitions:
    """Tenants whose archives are all at hand."""

    def __init__(self, rulebook: Rulebook, tenants: Sequence[TenantHistory]) -> None:
        """Take what judges, and all tenants, each once."""
        self.names = [tenant.polling.tenant for tenant in tenants]
        self._rulebook = rulebook
        self._tenants = tenants
        self._tracks = [
            ((place, number), track)
            for place, rule in enumerate(rulebook.rules)
            for number, track in enumerate(
                alert_replays(rule, tenants, bearers=rulebook.sum_trigger_tenants.get(rule.name))
            )
        ]
        self._track_by_key = {track.key: track for _, track in self._tracks}

    def events(self) -> Iterator[TenantAlertChange]:
        """Yield how alerts changed, in the order of time."""
        place_by_name = {name: place for place, name in enumerate(self.names)}
        return merge(*(self._events_of(number, track, place_by_name) for number, track in self._tracks))

    def _events_of(
        self, number: tuple[int, int], track: AlertReplay, place_by_name: Mapping[Tenant, int]
    ) -> Iterator[TenantAlertChange]:
        members = _members(track, self._rulebook.rules[number[0]], place_by_name)
        for stage in track.stages():
            member = members[track.owner_at(stage.at)]
            yield TenantAlertChange(stage.at, member, number, self._with_held(stage, self._tenants[member]))

    def _with_held(self, stage: AlertChange, tenant: TenantHistory) -> AlertChange:
        """Return a stage at which an alert about polling ended with what the tenant held, as live at a good poll."""
        at = from_epoch_us(stage.at)
        if not stage.alert.is_no_data or stage.alert.resolved_at != at:
            return stage
        nothing, *held = (
            history.as_of(stage.at, window=timedelta(0)).value_at(at) for history in (tenant.polling, *tenant.reasons)
        )
        if nothing is None:
            return stage
        return replace(stage, alert=replace(stage.alert, value=sum(count or 0 for count in held)))

    def first_poll(self, tenant: int, since: int) -> int | None:
        """Return a tenant's first poll from an instant on, or None."""
        return _first(self._tenants[tenant].polling.poll_times.polls, since)

    def newest(self, alert: Alert, *, evaluated_at: int, now: int) -> tuple[Alert, int] | None:
        """Return an alert as of its newest poll with data, and that poll; None where it was judged then."""
        track = self._track_by_key[alert.key]
        last = track.last_poll(now)
        return None if last <= evaluated_at else (track.newest(alert, since=evaluated_at, until=last), last)


class Courses:
    """Tenants that are looked at one after the other.

    Of each remains little, but for rules over the sum of all: of those, what each tenant held together remains.
    """

    def __init__(self, rulebook: Rulebook, *, until: int) -> None:
        """Take what judges, and the instant after which nothing is looked at."""
        self.names: list[Tenant] = []
        self._rulebook = rulebook
        self._until = until
        self._events: list[TenantAlertChange] = []
        self._sums: dict[int, list[TenantHistory]] = {}
        self._packed: list[bytes] = []
        self._unpacked = lru_cache(_MAX_AT_HAND)(self._unpack)

    def add(self, tenant: TenantHistory, *, on_progress: Callable[[int, int], None]) -> None:
        """Look at a tenant.

        Args:
            tenant: All that is known of it.
            on_progress: Told how many of its alerts have been looked through, and of how many.
        """
        name = tenant.polling.tenant
        self._packed.append(_packed(tenant.polling.poll_times.polls))
        self.names.append(name)
        tracks: list[tuple[tuple[int, int], AlertReplay]] = []
        for place, rule in enumerate(self._rulebook.rules):
            if rule.scope is not Per.ALL:
                tracks += (((place, number), track) for number, track in enumerate(alert_replays(rule, [tenant])))
            elif rule.tenants.matches(name):
                # A tenant with one series, and the sum of that is the same.
                self._sums.setdefault(place, []).append(TenantHistory(polling=sum_selected(rule, tenant), reasons=()))
        for done, (number, track) in enumerate(tracks, start=1):
            self._keep(number, track, [len(self.names) - 1])
            on_progress(done, len(tracks))

    def events(self) -> Iterator[TenantAlertChange]:
        """Yield when alerts began and ceased to fire, in the order of time; no tenant can be added any more."""
        place_by_name = {name: place for place, name in enumerate(self.names)}
        for place, tenants in self._sums.items():
            rule = self._rulebook.rules[place]
            tracks = alert_replays(rule, tenants, bearers=self._rulebook.sum_trigger_tenants.get(rule.name))
            for number, track in enumerate(tracks):
                self._keep((place, number), track, _members(track, rule, place_by_name))
        self._sums.clear()
        self._events.sort(key=itemgetter(0, 1, 2))
        return iter(self._events)

    def first_poll(self, tenant: int, since: int) -> int | None:
        """Return a tenant's first poll from an instant on, or None where that is too late."""
        poll = _first(self._unpacked(tenant), since)
        return None if poll is None or poll > self._until else poll

    def newest(self, alert: Alert, *, evaluated_at: int, now: int) -> tuple[Alert, int] | None:  # noqa: ARG002 - see above
        """Return None: what an alert counts now is not kept."""
        return None

    def _keep(self, number: tuple[int, int], track: AlertReplay, members: Sequence[int]) -> None:
        for stage in track.stages():
            if stage.at > self._until:
                break
            transition = stage.transition
            if transition is not None and AlertState.FIRING in (transition.before, transition.after):
                self._events.append(
                    TenantAlertChange(stage.at, members[track.owner_at(stage.at)], number, _bare(stage, transition))
                )

    def _unpack(self, tenant: int) -> Int64Array:
        distances = numbers()
        distances.frombytes(decompress(self._packed[tenant]))
        return numbers(accumulate(distances))


def _bare(stage: AlertChange, transition: Transition) -> AlertChange:
    """Return a stage without what was compared, which nobody reads; but it is known by it what is about polling."""
    kept = stage.alert.evidence if stage.alert.is_no_data else ()
    return replace(stage, alert=replace(stage.alert, evidence=kept), transition=replace(transition, evidence=()))


def _members(track: AlertReplay, rule: Rule, place_by_name: Mapping[Tenant, int]) -> Sequence[int]:
    """Return the places of the tenants whose polls a track is judged at."""
    if track.key.tenant != ALL_TENANTS:
        return [place_by_name[track.key.tenant]]
    return [place for name, place in place_by_name.items() if rule.tenants.matches(name)]


def _first(polls: Int64Array, since: int) -> int | None:
    place = bisect_left(polls, since)
    return polls[place] if place < len(polls) else None


def _packed(polls: Int64Array) -> bytes:
    """Return polls as their distances, compressed: most are alike."""
    return compress(numbers(map(sub, polls, chain((0,), polls))).tobytes(), _LEVEL)
