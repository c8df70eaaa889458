"""From paths to the files of a configuration: the one that the user named, and those that it includes."""

import tomllib
from collections.abc import Iterable, Iterator
from glob import glob
from os.path import normpath
from pathlib import Path
from re import compile as compile_regex

from alerter.config.files import File, Files
from alerter.config.places import unit_of
from alerter.config.problems import Problems, found
from alerter.config.trust import own_bytes
from alerter.errors import ConfigError, Problem

#: The key at the top of the main file.
INCLUDE = "include"

_SYNTAX_ERROR = compile_regex(r"(?P<text>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")


def failure(path: Path, text: str, line: int | None = None) -> ConfigError:
    """Return the error of a file of which nothing else can be said."""
    return ConfigError((Problem(file=str(path), line=line, key="", text=text),))


def read(path: Path, *, only_own: bool = False) -> File:
    """Return a file.

    Args:
        path: Where it is.
        only_own: Whether it must belong, with its folders, to root or to the user of this process.

    Raises:
        ConfigError: It cannot be read, or is no TOML.
    """
    text = _text(path, only_own=only_own)
    return File(name=str(path), folder=path.absolute().parent, text=text, tables=_parsed(path, text))


def include(patterns: object, files: Files, problems: Problems, *, only_own: bool = False) -> None:
    """Take in the files that the main file's globs match, sorted, each once.

    A glob that matches nothing is an error: it may be misspelt, or the disk may not be there, and then thousands of
    tenants would be watched no more without anybody's notice.

    Args:
        patterns: What stands under `include`, filled in; relative to the main file.
        files: Takes the files.
        problems: Takes what is wrong.
        only_own: As for `read`.

    Raises:
        ConfigError: Some of them cannot be read; nothing can be said of the names that others refer to.
    """
    unread: list[Problem] = []
    for path in _included(patterns, files.main, problems):
        try:
            file = read(path, only_own=only_own)
        except ConfigError as error:
            unread.extend(error.problems)
            continue
        for place, text in files.add(file):
            problems.error_in(file, place, text)
    if unread:
        raise ConfigError((*problems.errors, *unread))


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
        problems.error((INCLUDE,), f'expected a list of globs such as ["tenants.d/*.toml"], found {found(patterns)}')
        return
    for number, pattern in enumerate(patterns):
        if isinstance(pattern, str) and pattern.strip():
            yield number, pattern.strip()
        else:
            problems.error((INCLUDE, number), f'expected a glob such as "tenants.d/*.toml", found {found(pattern)}')


def _matches(pattern: str, main: File) -> Iterator[Path]:
    """Yield what a glob matches; not what begins with a dot, as editors leave it, which `Path.glob` would take."""
    for match in glob(pattern, root_dir=main.folder, recursive=True):  # noqa: PTH207 - see above
        yield Path(main.name).parent / match


def _text(path: Path, *, only_own: bool) -> str:
    try:
        content = own_bytes(path) if only_own else path.read_bytes()
    except FileNotFoundError:
        raise failure(path, "there is no such file; `alerter init` writes one to start from") from None
    except PermissionError:
        hint = (
            "; a service reads it as a user of its own: chmod o+r, with its secrets elsewhere" if unit_of(path) else ""
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
        match = _SYNTAX_ERROR.fullmatch(str(error))
        what = match["text"] if match else str(error).partition(";")[0]
        line = int(match["line"]) if match and match["line"] else text.count("\n") + 1 if match else None
        column = f" in column {match['column']}" if match and match["column"] else ""
        raise failure(path, f"expected TOML, found an error{column}: {what[:1].lower()}{what[1:]}", line) from None
