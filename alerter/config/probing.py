"""The limits of a condition, found by trying: keys that it needs, keys that exclude each other, numbers that it takes.

A condition checks its values itself, when it is made. So that an editor knows the same, it is made with one value after
another: nothing has to be written twice, and a new condition needs nothing here. What depends on several values at once
("clear_at at or below above") stays the condition's own to say. No I/O.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import timedelta
from functools import cached_property
from itertools import chain, combinations
from types import NoneType
from typing import Any, get_args, get_type_hints

#: Values that are neither small nor large, of each type that a key may have; the second one tells whether a limit
#: depends on the values of other keys.
SAMPLES: Mapping[type, tuple[object, object]] = {
    int: (30, 40),
    float: (3.0, 4.0),
    bool: (True, False),
    str: ("x", "y"),
    timedelta: (timedelta(hours=3), timedelta(hours=4)),
}
#: Beyond this a number has no limit.
LARGEST = 1_000_000


class Probe:
    """A dataclass like those in `core.conditions`, which refuses what contradicts itself with a ValueError.

    Args:
        kind: The class; it is made with keyword arguments.
    """

    def __init__(self, kind: Any) -> None:  # noqa: ANN401 - any dataclass
        self._kind = kind
        hints = get_type_hints(kind)
        self._fields = {field.name: field for field in fields(kind) if field.init}
        self._types = {name: _plain(hints[name]) for name in self._fields}

    @cached_property
    def needs(self) -> list[frozenset[str]]:
        """The smallest sets of optional fields of which one must be there; empty where none need be."""
        smallest = [each for each in self._accepted if not any(other < each for other in self._accepted)]
        return [] if frozenset() in smallest else smallest

    @cached_property
    def excludes(self) -> list[frozenset[str]]:
        """The pairs of optional fields that are never accepted together."""
        known = sorted({name for each in self._accepted for name in each})
        pairs = (frozenset(pair) for pair in combinations(known, 2))
        return [pair for pair in pairs if not any(pair <= each for each in self._accepted)]

    def smallest(self, field: str) -> int | None:
        """Return the smallest whole number that a field accepts; None for one without a limit of its own."""
        found = {self._limit(field, sample, -LARGEST) for sample in (0, 1)}
        return found.pop() if len(found) == 1 else None

    def largest(self, field: str) -> int | None:
        """Return the largest whole number that a field accepts; None for one without a limit of its own."""
        found = {self._limit(field, sample, LARGEST) for sample in (0, 1)}
        return found.pop() if len(found) == 1 else None

    def accepts(self, field: str, value: object) -> bool:
        """Say whether a field accepts a value beside ordinary ones."""
        return any(self._makes({**self._values(each, 0), field: value}) for each in self._with(field))

    @cached_property
    def _accepted(self) -> list[frozenset[str]]:
        """The sets of optional fields, those that are None by default, that are accepted with ordinary values."""
        optional = [name for name, field in self._fields.items() if field.default is None]
        sets = chain.from_iterable(combinations(optional, size) for size in range(len(optional) + 1))
        return [frozenset(each) for each in sets if self._makes(self._values(each, 0))]

    def _with(self, field: str) -> list[frozenset[str]]:
        """Return the smallest accepted sets that a field can be written with."""
        is_optional = self._fields[field].default is None
        fitting = [each for each in self._accepted if field in each or not is_optional]
        return [each for each in fitting if len(each) == min(map(len, fitting))]

    def _values(self, names: Iterable[str], sample: int) -> dict[str, Any]:
        required = (name for name, field in self._fields.items() if field.default is MISSING)
        return {name: SAMPLES[self._types[name]][sample] for name in (*required, *names)}

    def _makes(self, values: Mapping[str, Any]) -> bool:
        try:
            self._kind(**values)
        except ValueError:
            return False
        return True

    def _limit(self, field: str, sample: int, far: int) -> int | None:
        """Return the number nearest to a far one that a field accepts with some set of others; None for any number."""
        found = [self._nearest(field, self._values(each, sample), far) for each in self._with(field)]
        numbers = [number for number in found if number is not None]
        return min(numbers, key=lambda number: abs(far - number)) if len(numbers) == len(found) else None

    def _nearest(self, field: str, values: Mapping[str, Any], far: int) -> int | None:
        default = self._fields[field].default
        good, bad = values.get(field, default), far
        if self._makes({**values, field: far}):
            return None
        while abs(bad - good) > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self._makes({**values, field: middle}) else (good, middle)
        return int(good)


def _plain(hint: Any) -> type:  # noqa: ANN401 - a type form
    """Return the type of a field without the None that it may be."""
    plain: type = next((part for part in get_args(hint) if part is not NoneType), hint)
    return plain
