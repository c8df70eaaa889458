"""The conditions that a rule can test: one class per kind, each in a file of its own.

To add one: write a frozen dataclass with the base `BaseCondition` whose fields are the TOML keys below its name (a
trailing underscore is dropped), whose docstring is its manual, and whose method `evaluate` returns a `Result`. Add it
to the union and to `CONDITIONS` below: the configuration, live polls, replays, messages and the history need nothing
more. `BaseCondition` lists what else it may say about itself.

`holds_until` and `holds_within` of a result say how long the verdict stands. Nobody evaluates a series before then, at
live polls and in replays alike, so that most series of most polls cost nothing. A condition may leave both out.

`__post_init__` refuses values that contradict each other with a ValueError whose text names the keys.
No condition has slots, so that what its fields decide alone (`limit`) is worked out once and not at every evaluation.
"""

from typing import TypeAlias

from alerter.core.conditions.base import (
    ANY_COUNT,
    CONTEXT_LOOKBACK,
    FOREVER,
    NOT_AT_ALL,
    BaseCondition,
    Evidence,
    InputKind,
    Result,
    Verdict,
)
from alerter.core.conditions.baseline import Baseline
from alerter.core.conditions.fall import Fall
from alerter.core.conditions.forecast import Forecast
from alerter.core.conditions.growth import Growth
from alerter.core.conditions.new_reason import NewReason
from alerter.core.conditions.no_data import NoData
from alerter.core.conditions.rare import Rare
from alerter.core.conditions.rise import Rise
from alerter.core.conditions.silence import Flatline
from alerter.core.conditions.stagnant import Stagnant
from alerter.core.conditions.threshold import Threshold
from alerter.humanize import duration_text

__all__ = [
    "ANY_COUNT",
    "CONDITIONS",
    "CONTEXT_LOOKBACK",
    "FOREVER",
    "NOT_AT_ALL",
    "BaseCondition",
    "Baseline",
    "Condition",
    "Evidence",
    "Fall",
    "Flatline",
    "Forecast",
    "Growth",
    "InputKind",
    "NewReason",
    "NoData",
    "Rare",
    "Result",
    "Rise",
    "Stagnant",
    "Threshold",
    "Verdict",
    "duration_text",
]

Condition: TypeAlias = (
    Threshold | Growth | Rise | Fall | Rare | Flatline | Forecast | Baseline | Stagnant | NewReason | NoData
)

#: Every kind of condition by its name in the configuration.
CONDITIONS: dict[str, type[Condition]] = {
    kind.name: kind
    for kind in (Threshold, Growth, Rise, Fall, Rare, Flatline, Forecast, Baseline, Stagnant, NewReason, NoData)
}
