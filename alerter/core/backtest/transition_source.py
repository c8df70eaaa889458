"""Alert transitions in the order of time, of tenants whose histories are in memory or were read one after the other.

A replay asks for three things: how alerts changed, when a tenant is polled next, and, for the count that a message
shows, how an alert is at a poll at which it was not evaluated. `InMemoryTransitions` answers all of them and needs
every history at once. `StreamedTransitions` takes one history after the other and keeps what receivers are notified
of: when alerts began and ceased to fire, and when their tenants were polled. No I/O: values in, values out.
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

from alerter.core.alerts import AlertState, Transition
from alerter.core.backtest.alert_replay import AlertChange, AlertReplay, alert_replays, sum_selected
from alerter.core.history import TenantHistory
from alerter.core.poll_times import Int64Array, int64_array
from alerter.core.rules import Per, Rule, RuleName
from alerter.core.series import ALL_TENANTS, Tenant, from_epoch_us

#: The tenants whose polls are in memory at the same time: 200 KB each after a quarter by five minutes.
_MAX_AT_HAND = 32
#: The first of compression's levels: most polls are evenly apart.
_LEVEL = 1


class EvaluatedRules(Protocol):
    """The part of the configuration that evaluates."""

    @property
    def rules(self) -> Sequence[Rule]:
        """Every rule, also the built-in ones."""
        ...

    @property
    def sum_trigger_tenants(self) -> Mapping[RuleName, Collection[Tenant]]:
        """With whose polls a rule over the sum of all is evaluated; with every poll, where it is missing."""
        ...


class TenantAlertChange(NamedTuple):
    """A change in the order of time; at one poll in the order in which rules are evaluated.

    Attributes:
        at: The poll.
        tenant: Whose it was, by the index of its name.
        number: Which of the alerts it is, in the order in which they are evaluated.
        change: What it came to.
    """

    at: int
    tenant: int
    number: tuple[int, int]
    change: AlertChange


class TransitionSource(Protocol):
    """Where a replay gets the changes of alerts from."""

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

    def newest(self, change: AlertChange, *, now: int) -> AlertChange | None:
        """Return an alert that was evaluated last at some poll as of its last one by now; None if that is the same."""
        ...


class InMemoryTransitions:
    """Alert transitions of tenants whose full histories are in memory."""

    def __init__(self, config: EvaluatedRules, tenants: Sequence[TenantHistory]) -> None:
        """Take the rules, and all tenants, each once."""
        self.names = [tenant.polling.tenant for tenant in tenants]
        self._config = config
        self._tenants = tenants
        self._replays = [
            ((place, number), replay)
            for place, rule in enumerate(config.rules)
            for number, replay in enumerate(
                alert_replays(rule, tenants, triggers=config.sum_trigger_tenants.get(rule.name))
            )
        ]
        self._replay_by_key = {replay.key: replay for _, replay in self._replays}

    def events(self) -> Iterator[TenantAlertChange]:
        """Yield how alerts changed, in the order of time."""
        index_by_name = {name: place for place, name in enumerate(self.names)}
        return merge(*(self._events_of(number, replay, index_by_name) for number, replay in self._replays))

    def _events_of(
        self, number: tuple[int, int], replay: AlertReplay, index_by_name: Mapping[Tenant, int]
    ) -> Iterator[TenantAlertChange]:
        members = _members(replay, self._config.rules[number[0]], index_by_name)
        for change in replay.changes():
            member = members[replay.owner_at(change.at)]
            yield TenantAlertChange(change.at, member, number, self._with_held(change, self._tenants[member]))

    def _with_held(self, change: AlertChange, tenant: TenantHistory) -> AlertChange:
        """Return a change at which an alert about polling ended with what the tenant held, as live at a good poll."""
        at = from_epoch_us(change.at)
        if not change.alert.is_no_data or change.alert.resolved_at != at:
            return change
        nothing, *held = (
            history.series_at(change.at, window=timedelta(0)).value_at(at)
            for history in (tenant.polling, *tenant.reasons)
        )
        value = change.alert.value if nothing is None else sum(count or 0 for count in held)
        return replace(change, alert=replace(change.alert, value=value))

    def first_poll(self, tenant: int, since: int) -> int | None:
        """Return a tenant's first poll from an instant on, or None."""
        return _first(self._tenants[tenant].polling.poll_times.polls, since)

    def newest(self, change: AlertChange, *, now: int) -> AlertChange | None:
        """Return an alert that was evaluated last at some poll as of its last one by now; None if that is the same."""
        return self._replay_by_key[change.alert.key].newest(change, now=now)


class StreamedTransitions:
    """Alert transitions of tenants whose histories are read one after the other.

    Of each remains little, but for rules over the sum of all: of those, what each tenant held together remains.
    """

    def __init__(self, config: EvaluatedRules, *, until: int) -> None:
        """Take the rules, and the instant after which nothing is looked at."""
        self.names: list[Tenant] = []
        self._config = config
        self._until = until
        self._events: list[TenantAlertChange] = []
        self._sums: dict[int, list[TenantHistory]] = {}
        self._packed: list[bytes] = []
        self._unpacked = lru_cache(_MAX_AT_HAND)(self._unpack)

    def add(self, tenant: TenantHistory, *, on_progress: Callable[[int, int], None]) -> None:
        """Look at a tenant.

        Args:
            tenant: All that is known of it.
            on_progress: Called with how many of its alerts are done, and of how many.
        """
        name = tenant.polling.tenant
        self._packed.append(_packed(tenant.polling.poll_times.polls))
        self.names.append(name)
        replays: list[tuple[tuple[int, int], AlertReplay]] = []
        for place, rule in enumerate(self._config.rules):
            if rule.scope is not Per.ALL:
                replays += (((place, number), replay) for number, replay in enumerate(alert_replays(rule, [tenant])))
            elif rule.tenants.matches(name):
                # A tenant with one series, and the sum of that is the same.
                self._sums.setdefault(place, []).append(TenantHistory(polling=sum_selected(rule, tenant), reasons=()))
        for done, (number, replay) in enumerate(replays, start=1):
            self._keep(number, replay, [len(self.names) - 1])
            on_progress(done, len(replays))

    def events(self) -> Iterator[TenantAlertChange]:
        """Yield when alerts began and ceased to fire, in the order of time; no tenant can be added any more."""
        index_by_name = {name: place for place, name in enumerate(self.names)}
        for place, tenants in self._sums.items():
            rule = self._config.rules[place]
            replays = alert_replays(rule, tenants, triggers=self._config.sum_trigger_tenants.get(rule.name))
            for number, replay in enumerate(replays):
                self._keep((place, number), replay, _members(replay, rule, index_by_name))
        self._sums.clear()
        self._events.sort(key=itemgetter(0, 1, 2))
        return iter(self._events)

    def first_poll(self, tenant: int, since: int) -> int | None:
        """Return a tenant's first poll from an instant on, or None where that is too late."""
        poll = _first(self._unpacked(tenant), since)
        return None if poll is None or poll > self._until else poll

    def newest(self, change: AlertChange, *, now: int) -> AlertChange | None:  # noqa: ARG002 - see above
        """Return None: what an alert counts now is not kept."""
        return None

    def _keep(self, number: tuple[int, int], replay: AlertReplay, members: Sequence[int]) -> None:
        for change in replay.changes():
            if change.at > self._until:
                break
            transition = change.transition
            if transition is not None and AlertState.FIRING in (transition.from_state, transition.to_state):
                self._events.append(
                    TenantAlertChange(change.at, members[replay.owner_at(change.at)], number, _bare(change, transition))
                )

    def _unpack(self, tenant: int) -> Int64Array:
        distances = int64_array()
        distances.frombytes(decompress(self._packed[tenant]))
        return int64_array(accumulate(distances))


def _bare(change: AlertChange, transition: Transition) -> AlertChange:
    """Return a change without what was compared, which nobody reads; but it is known by it what is about polling."""
    kept = change.alert.evidence if change.alert.is_no_data else ()
    return replace(change, alert=replace(change.alert, evidence=kept), transition=replace(transition, evidence=()))


def _members(replay: AlertReplay, rule: Rule, index_by_name: Mapping[Tenant, int]) -> Sequence[int]:
    """Return the indexes of the tenants at whose polls an alert is evaluated."""
    if replay.key.tenant != ALL_TENANTS:
        return [index_by_name[replay.key.tenant]]
    return [place for name, place in index_by_name.items() if rule.tenants.matches(name)]


def _first(polls: Int64Array, since: int) -> int | None:
    place = bisect_left(polls, since)
    return polls[place] if place < len(polls) else None


def _packed(polls: Int64Array) -> bytes:
    """Return polls as their distances, compressed: most are alike."""
    return compress(int64_array(map(sub, polls, chain((0,), polls))).tobytes(), _LEVEL)
