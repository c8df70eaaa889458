"""`alerter doctor`: what a newcomer gets wrong, and what to do about it.

Each check measures through an adapter and leaves the judgement to a function without I/O, `judge_…`. Checks run at the
same time, each with an end; what they say is printed by the command.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from threading import Event

from alerter.clock import now
from alerter.config import Config, Target
from alerter.core.message.render import compose_test_message
from alerter.core.routes import Receiver
from alerter.core.selectors import MATCH_ALL, Selector
from alerter.doctor.config import check_configuration, check_network_settings, configuration_errors
from alerter.doctor.database import check_database
from alerter.doctor.environments import check_environment
from alerter.doctor.files import check_files
from alerter.doctor.findings import ExitCode, Finding, Group, Outcome, exit_code, sort_findings
from alerter.doctor.receivers import HEARTBEAT, check_heartbeat, check_non_mail_receiver, check_target
from alerter.doctor.rules import check_rules
from alerter.doctor.runner import Check, run_checks
from alerter.doctor.system import check_clock, check_timezone
from alerter.doctor.systemd import check_units
from alerter.doctor.tenants import check_account
from alerter.errors import DeliveryError
from alerter.notifiers.apprise import AppriseNotifier
from alerter.redaction import Redactor
from alerter.service import alerting_config, wiring

__all__ = ["ExitCode", "Finding", "Group", "Outcome", "configuration_errors", "diagnose", "exit_code", "sort_findings"]


def diagnose(
    config: Config | None,
    *,
    redactor: Redactor,
    tenants: Selector = MATCH_ALL,
    sends: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, all_: None,  # noqa: ARG005 - nobody looks
) -> list[Finding]:
    """Return everything that was found, by group, the worst first, without a secret.

    Args:
        config: What is configured; None if that is wrong, and only the machine can be looked at.
        redactor: Knows what is secret.
        tenants: Whose accounts are called.
        sends: Whether every target really gets a test message.
        on_progress: Called with how many checks of how many have ended.
    """
    beside = [] if config is None else check_environment(config.path)
    checks = [*_machine_checks(config), *([] if config is None else _checks_of(config, redactor, tenants, sends=sends))]
    found: dict[int, Sequence[Finding]] = {}
    for number, batch in run_checks(checks, monotonic=time.monotonic):
        found[number] = [replace(each, text=redactor.redacted(each.text)) for each in batch]
        on_progress(len(found), len(checks))
    return sort_findings([*(each for number in sorted(found) for each in found[number]), *beside])


def _machine_checks(config: Config | None) -> list[Check]:
    return [
        Check(group=Group.MACHINE, subject="clock", run=check_clock),
        Check(group=Group.MACHINE, subject="environment", run=check_network_settings),
        Check(group=Group.SERVICE, subject="unit", run=partial(check_units, config)),
    ]


def _checks_of(config: Config, redactor: Redactor, tenants: Selector, *, sends: bool) -> Iterator[Check]:
    at, stop = now(), Event()
    yield Check(group=Group.CONFIGURATION, subject=str(config.path), run=partial(check_configuration, config))
    yield Check(group=Group.FILES, subject=str(config.path), run=partial(check_files, config))
    for zone in dict.fromkeys((config.service.timezone, *config.timezones.values())):
        yield Check(group=Group.MACHINE, subject=zone.key, run=partial(check_timezone, zone, now=at))
    database = partial(check_database, config, monotonic=time.monotonic, now=at)
    yield Check(group=Group.DATABASE, subject="database", run=database)
    yield Check(group=Group.RULES, subject="rules", run=partial(check_rules, config, now=at))
    notifier = AppriseNotifier()
    for receiver in config.receivers:
        for target in receiver.targets:
            send = partial(_send, config, receiver.receiver, target, notifier) if sends else None
            run = partial(check_target, target, notifier, send=send, now=at)
            yield Check(group=Group.RECEIVERS, subject=target.name, run=run)
    heartbeat = partial(check_heartbeat, config.service.heartbeat_url, now=at)
    yield Check(group=Group.RECEIVERS, subject=HEARTBEAT, run=heartbeat)
    yield Check(group=Group.RECEIVERS, subject="receivers", run=partial(check_non_mail_receiver, config))
    for name, tenant in config.tenants.items():
        if tenants.matches(name):
            source = partial(wiring.build_source, tenant, stop=stop, redactor=redactor)
            yield Check(group=Group.ACCOUNTS, subject=name, run=partial(check_account, tenant, source))


def _send(config: Config, receiver: Receiver, target: Target, notifier: AppriseNotifier) -> str | None:
    """Send a test message; return why it was not taken."""
    try:
        notifier.deliver(
            compose_test_message(receiver, alerting_config.build_message_context(config), now=now()), target.url
        )
    except DeliveryError as error:
        return str(error)
    return None
