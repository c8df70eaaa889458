"""Peaks of the last days of each series, for the small charts of lists.

A line of seven days changes little from poll to poll: what was read is kept for some minutes, and ends with the count
of now. To read many tenants takes long, so that a list that has had its time leaves lines out; they are there when it
is asked again.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from alerter.core.charts.figure import build_figure
from alerter.core.series import HoldReason, Tenant, sum_of_reasons

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.storage import Reader

#: How far back a line goes.
SPAN: Final = timedelta(days=7)
#: Slots of a line, of nearly three hours each.
SLOTS: Final = 60
_KEEP_SECONDS: Final = 300.0
_MAX_TENANTS: Final = 400

Peaks = list[int | None]


@dataclass(frozen=True, slots=True)
class TenantPeaks:
    """The peaks of a tenant: of the sum of its hold reasons, and of each."""

    total: Peaks
    by_reason: Mapping[HoldReason, Peaks]


def load_peaks(reader: "Reader", config: "Config", tenant: Tenant, *, now: datetime) -> TenantPeaks:
    """Return the peaks of the last seven days of a tenant."""
    interval = config.tenants[tenant].poll_interval
    found = reader.history.series_for(tenant, window=SPAN, poll_interval=interval, now=now)
    start_at = now - SPAN
    reasons = list(found.reasons)
    total = sum_of_reasons(reasons) if reasons else found.polling
    return TenantPeaks(
        total=build_figure(total, start_at=start_at, end_at=now).peaks(SLOTS),
        by_reason={each.reason: build_figure(each, start_at=start_at, end_at=now).peaks(SLOTS) for each in reasons},
    )


class SparklineCache:
    """Keeps the peaks of tenants that were looked at.

    Args:
        seconds: A monotonic clock.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._kept: OrderedDict[Tenant, tuple[float, TenantPeaks]] = OrderedDict()

    def get(
        self, reader: "Reader", config: "Config", tenants: Collection[Tenant], *, budget_seconds: float, now: datetime
    ) -> dict[Tenant, TenantPeaks]:
        """Return the peaks of tenants, of some of them only where the time is over; of the first one always.

        Args:
            reader: Reads what is not kept.
            config: Its poll intervals count.
            tenants: Whose.
            budget_seconds: How long reading may take.
            now: The present.
        """
        began = self._seconds()
        peaks: dict[Tenant, TenantPeaks] = {}
        for tenant in tenants:
            with self._lock:
                kept = self._kept.get(tenant)
            if kept is not None and self._seconds() - kept[0] < _KEEP_SECONDS:
                peaks[tenant] = kept[1]
            elif not peaks or self._seconds() - began < budget_seconds:
                peaks[tenant] = load_peaks(reader, config, tenant, now=now)
                self._keep(tenant, peaks[tenant])
        return peaks

    def _keep(self, tenant: Tenant, peaks: TenantPeaks) -> None:
        with self._lock:
            self._kept[tenant] = self._seconds(), peaks
            self._kept.move_to_end(tenant)
            while len(self._kept) > _MAX_TENANTS:
                self._kept.popitem(last=False)


def ending_with(peaks: Peaks, count: int | None) -> Peaks:
    """Return peaks that end with a count that is newer than they are."""
    return peaks if count is None else [*peaks[:-1], max(peaks[-1] or 0, count)]
