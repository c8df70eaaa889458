"""On which line of a TOML text each key stands: `tomllib` gives values without their places.

The text must be valid TOML, so that values only need to be skipped, not understood. No I/O.
"""

import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from re import compile as compile_regex
from typing import TypeAlias

#: The way to a value: the keys of tables, and the numbers of list entries, counted from 0.
KeyPath: TypeAlias = tuple[str | int, ...]

_BLANK = compile_regex(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = compile_regex(r"[A-Za-z0-9_-]+")
_STRING = compile_regex(
    r'"""(?:[^\\]|\\[\s\S])*?"{3,5}'  # up to two quotes may stand before the three that close
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'"
)
_SCALAR = compile_regex(r"[^,\]}#\n]*")


class LineIndex:
    """The line of every key, table and list entry of a text.

    Args:
        text: Valid TOML.
    """

    def __init__(self, text: str) -> None:
        scan = _Scan(text.replace("\r\n", "\n"))
        self._lines, self._columns, self._value_columns = scan.lines, scan.columns, scan.value_columns

    @property
    def lines(self) -> Mapping[KeyPath, int]:
        """The first line of each path, counted from 1."""
        return self._lines

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line of the longest part of the path that the text has, or None if it has none of it."""
        for end in range(len(path), 0, -1):
            line = self._lines.get(path[:end])
            if line is not None:
                return line
        return None

    def column_of(self, path: KeyPath, *, is_key: bool = False) -> int | None:
        """Return the column, counted from 1, of the value or key on that line; where it is absent, of what holds it."""
        for end in range(len(path), 0, -1):
            column = self._columns.get(path[:end])
            if column is not None:
                return column if is_key else self._value_columns.get(path[:end], column)
        return None


class _Scan:
    """One pass over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.columns: dict[KeyPath, int] = {}
        self.value_columns: dict[KeyPath, int] = {}
        self._newlines = [index for index, character in enumerate(text) if character == "\n"]
        self._entries: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._skip_blank():
            if text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip_blank(self) -> bool:
        """Go on to the next character that matters; say whether there is one."""
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at < len(self.text)

    def _header(self) -> KeyPath:
        """Read `[table]` or `[[array]]`, and return where the pairs below it belong."""
        start, is_array = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        keys = self._dotted_key()
        self.at += 2 if is_array else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._newest((*path, key), start)
        path = (*path, keys[-1])
        if is_array:
            self._entries[path] = self._entries.get(path, -1) + 1
        return self._newest(path, start)

    def _newest(self, path: KeyPath, at: int) -> KeyPath:
        """Return the path, or that of its newest entry where it is an array of tables."""
        self._note(path, at)
        if path in self._entries:
            path = (*path, self._entries[path])
            self._note(path, at)
        return path

    def _pair(self, table: KeyPath) -> None:
        """Read `key = value`."""
        start = self.at
        path = table
        for key in self._dotted_key():
            path = (*path, key)
            self._note(path, start)
        self.at += 1  # the equals sign
        self._skip_blank()
        self.value_columns[path] = self._column(self.at)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        """Read past a value, noting what is inside it."""
        opening = self.text[self.at]
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            match = _STRING.match(self.text, self.at) or _SCALAR.match(self.text, self.at)
            self.at = match.end() if match else len(self.text)

    def _list(self, path: KeyPath) -> None:
        self.at += 1
        entry = 0
        while self._inside("]"):
            self._note((*path, entry), self.at)
            self._value((*path, entry))
            entry += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self._inside("}"):
            self._pair(path)

    def _inside(self, closing: str) -> bool:
        """Go on to the next entry of a list or inline table; say whether there is one."""
        self._skip_blank()
        if self.text[self.at] == ",":
            self.at += 1
            self._skip_blank()
        if self.text[self.at] != closing:
            return True
        self.at += 1
        return False

    def _dotted_key(self) -> list[str]:
        """Read `a."b c".d`, and return its parts; what follows stands at the next character that matters."""
        keys: list[str] = []
        while True:
            self._skip_blank()
            keys.append(self._key())
            self._skip_blank()
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _key(self) -> str:
        bare = _BARE_KEY.match(self.text, self.at)
        match = bare or _STRING.match(self.text, self.at)
        if match is None:
            raise ValueError(f"expected a key, found {self.text[self.at : self.at + 10]!r}")
        self.at = match.end()
        return match.group() if bare else str(tomllib.loads(f"key = {match.group()}")["key"])

    def _note(self, path: KeyPath, at: int) -> None:
        if path not in self.lines:
            self.lines[path] = bisect_left(self._newlines, at) + 1
            self.columns[path] = self._column(at)

    def _column(self, at: int) -> int:
        return at - self.text.rfind("\n", 0, at)
