"""From paths to the files of a configuration: the one that the user named, and those that it includes."""

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from glob import glob
from os.path import normpath
from pathlib import Path
from re import compile as compile_regex

from alerter.config.files import NAMED, NUMBERED, File, Files
from alerter.config.paths import unit_for
from alerter.config.problems import Problems, describe_value
from alerter.config.source_lines import shown_broken_line
from alerter.config.toml_lines import KeyPath
from alerter.config.trust import bytes_of
from alerter.config.variables import VARIABLE_NAME, Variables, VariableScope
from alerter.errors import ConfigError, Problem

#: The keys at the top of the main file: what it includes, and what that may hold and use.
INCLUDE, INCLUDE_SECTIONS, INCLUDE_VARIABLES = "include", "include_sections", "include_variables"
INCLUDE_KEYS = (INCLUDE, INCLUDE_SECTIONS, INCLUDE_VARIABLES)

#: Stands in a glob for any number of folders.
_BELOW = "**"
_SYNTAX_ERROR = compile_regex(r"(?P<text>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")


def failure(path: Path, text: str, line: int | None = None) -> ConfigError:
    """Return the error of a file of which nothing else can be said."""
    return ConfigError((Problem(file=str(path), line=line, key="", text=text),))


def read(path: Path, *, only_own: bool = False, only_plain: bool = False) -> File:
    """Return a file.

    Args:
        path: Where it is.
        only_own: Whether it must belong, with its folders, to root or to the user of this process.
        only_plain: Whether it must be a plain file: nobody has named it, so that nobody would look for a pipe there.

    Raises:
        ConfigError: It cannot be read, or is no TOML.
    """
    text = _text(path, only_own=only_own, only_plain=only_plain)
    return File(name=str(path), folder=path.absolute().parent, text=text, tables=_parsed(path, text))


def reach_in(files: Files) -> Callable[[KeyPath], VariableScope]:
    """Return what says of each place what its references may stand for: less in a file that is included."""

    def reach_of(place: KeyPath) -> VariableScope:
        file, _ = files.locate(place)
        return VariableScope(folder=file.folder, prefixes=None if file is files.main else files.prefixes)

    return reach_of


def include(files: Files, variables: Variables, problems: Problems, *, only_own: bool = False) -> None:
    """Take in the files that the main file's globs match, sorted, each once.

    A glob that matches nothing is an error: it may be misspelt, or the disk may not be there, and then thousands of
    tenants would be watched no more without anybody's notice.

    Args:
        files: Has what stands under `include`, relative to the main file, and takes the files.
        variables: Fill in what stands there.
        problems: Takes what is wrong.
        only_own: As for `read`.

    Raises:
        ConfigError: Some of them cannot be read; nothing can be said of the names that others refer to.
    """
    given = {key: files.tree.pop(key) for key in INCLUDE_KEYS if key in files.tree}
    files.sections = _texts(given, INCLUDE_SECTIONS, files.sections, _section, problems)
    files.prefixes = _texts(given, INCLUDE_VARIABLES, (), _prefix, problems)
    if INCLUDE not in given:
        return
    unread: list[Problem] = []
    patterns = variables.substitute(given[INCLUDE], (INCLUDE,))
    for path in _included(patterns, files.main, problems):
        try:
            file = read(path, only_own=only_own, only_plain=True)
        except ConfigError as error:
            unread.extend(error.problems)
            continue
        for place, text in files.add(file):
            problems.error_in(file, place, text)
    if unread:
        raise ConfigError((*problems.errors, *unread))


def _texts(
    given: Mapping[str, object],
    key: str,
    default: Iterable[str],
    checked: Callable[[object], str],
    problems: Problems,
) -> tuple[str, ...]:
    """Return the texts of a list at the top of the main file, as far as they are right."""
    value = given.get(key, [*default])
    if not isinstance(value, list):
        problems.error((key,), f"expected a list, found {describe_value(value)}")
        return ()
    texts = []
    for number, each in enumerate(value):
        try:
            texts.append(checked(each))
        except ValueError as error:
            problems.error((key, number), str(error))
    return tuple(texts)


def _section(value: object) -> str:
    if not isinstance(value, str) or value not in (*NAMED, *NUMBERED):
        raise ValueError(f"expected one of {', '.join((*NAMED, *NUMBERED))}, found {describe_value(value)}")
    return value


def _prefix(value: object) -> str:
    if not isinstance(value, str) or not VARIABLE_NAME.fullmatch(value):
        raise ValueError(f'expected how names of variables begin, such as "TENANT_", found {describe_value(value)}')
    return value


def _included(patterns: object, main: File, problems: Problems) -> Iterable[Path]:
    paths: dict[str, Path] = {}
    for number, pattern in _globs(patterns, problems):
        matches = sorted(_matches(pattern, main))
        if not matches:
            text = "no file matches it; where there is none yet, an empty one will do"
            problems.error((INCLUDE, number), text)
        paths |= {normpath(match): match for match in matches}
    return [path for key, path in paths.items() if key != normpath(main.name)]


def _globs(patterns: object, problems: Problems) -> Iterator[tuple[int, str]]:
    if not isinstance(patterns, list):
        problems.error(
            (INCLUDE,), f'expected a list of globs such as ["tenants.d/*.toml"], found {describe_value(patterns)}'
        )
        return
    for number, pattern in enumerate(patterns):
        if isinstance(pattern, str) and pattern.strip():
            yield number, pattern.strip()
        else:
            problems.error(
                (INCLUDE, number), f'expected a glob such as "tenants.d/*.toml", found {describe_value(pattern)}'
            )


def _matches(pattern: str, main: File) -> Iterator[Path]:
    """Yield what a glob matches; not what begins with a dot, as editors leave it, which `Path.glob` would take."""
    for match in _found_in(main.folder, pattern.split("/")):
        yield Path(main.name).parent / match


def _found_in(folder: Path, parts: list[str]) -> Iterator[Path]:
    """Yield what a glob matches, relative to a folder; `**` is whatever lies in or below."""
    if _BELOW not in parts:
        yield from map(Path, glob("/".join(parts), root_dir=folder))  # noqa: PTH207 - as above
        return
    place = parts.index(_BELOW)
    for base in glob("/".join(parts[:place]) or "/"[:place] or ".", root_dir=folder):  # noqa: PTH207 - as above
        for below in _folders_in(folder / base):
            yield from (Path(base, below, match) for match in _found_in(folder / base / below, parts[place + 1 :]))


def _folders_in(top: Path) -> Iterator[Path]:
    """Yield a folder and those below, relative to it, also by way of links, but each once: two links are a maze."""
    seen = set()
    for here, names, _ in os.walk(top, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield Path(here).relative_to(top)


def _text(path: Path, *, only_own: bool, only_plain: bool) -> str:
    try:
        content = bytes_of(path, only_own=only_own, only_plain=only_plain)
    except FileNotFoundError:
        raise failure(path, "there is no such file; `alerter init` writes one to start from") from None
    except PermissionError:
        hint = (
            "; a service reads it as a user of its own: chmod o+r, with its secrets elsewhere" if unit_for(path) else ""
        )
        raise failure(path, f"cannot be read: permission denied{hint}") from None
    except OSError as error:
        raise failure(path, f"cannot be read: {error.strerror.lower() if error.strerror else error}") from None
    try:
        return content.decode("utf-8-sig")  # some editors put a mark before the first character
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise failure(path, f"expected UTF-8 text, found the byte 0x{content[error.start]:02x}", line) from None


def _parsed(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise failure(path, "expected TOML, found lists or tables nested too deeply") from None
    except ValueError as error:
        raise _syntax_error(path, text, str(error)) from None


def _syntax_error(path: Path, text: str, found: str) -> ConfigError:
    """Return what tomllib found wrong, with the line that it names."""
    match = _SYNTAX_ERROR.fullmatch(found)
    what = match["text"] if match else found.partition(";")[0]
    line = int(match["line"]) if match and match["line"] else text.count("\n") + 1 if match else None
    column = int(match["column"]) if match and match["column"] else None
    lines = text.replace("\r\n", "\n").split("\n")
    source, at = shown_broken_line(lines[line - 1], column) if line and column and line <= len(lines) else ("", 1)
    said = f"expected TOML, found an error{f' in column {column}' if column else ''}: {what[:1].lower()}{what[1:]}"
    return ConfigError(
        (Problem(file=str(path), line=line, key="", text=said, source=source, column=at if source else None),)
    )
