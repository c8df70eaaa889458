"""Tables of the file as pydantic models: validated and frozen, they are the configuration, and its JSON Schema.

A new setting is one field here; of a rule in `rule_models`. What must fit together is in `validate`. No I/O.

`repr()` of anything here never shows a secret.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as Key

from alerter.config import types
from alerter.config.problems import describe_value
from alerter.config.types import (
    AnySeverity,
    ApiKey,
    AtLeastOne,
    Base64Key,
    Duration,
    Globs,
    LabelGlobs,
    Labels,
    Secret,
    Several,
    Text,
    TimeOfDay,
    TimeZone,
    Weekdays,
    shortest,
)
from alerter.config.urls import (
    ABSENT_URL,
    AnyAddress,
    BaseUrl,
    Database,
    HeaderName,
    Headers,
    HostNames,
    PingUrl,
    ProxyAddresses,
    WebPage,
)
from alerter.core.mute_windows import MuteWindow, WindowName
from alerter.core.outbox import TargetName
from alerter.core.routes import Receiver, ReceiverName, Route
from alerter.core.rules import Rule, RuleName
from alerter.core.selectors import MATCH_ALL, Selector, match_labels
from alerter.core.series import Tenant
from alerter.errors import Problem

MIN_POLL_INTERVAL = timedelta(seconds=10)
#: How long all of the history is kept, unless it is said, or the retention is shorter.
DOWNSAMPLE_AFTER = timedelta(days=90)
#: Nothing that is evaluated often needs older history.
MIN_DOWNSAMPLE_AFTER = timedelta(days=7)
MIN_RETENTION = timedelta(days=1)


class ApiVersion(StrEnum):
    """Mimecast's two APIs: 2.0 with OAuth2, and 1.0 with signed requests."""

    V1 = "1.0"
    V2 = "2.0"


#: The names that `region` may have, that of API 2.0 by default first; the adapter knows the host of each.
REGIONS: Mapping[ApiVersion, tuple[str, ...]] = MappingProxyType(
    {
        ApiVersion.V2: ("global", "uk", "us"),
        ApiVersion.V1: ("eu", "de", "us", "usb", "uspcom", "ca", "za", "au", "je", "sandbox"),
    }
)
#: The keys of a tenant that belong to each API.
KEYS_BY_API: Mapping[ApiVersion, tuple[str, ...]] = MappingProxyType(
    {
        ApiVersion.V2: ("client_id", "client_secret"),
        ApiVersion.V1: ("app_id", "app_key", "access_key", "secret_key"),
    }
)


class Scope(StrEnum):
    """What a token may be for: to read, acknowledge, silence, retry and test deliveries, or `/metrics` alone."""

    READ = "read"
    ACK = "ack"
    SILENCE = "silence"
    OPERATE = "operate"
    METRICS = "metrics"


class PageAccess(StrEnum):
    """What somebody may do who is not signed in: read, or also act."""

    READ = "read"
    OPERATE = "operate"


def _api(value: object) -> ApiVersion:
    if isinstance(value, int | float):
        raise ValueError(f'expected "1.0" or "2.0" in quotes, found {describe_value(value)}')  # noqa: TRY004
    return types.one_of(ApiVersion, value)


PollInterval = Annotated[Duration, shortest(MIN_POLL_INTERVAL)]
#: The default of what a tenant takes from `[service]`, which is filled in when both are known.
_OF_SERVICE: Any = None


class Section(BaseModel):
    """What all tables have in common: no unknown keys, no guessing of types, no values in pydantic's own texts.

    A field with `exclude` is no key of the file: it is known from where the table stands.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        str_strip_whitespace=True,
    )


class ServiceConfig(Section):
    """`[service]`.

    Attributes:
        database: An SQLite file, relative to `$STATE_DIRECTORY`, to the data of the service if the configuration is in
            `/etc/alerter`, or else to the configuration; or `postgresql://…`, which several machines may share.
        poll_interval: How often a tenant is polled; at least `10s`.
        retention: How long history is kept; at least `1d`.
        downsample_after: How long all of it is kept; at least `7d`. Of older history each hour keeps its lowest,
            highest and last count.
        timezone: In which messages and commands show times.
        console_url: Where messages send people to look at held mail.
        heartbeat_url: A dead man's switch that is pinged after complete cycles; a secret. See Watching the watcher.
        heartbeat_headers: What it needs besides, such as `{ Authorization = "GenieKey ${HEARTBEAT_KEY}" }`; secrets.
        listen: Where the page, `/healthz` and `/metrics` are, such as `"127.0.0.1:9464"`, `"[::1]:9464"` or
            `"unix:/run/alerter/web.sock"`.
        public_url: By which URL others reach it, such as `"https://alerts.example/alerter/"`; its host is accepted.
        metrics_per_reason: Whether `/metrics` has what is held for each hold reason, or only for each tenant.
    """

    database: Annotated[Database, Key(validate_default=True)] = "sqlite:///alerter.db"
    poll_interval: PollInterval = timedelta(minutes=5)
    retention: Annotated[Duration, shortest(MIN_RETENTION)] = timedelta(days=400)
    downsample_after: Annotated[Duration, shortest(MIN_DOWNSAMPLE_AFTER)] = Key(
        default_factory=lambda known: min(DOWNSAMPLE_AFTER, known["retention"])
    )
    timezone: TimeZone = ZoneInfo("UTC")
    console_url: WebPage = "https://login.mimecast.com"
    heartbeat_url: PingUrl | None = None
    heartbeat_headers: Headers = {}
    listen: AnyAddress | None = None
    public_url: WebPage | None = None
    metrics_per_reason: bool = True


class WebToken(Section):
    """`[web.tokens.NAME]`, made by `alerter web-token`.

    Attributes:
        sha256: The digest of the token, as the command prints it.
        scopes: What it is for: `read`, `ack`, `silence`, `operate`, or `/metrics` alone: `metrics`.
    """

    sha256: types.Digest
    scopes: AtLeastOne[Annotated[Scope, BeforeValidator(partial(types.one_of, Scope))]]


class WebConfig(Section):
    """`[web]`.

    Attributes:
        page: Whether there is a page at `listen`, besides `/healthz` and `/metrics`.
        access: What somebody may do who is not signed in: `read`, or also `operate`, which is for loopback and Unix
            sockets alone.
        open_to_everybody: Whether everybody who reaches `listen` may read, where that is no loopback address.
        operators: The users who may act: acknowledge, silence, retry a delivery.
        hosts: Further names in a browser's address bar by which the page may be reached.
        user_header: The header in which a proxy names the user who has signed in there, such as `X-Forwarded-User`.
        trusted_proxies: The addresses of proxies that are believed, or `unix` for everybody at the socket.
        users: Names and bcrypt hashes, which `alerter web-password` makes; secrets.
        tokens: Of programs.
    """

    page: bool = True
    access: Annotated[PageAccess, BeforeValidator(partial(types.one_of, PageAccess))] = PageAccess.READ
    open_to_everybody: bool = False
    operators: Several[Text] = ()
    hosts: HostNames = ()
    user_header: HeaderName | None = None
    trusted_proxies: ProxyAddresses = ()
    users: types.PasswordHashes = {}
    tokens: Mapping[str, WebToken] = {}

    @property
    def hides_metrics(self) -> bool:
        """Whether `/metrics`, and what `/healthz` says, are for programs with a token alone."""
        return any(Scope.METRICS in token.scopes for token in self.tokens.values())

    @property
    def has_sign_in(self) -> bool:
        """Whether people can sign in; then they must."""
        return bool(self.users) or self.user_header is not None


class TenantConfig(Section):
    """`[tenants.NAME]`.

    Attributes:
        api: `"1.0"` for keys of the old API that already exist.
        region: API 2.0: `global`, `uk`, `us`. API 1.0, where it is needed: `eu`, `de`, `us`, `usb`, `uspcom`, `ca`,
            `za`, `au`, `je`, `sandbox`.
        base_url: Another host in place of a region; https, or http on loopback.
        client_id: The keys of API 2.0.
        client_secret: The keys of API 2.0.
        app_id: The keys of API 1.0.
        app_key: The keys of API 1.0.
        access_key: The keys of API 1.0.
        secret_key: The keys of API 1.0.
        poll_interval: How often this tenant is polled.
        labels: What you know it by, such as `{ customer = "Acme Ltd", tier = "gold" }`; rules and routes select by
            them.
        timezone: Where its people work: for mute windows without a time zone of their own.
        muted: It is polled and recorded, and nobody is notified.
    """

    name: Annotated[Tenant, Key(exclude=True)]
    api: Annotated[ApiVersion, BeforeValidator(_api)] = ApiVersion.V2
    region: Text | None = None
    base_url: BaseUrl | None = None
    client_id: ApiKey | None = None
    client_secret: ApiKey | None = None
    app_id: ApiKey | None = None
    app_key: ApiKey | None = None
    access_key: ApiKey | None = None
    secret_key: Base64Key | None = None
    poll_interval: PollInterval = _OF_SERVICE
    labels: Labels = {}
    timezone: TimeZone = _OF_SERVICE
    muted: bool = False

    @property
    def keys(self) -> Mapping[str, Secret]:
        """Those that its API needs, as far as it has them."""
        found = {name: getattr(self, name) for name in KEYS_BY_API[self.api]}
        return {name: key for name, key in found.items() if key is not None}

    @property
    def host(self) -> str:
        """The URL of its API, or the name of a region."""
        return self.base_url or self.region or REGIONS[self.api][0]

    @property
    def account(self) -> tuple[str, str, Mapping[str, Secret]]:
        """What is asked, and with which keys: a token that was given for it is good for as long as this is the same."""
        return self.api, self.host, self.keys

    def completed(self, service: ServiceConfig) -> "TenantConfig":
        """Return it with what the service says for all tenants that do not say otherwise."""
        unset = {"poll_interval", "timezone"} - self.model_fields_set
        return self.model_copy(update={key: getattr(service, key) for key in unset})


class RouteConfig(Section):
    """`[[routes]]`.

    Attributes:
        receivers: Who is notified.
        severity: Which levels: `info`, `warning`, `critical`.
        tenants: Globs; `!glob` excludes.
        reasons: Globs; `!glob` excludes.
        rules: Globs; `!glob` excludes.
        tenant_labels: Which labels a tenant must have, such as `{ tier = "gold" }`: for each a glob or a list of them.
        mute_windows: Names of mute windows, in which nothing goes this way.
    """

    receivers: AtLeastOne[Text]
    severity: AtLeastOne[AnySeverity] = ()
    tenants: Globs = MATCH_ALL
    tenant_labels: LabelGlobs = {}
    reasons: Globs = MATCH_ALL
    rules: Globs = MATCH_ALL
    mute_windows: AtLeastOne[Text] = ()

    def route(self, windows: Mapping[WindowName, MuteWindow], tenants: Iterable[TenantConfig]) -> Route:
        """Return the route; `windows` and `tenants` are those that it may name."""
        return Route(
            receivers=tuple(ReceiverName(name) for name in dict.fromkeys(self.receivers)),
            severities=frozenset(self.severity),
            tenants=select_tenants(self.tenants, self.tenant_labels, tenants),
            reasons=self.reasons,
            rules=self.rules,
            mute_windows=named_windows(self.mute_windows, windows),
        )


class MuteWindowConfig(Section):
    """`[mute_windows.NAME]`.

    Attributes:
        days: On which days it begins: names and ranges such as `"mon-fri"`, `"sat-mon"`, `"sun"`.
        from: When it begins, such as `"18:00"`.
        to: When it ends: on the next day where that is not later than `from`; a whole day where both are the same.
        timezone: An IANA name: whose clocks.
        tenants: For which tenants it is: globs; `!glob` excludes.
        tenant_labels: Which labels a tenant must have, as for routes.
    """

    name: Annotated[WindowName, Key(exclude=True)]
    days: AtLeastOne[Weekdays] = (frozenset(range(7)),)
    from_: Annotated[TimeOfDay, Key(alias="from")]
    to: TimeOfDay
    timezone: TimeZone | None = None
    tenants: Globs = MATCH_ALL
    tenant_labels: LabelGlobs = {}

    def window(self, service: ServiceConfig, tenants: Iterable[TenantConfig]) -> MuteWindow:
        """Return the mute window for those of these tenants that it is for."""
        return MuteWindow(
            name=self.name,
            days=frozenset[int]().union(*self.days),
            begins=self.from_,
            ends=self.to,
            timezone=self.timezone or service.timezone,
            is_local=self.timezone is None,
            tenants=select_tenants(self.tenants, self.tenant_labels, tenants),
        )


def select_tenants(globs: Selector, labels: Mapping[str, tuple[str, ...]], tenants: Iterable[TenantConfig]) -> Selector:
    """Return which of these tenants a route, a rule or a mute window is for: by name, by label, or both."""
    wanted = {name: Selector(each) for name, each in labels.items()}
    if not wanted:
        return globs
    return replace(globs, among=frozenset(each.name for each in tenants if match_labels(each.labels, wanted)))


def named_windows(names: Iterable[str], windows: Mapping[WindowName, MuteWindow]) -> tuple[MuteWindow, ...]:
    """Return the windows of these names, each once."""
    return tuple(windows[WindowName(name)] for name in dict.fromkeys(names))


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
        """The tenants whose alerts nobody is notified of."""
        return frozenset(name for name, tenant in self.tenants.items() if tenant.muted)

    @property
    def labels_by_tenant(self) -> Mapping[Tenant, Mapping[str, str]]:
        """The labels of each tenant that has any."""
        return {name: tenant.labels for name, tenant in self.tenants.items() if tenant.labels}

    @property
    def timezones(self) -> Mapping[Tenant, ZoneInfo]:
        """The time zone of each tenant that has another one than the service."""
        there = self.service.timezone
        return {name: tenant.timezone for name, tenant in self.tenants.items() if tenant.timezone != there}
