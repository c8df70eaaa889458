"""Which column of a file is the time, which the tenant, which the hold reason and which the count."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

#: What a reading is made of; `tenant` may be missing.
FIELDS = ("time", "tenant", "reason", "held")
#: The names under which each is found, in any case and without spaces and signs, the best first.
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "time": ("time", "timestamp", "datetime", "date", "at", "ts", "when", "polledat", "takenat", "epoch"),
        "tenant": ("tenant", "tenantname", "account", "accountname", "customer", "organisation", "organization"),
        "reason": (
            "reason", "holdreason", "heldreason", "policyinfo", "policy", "policyname", "definition", "name",
        ),
        "held": (
            "held", "count", "numberofitems", "messages", "heldmessages", "heldcount", "items", "number", "value",
            "total",
        ),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """The name or, in a file without a first line of names, the number of each field's column; numbers begin at 1."""

    name_by_field: Mapping[str, str]

    def __getitem__(self, field: str) -> str | None:
        """Return the column's name, or None where the file has none for it."""
        return self.name_by_field.get(field)


def columns_of(names: Sequence[str], asked: Mapping[str, str], *, needed: Collection[str]) -> Columns:
    """Return which of a file's columns is which.

    Args:
        names: The names of the columns, as the file has them.
        asked: The columns that the user named, by field.
        needed: The fields that must be there.

    Raises:
        ValueError: One is missing; the text says which were found, and how to name it.
    """
    asked = {field: _by_number(name, names) for field, name in asked.items()}
    wrong = next(((field, name) for field, name in asked.items() if name not in names), None)
    if wrong is not None:
        raise ValueError(f"expected a column {wrong[1]!r} for the {wrong[0]}, found {_listed(names)}")
    found = {field: name for field in FIELDS if (name := asked.get(field) or _known(field, names, asked.values()))}
    missing = [field for field in FIELDS if field in needed and field not in found]
    if missing:
        example = " ".join(f"--column {field}=NAME" for field in missing)
        raise ValueError(
            f"expected columns for {listed(FIELDS, needed)}, found {_listed(names)}; "
            f"name those that are missing: {example}"
        )
    return Columns(found)


def is_named(cells: Sequence[str]) -> bool:
    """Say whether the first line of a file holds the names of its columns, rather than the first reading."""
    return not any(cell.strip().isascii() and cell.strip().isdecimal() for cell in cells)


def listed(fields: Sequence[str], needed: Collection[str]) -> str:
    """Return those of the fields that are needed, as a sentence has them."""
    *others, last = [field for field in fields if field in needed]
    return f"{', '.join(others)} and {last}"


def _by_number(name: str, names: Sequence[str]) -> str:
    """Return the name of a column that is asked for by its number."""
    if name in names or not name.isdecimal() or not 1 <= int(name) <= len(names):
        return name
    return names[int(name) - 1]


def _known(field: str, names: Sequence[str], taken: Collection[str]) -> str | None:
    by_plain = {_plain(name): name for name in reversed(names) if name not in taken}
    return next((by_plain[plain] for plain in NAMES[field] if plain in by_plain), None)


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_shown(names)) or "none"


def _shown(names: Sequence[str]) -> Iterator[str]:
    most = 12
    yield from (repr(name[:40]) for name in names[:most])
    if len(names) > most:
        yield f"and {len(names) - most} more"
