"""The texts of a configuration, turned into values: durations, names, URLs, time zones.

Every function raises ValueError with what was expected and what was found, or returns the value. No I/O, but for the
time zones of the system.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from datetime import time, timedelta
from enum import StrEnum
from ipaddress import ip_address
from re import ASCII, IGNORECASE
from re import compile as compile_regex
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from alerter.config.model import Address
from alerter.config.problems import found, shown, suggestion
from alerter.config.web import UNIX
from alerter.core.conditions import duration_text
from alerter.core.mutes import WEEKDAYS

Member = TypeVar("Member", bound=StrEnum)

#: What each text looks like, once the space around it is gone; the JSON Schema has the same.
DURATION = compile_regex(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", ASCII)
_ADDRESS = compile_regex(r"(?P<host>\[[^\]]+\]|[^:\[\]/]+)?:(?P<port>\d{1,6})", ASCII)
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
CLOCK = compile_regex(r"([01]\d|2[0-3]):([0-5]\d)", ASCII)
NAME = compile_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LABEL = compile_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}")
#: What a label of a tenant may not be called: Prometheus's own names, and those that alerter's metrics have.
TAKEN_LABELS = frozenset({"tenant", "reason", "rule", "severity", "job", "instance"})
#: A label is a word or a name, not a text.
MAX_LABEL = 100
#: A header's name (RFC 9110, section 5.1, as servers write theirs), and those that a request has of its own.
HEADER = compile_regex(r"[A-Za-z][A-Za-z0-9-]{0,99}")
TAKEN_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
#: Servers refuse longer ones, in characters.
MAX_HEADER = 4096
#: What the kernel takes as the path of a socket, in bytes.
MAX_SOCKET_BYTES = 107
MAX_USER_CHARACTERS = 64
#: Of a bcrypt hash: below it a stolen one is soon broken, above it a sign-in takes seconds.
MIN_COST, MAX_COST = 10, 14
_SHA256 = compile_regex(r"[0-9a-f]{64}", ASCII | IGNORECASE)
_HOST = compile_regex(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", ASCII | IGNORECASE)
_BCRYPT = compile_regex(r"\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}", ASCII)
LAST_PORT = 65535
#: More names than this only hide what the error is.
MAX_LISTED = 10
#: A hundred years: no date minus a duration leaves the calendar.
LONGEST = timedelta(days=36500)


def duration(value: object) -> timedelta:
    """Return the span that `1w2d3h4m5s` or a part of it says: each unit at most once, the largest first."""
    expected = 'expected a duration such as "10m"'
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{expected}, found {found(value)}: add a unit (s, m, h, d or w), in quotes")  # noqa: TRY004
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{expected}, found {found(value)}")
    match = DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{expected}, found {shown(value)}")
    try:
        span = timedelta(**{unit: int(count or 0) for unit, count in zip(_UNITS, match.groups(), strict=True)})
    except (OverflowError, ValueError):
        span = timedelta.max
    if span > LONGEST:
        raise ValueError(f"expected at most {duration_text(LONGEST)}, found {shown(value)}")
    return span


def at_least(span: timedelta, minimum: timedelta) -> timedelta:
    """Return the span if it is not shorter."""
    if span < minimum:
        raise ValueError(f"expected at least {duration_text(minimum)}, found {duration_text(span)}")
    return span


def at_most(span: timedelta, maximum: timedelta) -> timedelta:
    """Return the span if it is not longer."""
    if span > maximum:
        raise ValueError(f"expected at most {duration_text(maximum)}, found {duration_text(span)}")
    return span


def time_of_day(value: object) -> time:
    """Return what a clock shows at `18:00`; a day ends at the next one's `00:00`."""
    expected = 'expected a time of day such as "18:00"'
    if isinstance(value, time):
        raise ValueError(f"{expected}, found one without quotes")  # noqa: TRY004 - pydantic takes ValueErrors
    match = CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        hint = ': midnight is "00:00"' if value == "24:00" else ""
        raise ValueError(f"{expected}, found {found(value)}{hint}")
    return time(int(match[1]), int(match[2]))


def weekdays(value: object) -> frozenset[int]:
    """Return the days of the week, Monday 0, that `sun` or `mon-fri` names; a range may go over the weekend."""
    if not isinstance(value, str):
        raise ValueError(f'expected a day such as "mon" or a range such as "mon-fri", found {found(value)}')  # noqa: TRY004
    first, dash, last = (part.strip() for part in value.casefold().partition("-"))
    begin, end = _weekday(first, value), _weekday(last if dash else first, value)
    return frozenset((begin + step) % len(WEEKDAYS) for step in range((end - begin) % len(WEEKDAYS) + 1))


def weekday(value: object) -> str:
    """Return a day of the week as `mon` names it."""
    if not isinstance(value, str) or value.strip().casefold() not in WEEKDAYS:
        hint = suggestion(value.strip().casefold()[:3], WEEKDAYS) if isinstance(value, str) else ""
        raise ValueError(f"expected {listed(WEEKDAYS)}, found {found(value)}{hint}")
    return value.strip().casefold()


def _weekday(name: str, value: str) -> int:
    if name not in WEEKDAYS:
        hint = suggestion(name[:3], WEEKDAYS)
        raise ValueError(f'expected {listed(WEEKDAYS)}, or a range such as "mon-fri", found {found(value)}{hint}')
    return WEEKDAYS.index(name)


def one_of(kind: type[Member], value: object) -> Member:
    """Return the member of an enum that the text names."""
    names = [str(member) for member in kind]
    if not isinstance(value, str) or value.strip() not in names:
        hint = suggestion(value, names) if isinstance(value, str) else ""
        raise ValueError(f"expected {listed(names)}, found {found(value)}{hint}")
    return kind(value.strip())


def listed(names: Iterable[str]) -> str:
    """Return `"a" or "b" or "c"` as an error says it."""
    quoted = [f'"{name}"' for name in names]
    return " or ".join(quoted[:MAX_LISTED]) + (" or another" if len(quoted) > MAX_LISTED else "") or "none"


def checked_name(value: str) -> str:
    """Return a name that may stand in a target's name, in a glob and in a command."""
    if not NAME.fullmatch(value):
        raise ValueError(
            f"expected a name of letters, digits, '.', '_' and '-', at most 64, the first a letter or digit, "
            f"found {shown(value)}"
        )
    return value


def labels(value: object) -> Mapping[str, str]:
    """Return labels as Prometheus takes them: names of letters, digits and `_`, and values that are lines of text."""
    if not isinstance(value, dict):
        raise ValueError(f'expected a table such as {{ tier = "gold" }}, found {found(value)}')  # noqa: TRY004
    return MappingProxyType({_label(name): _label_value(name, text) for name, text in value.items()})


def label_globs(value: object) -> Mapping[str, tuple[str, ...]]:
    """Return which values of labels are wanted: a glob or several for each label."""
    if not isinstance(value, dict):
        raise ValueError(f'expected a table such as {{ tier = "gold" }}, found {found(value)}')  # noqa: TRY004
    return MappingProxyType({_label(name): _label_globs(name, globs) for name, globs in value.items()})


def _label_globs(name: str, value: object) -> tuple[str, ...]:
    written = value if isinstance(value, list) else [value]
    globs = tuple(glob(each.strip()) for each in written if isinstance(each, str))
    if not globs or len(globs) < len(written):
        raise ValueError(f'expected a glob such as "gold", or a list of them, for {name!r}, found {found(value)}')
    return globs


def _label(name: str) -> str:
    if not LABEL.fullmatch(name) or name.startswith("__"):
        raise ValueError(f"expected a label's name of letters, digits and '_', the first no digit, found {shown(name)}")
    if name in TAKEN_LABELS:
        raise ValueError(f"expected a label of your own, found {shown(name)}, which every alert has already")
    return name


def _label_value(name: str, value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable() or len(text) > MAX_LABEL:
        raise ValueError(
            f"expected text of one line, at most {MAX_LABEL} characters, for {name!r}, found {found(value)}"
        )
    return text


def title(value: str) -> str:
    """Return a name for people: one line of printable text."""
    if not value.isprintable():
        raise ValueError(f"expected one line of printable text, found {shown(value)}")
    return value


def glob(value: str) -> str:
    """Return a glob, perhaps with a `!` before it."""
    if not value.removeprefix("!").strip():
        raise ValueError(f'expected a glob such as "Spam*" or "!Spam*", found {shown(value)}')
    return value


#: What pasting brings along around a text: quotes of shells, of TOML, and of word processors.
_QUOTES = tuple("\"'`\u201c\u201d\u2018\u2019")
#: What stands before a key where it was copied from a request or from a file of variables.
_BEFORE_KEY = compile_regex(r"(Bearer|Basic|MC)\s|(export\s+)?[A-Za-z_]{3,40}\s*[=:]\s*[^=\s]", IGNORECASE)


def unquoted(value: str, what: str) -> str:
    """Return a secret that has no quotes around it; the text of the error never shows it."""
    if value.startswith(_QUOTES) or value.endswith(_QUOTES):
        raise ValueError(f"expected {what} alone, found quotes around it, which belong to no value: leave them out")
    return value


def key(value: str) -> str:
    """Return a key of Mimecast's; the text of the error never shows it."""
    if _BEFORE_KEY.match(unquoted(value, "a key")):
        raise ValueError(
            "expected a key alone, found a word before it, as in 'Bearer …' or 'client_id=…': leave it out"
        )
    if value.endswith(("\\n", "\\r")):
        raise ValueError("expected a key alone, found a backslash at its end, as of a line break written '\\n'")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("expected a key of ASCII characters without spaces; copy it again")
    return value


def base64_key(value: str) -> str:
    """Return a key that is base64 text."""
    try:
        b64decode(key(value), validate=True)
    except Base64Error:
        raise ValueError(
            "expected base64 text, as Mimecast shows it; copy it again, with every '=' at its end"
        ) from None
    return value


def timezone(value: object) -> ZoneInfo:
    """Return a time zone by its IANA name."""
    expected = 'expected a time zone such as "Europe/London"'
    if not isinstance(value, str):
        raise ValueError(f"{expected}, found {found(value)}")  # noqa: TRY004 - pydantic takes ValueErrors
    try:
        return ZoneInfo(value.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = suggestion(value, available_timezones())
        raise ValueError(f"{expected}, found {shown(value)}{hint}") from None


def web_page(value: str) -> str:
    """Return the URL of a page that people can open."""
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or not value.isprintable():
        raise ValueError(f'expected a URL such as "https://wiki.example/held-mail", found {shown(value)}')
    return value


def base_url(value: str) -> str:
    """Return scheme and host of an API, without a slash at the end."""
    expected = 'expected a URL such as "https://api.services.mimecast.com"'
    parts = _split(value)
    if parts is None or not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ValueError(f"{expected}, found text of another form")
    if parts.port == 0:
        raise ValueError(f"{expected}, found {shown(value)}: there is no port 0")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{expected}, without a user name or password in it")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"{expected}, without a path, found {shown(value)}")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            f"expected https, found {shown(value)}; http is for this machine alone, such as http://127.0.0.1:8025"
        )
    return f"{parts.scheme}://{parts.netloc}"


def ping_url(value: str) -> str:
    """Return the URL of a dead man's switch, which is a secret: the text of an error never shows it."""
    expected = 'expected a URL such as "https://hc-ping.com/…"'
    parts = _split(value)
    if parts is None or not parts.hostname or not value.isprintable():
        raise ValueError(f"{expected}, found text of another form")
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{expected}, found another scheme than http or https")
    if parts.port == 0:
        raise ValueError(f"{expected}, found port 0, which there is not")
    if parts.fragment:
        raise ValueError(f"{expected}, found a '#' in it, after which nothing would be sent")
    if parts.path.endswith(("/fail", "/start")):
        raise ValueError(f"{expected}, without '/fail' or '/start' at its end: alerter says itself what it has to say")
    return value


def headers(value: object) -> Mapping[str, str]:
    """Return headers of HTTP, whose values are secrets: the text of an error never shows one."""
    expected = 'expected a table such as { Authorization = "Bearer ${TOKEN}" }'
    if not isinstance(value, dict):
        raise ValueError(f"{expected}, found another kind of value")  # noqa: TRY004 - pydantic takes ValueErrors
    return MappingProxyType({_header(name): _header_value(name, text) for name, text in value.items()})


def _header(name: str) -> str:
    if not HEADER.fullmatch(name):
        raise ValueError("expected a header's name of letters, digits and '-', found text of another form")
    if name.casefold() in TAKEN_HEADERS:
        raise ValueError(f"expected a header of the service outside, found {name!r}, which alerter sets itself")
    return name


def _header_value(name: str, value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isascii() or not text.isprintable() or len(text) > MAX_HEADER:
        raise ValueError(
            f"expected one line of ASCII text, at most {MAX_HEADER} characters, for {name!r}; copy it again"
        )
    return text


def address(value: object) -> Address:
    """Return where to listen: `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` or `unix:/run/alerter/web.sock`."""
    expected = 'expected an address such as "127.0.0.1:9464" or "[::1]:9464", or "unix:/run/alerter/web.sock"'
    if isinstance(value, str) and value.startswith("unix:"):
        return _socket(value.removeprefix("unix:"))
    match = _ADDRESS.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match["host"] is None:
        raise ValueError(f"{expected}, found {found(value)}{_hint_for_address(str(value))}")
    host = "127.0.0.1" if match["host"] == "localhost" else match["host"].strip("[]")
    port = int(match["port"])
    if not 0 < port <= LAST_PORT:
        raise ValueError(f"{expected}, found port {port}: ports go from 1 to {LAST_PORT}")
    return Address(_ip(host, expected, str(value)), port)


def sha256_digest(value: str) -> str:
    """Return the digest of a token: 64 hexadecimal digits."""
    if not _SHA256.fullmatch(value):
        raise ValueError("expected 64 hexadecimal digits, as `alerter web-token` prints them, found another text")
    return value.lower()


def host_names(values: list[str]) -> list[str]:
    """Return names of hosts, without scheme, port and path."""
    for value in values:
        if not _HOST.fullmatch(value):
            raise ValueError(f"expected names such as 'alerter.example', found {found(value)}")
    return [value.lower() for value in values]


def header_name(value: str) -> str:
    """Return the name of a header that names a user."""
    if not HEADER.fullmatch(value):
        raise ValueError(f"expected a header's name such as 'X-Forwarded-User', found {found(value)}")
    return value


def proxy_addresses(values: list[str]) -> list[str]:
    """Return addresses of proxies: IP addresses, or `unix`."""
    for value in values:
        if value != UNIX:
            _ip(value, "expected IP addresses such as '127.0.0.1', or 'unix'", value)
    return values


def password_hashes(value: object) -> Mapping[str, str]:
    """Return bcrypt hashes by user; the text of an error never shows one."""
    if not isinstance(value, dict):
        raise ValueError('expected a table such as { alice = "${ALICE_HASH}" }, found another kind of value')  # noqa: TRY004 - pydantic takes ValueErrors
    for name, text in value.items():
        if not name or not name.isprintable() or ":" in name or len(name) > MAX_USER_CHARACTERS:
            raise ValueError(f"expected a user's name without ':', at most {MAX_USER_CHARACTERS} characters")
        match = _BCRYPT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"expected for {name!r} a hash that `alerter web-password` makes, found another text")
        if not MIN_COST <= int(match["cost"]) <= MAX_COST:
            raise ValueError(
                f"expected for {name!r} a hash with a cost of {MIN_COST} to {MAX_COST}, found {int(match['cost'])}"
            )
    return MappingProxyType(value)


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine itself, seen by nobody else."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _socket(path: str) -> Address:
    if not path.startswith("/") or len(path.encode()) > MAX_SOCKET_BYTES or not path.isprintable():
        raise ValueError(
            f"expected an absolute path such as unix:/run/alerter/web.sock, at most {MAX_SOCKET_BYTES} bytes,"
            f" found {found(path)}"
        )
    return Address("", 0, path)


def _ip(host: str, expected: str, value: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        raise ValueError(f"{expected}, found {found(value)}: the host must be an IP address or localhost") from None


def _hint_for_address(value: str) -> str:
    if "://" in value:
        return ": write it without the scheme and the path"
    if value.strip().removeprefix(":").isdigit():
        return ": say on which address, 127.0.0.1 for this machine alone"
    return ": an IPv6 address stands in [brackets]" if value.count(":") > 1 else ""


def is_on_this_machine(url: str) -> bool:
    """Say whether a URL leads to a loopback address."""
    return is_loopback(urlsplit(url).hostname or "")


def _split(value: str) -> SplitResult | None:
    """Return the parts of a URL, or None where it has no such form."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # read to be checked
    except ValueError:
        return None
    return None if any(character.isspace() for character in value) else parts
