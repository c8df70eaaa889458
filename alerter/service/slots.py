"""Slots: the instants at which each tenant is polled, at its own steady offset. No clock, no threads, no I/O."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from zlib import crc32

from alerter.core.series import Tenant

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
#: The first polls a second after a start: a few tenants are polled at once, ten thousand are no stampede.
FIRST_POLLS_PER_SECOND = 50
#: A sum over tenants is evaluated rarely enough, for each of them, to take a small part of the time: to add up what is
#: remembered of one takes a fifth of a millisecond at most, to read one a millisecond and a half.
ADDED_UP_EVERY, READ_EVERY = timedelta(milliseconds=4), timedelta(milliseconds=30)


def poll_offset(tenant: Tenant, interval: timedelta) -> timedelta:
    """Return where within its interval a tenant is polled: a fraction that depends on the name alone.

    The CRC, read as a fraction, spreads the similar names of ten thousand tenants more evenly than chance would.
    """
    return interval * (crc32(tenant.encode()) / 2**32)


def next_slot(tenant: Tenant, interval: timedelta, *, now: datetime) -> datetime:
    """Return the tenant's next regular poll after `now`: the same instants whenever and wherever they are asked for."""
    offset = poll_offset(tenant, interval)
    begun = (now - EPOCH - offset) // interval
    return EPOCH + offset + (begun + 1) * interval


def startup_spread(tenants: int) -> timedelta:
    """Return how long the first polls of this number of tenants take."""
    return timedelta(seconds=tenants / FIRST_POLLS_PER_SECOND)


def sum_trigger_tenants(
    intervals: Mapping[Tenant, timedelta], *, apart: timedelta = ADDED_UP_EVERY
) -> frozenset[Tenant]:
    """Return the tenants with whose polls the sum over all of these is evaluated.

    Of few tenants all; of many so few that to go through the sum takes a small part of the time. They are spread over
    the interval, and there is one at least for each interval, so that nobody is notified of the sum later than of a
    tenant.

    Args:
        intervals: How often each tenant is polled.
        apart: How long it is from one look at the sum to the next, for each tenant in it.
    """
    part_length = apart * len(intervals)
    first_by_part: dict[tuple[timedelta, int], tuple[timedelta, Tenant]] = {}
    for tenant, interval in intervals.items():
        offset = poll_offset(tenant, interval)
        part = interval, offset // part_length
        first_by_part[part] = min(first_by_part.get(part, (offset, tenant)), (offset, tenant))
    return frozenset(tenant for _, tenant in first_by_part.values())


def first_polls(intervals: Mapping[Tenant, timedelta], *, now: datetime) -> Iterator[tuple[Tenant, datetime]]:
    """Yield when each tenant is polled first: one after the other, or at its slot if that comes before all are done.

    A first poll takes five to ten times as long as others: everything about the tenant is new. So where an interval is
    shorter than the startup spread, not everybody begins in the first interval.
    """
    spread = startup_spread(len(intervals))
    for number, (tenant, interval) in enumerate(intervals.items()):
        turn = now + timedelta(seconds=number / FIRST_POLLS_PER_SECOND)
        slot = next_slot(tenant, interval, now=now) + number % max(spread // interval, 1) * interval
        yield tenant, slot if slot <= now + spread else turn
