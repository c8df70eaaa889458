"""The rules, and one rule: what each evaluates, what it finds now, and how much it has to say."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from alerter.core.alerts import AlertState
from alerter.core.conditions import Condition, InputKind
from alerter.core.rules import Level, Per, Rule, RuleName
from alerter.core.selectors import Selector
from alerter.humanize import duration_text
from alerter.queries.learning import learning_status
from alerter.storage import AlertFilter
from alerter.storage.encoding import build_digest
from alerter.web.context import PAGE_ROWS, Screen, View, nearest
from alerter.web.request import HttpError
from alerter.web.views.rows import alert_rows

NOISE_SPAN = timedelta(days=30)
#: The names and patterns of a rule that are shown; the built-in rule about missing data names every tenant.
MAX_NAMES = 5


def rules(view: View) -> Screen:
    """Return the list of rules, in the order of the configuration."""
    values = {"rules": rule_rows(view)}
    return Screen(template="rules.html", title="Rules", section="rules", values=values)


def rule(view: View, name: str) -> Screen:
    """Return one rule."""
    found = next((row for row in rule_rows(view) if name in (row["name"], build_digest(row["name"]))), None)
    if found is None:
        known = [each.name for each in view.config.rules]
        raise HttpError(404, f"there is no rule {name!r}", field="rule", nearest=nearest(name, known))
    alerts, _ = view.reader.lists.find_alerts(AlertFilter(rule=found["name"]), limit=PAGE_ROWS)
    values = {"rule": found, "alerts": alert_rows(view, alerts)}
    return Screen(template="rule.html", title=found["name"], section="rules", values=values)


def rule_rows(view: View) -> list[Mapping[str, Any]]:
    """Return the rules with their present state, in the order of the configuration."""
    counts = view.reader.lists.counts_by_rule()
    noise = view.reader.lists.noise_by_rule(since=view.now - NOISE_SPAN)
    return [_row(view, each, counts.get(each.name, {}), noise.get(each.name, 0)) for each in view.config.rules]


def _row(view: View, rule: Rule, counts: Mapping[AlertState, int], noise: int) -> Mapping[str, Any]:
    return {
        "name": rule.name,
        "selects": selects_text(rule),
        "levels": [(severity, level_text(level)) for severity, level in rule.worst_first],
        "firing": counts.get(AlertState.FIRING, 0),
        "pending": counts.get(AlertState.PENDING, 0),
        "noise": noise,
        "runbook": rule.runbook,
        "learning_until": _learning_until(view, rule),
        "windows": ", ".join(window.name for window in view.config.windows_by_rule.get(RuleName(rule.name), ())),
    }


def _learning_until(view: View, rule: Rule) -> datetime | None:
    found = learning_status(rule, view.overview.tenants, now=view.now)
    return None if found is None else found.until


def selects_text(rule: Rule) -> str:
    """Return what a rule evaluates."""
    if rule.input_kind is InputKind.POLLING:
        return f"the polling of {_names(rule.tenants, 'every tenant')}"
    what = {Per.REASON: "each of", Per.TENANT: "the sum of", Per.ALL: "the sum over all tenants of"}[rule.per]
    return f"{what} {_names(rule.reasons, 'all hold reasons')}, in {_names(rule.tenants, 'every tenant')}"


def _names(selector: Selector, everything: str) -> str:
    globs = ", ".join(selector.globs[:MAX_NAMES])
    if len(selector.globs) > MAX_NAMES:
        return f"{globs} and {len(selector.globs) - MAX_NAMES:,} more"
    return globs or (everything if selector.among is None else "tenants with its labels")


def _condition_text(condition: Condition) -> str:
    """Return what a condition asks for; of some the limit says it all, as "no data for 15m"."""
    words, limit = condition.name.replace("_", " "), condition.limit_text
    return limit if limit.startswith(words) else f"{condition.name} {limit}"


def level_text(level: Level) -> str:
    """Return what makes a level fire, in words."""
    parts = [" and ".join(map(_condition_text, level.conditions))]
    if level.for_:
        parts.append(f"for {duration_text(level.for_)}")
    if level.keep_firing_for:
        parts.append(f"keeps firing for {duration_text(level.keep_firing_for)}")
    return ", ".join(parts)
