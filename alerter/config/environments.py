"""The variables that a service has and a shell beside it has not: systemd reads them from a file for the unit.

Without them, a command beside the service would go another way to hosts than the service goes, and find other
values in its configuration.
"""

import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from errno import EBADMSG
from pathlib import Path
from re import VERBOSE, Match
from re import compile as compile_regex

from alerter.config.paths import ROOT, SERVICE_FOLDER, unit_for
from alerter.config.trust import bytes_of, why_not_trusted

#: Proxies in both spellings, and the authorities that are trusted.
ON_THE_WAY = frozenset(
    {
        *(spelt for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY") for spelt in (name, name.lower())),
        "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
    }
)  # fmt: skip
#: Set for every service of ours, and for nothing beside it: there systemd has set everything already.
_OF_A_SERVICE = ("STATE_DIRECTORY", "CREDENTIALS_DIRECTORY")

# As systemd reads such a file (`parse_env_file_internal`, version 252; systemd.exec(5), EnvironmentFile=): a value is
# any number of texts in quotes, and then one without, each of which may go on behind a line break; what follows a
# comment's backslash belongs to it.
_QUOTED = r"""'[^']*(?:'|\Z)|"(?:\\[\s\S]|[^"\\])*(?:"|\Z)"""
_ENTRY = compile_regex(
    rf"""\s*(?:[#;](?:\\[\s\S]|[^\n\\])*|(?P<key>[^\s=#;][^\n=]*)=
    (?P<quoted>(?:[ \t\r]*(?:{_QUOTED}))*)[ \t\r]*(?P<plain>(?:\\[\s\S]|[^\n\\])*\\?)|(?P<odd>[^\n]+))(?:\n|\Z)""",
    VERBOSE,
)
_PART = compile_regex(_QUOTED)
_NAME = compile_regex(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = compile_regex(r"\\([\s\S]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a unit's file of variables says.

    Attributes:
        path: The file.
        variables: All that it sets.
        odd_lines: The numbers of lines that systemd leaves out, because they set nothing.
    """

    path: Path
    variables: Mapping[str, str]
    odd_lines: tuple[int, ...] = ()

    @property
    def on_the_way(self) -> Mapping[str, str]:
        """The variables of `ON_THE_WAY` among them."""
        return {name: value for name, value in self.variables.items() if name in ON_THE_WAY}


def load_service_environment(path: Path, *, root: Path = ROOT) -> Environment | None:
    """Return what the service of a configuration has beside that; None where it has no file, or there is no service.

    Raises:
        OSError: The file cannot be read, or systemd refuses it.
    """
    file = root / SERVICE_FOLDER / "environment"
    if unit_for(path, root=root) is None or not file.is_file():
        return None
    text = bytes_of(file, only_plain=True).decode("utf-8")
    if "\0" in text:
        raise OSError(EBADMSG, "found a NUL in it, so that systemd reads nothing of it", str(file))
    found = list(_entries(text))
    return Environment(
        path=file,
        variables={name: value for _, name, value in found if _NAME.fullmatch(name)},
        odd_lines=tuple(line for line, name, _ in found if not _NAME.fullmatch(name)),
    )


def _entries(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and value of what stands in a file; what sets nothing has a name that is none."""
    for entry in _ENTRY.finditer(text):
        if entry["key"] is None and entry["odd"] is None:
            continue
        group = "odd" if entry["key"] is None else "key"
        quoted = "".join(map(_unquoted, _PART.findall(entry["quoted"] or "")))
        plain = _ESCAPED.sub(_without_break, entry["plain"] or "").rstrip(" \t\r")
        yield text.count("\n", 0, entry.end(group)) + 1, (entry["key"] or "").rstrip(), quoted + plain


def _without_break(escaped: Match[str]) -> str:
    return "" if escaped[1] == "\n" else escaped[1]


def _unquoted(part: str) -> str:
    """Return what stands in quotes; in double ones a backslash escapes what a shell would read."""
    inner = part[1:-1] if part[1:].endswith(part[0]) else part[1:]
    if part[0] == "'":
        return inner
    return _ESCAPED.sub(lambda escaped: _without_break(escaped) if escaped[1] in '"\\`$\n' else escaped[0], inner)


def apply_service_environment(
    path: Path,
    environ: MutableMapping[str, str] | None = None,
    *,
    of_unit: Callable[[str], Mapping[str, str] | None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    uid: int | None = None,
    root: Path = ROOT,
) -> None:
    """Set the variables of a configuration's service, so that a command beside it sees what the service sees.

    Args:
        path: The configuration; where no service runs with it, nothing is done, nor within a service.
        environ: What is changed; None for the environment of this process.
        of_unit: Return what a unit sets by itself, as in what `systemctl edit` wrote; None where nobody knows.
        say: Called with what is left out.
        uid: For whom; None for the user of this process.
        root: Of the file system.
    """
    environ = os.environ if environ is None else environ
    unit = unit_for(path, root=root)
    if unit is None or any(environ.get(name) for name in _OF_A_SERVICE):
        return
    file = root / SERVICE_FOLDER / "environment"
    try:
        why = why_not_trusted(file, uid=os.geteuid() if uid is None else uid) if file.is_file() else ""
        environment = None if why else load_service_environment(path, root=root)
    except (OSError, UnicodeDecodeError):
        return  # What others may not read, they cannot take over; the doctor says so.
    if why:
        say(f"{file} is passed over: {why}")
        return
    own = of_unit(unit)
    known = {name: value for name, value in (own or {}).items() if name in ON_THE_WAY}
    known |= {} if environment is None else environment.variables
    others = sorted(ON_THE_WAY & environ.keys() - known.keys()) if own is not None else []
    if others:
        where = f"put it into /{SERVICE_FOLDER}/environment"
        say(f"{', '.join(others)} of this shell is left out: {unit}.service does not have it; {where}")
    for name in others:
        del environ[name]
    environ.update(known)
