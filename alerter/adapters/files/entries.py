"""A row of a file or an object of its lines, by the names of its columns, as a record or a reading."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias, TypeVar

from alerter.adapters.files.columns import Columns
from alerter.adapters.files.values import Values, found
from alerter.adapters.files.writing import CHANGE, HELD, POLLED, SEEN
from alerter.core.records import Change, FirstSeen, Held, Polled, Reading, Record
from alerter.core.series import Tenant

Row: TypeAlias = Mapping[str, object]
_Value = TypeVar("_Value")


class Wrong(ValueError):
    """A value is wrong; `key` is the column that it stands in."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


class Owners:
    """Whose the entries of one file are.

    Args:
        asked: Whose all of them are, whatever the file calls them; None for what the file says.
        default: Whose they are where the file does not say; None where it must.
    """

    def __init__(self, asked: Tenant | None, default: Tenant | None) -> None:
        self.asked = asked
        self._default = default
        self._called: object = None

    @property
    def must_be_named(self) -> bool:
        """Whether a reading must say whose it is."""
        return self.asked is None and self._default is None

    def of_reading(self, row: Row, column: str | None, values: Values) -> Tenant:
        """Return whose a reading is."""
        if self.asked is not None:
            called = row.get(column) if column is not None else None
            self._called = called if self._called is None else self._called
            if called != self._called:
                raise Wrong(
                    column or "", f"--tenant is for one tenant, expected {found(self._called)}, found {found(called)}"
                )
            return self.asked
        if column is None and self._default is not None:
            return self._default
        return _value(row, column, values.tenant)

    def of_record(self, row: Row, values: Values) -> Tenant:
        """Return whose a record is; `--tenant` renames nobody's."""
        tenant = _value(row, "tenant", values.tenant)
        if self.asked not in (None, tenant):
            raise Wrong("tenant", f"expected {str(self.asked)!r}, as --tenant says, found {str(tenant)!r}")
        return tenant


def reading_of(row: Row, columns: Columns, values: Values, owners: Owners) -> Reading:
    """Return the reading that a row of another tool's file is.

    Raises:
        Wrong: A value of it is.
    """
    return Reading(
        tenant=owners.of_reading(row, columns["tenant"], values),
        reason=_value(row, columns["reason"], values.reason),
        at=_value(row, columns["time"], values.instant),
        held=_value(row, columns["held"], values.held),
    )


def record_of(row: Row, values: Values, owners: Owners) -> Record:
    """Return the record that a row of alerter's own file is.

    Raises:
        Wrong: A value of it is.
    """
    value = partial(_value, row)
    tenant = owners.of_record(row, values)
    match row.get("record"):
        case "seen":
            return FirstSeen(tenant=tenant, reason=value("reason", values.reason), at=value("at", values.instant))
        case "held" | "change" as kind:
            made = Held if kind == HELD else Change
            return made(
                tenant=tenant,
                reason=value("reason", values.reason),
                at=value("at", values.instant),
                held=value("held", values.held),
            )
        case "polled":
            return _polled(row, tenant, values)
        case other:
            kinds = ", ".join(map(repr, (SEEN, HELD, POLLED, CHANGE)))
            raise Wrong("record", f"expected {kinds}, found {found(other)}; a newer alerter may have written it")


def _polled(row: Row, tenant: Tenant, values: Values) -> Polled:
    since, until = _value(row, "at", values.instant), _value(row, "until", values.instant)
    if until < since:
        raise Wrong("until", f"expected an end that is not before 'at', found {found(row.get('until'))}")
    return Polled(tenant=tenant, since=since, until=until, polls=_value(row, "polls", values.polls))


def _value(row: Row, name: str | None, of: Callable[[object], _Value]) -> _Value:
    try:
        return of(row.get(name or ""))
    except ValueError as error:
        raise Wrong(name or "", str(error)) from None
