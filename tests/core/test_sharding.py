"""How instances share the tenants of a database: evenly, none left over, and none taken from whoever wants it alone."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.series import ALL_TENANTS, Tenant
from alerter.core.sharding import (
    AT_A_TIME,
    Instance,
    LeaseState,
    configs_match,
    lease_duration,
    plan_leases,
    single_node_state,
)
from tests.builders import NOON, span

ACME, UMBRELLA, INITECH = (Tenant(name) for name in ("acme", "umbrella", "initech"))


def an_instance(number: int = 1, *, configuration: str = "same", tenants: int = 0) -> Instance:
    """Return an instance that lives."""
    return Instance(
        number=number,
        name=f"host:{number}",
        version="1",
        configuration=configuration,
        since=NOON,
        until=NOON,
        tenants=tenants,
        is_leader=False,
        is_alive=True,
    )


def several(count: int) -> list[Instance]:
    """Return so many instances of one configuration."""
    return [an_instance(number) for number in range(1, count + 1)]


def names(count: int) -> list[Tenant]:
    """Return so many tenants, in their order."""
    return [Tenant(f"t{number:05}") for number in range(count)]


@pytest.mark.parametrize(
    ("intervals", "lasting"),
    [
        pytest.param(["10s", "5m"], "10s", id="the shortest interval"),
        pytest.param(["20s"], "20s", id="or any between"),
        pytest.param(["5m", "1h"], "30s", id="at most half a minute: to wait longer for a dead one helps nobody"),
        pytest.param([], "30s", id="nothing is polled"),
    ],
)
def test_a_lease_lasts_no_longer_than_an_interval(intervals: Sequence[str], lasting: str) -> None:
    """Whoever dies is found dead before the second poll of it is missed."""
    assert lease_duration([span(each) for each in intervals]) == span(lasting)


@pytest.mark.parametrize(
    ("wanted", "held", "alive", "take", "give"),
    [
        pytest.param(names(5), [], several(1), 5, (), id="the only one takes all"),
        pytest.param(names(5), [], several(2), 3, (), id="one of two takes half, and the odd one"),
        pytest.param(names(5), names(5), several(2), 0, names(5)[3:], id="with a second one it gives up what is over"),
        pytest.param(names(5), names(5)[:2], several(2), 1, (), id="what dies with another is taken up to the share"),
        pytest.param(names(1), names(1), several(2), 0, (), id="of one tenant there is nothing to give"),
        pytest.param(names(5), names(5), several(0), 0, (), id="nobody is known to live yet"),
        pytest.param(names(2), names(4), several(1), 0, names(4)[2:], id="a removed tenant is given up"),
        pytest.param(
            names(5), names(5), [an_instance(1), an_instance(2, configuration="other")], 0, (),
            id="another one with another configuration gets nothing",
        ),
        pytest.param(
            names(5), names(2), [an_instance(1), an_instance(2, configuration="other")], 3, (),
            id="beside it all that is free is taken",
        ),
        pytest.param(names(3), [*names(3), ALL_TENANTS], several(1), 0, (), id="to lead is no share"),
    ],
)  # fmt: skip
def test_a_move_brings_an_instance_to_its_share(
    *,
    wanted: Collection[Tenant],
    held: Collection[Tenant],
    alive: Sequence[Instance],
    take: int,
    give: Sequence[Tenant],
) -> None:
    """All instances with one configuration end with the same number of tenants, give or take one."""
    move = plan_leases(wanted, held, alive)

    assert (move.take, move.release) == (take, tuple(give))


def test_thousands_are_handed_over_a_few_at_a_time() -> None:
    """A newcomer has time to poll each of them for the first time."""
    move = plan_leases(names(10_000), names(10_000), several(2))

    assert len(move.release) == AT_A_TIME


@given(tenants=st.integers(0, 40), instances=st.integers(1, 6), beats=st.data())
def test_moves_in_any_order_end_with_even_shares(*, tenants: int, instances: int, beats: st.DataObject) -> None:
    """However the instances begin, in the end every tenant is polled, and no instance has more than its share."""
    wanted, alive = names(tenants), several(instances)
    owners = {name: beats.draw(st.integers(0, instances)) for name in wanted}
    order = [*beats.draw(st.permutations(range(1, instances + 1)))]

    for number in order * 3:
        held = [name for name, owner in owners.items() if owner == number]
        move = plan_leases(wanted, held, alive)
        owners.update(dict.fromkeys(move.release, 0))
        free = [name for name, owner in owners.items() if not owner]
        owners.update(dict.fromkeys(free[: move.take], number))

    shares = [sum(owner == number for owner in owners.values()) for number in range(1, instances + 1)]
    assert sum(shares) == tenants
    assert max(shares) <= -(-tenants // instances)


def test_instances_agree_where_their_configurations_are_the_same() -> None:
    """One that nobody differs from is of one mind with itself."""
    assert configs_match(several(3))
    assert configs_match([])
    assert not configs_match([an_instance(1), replace(an_instance(2), configuration="other")])


@pytest.mark.parametrize(
    ("lease_state", "may_evaluate_global_rules", "may_resolve_removed"),
    [
        pytest.param(single_node_state([ACME]), True, True, id="the only one"),
        pytest.param(LeaseState(is_member=True, configs_match=True), True, True, id="one of several that agree"),
        pytest.param(LeaseState(is_member=True, is_leader=True), True, False, id="the leader of some that do not"),
        pytest.param(LeaseState(is_member=True), False, False, id="another one of those"),
        pytest.param(LeaseState(is_member=False), False, False, id="one whose time is up"),
        pytest.param(LeaseState(is_member=False, configs_match=True, is_leader=True), False, False, id="though it led"),
    ],
)
def test_who_has_a_say_in_what_concerns_all(
    *, lease_state: LeaseState, may_evaluate_global_rules: bool, may_resolve_removed: bool
) -> None:
    """Two configurations would contradict each other: then the leader judges sums, and nothing is removed."""
    assert (lease_state.may_evaluate_global_rules, lease_state.may_resolve_removed) == (
        may_evaluate_global_rules,
        may_resolve_removed,
    )


def test_the_only_one_may_keep_every_poll() -> None:
    """A database that is not shared has no leases."""
    assert single_node_state([ACME, UMBRELLA]).tenants == {ACME, UMBRELLA}
    assert INITECH not in single_node_state([ACME]).tenants
