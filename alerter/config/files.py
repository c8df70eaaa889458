"""The files of a configuration as one tree, and the way back from each part of it to its file and line.

No I/O; `reading` finds and reads them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alerter.config.toml_lines import KeyPath, LineIndex

#: The sections of tables with a name each, `[tenants.NAME]`, and of tables in a list, `[[rules]]`.
NAMED = ("tenants", "receivers", "mute_windows")
NUMBERED = ("routes", "rules")

Tree = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class File:
    """One file.

    Attributes:
        name: As the user wrote it, or as the main file's name and a glob make it.
        folder: What the paths in it are relative to.
        text: All of it; valid TOML.
        tables: The same, parsed.
    """

    name: str
    folder: Path
    text: str
    tables: Tree

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line on which the value stands, or what should hold it; None where nothing of it is there."""
        return self._lines.line_of(path)

    def source_of(self, path: KeyPath, *, is_key: bool) -> tuple[str, int]:
        """Return that line, and the column of the value or key in it, counted from 1; an empty line for none."""
        line = self.line_of(path)
        if line is None:
            return "", 1
        return self._text_lines[line - 1], self._lines.column_of(path, is_key=is_key) or 1

    @cached_property
    def _text_lines(self) -> list[str]:
        return self.text.replace("\r\n", "\n").split("\n")

    @cached_property
    def _lines(self) -> LineIndex:
        return LineIndex(self.text)  # only a file with something to say of it pays for this


def expected_form(section: str) -> str:
    """Return what a section that has another form was expected to be."""
    if section in NUMBERED:
        return f"expected [[{section}]] in two brackets"
    return f"expected a table for each, [{section}.NAME]"


class Files:
    """The main file and those that it includes.

    Attributes:
        all: The main file first, then the others in the order in which they were added.
        tree: What all of them say, as if it stood in one file.
        sections: What those that are included may say.
        prefixes: How the variables begin that they may use.
    """

    def __init__(self, main: File) -> None:
        self.all = [main]
        self.tree: dict[str, object] = dict(main.tables)
        self.sections: Collection[str] = (*NAMED, *NUMBERED)
        self.prefixes: tuple[str, ...] = ()
        self._origin: dict[KeyPath, tuple[File, int | str]] = {}

    @property
    def main(self) -> File:
        """The file that the user named."""
        return self.all[0]

    def add(self, file: File) -> Iterator[tuple[KeyPath, str]]:
        """Take in what an included file says; yield what it may not say: where it stands in it, and what is wrong."""
        self.all.append(file)
        for section, value in file.tables.items():
            if section not in self.sections:
                yield (section,), f"expected only {', '.join(self.sections)} in a file that is included"
            elif section in NAMED and isinstance(value, dict):
                yield from self._add_named(file, section, value)
            elif section in NUMBERED and isinstance(value, list):
                self._add_numbered(file, section, value)
            else:
                yield (section,), f"{expected_form(section)}, found another form"

    def _add_named(self, file: File, section: str, tables: Mapping[str, object]) -> Iterator[tuple[KeyPath, str]]:
        known = self._own(section, {})
        for name, table in tables.items():
            if name in known:
                yield (section, name), duplicate_name(name, self.location_text((section, name), in_timezone=file))
            elif isinstance(known, dict):
                known[name] = table
                self._origin[section, name] = (file, name)

    def _add_numbered(self, file: File, section: str, tables: list[object]) -> None:
        known = self._own(section, [])
        for number, table in enumerate(tables):
            if isinstance(known, list):
                self._origin[section, len(known)] = (file, number)
                known.append(table)

    def _own(self, section: str, empty: dict[str, object] | list[object]) -> dict[str, object] | list[object]:
        """Return a section of the tree, to be added to; where the main file has another form of it, none is."""
        present = self.tree.get(section, empty)
        if not isinstance(present, type(empty)):
            return type(empty)()
        own = self.tree[section] = present if present is not self.main.tables.get(section) else present.copy()
        return own

    def locate(self, path: KeyPath) -> tuple[File, KeyPath]:
        """Return the file that a part of the tree stands in, and its path there."""
        file, key = self._origin.get(path[:2], (self.main, None))
        return (file, path) if key is None else (file, (path[0], key, *path[2:]))

    def location_text(self, path: KeyPath, *, in_timezone: File) -> str:
        """Return where a part of the tree stands: `line 12`, with the name of its file if that is another one."""
        file, local = self.locate(path)
        line = file.line_of(local)
        return f"line {line}" if file is in_timezone else f"{file.name}:{line}"


def duplicate_name(name: str, place: str) -> str:
    """Return what is wrong with a name that is used a second time."""
    return f"expected a name of its own: {name!r} is taken since {place}"
