"""The tables of the file, each turned into its part of the configuration; what contradicts itself within one is said.

No I/O. What concerns several tables is in `references`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from alerter.config.model import (
    REGIONS,
    ApiVersion,
    Keys,
    OAuthKeys,
    ReceiverConfig,
    Secret,
    ServiceConfig,
    SigningKeys,
    Target,
    TenantConfig,
)
from alerter.config.problems import Problems, shown, suggestion
from alerter.config.schema import (
    KEYS_BY_API,
    LevelTable,
    MuteWindowTable,
    ReceiverTable,
    RouteTable,
    RuleTable,
    ServiceTable,
    TenantTable,
    Validated,
    WebTable,
)
from alerter.config.toml_lines import KeyPath
from alerter.config.types import listed
from alerter.config.urls import id_of, scheme_of
from alerter.config.web import PageAccess, WebConfig, WebToken
from alerter.core.conditions import Subject, duration_text
from alerter.core.mutes import WEEKDAYS, MuteWindow, WindowName
from alerter.core.notifications import Receiver, ReceiverName, Route
from alerter.core.outbox import TargetName
from alerter.core.review import ReportSchedule
from alerter.core.rules import NO_DATA_RULE_NAME, Level, Per, Rule, RuleName, Selector, Severity, match_labels
from alerter.core.series import Tenant
from alerter.servers import read_server_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a table stands, and who takes what is wrong with it."""

    path: KeyPath
    problems: Problems

    def error(self, key: str, text: str) -> None:
        """Add an error about a key of the table, or about all of it where the key is empty."""
        self.problems.error((*self.path, key) if key else self.path, text)


def service_of(table: ServiceTable, place: Place, *, state_folder: Path) -> ServiceConfig:
    """Return what `[service]` says; `state_folder` is what the path of an SQLite file is relative to."""
    try:
        database = database_url(table.database, state_folder)
    except ValueError as error:
        place.error("database", str(error))
        database = ""
    return ServiceConfig(
        database=database,
        poll_interval=table.poll_interval,
        retention=table.retention,
        downsample_after=_downsample_after(table, place),
        timezone=table.timezone,
        console_url=table.console_url,
        heartbeat_url=None if table.heartbeat_url is None else Secret(table.heartbeat_url),
        heartbeat_headers=_heartbeat_headers(table, place),
        listen=table.listen,
        public_url=table.public_url,
        metrics_per_reason=table.metrics_per_reason,
    )


def _heartbeat_headers(table: ServiceTable, place: Place) -> Mapping[str, Secret]:
    if table.heartbeat_headers and table.heartbeat_url is None:
        place.error("heartbeat_headers", "expected a 'heartbeat_url' that they go to, found none")
    has_login = "@" in urlsplit(table.heartbeat_url or "").netloc
    if has_login and any(name.casefold() == "authorization" for name in table.heartbeat_headers):
        place.error("heartbeat_headers", "expected one login, found 'Authorization' and a name in 'heartbeat_url'")
    return {name: Secret(value) for name, value in table.heartbeat_headers.items()}


def web_of(table: WebTable, place: Place, service: ServiceConfig) -> WebConfig:
    """Return what `[web]` says; what would let strangers in is an error."""
    if (table.user_header is None) != (not table.trusted_proxies):
        missing = "trusted_proxies" if table.user_header else "user_header"
        place.error(
            missing, "expected 'user_header' and 'trusted_proxies' together: a header is believed of them alone"
        )
    web = WebConfig(
        page=table.page,
        access=table.access,
        open_to_everybody=table.open_to_everybody,
        operators=tuple(table.operators),
        hosts=tuple(table.hosts),
        user_header=table.user_header,
        trusted_proxies=tuple(table.trusted_proxies),
        users={name: Secret(value) for name, value in table.users.items()},
        tokens=tuple(
            WebToken(name=name, sha256=each.sha256, scopes=tuple(each.scopes)) for name, each in table.tokens.items()
        ),
    )
    _check_access(web, place, service)
    return web


def _check_access(web: WebConfig, place: Place, service: ServiceConfig) -> None:
    if web.operators and not web.has_sign_in:
        place.error("operators", "expected 'users', or 'user_header' of a proxy, by which they sign in; found neither")
    unknown = [name for name in web.operators if web.users and not web.user_header and name not in web.users]
    if unknown:
        place.error("operators", f"expected names of [web.users], found {shown(unknown[0])}")
    address = service.listen
    if address is None or address.is_local or not web.page:
        return
    if web.access is PageAccess.OPERATE:
        place.error(
            "access", f"expected 'operate' on a loopback address or a Unix socket alone, found listen {address}"
        )
    if not web.has_sign_in and not web.open_to_everybody:
        place.error(
            "",
            f"the page at {address} would be open to everybody who reaches it: expected a way to sign in (users, or"
            " user_header with trusted_proxies), 'open_to_everybody = true', or 'page = false'",
        )


#: How long all of the history is kept, unless it is said, or the retention is shorter.
DOWNSAMPLE_AFTER = timedelta(days=90)


def _downsample_after(table: ServiceTable, place: Place) -> timedelta:
    if table.downsample_after is None:
        return min(DOWNSAMPLE_AFTER, table.retention)
    if table.downsample_after > table.retention:
        kept, found = duration_text(table.retention), duration_text(table.downsample_after)
        place.error("downsample_after", f"expected at most the retention, {kept}, found {found}")
    return table.downsample_after


def database_url(value: str, folder: Path) -> str:
    """Return the database's URL with an absolute path, or a secret where it names a server.

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
        raise ValueError("expected a file: a database in memory would forget whom it told what")
    if "?" in name or name.startswith(("~", "file:")):
        raise ValueError('expected a plain path, such as "sqlite:////var/lib/alerter/alerter.db", without "~" and "?"')
    return folder.absolute() / name


def _quoted(path: PurePath) -> str:
    return str(path).replace("%", "%25").replace("?", "%3F")


def tenant_of(name: str, checked: Validated[TenantTable], place: Place, service: ServiceConfig) -> TenantConfig | None:
    """Return a tenant, or None where its keys are not complete."""
    table = checked.table
    if "api" in checked.dropped:
        return None
    keys = _keys_of(checked, place)
    if not checked.dropped & {"region", "base_url"}:
        _check_region(table, place)
    if keys is None or (table.base_url is None and table.region is None and table.api is ApiVersion.V1):
        return None
    return TenantConfig(
        name=Tenant(name),
        api=table.api,
        region=None if table.base_url else table.region or REGIONS[ApiVersion.V2][0],
        base_url=table.base_url,
        keys=keys,
        poll_interval=table.poll_interval or service.poll_interval,
        timezone=table.timezone or service.timezone,
        labels=table.labels,
        is_muted=table.muted,
    )


def _keys_of(checked: Validated[TenantTable], place: Place) -> Keys | None:
    table = checked.table
    foreign = [key for api, names in KEYS_BY_API.items() if api is not table.api for key in names]
    given = [key for key in foreign if getattr(table, key) is not None]
    own = {key: getattr(table, key) for key in KEYS_BY_API[table.api]}
    if given and "api" not in table.model_fields_set and not any(own.values()):
        place.error(given[0], 'is a key of API 1.0: add api = "1.0"')
        return None
    for key in given:
        place.error(key, f"does not belong to API {table.api}, which this tenant uses: {_needs(table.api)}")
    for key, value in own.items():
        if value is None and key not in checked.dropped:
            place.error(key, f"missing: {_needs(table.api)}")
    if not all(own.values()):
        return None
    secrets = {key: Secret(value) for key, value in own.items()}
    return SigningKeys(**secrets) if table.api is ApiVersion.V1 else OAuthKeys(**secrets)


def _needs(api: ApiVersion) -> str:
    *names, last = KEYS_BY_API[api]
    return f"API {api} needs {', '.join(names)} and {last}"


def _check_region(table: TenantTable, place: Place) -> None:
    regions = REGIONS[table.api]
    if table.region is not None and table.base_url is not None:
        place.error("base_url", "expected either 'region' or 'base_url', found both")
    elif table.region is not None and table.region not in regions:
        hint = suggestion(table.region, regions)
        place.error(
            "region", f"expected a region of API {table.api}, {listed(regions)}, found {shown(table.region)}{hint}"
        )
    elif table.region is None and table.base_url is None and table.api is ApiVersion.V1:
        place.error("region", f"missing: API 1.0 has a host for each region: {listed(regions)}; or write base_url")


def receiver_of(name: str, table: ReceiverTable, service: ServiceConfig) -> ReceiverConfig:
    """Return a receiver and its targets."""
    report = table.weekly_report
    receiver = Receiver(
        name=ReceiverName(name),
        repeat_interval=table.repeat_interval,
        send_resolved=table.send_resolved,
        max_per_hour=table.max_per_hour,
        fallback=None if table.fallback is None else ReceiverName(table.fallback),
        group_wait=table.group_wait,
        charts=table.charts,
        weekly_report=None
        if report is None
        else ReportSchedule(day=WEEKDAYS.index(report.day), at=report.at, timezone=report.timezone or service.timezone),
        targets=tuple(map(id_of, table.urls)),
    )
    schemes = [scheme_of(url) for url in table.urls]
    numbers = [schemes[: index + 1].count(scheme) for index, scheme in enumerate(schemes)]
    targets = tuple(
        Target(name=TargetName(f"{name}/{scheme}" + (f"-{number}" if number > 1 else "")), url=Secret(url))
        for url, scheme, number in zip(table.urls, schemes, numbers, strict=True)
    )
    return ReceiverConfig(receiver=receiver, targets=targets)


def window_of(name: str, table: MuteWindowTable, service: ServiceConfig, tenants: Iterable[TenantConfig]) -> MuteWindow:
    """Return a mute window for those of these tenants that it is for."""
    return MuteWindow(
        name=WindowName(name),
        days=frozenset[int]().union(*table.days),
        begins=table.from_,
        ends=table.to,
        timezone=table.timezone or service.timezone,
        is_local=table.timezone is None,
        tenants=selected_tenants(table, tenants),
    )


def lookbacks_for(names: Iterable[str], windows: Mapping[WindowName, MuteWindow]) -> tuple[MuteWindow, ...]:
    """Return the windows of these names, each once."""
    return tuple(windows[WindowName(name)] for name in dict.fromkeys(names))


def selected_tenants(table: RouteTable | RuleTable | MuteWindowTable, tenants: Iterable[TenantConfig]) -> Selector:
    """Return which tenants a route, a rule or a mute window is for: by name, by label, or both."""
    wanted = {name: Selector(globs) for name, globs in table.tenant_labels.items()}
    if not wanted:
        return Selector(tuple(table.tenants))
    among = frozenset(tenant.name for tenant in tenants if match_labels(tenant.labels, wanted))
    return Selector(tuple(table.tenants), among=among)


def route_of(table: RouteTable, windows: Mapping[WindowName, MuteWindow], tenants: Iterable[TenantConfig]) -> Route:
    """Return a route; `windows` and `tenants` are those that it may name."""
    return Route(
        receivers=tuple(ReceiverName(name) for name in dict.fromkeys(table.receivers)),
        severities=frozenset(table.severity),
        tenants=selected_tenants(table, tenants),
        reasons=Selector(tuple(table.reasons)),
        rules=Selector(tuple(table.rules)),
        mute_windows=lookbacks_for(table.mute_windows, windows),
    )


def rule_of(checked: Validated[RuleTable], place: Place, tenants: Iterable[TenantConfig]) -> Rule | None:
    """Return a rule for these tenants, or None where it contradicts itself or has no level that is right."""
    table = checked.table
    if not table.levels:
        if not checked.dropped & {severity.value for severity in Severity}:
            place.error(
                "", f"expected a level: {listed(Severity)}, such as warning = {{ threshold = {{ above = 200 }} }}"
            )
        return None
    subjects = {condition.subject for level in table.levels.values() for condition in level.conditions}
    if len(subjects) > 1:
        place.error("", "expected 'no_data' in all of its levels or in none: write a rule of its own for it")
        return None
    has_no_data = Subject.POLLING in subjects
    _check_kind(table, place, has_no_data=has_no_data)
    _check_sums(table, place)
    return Rule(
        name=RuleName(table.name),
        levels={severity: _level_of(level, table) for severity, level in table.levels.items()},
        tenants=selected_tenants(table, tenants),
        reasons=Selector(tuple(table.reasons)),
        per=Per.TENANT if has_no_data else table.per,
        runbook=table.runbook or "",
    )


def _check_kind(table: RuleTable, place: Place, *, has_no_data: bool) -> None:
    if not has_no_data and table.name.casefold() == NO_DATA_RULE_NAME.casefold():
        place.error("name", f"{NO_DATA_RULE_NAME!r} is for rules with the condition 'no_data': choose another name")
    for key in ("reasons", "per") if has_no_data else ():
        if key in table.model_fields_set:
            place.error(key, "a rule with 'no_data' looks at each tenant's polling, not at hold reasons: leave it out")


def _check_sums(table: RuleTable, place: Place) -> None:
    conditions = [condition for level in table.levels.values() for condition in level.conditions]
    for name in sorted({condition.name for condition in conditions if not condition.sums}):
        if table.per is not Per.REASON:
            place.error("per", f"{name!r} is about one hold reason and not about a sum: leave it out")


def _level_of(level: LevelTable, rule: RuleTable) -> Level:
    return Level(
        conditions=level.conditions,
        for_=rule.for_ if level.for_ is None else level.for_,
        keep_firing_for=rule.keep_firing_for if level.keep_firing_for is None else level.keep_firing_for,
    )
