"""Tables of the file for classes of the core: rules with their levels and conditions, and receivers.

The table of a condition, and that of a receiver, is made from the fields of its class, so that a new condition and a
new field need nothing here. No I/O.
"""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from datetime import time, timedelta
from functools import partial, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, create_model, model_validator
from pydantic import Field as Key

from alerter.config.models import ReceiverConfig, Section, ServiceConfig, Target, TenantConfig, select_tenants
from alerter.config.types import (
    AnyPer,
    AtLeastOne,
    Duration,
    Globs,
    LabelGlobs,
    PositiveDuration,
    Secret,
    Text,
    TimeOfDay,
    TimeZone,
    Title,
    Weekday,
    longest,
    shortest,
)
from alerter.config.urls import AppriseUrl, WebPage, url_digest, url_scheme
from alerter.core.conditions import CONDITIONS, Condition, InputKind
from alerter.core.mute_windows import WEEKDAYS
from alerter.core.outbox import TargetName
from alerter.core.review import ReportSchedule
from alerter.core.routes import Receiver, ReceiverName
from alerter.core.rules import Level, Per, Rule, RuleName, Severity
from alerter.core.selectors import MATCH_ALL

Built = TypeVar("Built")


def table_of(kind: type[Built], *, without: frozenset[str] = frozenset(), **more: Any) -> type[Section]:  # noqa: ANN401 - a type form
    """Return the shape of the table in which a class of the core is written: its fields without a trailing underscore.

    Args:
        kind: A dataclass like those in `core.conditions`.
        without: Fields that the file does not have.
        more: Keys that the class does not have.
    """
    hints = get_type_hints(kind, include_extras=True)
    keys: dict[str, Any] = {
        field.name: (
            _form_of(hints[field.name]),
            Key(default=... if field.default is MISSING else field.default, alias=field.name.rstrip("_")),
        )
        for field in fields(kind)  # type: ignore[arg-type] # mypy knows no type of dataclasses
        if field.init and field.name not in without
    }
    return create_model(kind.__name__, __base__=Section, __doc__=kind.__doc__, **more, **keys)


def _form_of(hint: Any) -> Any:  # noqa: ANN401 - a type form
    """Return the annotation with the file's form of it: durations are texts there."""
    if hint is timedelta:
        return Duration
    if get_origin(hint) is Annotated:
        inner, *limits = get_args(hint)
        return reduce(_limited, limits, _form_of(inner))
    if get_origin(hint) in {Union, UnionType}:
        return reduce(or_, (_form_of(part) for part in get_args(hint)))
    return Text if hint is ReceiverName else hint


def _limited(form: Any, limit: object) -> Any:  # noqa: ANN401 - type forms
    """Return the form with a limit, which of a duration is said in words."""
    match limit:
        case Gt(gt=timedelta()):
            return PositiveDuration
        case Ge(ge=timedelta() as minimum):
            return Annotated[form, shortest(minimum)]
        case Le(le=timedelta() as maximum):
            return Annotated[form, longest(maximum)]
        case _:
            return Annotated[form, limit]


def built(kind: type[Built], table: Section, **more: object) -> Built:
    """Return what a table describes; ValueError where its values contradict each other."""
    known = {field.name for field in fields(kind)} & type(table).model_fields.keys()  # type: ignore[arg-type] # as above
    return kind(**{name: getattr(table, name) for name in known} | more)


class LevelConfig(Section):
    """`warning = { … }`: the conditions are further keys, one for each kind that the core knows."""

    for_: Annotated[Duration | None, Key(alias="for")] = None
    keep_firing_for: Duration | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those that were written, in the order in which the core names them."""
        written = (getattr(self, name) for name in CONDITIONS)
        return tuple(condition for condition in written if condition is not None)

    @model_validator(mode="after")
    def _is_a_level(self) -> "LevelConfig":
        if not self.conditions:
            raise ValueError(f"expected a condition: {', '.join(CONDITIONS)}")
        if len({condition.input_kind for condition in self.conditions}) > 1:
            raise ValueError("expected 'no_data' alone: it evaluates polling, the other conditions held messages")
        return self


class RuleConfig(Section):
    """`[[rules]]`: the levels are further keys, one for each severity.

    Attributes:
        name: Unique; part of every alert's identity.
        tenants: Globs, in any case; `!glob` excludes.
        reasons: Globs, in any case; `!glob` excludes.
        tenant_labels: Which labels a tenant must have, as for routes.
        per: Evaluate each `reason` on its own, the sum per `tenant`, or the sum of `all` tenants.
        for: How long conditions must hold before the alert fires.
        keep_firing_for: How long they must not hold before it resolves.
        runbook: A page that messages link to.
        mute_windows: Names of mute windows, in which nobody is notified of its alerts.
    """

    name: Title
    tenants: Globs = MATCH_ALL
    tenant_labels: LabelGlobs = Key(default={})
    reasons: Globs = MATCH_ALL
    per: AnyPer = Per.REASON
    runbook: WebPage | None = None
    for_: Annotated[Duration, Key(alias="for")] = timedelta(0)
    keep_firing_for: Duration = timedelta(0)
    mute_windows: AtLeastOne[Text] = ()

    @property
    def levels(self) -> dict[Severity, LevelConfig]:
        """Those that were written, mildest first."""
        written = {severity: getattr(self, severity.value) for severity in Severity}
        return {severity: level for severity, level in written.items() if level is not None}

    @property
    def conditions(self) -> list[Condition]:
        """Those of all of its levels."""
        return [condition for level in self.levels.values() for condition in level.conditions]

    def rule(self, tenants: Iterable[TenantConfig]) -> Rule:
        """Return the rule for those of these tenants that it is for."""
        is_about_polling = any(condition.input_kind is InputKind.POLLING for condition in self.conditions)
        return Rule(
            name=RuleName(self.name),
            levels={severity: self._level(level) for severity, level in self.levels.items()},
            tenants=select_tenants(self.tenants, self.tenant_labels, tenants),
            reasons=self.reasons,
            per=Per.TENANT if is_about_polling else self.per,
            runbook=self.runbook or "",
        )

    def _level(self, level: LevelConfig) -> Level:
        return Level(
            conditions=level.conditions,
            for_=self.for_ if level.for_ is None else level.for_,
            keep_firing_for=self.keep_firing_for if level.keep_firing_for is None else level.keep_firing_for,
        )


def _condition(kind: type[Condition]) -> Any:  # noqa: ANN401 - a type form
    """Return the field of a level in which a condition is written."""
    return Annotated[table_of(kind), AfterValidator(partial(built, kind))] | None


def _level_and_rule() -> tuple[type[LevelConfig], type[RuleConfig]]:
    conditions: dict[str, Any] = {name: (_condition(kind), None) for name, kind in CONDITIONS.items()}
    level = create_model("Level", __base__=LevelConfig, **conditions)
    levels: dict[str, Any] = {severity.value: (level | None, None) for severity in Severity}
    return level, create_model("Rule", __base__=RuleConfig, **levels)


#: The tables with all their keys.
LEVEL, RULE = _level_and_rule()


class WeeklyReportConfig(Section):
    """`weekly_report` of a receiver: what was held, which alerts there were, and who was without data.

    Attributes:
        day: On which day it is sent: `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`.
        at: When, such as `"08:00"`.
        timezone: An IANA name: whose clocks. Those of the service if it is left out.
    """

    day: Weekday = "mon"
    at: TimeOfDay = time(8)
    timezone: TimeZone | None = None

    def schedule(self, service: ServiceConfig) -> ReportSchedule:
        """Return when the report is sent."""
        return ReportSchedule(day=WEEKDAYS.index(self.day), at=self.at, timezone=self.timezone or service.timezone)


RECEIVER = table_of(
    Receiver,
    without=frozenset({"name", "targets", "weekly_report"}),
    urls=(
        AtLeastOne[AppriseUrl],
        Key(
            description="Apprise URLs, one target each: "
            "the pasted webhook of Slack or of a Teams workflow, `mailtos://…`, …"
        ),
    ),
    weekly_report=(WeeklyReportConfig | None, None),
)


def receiver_of(name: str, table: Any, service: ServiceConfig) -> ReceiverConfig:  # noqa: ANN401 - of a made class
    """Return the receiver that a table describes, and its targets."""
    urls: tuple[Secret, ...] = table.urls
    report: WeeklyReportConfig | None = table.weekly_report
    schemes = [url_scheme(url) for url in urls]
    numbers = [schemes[: index + 1].count(scheme) for index, scheme in enumerate(schemes)]
    targets = tuple(
        Target(name=TargetName(f"{name}/{scheme}" + (f"-{number}" if number > 1 else "")), url=url)
        for url, scheme, number in zip(urls, schemes, numbers, strict=True)
    )
    receiver = built(
        Receiver,
        table,
        name=ReceiverName(name),
        targets=tuple(map(url_digest, urls)),
        weekly_report=None if report is None else report.schedule(service),
    )
    return ReceiverConfig(receiver=receiver, targets=targets)
