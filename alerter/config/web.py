"""`[web]`: who may read the page and the API, and who may act. Values alone; `parts` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: Stands for the peer of a Unix socket among `trusted_proxies`.
UNIX: Final = "unix"


class Scope(StrEnum):
    """What a token may be for: to read, to acknowledge, to silence, to retry and test deliveries."""

    READ = "read"
    ACK = "ack"
    SILENCE = "silence"
    OPERATE = "operate"


class PageAccess(StrEnum):
    """What somebody may do who is not signed in: read, or also act."""

    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebToken:
    """A program's way to sign in.

    Attributes:
        name: Stands in the history as the author.
        sha256: The digest of the token, in hexadecimal digits.
        scopes: What it is for.
    """

    name: str
    sha256: str
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """What the configuration says of the page.

    Attributes:
        page: Whether there is a page, or `/healthz` and `/metrics` alone.
        access: What somebody may do who is not signed in.
        open_to_everybody: Whether everybody who reaches an address that is not loopback may read.
        operators: The users who may act; all others may read.
        hosts: Further names by which the page may be asked.
        user_header: The header in which a trusted proxy names the user; None for none.
        trusted_proxies: The addresses of such proxies, or `unix` for the socket.
        users: bcrypt hashes by name.
        tokens: Of programs.
    """

    page: bool = True
    access: PageAccess = PageAccess.READ
    open_to_everybody: bool = False
    operators: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    user_header: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens: tuple[WebToken, ...] = ()

    @property
    def has_sign_in(self) -> bool:
        """Whether people can sign in; then they must."""
        return bool(self.users) or self.user_header is not None
