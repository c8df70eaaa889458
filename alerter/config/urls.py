"""URLs, addresses and headers: what each may be, and facts about an Apprise URL that need no Apprise.

No I/O. No text of an error shows a URL that is a secret or a part of one, but for the scheme.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path, PurePath
from re import ASCII, IGNORECASE
from re import compile as compile_regex
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, PlainValidator, ValidationInfo, WithJsonSchema

from alerter.config.problems import describe_value, shown
from alerter.config.types import Secret, Several, Text, text_schema, unquoted, whole_schema
from alerter.core.routes import TargetId
from alerter.redaction import is_token
from alerter.servers import read_server_url

_SCHEME = compile_regex(r"([A-Za-z0-9]{2,20})://\S")
#: What begins behind another URL: no URL has a space in it, and a comma is followed by no scheme.
_FURTHER = compile_regex(r"(?<=[^\s,;|])[\s,;|]+[A-Za-z0-9]{2,20}://")
_PARAMETER = compile_regex(r"[?&]([^?=&#]+)=([^&#]*)")
#: A password, which its owner may change without being somewhere else.
_PASSWORD = compile_regex(r"(?<=://)([^:/@?#]*):[^@/?#]*(?=@)|([?&]pass(?:word)?=)[^&#]*", IGNORECASE)

#: Web hooks as Slack, Teams and Discord show them, which Apprise takes as they are.
_NATIVE = (
    (compile_regex(r"https?://hooks\.slack(?:-gov)?\.com/", IGNORECASE), "slack"),
    (compile_regex(r"https?://[^/]+\.logic\.azure\.com[:/]", IGNORECASE), "workflows"),
    (compile_regex(r"https?://[^/]+\.api\.powerplatform\.com[:/]", IGNORECASE), "workflows"),
    (compile_regex(r"https?://(?:[a-z]+\.)?discord(?:app)?\.com/", IGNORECASE), "discord"),
)
#: Parameters with which services of Apprise read a file of this machine.
_READING = frozenset({"keyfile", "pgpprv", "pgppub", "subfile", "template"})
#: Web hooks of Office 365 connectors, which Apprise 2 no longer loads.
_CONNECTOR = compile_regex(
    r"msteams://|https?://(?:outlook\.office(?:365)?\.com/webhook|[^/]+\.webhook\.office\.com)", IGNORECASE
)
#: Services of Apprise that end in a mailbox.
MAIL_SCHEMES = frozenset(
    {
        "mailto", "mailtos", "brevo", "mailersend", "mailgun", "o365", "azure", "postmark", "resend",
        "sendgrid", "sendpulse", "ses", "smtp2go", "sparkpost",
    }
)  # fmt: skip

#: Of these it is known who has a mail.
_ACCOUNTED = frozenset({"mailto", "mailtos"})


#: Stands for a URL that is not known.
ABSENT_URL = "absent://unknown"
#: Stands for the peer of a Unix socket among `trusted_proxies`.
UNIX: Final = "unix"
_ADDRESS = compile_regex(r"(?P<host>\[[^\]]+\]|[^:\[\]/]+)?:(?P<port>\d{1,6})", ASCII)
_HOST = compile_regex(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", ASCII | IGNORECASE)
LAST_PORT = 65535
#: What the kernel takes as the path of a socket, in bytes.
MAX_SOCKET_BYTES = 107
#: A header's name (RFC 9110, section 5.1, as servers write theirs), and those that a request has of its own.
HEADER = compile_regex(r"[A-Za-z][A-Za-z0-9-]{0,99}")
TAKEN_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
#: Servers refuse longer ones, in characters.
MAX_HEADER = 4096


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where something listens: an IP address of this machine and a port, from 1 to 65535; or the path of a socket."""

    host: str
    port: int
    path: str = ""

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return bool(self.path) or ip_address(self.host).is_loopback

    def __str__(self) -> str:
        """Return it as the configuration writes it."""
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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


def headers(value: object) -> Mapping[str, Secret]:
    """Return headers of HTTP, whose values are secrets: the text of an error never shows one."""
    expected = 'expected a table such as { Authorization = "Bearer ${TOKEN}" }'
    if not isinstance(value, dict):
        raise ValueError(f"{expected}, found another kind of value")  # noqa: TRY004 - pydantic takes ValueErrors
    return MappingProxyType({_header(name): Secret(_header_value(name, text)) for name, text in value.items()})


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


def address(value: object) -> ListenAddress:
    """Return where to listen: `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` or `unix:/run/alerter/web.sock`."""
    expected = 'expected an address such as "127.0.0.1:9464" or "[::1]:9464", or "unix:/run/alerter/web.sock"'
    if isinstance(value, ListenAddress):
        return value
    if isinstance(value, str) and value.startswith("unix:"):
        return _socket(value.removeprefix("unix:"))
    match = _ADDRESS.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match["host"] is None:
        raise ValueError(f"{expected}, found {describe_value(value)}{_hint_for_address(str(value))}")
    host = "127.0.0.1" if match["host"] == "localhost" else match["host"].strip("[]")
    port = int(match["port"])
    if not 0 < port <= LAST_PORT:
        raise ValueError(f"{expected}, found port {port}: ports go from 1 to {LAST_PORT}")
    return ListenAddress(_ip(host, expected, str(value)), port)


def host_names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of hosts, without scheme, port and path."""
    for value in values:
        if not _HOST.fullmatch(value):
            raise ValueError(f"expected names such as 'alerter.example', found {describe_value(value)}")
    return tuple(value.lower() for value in values)


def header_name(value: str) -> str:
    """Return the name of a header that names a user."""
    if not HEADER.fullmatch(value):
        raise ValueError(f"expected a header's name such as 'X-Forwarded-User', found {describe_value(value)}")
    return value


def proxy_addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return addresses of proxies: IP addresses, or `unix`."""
    for value in values:
        if value != UNIX:
            _ip(value, "expected IP addresses such as '127.0.0.1', or 'unix'", value)
    return values


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine itself, seen by nobody else."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _socket(path: str) -> ListenAddress:
    if not path.startswith("/") or len(path.encode()) > MAX_SOCKET_BYTES or not path.isprintable():
        raise ValueError(
            f"expected an absolute path such as unix:/run/alerter/web.sock, at most {MAX_SOCKET_BYTES} bytes,"
            f" found {describe_value(path)}"
        )
    return ListenAddress("", 0, path)


def _ip(host: str, expected: str, value: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        raise ValueError(
            f"{expected}, found {describe_value(value)}: the host must be an IP address or localhost"
        ) from None


def _hint_for_address(value: str) -> str:
    if "://" in value:
        return ": write it without the scheme and the path"
    if value.strip().removeprefix(":").isdigit():
        return ": say on which address, 127.0.0.1 for this machine alone"
    return ": an IPv6 address stands in [brackets]" if value.count(":") > 1 else ""


def is_on_this_machine(url: str) -> bool:
    """Say whether a URL leads to a loopback address."""
    return is_loopback(urlsplit(url).hostname or "")


def is_plain_local_url(value: str) -> bool:
    """Say whether a text is a URL on this machine without login, parameter or token: there is no secret in it."""
    parts = _split(value)
    if parts is None or not is_loopback(parts.hostname or ""):
        return False
    return "@" not in value and not parts.query and not any(map(is_token, parts.path.split("/")))


def _split(value: str) -> SplitResult | None:
    """Return the parts of a URL, or None where it has no such form."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # read to be checked
    except ValueError:
        return None
    return None if any(character.isspace() for character in value) else parts


def database_url(value: str, folder: Path) -> str:
    """Return the database's URL with an absolute path, or a secret where it names a server.

    Args:
        value: As it is written.
        folder: What the path of an SQLite file is relative to.

    Raises:
        ValueError: It is of no kind that alerter can use. The text does not show it.
    """
    expected = 'expected "sqlite:///alerter.db" or "postgresql://user:password@host/database"'
    scheme, separator, rest = value.partition("://")
    if scheme.startswith("postgres") and scheme not in {"postgresql", "postgresql+psycopg"}:
        raise ValueError(f"{expected}, found another scheme, did you mean 'postgresql://'?")
    if scheme in {"postgresql", "postgresql+psycopg"} and rest:
        return Secret(_server_url(value))
    if scheme != "sqlite" or not separator:
        raise ValueError(f"{expected}, found text of another form")
    return f"sqlite:///{_quoted(_file_of(rest, folder))}"


def _server_url(value: str) -> str:
    try:
        read_server_url(value)
    except ValueError as error:
        raise ValueError(
            f"expected a URL of PostgreSQL, but {error}; in a password '@' is written %40, ':' %3A and '/' %2F"
        ) from None
    return value


def _file_of(rest: str, folder: Path) -> PurePath:
    """Return the absolute path of an SQLite file: SQLAlchemy has it after three slashes, percent-encoded."""
    if not rest.startswith("/"):
        raise ValueError('expected three slashes before the path: "sqlite:///alerter.db", or four if it is absolute')
    name = unquote(rest[1:])
    if name in {"", ":memory:"}:
        raise ValueError("expected a file: a database in memory would forget whom it notified")
    if "?" in name or name.startswith(("~", "file:")):
        raise ValueError('expected a plain path, such as "sqlite:////var/lib/alerter/alerter.db", without "~" and "?"')
    return folder.absolute() / name


def _quoted(path: PurePath) -> str:
    return str(path).replace("%", "%25").replace("?", "%3F")


def url_scheme(url: str) -> str:
    """Return which service a URL is for, as Apprise calls it: `slack`, `workflows`, `mailtos`.

    Raises:
        ValueError: It is not of the form of a URL, or is a web hook that no longer works.
    """
    if _FURTHER.search(url):
        raise ValueError('expected one URL in each text, found several: write urls = ["…", "…"], with a text for each')
    match = _SCHEME.match(url)
    if match is None or not url.isprintable():
        raise ValueError('expected an Apprise URL such as "slack://…", found text of another form')
    if _CONNECTOR.match(url):
        raise ValueError(
            "Teams connector URLs no longer work: create a webhook with Teams' Workflows app, and paste its URL "
            "(…logic.azure.com…) or write it as workflows://…"
        )
    return next((name for native, name in _NATIVE if native.match(url)), match.group(1).lower())


def has_scheme(url: str) -> bool:
    """Return True if a text is of the form of a URL that can be sent to."""
    try:
        url_scheme(url)
    except ValueError:
        return False
    return True


def url_digest(url: str) -> TargetId:
    """Return what a URL is known by where it must not stand itself: the same for as long as it leads to the same place.

    Nobody can read from it what a person chose: it is the digest of the URL without its password.
    """
    return TargetId(sha256(_PASSWORD.sub(r"\1\2", url).encode("utf-8", "replace")).hexdigest()[:16])


def reading_parameter(url: str) -> str:
    """Return the parameter of a URL that names a file of this machine; empty where there is none."""
    return next((name for name, _ in _PARAMETER.findall(url) if unquote(name).lower() in _READING), "")


def has_several_recipients(url: str) -> bool:
    """Say whether one URL reaches several people or channels, so that one refusal makes all of it a failure.

    Not where each of them is accounted for: a mail that some have goes on to the others alone, unless it is signed.
    """
    scheme = url_scheme(url)
    parameters = {name.lower(): unquote(value) for name, value in _PARAMETER.findall(url)}
    # In pieces before they are unquoted, and without the login: a password may hold anything.
    path = [unquote(piece) for piece in url.partition("://")[2].partition("?")[0].split("/")[1:]]
    if scheme not in MAIL_SCHEMES:
        return sum(piece.startswith("#") for piece in path) > 1
    if scheme in _ACCOUNTED and "pgp" not in parameters:
        return False
    addressees = [address for address in parameters.get("to", "").split(",") if address.strip()]
    return "cc" in parameters or "bcc" in parameters or len(addressees) + sum("@" in piece for piece in path) > 1


def apprise_url(value: str) -> str:
    """Return a URL that Apprise may load."""
    url_scheme(unquoted(value, "a URL"))
    return value


def _database(value: str, info: ValidationInfo) -> str:
    return value if info.context is None else database_url(value, info.context)


_HTTP = "[hH][tT][tT][pP]://"
_HTTPS = "[hH][tT][tT][pP][sS]://"
_PORT = r"0*(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_TAKEN_HEADERS = "|".join("".join(f"[{letter}{letter.upper()}]" for letter in name) for name in sorted(TAKEN_HEADERS))

#: The context of the validation is what the path of an SQLite file is relative to; without it no file is read.
Database = Annotated[
    Text, AfterValidator(_database), WithJsonSchema(whole_schema(r"sqlite:///.*[^/\s]|postgresql(?:\+psycopg)?://\S+"))
]
WebPage = Annotated[
    Text,
    AfterValidator(web_page),
    WithJsonSchema(whole_schema(rf"(?:{_HTTP}|{_HTTPS})\S+", "https://wiki.example/held-mail")),
]
BaseUrl = Annotated[
    Text,
    AfterValidator(base_url),
    WithJsonSchema(
        whole_schema(
            rf"{_HTTPS}[^\s/?#@]+/?|{_HTTP}(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?/?",
            "https://api.services.mimecast.com",
        )
    ),
]
PingUrl = Annotated[
    Secret,
    AfterValidator(ping_url),
    WithJsonSchema(
        whole_schema(rf"(?:{_HTTP}|{_HTTPS})[^\s/?#][^\s#]*", "https://hc-ping.com/…")
        | {"not": {"pattern": r"^[^?]*/(?:fail|start)\s*(?:\?|$)"}}
    ),
]
Headers = Annotated[
    Mapping[str, Secret],
    PlainValidator(headers),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{HEADER.pattern}$", "not": {"pattern": f"^(?:{_TAKEN_HEADERS})$"}},
            "additionalProperties": text_schema(rf"^\s*[!-~][ -~]{{0,{MAX_HEADER - 1}}}\s*$"),
        }
    ),
]
AnyAddress = Annotated[
    ListenAddress,
    PlainValidator(address),
    WithJsonSchema(whole_schema(rf"unix:/.*|(?:\[[^\]]+\]|[\d.]+|localhost):{_PORT}", "127.0.0.1:9464", "[::1]:9464")),
]
HostNames = Annotated[Several[Text], AfterValidator(host_names)]
ProxyAddresses = Annotated[Several[Text], AfterValidator(proxy_addresses)]
HeaderName = Annotated[Text, AfterValidator(header_name)]
AppriseUrl = Annotated[
    Secret,
    AfterValidator(apprise_url),
    WithJsonSchema(whole_schema(r"[A-Za-z0-9]{2,20}://\S.*", "${SLACK_URL}", "https://hooks.slack.com/services/…")),
]
