"""The history of a hold reason for a program."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerter.core.series import Sample, Series


def known_changes(series: "Series", *, since: datetime) -> Sequence["Sample"]:
    """Return the changes without the value at the start where polling did not cover it: nobody saw that."""
    return [sample for sample in series.changes if sample.at > since or series.value_at(since) is not None]


def history_json(series: "Series", *, since: datetime) -> Mapping[str, object]:
    """Return the changes of a hold reason for a program, and when polling covered it."""
    return {
        "tenant": series.tenant,
        "reason": series.reason,
        "changes": [{"at": sample.at, "held": sample.count} for sample in known_changes(series, since=since)],
        "coverage": [{"since": span.start_at, "until": span.end_at} for span in series.coverage],
    }
