"""A row of a file as a record or a reading: which of its cells is what, and what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import accumulate
from typing import TypeAlias, TypeVar

from alerter.core.history_records import (
    CountRecord,
    FailedPolls,
    FirstSeen,
    ImportedSample,
    InitialCount,
    PollRange,
    Record,
)
from alerter.core.poll_times import MAX_POLLS
from alerter.core.series import NO_REASON, HoldReason, Tenant
from alerter.import_export.cells import unescape_formula
from alerter.import_export.foreign import Foreign, foreign_count, foreign_time
from alerter.import_export.parse import ValueParser, describe_value
from alerter.import_export.write import CHANGE, FAILED, HELD, POLLED, SEEN

Row: TypeAlias = Mapping[str, object]
_Value = TypeVar("_Value")

#: Of more polls than one row of the database has, none are read that are closer together, nor more than this.
MIN_STEP = timedelta(seconds=10)
MAX_EVEN = 1_000_000

#: What a row of a plain file is made of. `tenant` may be missing, and `held` may be called `count`.
FIELDS = ("time", "tenant", "reason", "held")
_COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How a plain file is written, where it does not say so itself.

    Attributes:
        tenant: Whose everything in the file is; None for what it says.
        default_tenant: Whose it is where the file does not say; None where it must.
        columns: The names of columns that are not called as the field is, by field.
    """

    tenant: Tenant | None = None
    default_tenant: Tenant | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


class WrongError(ValueError):
    """A value is wrong.

    Attributes:
        key: The column that it stands in.
        strange: Returns how it is written, or None where that is not known.
    """

    def __init__(self, key: str, text: str, strange: Callable[[], Foreign | None] = lambda: None) -> None:
        super().__init__(text)
        self.key = key
        self.strange = strange


class Plain:
    """Makes readings of the rows of a plain file.

    Args:
        names: The names of its columns.
        layout: How it is written.
        values: Reads its values.
        guarded: Its names may stand behind an apostrophe, as those of CSV do (see `cells`).

    Raises:
        ValueError: A column that was asked for is not there, or one is there twice.
    """

    def __init__(self, names: Sequence[str], layout: FileOptions, values: ValueParser, *, guarded: bool) -> None:
        self._names = names
        self._is_guarded = guarded
        self._values = values
        self._owner = layout.tenant or layout.default_tenant
        self._asked = layout.tenant
        self._is_renamed = "reason" in layout.columns
        self._index = {field: _column(field, names, layout.columns.get(field)) for field in FIELDS}
        self._places = tuple(self._index[field] or 0 for field in ("time", "reason", "held"))

    @property
    def missing(self) -> list[str]:
        """The fields that must be there and have no column."""
        needed = [field for field in FIELDS if field != "tenant" or self._owner is None]
        return [field for field in needed if self._index[field] is None]

    def reading_of(self, cells: Sequence[object]) -> ImportedSample:
        """Return the reading that a row is.

        Raises:
            WrongError: A value of it is wrong.
        """
        time, reason, held = self._places
        count = self._made(cells[held], held, self._values.held)
        return ImportedSample(
            tenant=self._tenant(cells),
            reason=self._reason(cells[reason], count),
            at=self._made(cells[time], time, self._values.instant),
            held=count,
        )

    def _reason(self, cell: object, count: int) -> HoldReason | None:
        name = unescape_formula(cell) if self._is_guarded and isinstance(cell, str) else cell
        if self._is_renamed and isinstance(name, str) and name.strip().isdecimal():
            text = f"expected the name of a hold reason, found the number {describe_value(name)}"
            raise WrongError(self._names[self._places[1]], text)
        reason = self._made(name, self._places[1], self._values.reason)
        return None if not count and reason == NO_REASON and not str(name).strip() else reason

    def _tenant(self, cells: Sequence[object]) -> Tenant:
        index = self._index["tenant"]
        if index is None and self._owner is not None:
            return self._owner
        tenant = self._made(cells[index or 0], index or 0, self._values.tenant)
        if self._asked not in (None, tenant):
            raise WrongError("tenant", f"expected {str(self._asked)!r}, as --tenant says, found {str(tenant)!r}")
        return tenant

    def _made(self, cell: object, index: int, make: Callable[[object], _Value]) -> _Value:
        try:
            return make(cell)
        except ValueError as error:
            raise WrongError(self._names[index], str(error), partial(self._strange, str(cell), index)) from None

    def _strange(self, text: str, index: int) -> Foreign | None:
        time, _, held = self._places
        known = {time: foreign_time, held: foreign_count}.get(index)
        return None if known is None else known(text, index)


def parse_record(row: Row, asked: Tenant | None, values: ValueParser) -> Record:
    """Return the record that a row of alerter's own file is.

    Args:
        row: Its cells by name.
        asked: Whose it must be; None for anybody's.
        values: Reads its values.

    Raises:
        WrongError: A value of it is wrong.
    """
    tenant = _value(row, "tenant", values.tenant)
    if asked not in (None, tenant):
        raise WrongError("tenant", f"expected {str(asked)!r}, as --tenant says, found {str(tenant)!r}")
    match row.get("record"):
        case "seen":
            reason, at = _value(row, "reason", values.reason), _value(row, "at", values.instant)
            return FirstSeen(tenant=tenant, reason=reason, at=at)
        case "held" | "change" as kind:
            return (InitialCount if kind == HELD else CountRecord)(
                tenant=tenant,
                reason=_value(row, "reason", values.reason),
                at=_value(row, "at", values.instant),
                held=_value(row, "held", values.held),
            )
        case "polled":
            return _polled(row, tenant, values)
        case "failed":
            cause, detail = _value(row, "cause", values.cause), _value(row, "detail", values.detail)
            return FailedPolls(polled=_polled(row, tenant, values), cause=cause, detail=detail)
        case other:
            kinds = ", ".join(map(repr, (SEEN, HELD, POLLED, FAILED, CHANGE)))
            raise WrongError(
                "record", f"expected {kinds}, found {describe_value(other)}; a newer alerter may have written it"
            )


def _polled(row: Row, tenant: Tenant, values: ValueParser) -> PollRange:
    since, until = _value(row, "at", values.instant), _value(row, "until", values.instant)
    if until < since:
        raise WrongError("until", f"expected an end that is not before 'at', found {describe_value(row.get('until'))}")
    polls = _value(row, "polls", values.held)
    if polls < 1:
        raise WrongError("polls", "expected at least 1 poll, found 0")
    steps = _value(row, "steps", values.steps)
    if not steps:
        if polls > MAX_POLLS and (polls > MAX_EVEN or until - since < polls * MIN_STEP):
            text = f"expected at most {MAX_POLLS} polls, or {MAX_EVEN:,} that are 10 s apart, found {polls:,}"
            raise WrongError("polls", text)
        return PollRange(tenant=tenant, since=since, until=until, polls=polls)
    whole = sum(steps, timedelta())
    if (len(steps) + 1, whole) != (polls, until - since):
        expected, length = f"{polls - 1} steps from 'at' to 'until'", (until - since).total_seconds()
        raise WrongError(
            "steps", f"expected {expected}, {length} s, found {len(steps)} that take {whole.total_seconds()} s"
        )
    return PollRange.of(tenant, [since, *(since + passed for passed in accumulate(steps))])


def _value(row: Row, name: str, of: Callable[[object], _Value]) -> _Value:
    try:
        return of(row.get(name))
    except ValueError as error:
        raise WrongError(name, str(error)) from None


def _column(field: str, names: Sequence[str], asked: str | None) -> int | None:
    """Return the index of a field's column, or None where no column is called so."""
    if asked is not None and asked not in names:
        raise ValueError(f"expected a column {asked!r} for the {field}, found {listed(names)}")
    wanted = {asked} if asked is not None else {field, _COUNT} if field == "held" else {field}
    found_at = [index for index, name in enumerate(names) if name in wanted]
    if len(found_at) > 1:
        raise ValueError(f"expected one column for the {field}, found {len(found_at)} that are called so")
    return found_at[0] if found_at else None


def listed(names: Sequence[str]) -> str:
    """Return the first names of columns, as an error says them."""
    most = 12
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(repr(name[:40]) for name in names[:most]) or "none") + more
