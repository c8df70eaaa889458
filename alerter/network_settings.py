"""The network settings of the environment: proxies and certificate authorities.

`requests` obeys these variables and says little of what is wrong with them: it blames the host. Here each is read as
`requests` reads it (2.32: `utils.getproxies`, `Session.merge_environment_settings`). No text holds a name or password.
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

#: The schemes for which a proxy is known, as `requests` knows it; those of SOCKS need a package of their own.
HTTP_SCHEMES, SOCKS_SCHEMES = ("http", "https"), ("socks4", "socks4a", "socks5", "socks5h")
#: The variables that name a file or folder of authorities, the first that is set counts: for all but mail servers, and
#: for those.
BUNDLES, MAIL_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), ("SSL_CERT_FILE", "SSL_CERT_DIR")
#: A name in the DNS (RFC 1035), with a dot at its end.
_MAX_HOST = 254
#: How OpenSSL looks a certificate up in a folder: by a hash of its subject.
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
#: What a host is written with; urllib3 blames the URL that is asked for where a proxy has another character.
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(%[\w.-]+)?", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,19}")
_EXPECTED = "expected a proxy such as http://proxy.example:3128"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A variable of the environment: its name, and its value, which may hold a password."""

    name: str
    value: str = field(repr=False)


def proxy_setting(scheme: str, environ: Mapping[str, str] | None = None) -> Setting | None:
    """Return the variable that names the proxy for URLs of a scheme; None where none does."""
    environ = os.environ if environ is None else environ
    for kind in (scheme, "all"):
        for name in (f"{kind}_proxy", f"{kind}_PROXY", f"{kind.upper()}_PROXY"):
            if environ.get(name):
                return Setting(name=name, value=environ[name])
            if name in environ and name.islower():
                break  # Set to nothing, it takes back what is written in capitals.
    return None


def proxy_address(setting: Setting) -> str:
    """Return host and port of a proxy that can be used."""
    parts = _parts(setting.value)
    return "" if parts is None else f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def why_unusable(setting: Setting) -> str:
    """Return why a proxy cannot be used as it is written; empty where it can."""
    value = setting.value
    if value != value.strip():
        return f"{_EXPECTED}, found space around it"
    if any(mark in value for mark in "\"'"):
        return f"{_EXPECTED}, found quotes in it: they belong into a shell, not into the value"
    scheme, separator, rest = value.partition("://")
    if not separator:
        return _why_unusable_without_scheme(value)
    return _why_unknown(scheme) or _why_no_password(rest) or _why_no_address(_parts(value))


def _why_unknown(scheme: str) -> str:
    if scheme.lower() not in (*HTTP_SCHEMES, *SOCKS_SCHEMES):
        found = f"the scheme {scheme!r}" if _SCHEME.fullmatch(scheme) else "another scheme"
        return f"{_EXPECTED}, found {found}"
    if scheme.lower() in SOCKS_SCHEMES and find_spec("socks") is None:
        return "a proxy of SOCKS needs the package PySocks, which is not installed: pip install PySocks"
    return ""


def _why_no_password(rest: str) -> str:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in rest[len(authority) :]:
        return ""
    return f"{_EXPECTED}; in its name and password '@' is written %40, '/' %2F, '?' %3F and '#' %23"


def _why_unusable_without_scheme(value: str) -> str:
    host = re.split(r"[:/]", value, maxsplit=1)[0]
    # Where there is no dot in it, `host:port` is read as a scheme and a path.
    if "." not in host and ":" in value:
        return f"{_EXPECTED}, found no scheme"
    return _why_no_address(_parts(value))


def _why_no_address(parts: SplitResult | None) -> str:
    if parts is None or parts.port == 0:
        return f"{_EXPECTED}, found a port that is none: they go from 1 to 65535"
    if not parts.hostname or not parts.netloc.isprintable() or " " in parts.netloc:
        return f"{_EXPECTED}, found no host in it"
    if not _HOST.fullmatch(parts.hostname):
        return f"{_EXPECTED}, found a host with characters that are in no name"
    if not _may_resolve(parts.hostname):
        return f"{_EXPECTED}, found a host whose name has an empty part or one that is too long"
    if parts.path.lower().endswith(".pac"):
        return f"{_EXPECTED}, found a script that chooses one (.pac): write the proxy that it chooses"
    return ""


def _parts(value: str) -> SplitResult | None:
    """Return the parts of a proxy's URL; None where it has no such form."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        _ = parts.port  # read to be checked
    except ValueError:
        return None
    return parts


def authorities_setting(environ: Mapping[str, str] | None = None) -> Setting | None:
    """Return the variable that names the authorities for all but mail servers; None where none does."""
    environ = os.environ if environ is None else environ
    return next((Setting(name=name, value=environ[name]) for name in BUNDLES if environ.get(name)), None)


def _may_resolve(host: str) -> bool:
    """Say whether a name can be looked up at all: what cannot is an error of its own kind in the libraries."""
    try:
        return len(host) <= _MAX_HOST and bool(host.encode("idna"))
    except UnicodeError:
        return False


def why_untrusting(setting: Setting) -> str:
    """Return why nothing can be trusted by what a variable names; empty where something can."""
    path = Path(setting.value)
    try:
        if not path.exists():
            return f"{setting.name} names {path}, which does not exist"
        if path.is_dir():
            is_hashed = any(_HASHED.fullmatch(each.name) for each in path.iterdir())
            lacking = f"{setting.name} names {path}, a folder without certificates as OpenSSL looks them up"
            return "" if is_hashed else f"{lacking}: name a file, or run openssl rehash {path}"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return f"{setting.name} names {path}, which holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    except OSError as error:
        return f"{setting.name} names {path}, which cannot be read: {(error.strerror or str(error)).lower()}"
    return ""


def fault_on_the_way(scheme: str, environ: Mapping[str, str] | None = None) -> str:
    """Return which setting keeps requests of a scheme from every host, and why; empty where none does."""
    return _fault_of_proxy(proxy_setting(scheme, environ)) or fault_of_authorities(environ)


def _fault_of_proxy(setting: Setting | None) -> str:
    why = "" if setting is None else why_unusable(setting)
    return f"{setting.name} cannot be used: {why}" if setting is not None and why else ""


def fault_of_authorities(environ: Mapping[str, str] | None = None) -> str:
    """Return why no certificate can be verified by what the environment names; empty where some can."""
    setting = authorities_setting(environ)
    return "" if setting is None else why_untrusting(setting)


def doubts(environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield what is wrong or odd with the settings, one sentence for each."""
    environ = os.environ if environ is None else environ
    named = (proxy_setting(scheme, environ) for scheme in HTTP_SCHEMES)
    for setting in dict.fromkeys(setting for setting in named if setting is not None):
        yield _fault_of_proxy(setting) or _doubt_of_port(setting)
    yield from _doubts_of_spelling(environ)
    yield from _doubts_of_exceptions(environ)
    yield fault_of_authorities(environ)
    mail = [Setting(name=name, value=environ[name]) for name in MAIL_BUNDLES if environ.get(name)]
    yield from (f"{why}; mail servers are verified by it" for each in mail if (why := why_untrusting(each)))


def _doubt_of_port(setting: Setting) -> str:
    parts = _parts(setting.value)
    if parts is None or parts.port is not None or parts.scheme in SOCKS_SCHEMES:
        return ""
    return f"{setting.name} names no port: {proxy_address(setting)} is used; most proxies listen on 3128 or 8080"


def _doubts_of_spelling(environ: Mapping[str, str]) -> Iterator[str]:
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        if name in environ and environ[name] != environ.get(name.upper(), environ[name]):
            yield f"{name} and {name.upper()} differ: {name} counts"
    if proxy_setting("http", environ) is not None and proxy_setting("https", environ) is None:
        yield "HTTP_PROXY is set without HTTPS_PROXY: what goes by https, as to Mimecast, goes past it"


def _doubts_of_exceptions(environ: Mapping[str, str]) -> Iterator[str]:
    name = "no_proxy" if "no_proxy" in environ else "NO_PROXY"
    for entry in filter(None, (each.strip() for each in environ.get(name, "").split(","))):
        if expected := _expected_exception(entry):
            yield f"{name} has {entry!r}, which fits no host: {expected}"


def _expected_exception(entry: str) -> str:
    if "://" in entry:
        return "expected a host name without a scheme"
    if re.search(r"[;\s]", entry):
        return "expected commas between hosts"
    if "*" in entry and entry != "*":
        return "expected .example.com for all of a domain"
    if "/" not in entry:
        return ""
    try:
        ip_network(entry, strict=False)
    except ValueError:
        return "expected a host name without a path, or a network such as 10.0.0.0/8"
    return ""
