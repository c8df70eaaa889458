"""What a service does about old history once an hour, at once: days that are over are packed, older ones thinned."""

from datetime import datetime, timedelta

from alerter.jobs.retention import BatchSizer, apply_retention
from alerter.storage import Store

#: Longer than any history here.
FOR_EVER = timedelta(days=3650)


def keep(store: Store, *, downsample_after: timedelta = FOR_EVER, now: datetime) -> None:
    """Pack what is no longer written to, and thin what is older than the fine retention."""
    batch_sizer = BatchSizer(seconds=lambda: 0.0, pause=lambda _: False)
    apply_retention(store, retention=FOR_EVER, downsample_after=downsample_after, batch_sizer=batch_sizer, now=now)
