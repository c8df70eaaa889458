"""The variables that a service has and a shell beside it has not: systemd reads them from a file for the unit.

Only those that decide on how a host is reached are taken from it: without them, whoever looks beside the service would
see another way than the service goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from re import compile as compile_regex

from alerter.config.places import ROOT, SERVICE_FOLDER, unit_of

#: Proxies in both spellings, and the authorities that are trusted.
ON_THE_WAY = frozenset(
    {
        *(spelt for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY") for spelt in (name, name.lower())),
        "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
    }
)  # fmt: skip

_ASSIGNMENT = compile_regex(r"""([A-Za-z_][A-Za-z0-9_]*)=(["']?)(.*)\2""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a unit's file of variables says.

    Attributes:
        path: The file.
        on_the_way: The variables of `ON_THE_WAY` that it sets.
        odd_lines: The numbers of lines that systemd leaves out, because they set nothing.
    """

    path: Path
    on_the_way: Mapping[str, str]
    odd_lines: tuple[int, ...] = ()


def environment_of(path: Path, *, root: Path = ROOT) -> Environment | None:
    """Return what the service of a configuration has beside that; None where it has no file, or there is no service.

    Raises:
        OSError: The file cannot be read.
    """
    file = root / SERVICE_FOLDER / "environment"
    if unit_of(path, root=root) is None or not file.is_file():
        return None
    # As systemd.exec(5) has it: blank lines and comments are left out, quotes around a value are none of it.
    lines = {number: line.strip() for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)}
    found = {number: _ASSIGNMENT.fullmatch(line) for number, line in lines.items() if line and line[0] not in "#;"}
    return Environment(
        path=file,
        on_the_way={each[1]: each[3] for each in found.values() if each is not None and each[1] in ON_THE_WAY},
        odd_lines=tuple(number for number, each in found.items() if each is None),
    )
