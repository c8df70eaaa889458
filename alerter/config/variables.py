"""`${NAME}` and `${file:PATH}` in any text of the configuration.

A name is first looked for among systemd's credentials, then in the environment. What is filled in is never looked
through again, and never shown. `$${` stands for a literal `${`.

Who only looks at what is stored may lack the secrets: what they stand for is then filled in with something of its form.
"""

import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from re import Match
from re import compile as compile_regex

from alerter.config.paths import NO_DIRECTORY, Credentials
from alerter.config.problems import Problems, suggestion
from alerter.config.source_lines import resembles_secret
from alerter.config.toml_lines import KeyPath
from alerter.config.trust import OutsideError, bytes_of
from alerter.config.urls import ABSENT_URL

_REFERENCE = compile_regex(r"\$\$\{|\$\{([^}]*)(\}?)")
VARIABLE_NAME = compile_regex(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FILE = "file:"
_ESCAPE = "$${"
#: Stands for a key that is not known: it is of the form of all of them, also of those in base64.
ABSENT = "absent=="
#: Stands in every warning of a secret that lies open.
WORLD_READABLE = "everyone may read"
#: Follows such a remedy where it is one for an included file.
OF_INCLUDED = "with a NAME that begins as include_variables of the main file allows"
#: How like a name must be to that of another variable, from 0 to 1: an environment has many.
SAME_NAME = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableScope:
    """What the references of a file may stand for.

    Attributes:
        folder: What the paths in it are relative to.
        prefixes: How the names begin that it may use, whose files are then all beside it or below; None for the file
            that the user named, which may use whatever the user may read.
    """

    folder: Path
    prefixes: tuple[str, ...] | None = None


class Variables:
    """Where values come from.

    Args:
        environ: The environment.
        credentials: What systemd hands to a service.
        reach_of: Return what references may stand for at a place: what those of its file may.
        problems: Takes what is missing.
        is_name: Say of a place whether something is called, or chosen, by what stands there. It never comes from a
            variable: it is shown everywhere, and alerts would be others wherever the variable is another.
        may_lack: Say of a place whether it may stay unknown. Only keys and URLs may.
        only_own: Whether only files are read that belong, with their folders, to root or to the user of this process.

    Attributes:
        lacking: The places that stayed unknown.
        files: What values were read from so far, each once.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        credentials: Credentials,
        reach_of: Callable[[KeyPath], VariableScope],
        problems: Problems,
        *,
        is_name: Callable[[KeyPath], bool] = lambda _: False,
        may_lack: Callable[[KeyPath], bool] = lambda _: False,
        only_own: bool = False,
    ) -> None:
        self.lacking: set[KeyPath] = set()
        self.files: dict[Path, None] = {}
        self._environ = environ
        self._credentials = credentials
        self._reach_of = reach_of
        self._is_name = is_name
        self._problems = problems
        self._may_lack = may_lack
        self._only_own = only_own

    def substitute(self, value: object, path: KeyPath = ()) -> object:
        """Return a value of TOML with every reference in every text of it replaced."""
        match value:
            case str():
                return self._filled_in(value, path) if "${" in value else value
            case list():
                return [self.substitute(entry, (*path, index)) for index, entry in enumerate(value)]
            case dict():
                return {key: self.substitute(entry, (*path, key)) for key, entry in value.items()}
            case _:
                return value

    def _filled_in(self, written: str, path: KeyPath) -> str:
        try:
            value = _REFERENCE.sub(lambda reference: self._value(reference, path), written)
        except _Missing as missing:
            self._problems.stop_at(path, str(missing))
            return written
        if all(reference.group() == _ESCAPE for reference in _REFERENCE.finditer(written)):
            return value
        value = value.strip()
        if path in self.lacking:
            return _stand_in(value, path)
        self._problems.mark_substituted(path, written=written, value=value)
        return value

    def _value(self, reference: Match[str], path: KeyPath) -> str:
        try:
            return self._known_value(reference, path)
        except _Unknown:
            if not self._may_lack(path):
                raise
            self.lacking.add(path)
            return ABSENT

    def _known_value(self, reference: Match[str], path: KeyPath) -> str:
        if reference.group() == _ESCAPE:
            return "${"
        if self._is_name(path):
            raise _Missing("expected names and globs as they are, found a variable; a literal '${' is written '$${'")
        name, is_closed = reference.group(1), reference.group(2)
        if not is_closed:
            raise _Missing("expected '}' after '${'; a literal '${' is written '$${'")
        if name.startswith(_FILE):
            return self._of_file(name.removeprefix(_FILE), path)
        return self._of_variable(name, path)

    def _of_variable(self, name: str, path: KeyPath) -> str:
        if resembles_secret(name):
            raise _Missing(f"expected the name of a variable, found text of {len(name)} characters: is it the secret?")
        if not VARIABLE_NAME.fullmatch(name):
            raise _Missing("expected ${NAME} or ${file:PATH}; a literal '${' is written '$${'")
        prefixes = self._reach_of(path).prefixes
        if prefixes is not None and not name.startswith(prefixes):
            raise _Missing(f"{_out_of_reach(name, prefixes)}; ${{file:PATH}} reads a file beside this one")
        value = self._of_name(name, path)
        if not value.strip():
            raise _Unknown(f"{name} is set, but to nothing")
        return value

    def _of_name(self, name: str, path: KeyPath) -> str:
        credential = self._credentials.file_for(name)
        if credential is not None:
            self.files[credential] = None
            value = self._read(credential, f"the credential {name}")
            # In a folder for its owner alone the mode of a file means nothing.
            if is_readable_by_everyone(credential) and credential.parent.stat().st_mode & stat.S_IXOTH:
                self._problems.warn(path, f"{WORLD_READABLE} the file {credential}: chmod o-r")
            return value
        if name in self._environ:
            return self._environ[name]
        hint = suggestion(name, self._environ, likeness=SAME_NAME)
        if self._credentials.absence == NO_DIRECTORY:
            advice = hint or f'. Run: export {name}=… (or put it in a file: "${{file:PATH}}")'
            raise _Unknown(f"{name} is not set{advice}")
        where = self._credentials.describe_body(name)
        raise _Unknown(f"{name} is not set: {where}, and there is no environment variable {name}{hint}")

    def _of_file(self, name: str, path: KeyPath) -> str:
        if any(map(resembles_secret, Path(name).parts)):
            raise _Missing(f"expected the path of a file, found text of {len(name)} characters: is it the secret?")
        reach = self._reach_of(path)
        file = reach.folder / name
        value = self._read(file, f"the file {file}", within=reach.folder if reach.prefixes is not None else None)
        if not value.strip():
            raise _Unknown(f"the file {file} is empty")
        self.files[file] = None
        if is_readable_by_everyone(file):
            remedy = self._credentials.remedy
            remedy += "" if reach.prefixes is None else f", {OF_INCLUDED}"
            self._problems.warn(path, f"{WORLD_READABLE} the file {file}: {remedy}")
        return value

    def _read(self, file: Path, what: str, *, within: Path | None = None) -> str:
        """Return the text of a file without one line break at its end, which editors and `echo` add."""
        try:
            content = bytes_of(file, within=within, only_own=self._only_own)
            return content.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except OutsideError:
            raise _Missing(f"expected a file in {within} or below, as this file is included, found a way out") from None
        except UnicodeDecodeError:
            raise _Unknown(f"{what} is not UTF-8 text") from None
        except (OSError, ValueError) as error:
            why = (getattr(error, "strerror", None) or "").lower() or str(error)
            raise _Unknown(f"{what} cannot be read: {why}") from None


def _out_of_reach(name: str, prefixes: tuple[str, ...]) -> str:
    """Return why an included file may not use a variable."""
    if prefixes:
        allowed = f"variables that begin with {' or '.join(map(repr, prefixes))} alone, as include_variables says"
    else:
        prefix = "".join(name.partition("_")[:2])
        allowed = f'none without include_variables = ["{prefix}"] in the main file'
    return f"${{{name}}} stands in a file that is included, which may use {allowed}"


def toml_text(text: str) -> str:
    """Return a text as a configuration writes it: nothing in it is a variable, and what cannot be shown is escaped."""
    written = dumps(text, ensure_ascii=False).replace("${", _ESCAPE)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in written)


def iter_texts(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text of a value of TOML, and where it stands."""
    match value:
        case str():
            yield path, value
        case list():
            for index, entry in enumerate(value):
                yield from iter_texts(entry, (*path, index))
        case dict():
            for key, entry in value.items():
                yield from iter_texts(entry, (*path, key))
        case _:
            pass


class _Missing(Exception):
    """A reference stands for nothing; the text says why."""


class _Unknown(_Missing):
    """It may well stand for something, but not here and now."""


def _stand_in(value: str, path: KeyPath) -> str:
    """Return what is of the form of the value at a place, of which parts are unknown."""
    match path:
        case ("tenants", *_):
            return ABSENT
        case ("service", *_):
            return value if "://" in value else f"https://{value}"
        case _:
            return value if "://" in value else ABSENT_URL


def is_readable_by_everyone(file: Path) -> bool:
    """Say whether the file's mode lets every user of this machine read it."""
    return bool(file.stat().st_mode & stat.S_IROTH)
