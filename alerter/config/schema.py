"""The shape of each table of the file: which keys, of which type, with which default.

A condition's table is made from the fields of its class, so that a new condition needs nothing here. No I/O.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import time, timedelta
from functools import partial, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic import Field as Key
from pydantic_core import ErrorDetails

from alerter.config import types
from alerter.config.model import Address, ApiVersion
from alerter.config.problems import Problems, found, kind_of, suggestion
from alerter.config.toml_lines import KeyPath
from alerter.config.urls import scheme_of
from alerter.config.web import PageAccess, Scope
from alerter.core.conditions import CONDITIONS, Condition
from alerter.core.notifications import Receiver, ReceiverName
from alerter.core.rules import Per, Severity

MIN_POLL_INTERVAL = timedelta(seconds=10)
MIN_RETENTION = timedelta(days=1)
#: Nothing that is judged often looks back so far.
MIN_DOWNSAMPLE_AFTER = timedelta(days=7)
MIN_REPEAT = timedelta(minutes=1)
MAX_GROUP_WAIT = timedelta(hours=1)

#: The keys of a tenant that belong to each API.
KEYS_BY_API = {
    ApiVersion.V2: ("client_id", "client_secret"),
    ApiVersion.V1: ("app_id", "app_key", "access_key", "secret_key"),
}
KEY_NAMES = frozenset(name for names in KEYS_BY_API.values() for name in names)


def apprise_url(value: str) -> str:
    """Return a URL that Apprise may load."""
    scheme_of(types.unquoted(value, "a URL"))
    return value


def _at_least(minimum: timedelta) -> AfterValidator:
    return AfterValidator(partial(types.at_least, minimum=minimum))


def _at_most(maximum: timedelta) -> AfterValidator:
    return AfterValidator(partial(types.at_most, maximum=maximum))


def _api(value: object) -> ApiVersion:
    if isinstance(value, int | float):
        raise ValueError(f'expected "1.0" or "2.0" in quotes, found {found(value)}')  # noqa: TRY004
    return types.one_of(ApiVersion, value)


Text = Annotated[str, Key(min_length=1)]
Duration = Annotated[timedelta, BeforeValidator(types.duration)]
PollInterval = Annotated[Duration, _at_least(MIN_POLL_INTERVAL)]
WebPage = Annotated[Text, AfterValidator(types.web_page)]
ApiKey = Annotated[Text, AfterValidator(types.key)]
#: The space around a glob is a part of it, as it is a part of a name.
Glob = Annotated[str, StringConstraints(strip_whitespace=False), AfterValidator(types.glob)]
Globs = Annotated[list[Glob], Key(min_length=1)]
TimeOfDay = Annotated[time, PlainValidator(types.time_of_day)]
Weekday = Annotated[str, PlainValidator(types.weekday)]
Weekdays = Annotated[frozenset[int], PlainValidator(types.weekdays)]
TimeZone = Annotated[ZoneInfo, PlainValidator(types.timezone)]
Labels = Annotated[Mapping[str, str], PlainValidator(types.labels)]
LabelGlobs = Annotated[Mapping[str, tuple[str, ...]], PlainValidator(types.label_globs)]
WindowNames = Annotated[list[Text], Key(min_length=1)]
AnySeverity = Annotated[Severity, BeforeValidator(partial(types.one_of, Severity))]


class Section(BaseModel):
    """What all tables have in common: no unknown keys, no guessing of types, no values in pydantic's own texts."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        str_strip_whitespace=True,
    )


class ServiceTable(Section):
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

    database: Text = "sqlite:///alerter.db"
    poll_interval: PollInterval = timedelta(minutes=5)
    retention: Annotated[Duration, _at_least(MIN_RETENTION)] = timedelta(days=400)
    downsample_after: Annotated[Duration, _at_least(MIN_DOWNSAMPLE_AFTER)] | None = None
    timezone: TimeZone = ZoneInfo("UTC")
    console_url: WebPage = "https://login.mimecast.com"
    heartbeat_url: Annotated[Text, AfterValidator(types.ping_url)] | None = None
    heartbeat_headers: Annotated[Mapping[str, str], PlainValidator(types.headers)] = {}
    listen: Annotated[Address, PlainValidator(types.address)] | None = None
    public_url: WebPage | None = None
    metrics_per_reason: bool = True


def _access(value: object) -> PageAccess:
    return types.one_of(PageAccess, value)


def _scope(value: object) -> Scope:
    return types.one_of(Scope, value)


class WebTokenTable(Section):
    """`[web.tokens.NAME]`, made by `alerter web-token`.

    Attributes:
        sha256: The digest of the token, as the command prints it.
        scopes: What it is for: `read`, `ack`, `silence`, `operate`.
    """

    sha256: Annotated[Text, AfterValidator(types.sha256_digest)]
    scopes: Annotated[list[Annotated[Scope, BeforeValidator(_scope)]], Key(min_length=1)]


class WebTable(Section):
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
    access: Annotated[PageAccess, BeforeValidator(_access)] = PageAccess.READ
    open_to_everybody: bool = False
    operators: list[Text] = []
    hosts: Annotated[list[Text], AfterValidator(types.host_names)] = []
    user_header: Annotated[Text, AfterValidator(types.header_name)] | None = None
    trusted_proxies: Annotated[list[Text], AfterValidator(types.proxy_addresses)] = []
    users: Annotated[Mapping[str, str], PlainValidator(types.password_hashes)] = {}
    tokens: dict[str, WebTokenTable] = {}


class TenantTable(Section):
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
        muted: It is polled and recorded, and nobody is told anything.
    """

    api: Annotated[ApiVersion, BeforeValidator(_api)] = ApiVersion.V2
    region: Text | None = None
    base_url: Annotated[Text, AfterValidator(types.base_url)] | None = None
    client_id: ApiKey | None = None
    client_secret: ApiKey | None = None
    app_id: ApiKey | None = None
    app_key: ApiKey | None = None
    access_key: ApiKey | None = None
    secret_key: Annotated[Text, AfterValidator(types.base64_key)] | None = None
    poll_interval: PollInterval | None = None
    labels: Labels = {}
    timezone: TimeZone | None = None
    muted: bool = False


_DEFAULT = Receiver(name=ReceiverName(""))


class WeeklyReportTable(Section):
    """`weekly_report` of a receiver: what was held, which alerts there were, and who was without data.

    Attributes:
        day: On which day it is sent: `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`.
        at: When, such as `"08:00"`.
        timezone: An IANA name: whose clocks. Those of the service if it is left out.
    """

    day: Weekday = "mon"
    at: TimeOfDay = time(8)
    timezone: TimeZone | None = None


class ReceiverTable(Section):
    """`[receivers.NAME]`; the defaults are those of the core.

    Attributes:
        urls: Apprise URLs, one target each: the pasted webhook of Slack or of a Teams workflow, `mailtos://…`, …
        repeat_interval: After how long it is reminded of an alert that goes on.
        send_resolved: Whether it is told when an alert is over.
        max_per_hour: How many messages each of its URLs gets in an hour at most; critical alerts that begin, and
            missing data, always pass.
        fallback: The receiver that is told in its place when a message to it had to be given up, and that a target of
            it cannot be reached for half an hour; without one, every other receiver is told of that.
        group_wait: How long news for it is collected over all tenants before it becomes one message; at most `1h`.
        charts: Whether messages carry a picture of the counts, where the service takes one; needs `alerter[charts]`.
        weekly_report: When it gets a report of the week, such as `{ day = "mon", at = "08:00" }`, in the time zone of
            the service unless it has a `timezone`; no report without it.
    """

    urls: Annotated[list[Annotated[Text, AfterValidator(apprise_url)]], Key(min_length=1)]
    repeat_interval: Annotated[Duration, _at_least(MIN_REPEAT)] = _DEFAULT.repeat_interval
    send_resolved: bool = _DEFAULT.send_resolved
    max_per_hour: Annotated[int, Key(ge=1)] = _DEFAULT.max_per_hour
    fallback: Text | None = None
    group_wait: Annotated[Duration, _at_most(MAX_GROUP_WAIT)] = _DEFAULT.group_wait
    charts: bool = _DEFAULT.charts
    weekly_report: WeeklyReportTable | None = None


class RouteTable(Section):
    """`[[routes]]`.

    Attributes:
        receivers: Who is told.
        severity: Which levels: `info`, `warning`, `critical`.
        tenants: Globs; `!glob` excludes.
        reasons: Globs; `!glob` excludes.
        rules: Globs; `!glob` excludes.
        tenant_labels: Which labels a tenant must have, such as `{ tier = "gold" }`: for each a glob or a list of them.
        mute_windows: Names of mute windows, in which nothing goes this way.
    """

    receivers: Annotated[list[Text], Key(min_length=1)]
    severity: Annotated[list[AnySeverity], Key(min_length=1)] = []
    tenants: Globs = []
    tenant_labels: LabelGlobs = {}
    reasons: Globs = []
    rules: Globs = []
    mute_windows: WindowNames = []


class MuteWindowTable(Section):
    """`[mute_windows.NAME]`.

    Attributes:
        days: On which days it begins: names and ranges such as `"mon-fri"`, `"sat-mon"`, `"sun"`.
        from: When it begins, such as `"18:00"`.
        to: When it ends: on the next day where that is not later than `from`; a whole day where both are the same.
        timezone: An IANA name: whose clocks.
        tenants: For which tenants it is: globs; `!glob` excludes.
        tenant_labels: Which labels a tenant must have, as for routes.
    """

    days: Annotated[list[Weekdays], Key(min_length=1)] = [frozenset(range(7))]
    from_: Annotated[TimeOfDay, Key(alias="from")]
    to: TimeOfDay
    timezone: TimeZone | None = None
    tenants: Globs = []
    tenant_labels: LabelGlobs = {}


class LevelTable(Section):
    """`warning = { … }`: the conditions are further keys, one for each kind that the core knows."""

    for_: Annotated[Duration | None, Key(alias="for")] = None
    keep_firing_for: Duration | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those that were written, in the order in which the core names them."""
        written = (getattr(self, name) for name in CONDITIONS)
        return tuple(condition for condition in written if condition is not None)

    @model_validator(mode="after")
    def _is_a_level(self) -> "LevelTable":
        if not self.conditions:
            raise ValueError(f"expected a condition: {', '.join(CONDITIONS)}")
        if len({condition.subject for condition in self.conditions}) > 1:
            raise ValueError("expected 'no_data' alone: it looks at polling, the other conditions at held messages")
        return self


class RuleTable(Section):
    """`[[rules]]`: the levels are further keys, one for each severity.

    Attributes:
        name: Unique; part of every alert's identity.
        tenants: Globs, in any case; `!glob` excludes.
        reasons: Globs, in any case; `!glob` excludes.
        tenant_labels: Which labels a tenant must have, as for routes.
        per: Judge each `reason` on its own, the sum per `tenant`, or the sum of `all` tenants.
        for: How long conditions must hold before the alert fires.
        keep_firing_for: How long they must not hold before it resolves.
        runbook: A page that messages link to.
        mute_windows: Names of mute windows, in which nobody is told of its alerts.
    """

    name: Annotated[Text, AfterValidator(types.title)]
    tenants: Globs = []
    tenant_labels: LabelGlobs = {}
    reasons: Globs = []
    per: Annotated[Per, BeforeValidator(partial(types.one_of, Per))] = Per.REASON
    runbook: WebPage | None = None
    for_: Annotated[Duration, Key(alias="for")] = timedelta(0)
    keep_firing_for: Duration = timedelta(0)
    mute_windows: WindowNames = []

    @property
    def levels(self) -> dict[Severity, LevelTable]:
        """Those that were written, mildest first."""
        written = {severity: getattr(self, severity.value) for severity in Severity}
        return {severity: level for severity, level in written.items() if level is not None}


Built = TypeVar("Built")


def _type_of(hint: Any) -> Any:  # noqa: ANN401 - a type form
    """Return the annotation with the file's form of it: durations are texts there."""
    if hint is timedelta:
        return Duration
    if get_origin(hint) in {Union, UnionType}:
        return reduce(or_, (_type_of(part) for part in get_args(hint)))
    return hint


def built(kind: Callable[..., Built], table: Section) -> Built:
    """Return the condition that a table describes; ValueError where its values contradict each other."""
    return kind(**{name: getattr(table, name) for name in type(table).model_fields})


def condition_table(kind: Any) -> type[Section]:  # noqa: ANN401 - any dataclass like those in core.conditions
    """Return the shape of the table in which a condition is written: its fields without a trailing underscore."""
    hints = get_type_hints(kind)
    keys: dict[str, Any] = {
        field.name: (
            _type_of(hints[field.name]),
            Key(default=... if field.default is MISSING else field.default, alias=field.name.rstrip("_")),
        )
        for field in fields(kind)
        if field.init
    }
    return create_model(kind.__name__, __base__=Section, **keys)


def _condition(kind: type[Condition]) -> Any:  # noqa: ANN401 - a type form
    """Return the field of a level in which a condition is written."""
    return Annotated[condition_table(kind), AfterValidator(partial(built, kind))] | None


def _level_and_rule() -> tuple[type[LevelTable], type[RuleTable]]:
    conditions: dict[str, Any] = {name: (_condition(kind), None) for name, kind in CONDITIONS.items()}
    level = create_model("Level", __base__=LevelTable, **conditions)
    levels: dict[str, Any] = {severity.value: (level | None, None) for severity in Severity}
    return level, create_model("Rule", __base__=RuleTable, **levels)


#: The tables with all their keys.
LEVEL, RULE = _level_and_rule()

AnyTable = TypeVar("AnyTable", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated(Generic[AnyTable]):
    """A table as far as it is right.

    Attributes:
        table: Without the keys that were wrong.
        dropped: The keys that were wrong, and those that a misspelt one was meant to be.
    """

    table: AnyTable
    dropped: frozenset[str] = frozenset()


def validated(
    table: type[AnyTable], raw: dict[str, object], path: KeyPath, problems: Problems
) -> Validated[AnyTable] | None:
    """Return a table of the file, or as much of it as is right; None where too little is left.

    Args:
        table: Its shape.
        raw: Its keys and values, as TOML gives them.
        path: Where it stands.
        problems: Takes what is wrong with it.
    """
    try:
        return Validated(table=table.model_validate(raw))
    except ValidationError as error:
        details = error.errors(include_url=False)
    meant = _meant(table, details)
    for detail in details:
        if detail["type"] != "missing" or str(detail["loc"][-1]) not in meant:
            problems.error((*path, *detail["loc"]), _text(table, detail, path))
    wrong = {str(detail["loc"][0]) for detail in details}
    try:
        rest = table.model_validate({key: value for key, value in raw.items() if key not in wrong})
    except ValidationError:
        return None
    return Validated(table=rest, dropped=frozenset(wrong | meant))


def keys_of(table: type[BaseModel]) -> list[str]:
    """Return the keys that a table may have, as the file writes them."""
    return [field.alias or name for name, field in table.model_fields.items()]


def _meant(table: type[BaseModel], details: list[ErrorDetails]) -> set[str]:
    """Return the keys that misspelt ones were meant to be, so that those are not called missing too."""
    unknown = (detail["loc"] for detail in details if detail["type"] == "extra_forbidden")
    close = ((loc, _table_at(table, loc[:-1])) for loc in unknown)
    return {
        key for loc, at in close for key in keys_of(at) if suggestion(str(loc[-1]), keys_of(at)).find(repr(key)) > 0
    }


def _table_at(table: type[BaseModel], loc: KeyPath) -> type[BaseModel]:
    """Return the shape of a table inside a table."""
    for part in loc:
        inner = next((each for name, each in table.model_fields.items() if (each.alias or name) == part), None)
        table = _table_in(inner.annotation if inner else None) or table
    return table


def _table_in(hint: object) -> type[BaseModel] | None:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint
    return next((table for part in get_args(hint) if (table := _table_in(part))), None)


_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "string_too_short": "text in quotes",
    "list_type": "a list in [brackets]",
    "too_short": "at least one entry",
    "model_type": "a table",
}


def _text(table: type[BaseModel], detail: ErrorDetails, path: KeyPath) -> str:
    """Return one of pydantic's findings in our words."""
    value, context = detail["input"], detail.get("ctx", {})
    shown = kind_of(value) if is_secret((*path, *detail["loc"])) else found(value)
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "missing":
            return "missing"
        case "extra_forbidden":
            return _unknown_key_text(str(detail["loc"][-1]), _table_at(table, detail["loc"][:-1]))
        case "greater_than_equal":
            return f"expected at least {context['ge']}, found {shown}"
        case kind if kind in _EXPECTED:
            return f"expected {_EXPECTED[kind]}, found {shown}"
        case _:
            return f"expected something else: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _unknown_key_text(key: str, table: type[BaseModel]) -> str:
    if key in CONDITIONS and issubclass(table, RuleTable):
        return f"unknown key: a condition stands in a level, such as warning = {{ {key} = {{ … }} }}"
    if key in {"include", "include_sections", "include_variables"}:
        return "unknown key: it belongs above every table, at the top of the file"
    return unknown_key(key, keys_of(table))


def unknown_key(key: str, known: Collection[str]) -> str:
    """Return what is wrong with a key that is not known, and which may stand in its place."""
    return f"unknown key{suggestion(key, known) or ';'} allowed here: {', '.join(known)}"


#: The keys of each section by which something is called or chosen.
_NAMES = {
    "tenants": {"labels"},
    "receivers": {"fallback"},
    "routes": {"receivers", "tenants", "tenant_labels", "reasons", "rules", "mute_windows"},
    "rules": {"name", "tenants", "tenant_labels", "reasons", "mute_windows"},
    "mute_windows": {"tenants", "tenant_labels"},
}


def is_name(path: KeyPath) -> bool:
    """Say whether something is called, or chosen, by what stands there."""
    match path:
        case (str() as section, _, key, *_):
            return key in _NAMES.get(section, ())
        case _:
            return False


def is_secret(path: KeyPath) -> bool:
    """Say whether what stands there must not be shown, whatever it is."""
    match path:
        case ("tenants", _, str() as key, *_):
            return key in KEY_NAMES
        case ("receivers", _, "urls", *_) | ("service", "database" | "heartbeat_url" | "heartbeat_headers", *_):
            return True
        case _:
            return False
