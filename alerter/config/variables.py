"""`${NAME}` and `${file:PATH}` in any text of the configuration.

A name is first looked for among systemd's credentials, then in the environment. What is filled in is never looked
through again, and never shown. `$${` stands for a literal `${`.
"""

import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from re import Match
from re import compile as compile_regex

from alerter.config.lines import KeyPath
from alerter.config.problems import Problems, suggestion

_REFERENCE = compile_regex(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = compile_regex(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FILE = "file:"
_ESCAPE = "$${"
#: How like a name must be to that of another variable, from 0 to 1: an environment has many.
SAME_NAME = 0.8


class Variables:
    """Where values come from.

    Args:
        environ: The environment; `CREDENTIALS_DIRECTORY` in it is systemd's folder of credentials.
        folder_of: Return what paths are relative to that stand at a place: the folder of its file.
        problems: Takes what is missing.
    """

    def __init__(self, environ: Mapping[str, str], folder_of: Callable[[KeyPath], Path], problems: Problems) -> None:
        self._environ = environ
        self._folder_of = folder_of
        self._problems = problems
        directory = environ.get("CREDENTIALS_DIRECTORY", "")
        self._credentials = Path(directory) if directory else None

    def filled_in(self, value: object, path: KeyPath = ()) -> object:
        """Return a value of TOML with every reference in every text of it replaced."""
        match value:
            case str():
                return self._filled_in(value, path) if "${" in value else value
            case list():
                return [self.filled_in(entry, (*path, index)) for index, entry in enumerate(value)]
            case dict():
                return {key: self.filled_in(entry, (*path, key)) for key, entry in value.items()}
            case _:
                return value

    def _filled_in(self, written: str, path: KeyPath) -> str:
        try:
            value = _REFERENCE.sub(lambda reference: self._value(reference, path), written).strip()
        except _Missing as missing:
            self._problems.break_off(path, str(missing))
            return written
        self._problems.fill_in(path, written=written, value=value)
        return value

    def _value(self, reference: Match[str], path: KeyPath) -> str:
        if reference.group() == _ESCAPE:
            return "${"
        name, is_closed = reference.group(1), reference.group(2)
        if not is_closed:
            raise _Missing("expected '}' after '${'; a literal '${' is written '$${'")
        if name.startswith(_FILE):
            return self._of_file(name.removeprefix(_FILE), path)
        if not _NAME.fullmatch(name):
            raise _Missing("expected ${NAME} or ${file:PATH}; a literal '${' is written '$${'")
        value = self._of_name(name)
        if not value.strip():
            raise _Missing(f"${{{name}}} is set, but to nothing")
        return value

    def _of_name(self, name: str) -> str:
        credential = None if self._credentials is None else self._credentials / name
        if credential is not None and credential.is_file():
            return _read(credential, f"the credential {name}")
        if name in self._environ:
            return self._environ[name]
        where = "$CREDENTIALS_DIRECTORY is not set" if credential is None else f"there is no credential {credential}"
        hint = suggestion(name, self._environ, likeness=SAME_NAME)
        raise _Missing(f"${{{name}}} is not set: {where}, and there is no environment variable {name}{hint}")

    def _of_file(self, name: str, path: KeyPath) -> str:
        file = self._folder_of(path) / name
        value = _read(file, f"the file {file}")
        if not value.strip():
            raise _Missing(f"the file {file} is empty")
        if is_readable_by_everyone(file):
            self._problems.warn(path, f"the file {file} is readable by everyone: chmod o-r")
        return value


def texts_in(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text of a value of TOML, and where it stands."""
    match value:
        case str():
            yield path, value
        case list():
            for index, entry in enumerate(value):
                yield from texts_in(entry, (*path, index))
        case dict():
            for key, entry in value.items():
                yield from texts_in(entry, (*path, key))
        case _:
            pass


class _Missing(Exception):
    """A reference stands for nothing; the text says why."""


def is_readable_by_everyone(file: Path) -> bool:
    """Say whether the file's mode lets every user of this machine read it."""
    return bool(file.stat().st_mode & stat.S_IROTH)


def _read(file: Path, what: str) -> str:
    """Return the text of a file without one line break at its end, which editors and `echo` add."""
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise _Missing(f"{what} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise _Missing(f"{what} cannot be read: {(getattr(error, 'strerror', None) or str(error)).lower()}") from None
