"""The servers that the URL of a PostgreSQL database names: text in, values out.

Both forms of several servers are read: libpq's `postgresql://a:5432,b:5433/name`, and SQLAlchemy's
`?host=a:5432&host=b`, also as `?host=a,b&port=5432,5433`. As in libpq, what stands behind the `?` counts where both
name servers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote

_URL = re.compile(
    r"(?P<scheme>[\w+]+://)(?P<login>[^/?#]*@)?(?P<hosts>[^/?#]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?", re.DOTALL
)
_HOST = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d{0,5}))?", re.ASCII)
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server: a name, an address or the folder of a socket; empty for libpq's default, as is no port."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        """Return `host:port`, or the host alone."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: behind a socket of its file system, or a loopback address."""
        if not self.host or self.host.startswith(("/", "@")):
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """A URL, read.

    Attributes:
        bare: The URL without servers; it holds the password.
        servers: Those that it names, in their order; at least one.
        parameters: What stands behind the `?`, but for servers.
    """

    bare: str
    servers: tuple[Server, ...]
    parameters: tuple[tuple[str, str], ...]

    def parameter(self, name: str) -> str | None:
        """Return a parameter; None where it is not given."""
        return next((value for key, value in reversed(self.parameters) if key == name), None)

    def is_exposed(self, *, sslmode: str | None, host: str = "") -> bool:
        """Return whether anybody on the way could answer in a server's place: no certificate proves who it is.

        Args:
            sslmode: What holds where the URL says nothing.
            host: The server where the URL names none.
        """
        is_proven = (self.parameter("sslmode") or sslmode) == "verify-full" or self.parameter("sslrootcert") == "system"
        return not is_proven and bool(self.remote_hosts(host=host))

    def remote_hosts(self, *, host: str = "") -> list[str]:
        """Return what the URL names beyond this machine; an entry of a service file may name anything.

        Args:
            host: The server where the URL names none.
        """
        # libpq connects to the address, whatever the name; a name of another machine may be the end of a tunnel.
        addresses = [Server(host=each) for each in (self.parameter("hostaddr") or "").split(",") if each]
        service = self.parameter("service")
        if service and not addresses and not any(server.host for server in self.servers):
            return [f"service={service}"]
        named = [*(replace(server, host=server.host or host) for server in self.servers), *addresses]
        return list(dict.fromkeys(server.host for server in named if not server.is_local))


def read_server_url(url: str) -> ServerUrl:
    """Return what a URL of PostgreSQL names.

    Raises:
        ValueError: It has no such form; the text says why, and shows nothing of it.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("it is not of the form postgresql://user:password@host/database")
    given = parse_qsl(match["query"] or "", keep_blank_values=True)
    hosts, addresses, ports = ([value for key, value in given if key == name] for name in ("host", "hostaddr", "port"))
    named = [value for value in hosts or addresses if value]
    servers = _of_parameters(named, ports) if named else _of_authority(match["hosts"], ports)
    return ServerUrl(
        bare=f"{match['scheme']}{match['login'] or ''}{match['path'] or ''}",
        servers=tuple(servers),
        parameters=tuple((key, value) for key, value in given if key not in {"host", "port"}),
    )


def _of_authority(hosts: str, ports: Sequence[str]) -> Iterator[Server]:
    """Yield the servers that stand between `//` and the path; `?port=` is that of those without one."""
    found = [_server(text) for text in hosts.split(",")]
    for server, port in zip(found, _ports(ports, len(found)), strict=True):
        yield server if server.port is not None else Server(host=server.host, port=port)


def _of_parameters(hosts: Sequence[str], ports: Sequence[str]) -> Iterator[Server]:
    """Yield the servers of `?host=a:1&host=b:2`, or of `?host=a,b&port=1,2`."""
    names = [name for value in hosts for name in value.split(",")]
    if len(hosts) > 1 or not ports:
        yield from (_server(name) for name in names)
        return
    for name, port in zip(names, _ports(ports, len(names)), strict=True):
        yield Server(host=name.strip("[]"), port=port)


def _server(text: str) -> Server:
    """Return one server of `host:port`; the folder of a socket, or an address of IPv6, is a host alone."""
    if text.startswith(("/", "@")) or (text.count(":") > 1 and "[" not in text):
        return Server(host=text)
    match = _HOST.fullmatch(unquote(text))
    if match is None:
        raise ValueError("the port of a server is not a number")
    return Server(host=match["ipv6"] or match["name"] or "", port=_port(match["port"] or ""))


def _ports(given: Sequence[str], count: int) -> list[int | None]:
    """Return a port for each of a number of servers: one may be for all of them."""
    texts = [text for value in given for text in value.split(",")] or [""]
    if len(texts) not in {1, count}:
        raise ValueError(f"it has {len(texts)} ports for {count} servers")
    return [_port(text) for text in texts] * (count if len(texts) == 1 else 1)


def _port(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LAST_PORT:
        raise ValueError(f"the port of a server is not a number from 1 to {_LAST_PORT}")
    return int(text)
