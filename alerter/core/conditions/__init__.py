"""What a rule can test: one class per kind, each in a file of its own, and this is the one place to add one.

A condition is a frozen dataclass whose fields are the TOML keys below its name (a trailing underscore is dropped),
whose docstring is its manual, and whose `evaluate` gives a verdict with the operands it used. Add it to the union
below: the configuration, the messages and the history need nothing more. `subject` is what it looks at, `sums` whether
a sum of reasons makes sense to it, `falls` whether smaller is worse, `compares` whether the change rather than the
count is the news, `harmless` at which counts it is never active whatever was before, and `remembers` whether its
verdict depends on when its own alert has fired, which `fired` then says.

`margin` says in words by how much an evaluation missed its limit or passed it, from the operands that it gave.

A condition that can tell says with its verdict until when it is idle, and for which counts: only then, or when the
count has left these, is it worth asking again. Most series of most polls are idle, and cost nothing.

`__post_init__` refuses values that contradict each other with a ValueError whose text names the keys.
No condition has slots, so that what its fields decide alone (`limit`) is worked out once and not at every evaluation.
"""

from typing import TypeAlias

from alerter.core.conditions.base import (
    ANY_COUNT,
    CONTEXT,
    FOREVER,
    Evidence,
    Observation,
    Subject,
    Verdict,
    duration_text,
)
from alerter.core.conditions.baseline import Baseline
from alerter.core.conditions.forecast import Forecast
from alerter.core.conditions.growth import Growth
from alerter.core.conditions.new_reason import NewReason
from alerter.core.conditions.no_data import NoData
from alerter.core.conditions.stagnant import Stagnant
from alerter.core.conditions.threshold import Threshold

__all__ = [
    "ANY_COUNT",
    "CONDITIONS",
    "CONTEXT",
    "FOREVER",
    "Baseline",
    "Condition",
    "Evidence",
    "Forecast",
    "Growth",
    "NewReason",
    "NoData",
    "Observation",
    "Stagnant",
    "Subject",
    "Threshold",
    "Verdict",
    "duration_text",
]

Condition: TypeAlias = Threshold | Growth | Forecast | Baseline | Stagnant | NewReason | NoData

#: Every kind of condition by its name in the configuration.
CONDITIONS: dict[str, type[Condition]] = {
    kind.name: kind for kind in (Threshold, Growth, Forecast, Baseline, Stagnant, NewReason, NoData)
}
