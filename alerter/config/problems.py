"""The list of what is wrong: where each problem stands in which file, and what it says, without a secret.

No I/O.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from heapq import nlargest
from itertools import pairwise
from json import dumps
from re import compile as compile_regex

from alerter.config.files import File, Files
from alerter.config.source_lines import MIN_TOKEN, resembles_secret, shown_line
from alerter.config.toml_lines import KeyPath
from alerter.errors import Problem
from alerter.redaction import is_token

_BARE_KEY = compile_regex(r"[A-Za-z0-9_-]+")
#: Below this a value is too short to be looked for in a text: it would be found in ordinary words.
MIN_VALUE = 6
#: No setting needs a longer value that an error could be about, and hardly any key or URL is shorter.
MAX_SHOWN_LENGTH = 40

#: How an error begins that is about a key and not about its value.
UNKNOWN_KEY = "unknown key"

#: The known names that are compared with a wrong one letter by letter: those that share the most pairs of letters.
MAX_COMPARED = 20


def suggestion(found: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Return `, did you mean 'x'?`, or nothing where no known name is as like as that."""
    wanted = found.casefold()
    by_folded = {name.casefold(): name for name in known}
    pairs = _letter_pairs(wanted)
    likely = nlargest(MAX_COMPARED, by_folded, key=lambda name: len(pairs & _letter_pairs(name)))
    close = get_close_matches(wanted, likely, n=1, cutoff=likeness)
    return f", did you mean {by_folded[close[0]]!r}?" if close else ""


def _letter_pairs(text: str) -> set[tuple[str, str]]:
    return set(pairwise(text))


def describe_value(value: object) -> str:
    """Return what stands in the file, as an error says it: `text 'abc'`, `the number 5`, `a list`."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str() if value.strip():
            return shown(value) if _may_be_secret(value) else f"text {value!r}"
        case _:
            return describe_type(value)


def describe_type(value: object) -> str:
    """Return the same without the value, for what must not be shown."""
    if value == []:
        return "an empty list"
    kinds = ((bool, "true or false"), (int | float, "a number"), (list, "a list"), (dict, "a table"))
    if isinstance(value, str):
        return "text" if value.strip() else "empty text"
    return next((name for kind, name in kinds if isinstance(value, kind)), "a date or time")


def shown(text: str) -> str:
    """Return a text in quotes, or only its length where it may be a secret in the wrong place."""
    return f"text of {len(text)} characters" if _may_be_secret(text) else repr(text)


def _may_be_secret(text: str) -> bool:
    return len(text) > MAX_SHOWN_LENGTH or (len(text) >= MIN_TOKEN and is_token(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a table stands, and who takes what is wrong with it."""

    path: KeyPath
    problems: "Problems"

    def error(self, key: str, text: str) -> None:
        """Add an error about a key of the table, or about all of it where the key is empty."""
        self.problems.error((*self.path, key) if key else self.path, text)


class Problems:
    """What was found so far in the files of a configuration; a path is one of their common tree.

    Args:
        files: Know where each part of the tree stands.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._errors: list[Problem] = []
        self._warnings: list[Problem] = []
        self._wrong: set[KeyPath] = set()
        self._broken: set[KeyPath] = set()
        self._written: dict[KeyPath, tuple[str, str]] = {}

    def mark_substituted(self, path: KeyPath, *, written: str, value: str) -> None:
        """Note that `value` stands for what is written in the file: no text may show it."""
        self._written[path] = (written, value)

    def stop_at(self, path: KeyPath, text: str) -> None:
        """Add an error after which nothing else is said of that value."""
        self.error(path, text)
        self._broken.add(path)

    def at(self, path: KeyPath) -> Place:
        """Return the same for what is wrong with one table."""
        return Place(path=path, problems=self)

    def is_wrong(self, path: KeyPath) -> bool:
        """Say whether there is an error about just this value."""
        return path in self._wrong

    def error(self, path: KeyPath, text: str) -> None:
        """Add something that must be put right."""
        self._wrong.add(path)
        if path not in self._broken:
            self._errors.append(self._problem(path, text))

    def warn(self, path: KeyPath, text: str) -> None:
        """Add something that is legal but unwise."""
        self._warnings.append(self._problem(path, text))

    def error_in(self, file: File, path: KeyPath, text: str) -> None:
        """Add an error about what is not in the tree, by its place in one file."""
        self._errors.append(_problem_in(file, path, text))

    def warn_in(self, file: File, path: KeyPath, text: str) -> None:
        """Add a warning by its place in one file."""
        self._warnings.append(_problem_in(file, path, text))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """All errors, in the order of files and lines; those about a file as a whole come first in it."""
        return self._in_order(self._errors)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """All warnings, in the order of files and lines."""
        return self._in_order(self._warnings)

    def location_text(self, path: KeyPath, *, in_timezone: KeyPath) -> str:
        """Return where a value stands, for an error about another one: `line 12`, or `tenants.d/acme.toml:12`."""
        return self._files.location_text(path, in_timezone=self._files.locate(in_timezone)[0])

    def _problem(self, path: KeyPath, text: str) -> Problem:
        written, value = self._written.get(path, ("", ""))
        if value:
            for form in (f"text {value!r}", repr(value)):
                text = text.replace(form, f"what {written!r} stands for")
            text = text.replace(value, "***") if len(value) >= MIN_VALUE else text
        return _problem_in(*self._files.locate(path), text)

    def _in_order(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        order = {file.name: number for number, file in enumerate(self._files.all)}
        return tuple(
            sorted(dict.fromkeys(problems), key=lambda each: (order[each.file], each.line or 0, each.column or 0))
        )


def _problem_in(file: File, path: KeyPath, text: str) -> Problem:
    source, column = shown_line(*file.source_of(path, is_key=text.startswith(UNKNOWN_KEY)), text)
    return Problem(
        file=file.name,
        line=file.line_of(path),
        key=_shown_path(path, file.tables),
        text=text,
        source=source,
        column=column if source else None,
    )


def _shown_path(path: KeyPath, tables: Mapping[str, object]) -> str:
    """Return a path as people read it: `tenants.acme.region`, `rules[TargetBacklog].warning`, `routes[#2]`."""
    text = ""
    at: object = tables
    for part in path:
        at = _child(at, part)
        if isinstance(part, int):
            text += f"[{_name_of(at) or f'#{part + 1}'}]"
        else:
            text += f".{_shown_key(part)}" if text else _shown_key(part)
    return text


def _shown_key(key: str) -> str:
    if len(key) > MAX_SHOWN_LENGTH or resembles_secret(key):
        return f"text of {len(key)} characters"
    return key if _BARE_KEY.fullmatch(key) else dumps(key, ensure_ascii=False)


def _child(tree: object, part: str | int) -> object:
    if isinstance(tree, dict):
        return tree.get(part)
    if isinstance(tree, list) and isinstance(part, int) and part < len(tree):
        return tree[part]
    return None


def _name_of(table: object) -> str:
    """Return the name under which a rule is known, or nothing where it has none that fits into a line."""
    name = table.get("name") if isinstance(table, dict) else None
    return name if isinstance(name, str) and name.isprintable() and len(name) <= MAX_SHOWN_LENGTH else ""
