"""From a file of rule tests to scenarios, or to every problem of it at once.

Rules stand in the file itself or in the configuration that `rules_file` names; of that its tenants, its secrets and its
database are of no concern. The tenants of a file of tests are those that its series name.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, PlainValidator
from pydantic import Field as Key

from alerter.config import types
from alerter.config.files import File, Files
from alerter.config.include import read
from alerter.config.models import Config, PollInterval, Section
from alerter.config.problems import Problems, describe_value, shown, suggestion
from alerter.config.rule_files import RECEIVER, SECTIONS, build_rule_config, tenants_from_names
from alerter.config.sections import validate_section
from alerter.config.toml_lines import KeyPath
from alerter.config.types import AnySeverity, Text, TimeZone
from alerter.core.backtest.rule_tests import (
    AlertRef,
    Expectation,
    NotificationRef,
    RuleTest,
    history_from_counts,
    parse_counts,
)
from alerter.core.notifications import NotifyReason
from alerter.core.series import ALL_REASONS, ALL_TENANTS, HoldReason, Tenant
from alerter.errors import ConfigError

#: Whose series they are where a file does not say.
TENANT = "acme"
#: A Monday, 00:00 UTC.
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


def _moment(value: object) -> timedelta | datetime:
    """Return a span since the first poll, or an instant."""
    if isinstance(value, datetime):
        return _instant(value)
    return types.parse_duration(value)


def _instant(value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(
            f"expected a date and time with an offset such as 2026-01-05T09:00:00Z, found {describe_value(value)}"
        )
    return value.astimezone(UTC)


Moment = Annotated[timedelta | datetime, PlainValidator(_moment)]
Instant = Annotated[datetime, PlainValidator(_instant)]


class AlertTable(Section):
    """`{ rule = …, severity = …, reason = … }`."""

    rule: Text
    severity: AnySeverity
    reason: Text = ALL_REASONS
    tenant: Text = TENANT


class MessageTable(AlertTable):
    """The same with who is notified, and why."""

    receiver: Text = RECEIVER
    notify_reason: Annotated[NotifyReason, BeforeValidator(partial(types.one_of, NotifyReason))]


class ExpectTable(Section):
    """`[[tests.expect]]`."""

    at: Moment
    firing: list[AlertTable] | None = None
    pending: list[AlertTable] | None = None
    notified: list[MessageTable] | None = None


class TestTable(Section):
    """`[[tests]]`."""

    name: Text
    series: dict[str, str | dict[str, str]]
    expect: Annotated[list[ExpectTable], Key(min_length=1)]


class FileTable(Section):
    """What stands above the tests."""

    rules_file: Text | None = None
    poll_interval: PollInterval = timedelta(minutes=5)
    begin: Instant = BEGIN
    timezone: TimeZone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTestFile:
    """A file of rule tests.

    Attributes:
        config: The rules and who is notified; its tenants are those of the tests.
        begin: The first poll of each test.
        scenarios: The tests, in the file's order.
    """

    config: Config
    begin: datetime
    scenarios: tuple[RuleTest, ...]


class _Written(NamedTuple):
    """A test as far as it is right, and where it stands."""

    path: KeyPath
    table: TestTable


def load_tests(path: Path) -> RuleTestFile:
    """Return the tests that a file holds.

    Raises:
        ConfigError: It, or the file with its rules, cannot be read or is wrong; with every problem.
    """
    file = read(path)
    problems = Problems(Files(file))
    head, tests = _head(file, problems), list(_tests(file, problems))
    config = None
    if head is not None:
        rules = _rules_file(file, head, problems)
        tenants = {tenant for test in tests for tenant, _, _ in _series(test)} | {TENANT}
        config = None if rules is None else build_rule_config(rules, _rest(rules, head, tenants))
    if head is None or config is None or problems.errors:
        raise ConfigError(problems.errors)
    scenarios = tuple(_scenario(test, head, config, problems) for test in tests)
    if problems.errors:
        raise ConfigError(problems.errors)
    return RuleTestFile(config=config, begin=head.begin, scenarios=scenarios)


def _head(file: File, problems: Problems) -> FileTable | None:
    own = {key: value for key, value in file.tables.items() if key not in (*SECTIONS, "tests")}
    for key in SECTIONS:
        if key in file.tables and "rules_file" in own:
            problems.error((key,), "expected either 'rules_file' or the rules themselves, found both")
    if "rules_file" not in own and "rules" not in file.tables:
        problems.error(("rules",), 'missing: expected [[rules]] to be tested, or rules_file = "rules.toml"')
    checked = validate_section(FileTable, own, (), problems)
    return None if checked is None or checked.dropped else checked.table


def _tests(file: File, problems: Problems) -> Iterator[_Written]:
    raw = file.tables.get("tests", [])
    if not isinstance(raw, list) or not raw:
        problems.error(("tests",), f"expected [[tests]] in two brackets, at least one, found {describe_value(raw)}")
        return
    for number, each in enumerate(raw):
        path = ("tests", number)
        if not isinstance(each, dict):
            problems.error(path, f"expected [[tests]] in two brackets, found {describe_value(each)}")
            continue
        checked = validate_section(TestTable, each, path, problems)
        if checked is not None and not checked.dropped:
            yield _Written(path, checked.table)


def _rules_file(file: File, head: FileTable, problems: Problems) -> File | None:
    """Return the file in which the rules stand."""
    if head.rules_file is None:
        return file
    try:
        return read(Path(os.path.normpath(Path(file.name).parent / head.rules_file)))
    except ConfigError as error:
        problems.error(("rules_file",), error.problems[0].text)
        return None


def _rest(file: File, head: FileTable, tenants: Iterable[str]) -> Mapping[str, object]:
    """Return what stands in place of the tenants and the service of a file of rules: those of the tests."""
    written = file.tables.get("service")
    zone = written.get("timezone") if isinstance(written, dict) else None
    zone = head.timezone.key if head.timezone is not None else zone
    service = {"poll_interval": f"{int(head.poll_interval.total_seconds())}s"}
    return {"service": service | ({} if zone is None else {"timezone": zone}), "tenants": tenants_from_names(tenants)}


def _series(test: _Written) -> Iterator[tuple[str, KeyPath, str]]:
    """Yield each series of a test: whose it is, where it stands, and its notation; the path ends with the reason."""
    for name, value in test.table.series.items():
        if isinstance(value, str):
            yield TENANT, (*test.path, "series", name), value
        else:
            for reason, notation in value.items():
                yield name, (*test.path, "series", name, reason), notation


def _scenario(test: _Written, head: FileTable, config: Config, problems: Problems) -> RuleTest:
    counts: dict[Tenant, dict[HoldReason, list[int | None]]] = {}
    for tenant, path, notation in _series(test):
        try:
            counts.setdefault(Tenant(tenant), {})[HoldReason(str(path[-1]))] = parse_counts(notation)
        except ValueError as error:
            problems.error(path, str(error))
    tenants = []
    for tenant, each in counts.items():
        zone = config.tenants[tenant].timezone
        try:
            tenants.append(
                history_from_counts(tenant, each, begin=head.begin, poll_interval=head.poll_interval, timezone=zone)
            )
        except ValueError as error:
            problems.error((*test.path, "series"), str(error))
    expectations = _expectations(test, head, config, problems)
    return RuleTest(name=test.table.name, tenants=tuple(tenants), expectations=tuple(expectations))


def _expectations(test: _Written, head: FileTable, config: Config, problems: Problems) -> list[Expectation]:
    expectations: list[Expectation] = []
    for number, table in enumerate(test.table.expect):
        path = (*test.path, "expect", number)
        _check_names(table, path, config, problems)
        at = table.at if isinstance(table.at, datetime) else head.begin + table.at
        if expectations and at < expectations[-1].at:
            problems.error((*path, "at"), "expected a moment that is not before the expectation above it")
        expectations.append(
            Expectation(
                at=at, firing=_seen(table.firing), pending=_seen(table.pending), notified=_notified(table.notified)
            )
        )
    return expectations


def _seen(tables: list[AlertTable] | None) -> frozenset[AlertRef] | None:
    return None if tables is None else frozenset(map(_alert, tables))


def _notified(tables: list[MessageTable] | None) -> tuple[NotificationRef, ...] | None:
    return (
        None
        if tables is None
        else tuple(NotificationRef(each.receiver, str(each.notify_reason), _alert(each)) for each in tables)
    )


def _alert(table: AlertTable) -> AlertRef:
    return AlertRef(table.rule, str(table.severity), table.tenant, table.reason)


def _check_names(table: ExpectTable, path: KeyPath, config: Config, problems: Problems) -> None:
    """Say which names nothing has: an expectation of what cannot be would never be met, or always."""
    rules = {str(rule.name): rule for rule in config.rules}
    receivers = [str(each.receiver.name) for each in config.receivers]
    for key, alerts in (("firing", table.firing), ("pending", table.pending), ("notified", table.notified)):
        for number, each in enumerate(alerts or ()):
            place = (*path, key, number)
            if each.rule not in rules:
                _unknown("a rule", each.rule, rules, (*place, "rule"), problems)
            elif each.severity not in rules[each.rule].levels:
                levels = types.listed(map(str, rules[each.rule].levels))
                text = f"expected a level that rule {each.rule!r} has, {levels}, found {str(each.severity)!r}"
                problems.error((*place, "severity"), text)
            if each.tenant not in config.tenants and each.tenant != ALL_TENANTS:
                _unknown("a tenant", each.tenant, config.tenants, (*place, "tenant"), problems)
            if isinstance(each, MessageTable) and each.receiver not in receivers:
                _unknown("a receiver", each.receiver, receivers, (*place, "receiver"), problems)


def _unknown(kind: str, name: str, known: Iterable[str], path: KeyPath, problems: Problems) -> None:
    names = list(map(str, known))
    text = f"expected {kind}, {types.listed(names)}, found {shown(name)}{suggestion(name, names)}"
    problems.error(path, text)
