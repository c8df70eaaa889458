"""The configuration once it has been read: frozen, complete, and checked.

`repr()` of anything here never shows a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias
from zoneinfo import ZoneInfo

from alerter.config.web import WebConfig
from alerter.core.mutes import MuteWindow, WindowName
from alerter.core.notifications import Receiver, Route
from alerter.core.outbox import TargetName
from alerter.core.rules import Rule, RuleName
from alerter.core.series import Tenant
from alerter.errors import Problem


class Secret(str):
    """A text that must not be shown. It is an ordinary string wherever it is used; only its `repr` hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the same for every secret."""
        return "Secret('***')"


#: Stands for a URL that is not known.
ABSENT_URL = "absent://unknown"


class ApiVersion(StrEnum):
    """Mimecast's two APIs: 2.0 with OAuth2, and 1.0 with signed requests."""

    V1 = "1.0"
    V2 = "2.0"


#: The names that `region` may have; the adapter knows the host of each.
REGIONS: Mapping[ApiVersion, tuple[str, ...]] = MappingProxyType(
    {
        ApiVersion.V2: ("global", "uk", "us"),
        ApiVersion.V1: ("eu", "de", "us", "usb", "uspcom", "ca", "za", "au", "je", "sandbox"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthKeys:
    """What API 2.0 asks for."""

    client_id: Secret
    client_secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """What API 1.0 asks for; `secret_key` is base64 text."""

    app_id: Secret
    app_key: Secret
    access_key: Secret
    secret_key: Secret


Keys: TypeAlias = OAuthKeys | SigningKeys


@dataclass(frozen=True, slots=True)
class Address:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """What holds for the whole service.

    Attributes:
        database: An SQLAlchemy URL; of an SQLite file the path is absolute. A `Secret` where it names a server.
        poll_interval: How often a tenant is polled that does not say otherwise; at least 10 s.
        retention: How long history is kept.
        downsample_after: How long all of it is kept; at most the retention.
        timezone: In which people read times.
        console_url: Where messages send people to look at held mail.
        heartbeat_url: What is pinged after each complete cycle; None for nothing.
        heartbeat_headers: What goes with each ping.
        listen: Where `/healthz` and `/metrics` are; None for nowhere.
        public_url: By which name others reach them; None if by their address alone.
        metrics_per_reason: Whether `/metrics` has what is held for each reason, or only for each tenant.
    """

    database: str
    poll_interval: timedelta
    retention: timedelta
    downsample_after: timedelta
    timezone: ZoneInfo
    console_url: str
    heartbeat_url: Secret | None = None
    heartbeat_headers: Mapping[str, Secret] = field(default_factory=dict)
    listen: Address | None = None
    public_url: str | None = None
    metrics_per_reason: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantConfig:
    """One Mimecast account.

    Attributes:
        name: Its name in the configuration.
        api: Which API its keys are for.
        region: A name of `REGIONS[api]`; None where `base_url` stands in its place.
        base_url: Scheme and host, without a slash at the end; None where `region` says it.
        keys: Of the kind that `api` needs.
        poll_interval: How often it is polled; at least 10 s.
        timezone: Where its people work; that of the service unless it says otherwise.
        labels: What routes and rules may choose it by, and readers know it by.
        is_muted: Whether it is polled and recorded, and nobody told.
    """

    name: Tenant
    api: ApiVersion
    region: str | None
    base_url: str | None
    keys: Keys
    poll_interval: timedelta
    timezone: ZoneInfo
    labels: Mapping[str, str] = field(default_factory=dict)
    is_muted: bool = False

    @property
    def account(self) -> tuple[str, str, Keys]:
        """What is asked, and with which keys: a token that was given for it is good for as long as this is the same."""
        return self.api, self.base_url or self.region or "", self.keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One URL of a receiver.

    Attributes:
        name: `<receiver>/<scheme>`, and `-2`, `-3` … after a second and third one of the scheme.
        url: As Apprise takes it.
    """

    name: TargetName
    url: Secret

    @property
    def is_unknown(self) -> bool:
        """Whether the URL could not be read, and need not be: then its name says nothing but the receiver's."""
        return self.url == ABSENT_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverConfig:
    """A receiver, and where it is reached: at least one target, in the configuration's order."""

    receiver: Receiver
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that the configuration decides.

    Attributes:
        path: The file that was read.
        service: What holds for the whole service.
        tenants: At least one.
        receivers: At least one, in the file's order.
        routes: Empty means that everything goes to every receiver.
        rules: Those of the file, and the built-in ones that watch for missing data.
        mute_windows: By name, in the file's order; also those that nothing uses.
        windows_by_rule: The mute windows of each rule that has any.
        warnings: What is legal but unwise, in the file's order.
        web: What it says of the page.
        files: The files of the configuration: that at `path` and those that it includes, each an absolute path.
        credential_files: The files that values were read from, each once.
    """

    path: Path
    service: ServiceConfig
    tenants: Mapping[Tenant, TenantConfig]
    receivers: tuple[ReceiverConfig, ...]
    routes: tuple[Route, ...]
    rules: tuple[Rule, ...]
    mute_windows: Mapping[WindowName, MuteWindow] = field(default_factory=dict)
    windows_by_rule: Mapping[RuleName, tuple[MuteWindow, ...]] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    web: WebConfig = field(default_factory=WebConfig)
    files: tuple[Path, ...] = ()
    credential_files: tuple[Path, ...] = ()

    @property
    def muted_tenants(self) -> frozenset[Tenant]:
        """The tenants of which nobody is told anything."""
        return frozenset(name for name, tenant in self.tenants.items() if tenant.is_muted)

    @property
    def labels_by_tenant(self) -> Mapping[Tenant, Mapping[str, str]]:
        """The labels of each tenant that has any."""
        return {name: tenant.labels for name, tenant in self.tenants.items() if tenant.labels}

    @property
    def timezones(self) -> Mapping[Tenant, ZoneInfo]:
        """The time zone of each tenant that has another one than the service."""
        there = self.service.timezone
        return {name: tenant.timezone for name, tenant in self.tenants.items() if tenant.timezone != there}
