"""From the configuration to what decides by it. Nothing here polls or sends, so that it loads no library that does."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from alerter.config import Config
from alerter.config.paths import unit_for
from alerter.core.alerting_config import MAX_CACHED_LOOKBACK, AlertingConfig
from alerter.core.message.content import MessageContext
from alerter.core.rules import Per, RuleName
from alerter.core.series import Tenant
from alerter.service.slots import ADDED_UP_EVERY, READ_EVERY, sum_trigger_tenants


def build_alerting_config(config: Config) -> AlertingConfig:
    """Return what the configuration decides."""
    return AlertingConfig(
        rules=config.rules,
        poll_intervals={name: tenant.poll_interval for name, tenant in config.tenants.items()},
        receivers=tuple(each.receiver for each in config.receivers),
        targets={each.receiver.name: tuple(target.name for target in each.targets) for each in config.receivers},
        routes=config.routes,
        context=build_message_context(config),
        windows_by_rule=config.windows_by_rule,
        muted_tenants=config.muted_tenants,
        timezones=config.timezones,
        sum_trigger_tenants=_bearers_by_rule(config),
    )


def _bearers_by_rule(config: Config) -> Mapping[RuleName, frozenset[Tenant]]:
    intervals = {name: tenant.poll_interval for name, tenant in config.tenants.items()}
    return {
        rule.name: sum_trigger_tenants(
            {name: interval for name, interval in intervals.items() if rule.tenants.matches(name)},
            apart=ADDED_UP_EVERY if rule.lookback <= MAX_CACHED_LOOKBACK else READ_EVERY,
        )
        for rule in config.rules
        if rule.scope is Per.ALL
    }


def build_message_context(config: Config) -> MessageContext:
    """Return what messages need to know besides the alerts."""
    return MessageContext(
        timezone=config.service.timezone,
        console_url=config.service.console_url,
        runbook_by_rule={rule.name: rule.runbook for rule in config.rules if rule.runbook},
        tenant_count=len(config.tenants),
        labels_by_tenant=config.labels_by_tenant,
        poll_intervals={name: tenant.poll_interval for name, tenant in config.tenants.items()},
        levels_by_rule={rule.name: tuple(rule.levels) for rule in config.rules},
        public_url=config.service.public_url or "",
        command=command_for(config.path),
    )


def command_for(path: Path) -> str:
    """Return how `alerter` is called: with sudo for a service's configuration, which is named unless usual."""
    unit = unit_for(path)
    if unit is None:
        return "alerter"
    return "sudo alerter" if unit == "alerter" else f"sudo ALERTER_CONFIG={quote(str(path.absolute()))} alerter"
