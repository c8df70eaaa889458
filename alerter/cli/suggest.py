"""`alerter suggest`: rules that fit a tenant's own history, as TOML to paste."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from re import compile as compile_regex
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli.database_access import read_store
from alerter.cli.names import matching_reasons
from alerter.cli.options import EXIT_FOUND, CommandFailed, config_option, json_option, load_without_secrets
from alerter.cli.output import clean, count_text, print_json, transient_line, with_progress
from alerter.cli.tenant_filter import filter_text, label_option, select_tenants
from alerter.humanize import first_and_more_text, rate_text, setting_text, short_duration_text, times_text

if TYPE_CHECKING:
    from alerter.core.backtest.suggest import Suggestion, Suggestions
    from alerter.core.backtest.suggested_rules import SuggestedRule
    from alerter.core.conditions import Condition, Threshold

_BUDGET = compile_regex(r"(?P<alerts>\d+(?:\.\d+)?)/(?P<unit>day|week|month|quarter)")
#: More alerts than that in a day, a week or a month nobody means.
_MAX_ALERTS = 100_000
_PER_WEEK = {"day": 7.0, "week": 1.0, "month": 7 / 30.4375, "quarter": 7 / 91.3125}


def _per_week(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    """Return how many alerts a week a budget such as `2/week` allows."""
    match = _BUDGET.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(
            f"expected a number of alerts a day, week, month or quarter such as 2/week, found {value!r}"
        )
    if float(match["alerts"]) > _MAX_ALERTS:
        raise click.BadParameter(f"expected {_MAX_ALERTS:,} alerts a {match['unit']} at most, found {clean(value)}")
    return float(match["alerts"]) * _PER_WEEK[match["unit"]]


@click.command()
@config_option
@json_option
@click.option(
    "--budget",
    callback=_per_week,
    metavar="N/TIME",
    default="1/quarter",
    show_default=True,
    help="How many false alerts a tenant may have: N/day, N/week, N/month or N/quarter.",
)
@click.option("--tenant", metavar="GLOB", default="*", show_default=True, help="For which tenants.")
@label_option
@click.option("--reason", metavar="GLOB", default="*", show_default=True, help="For which hold reasons.")
def suggest(
    config_path: Path | None, *, as_json: bool, budget: float, tenant: str, labels: Sequence[str], reason: str
) -> None:
    """Suggest rules that fit a tenant's own history, to paste into the configuration.

    Rules that compare with the past come first, as sensitive as the budget allows; they take the place of those that
    `alerter init` wrote. Then come limits for hold reasons whose days are alike: well above the highest count of a
    usual day; while they would have alerted too often, the one with the most alerts moves up. All are chosen on the
    first two thirds of the history and confirmed on the rest; what does not keep to the budget there is not
    suggested. Every alert in the history counts as a false one. Exit code 1 if there is no suggestion at all.
    """
    from alerter.core.backtest.suggest import select_reasons, suggest  # noqa: PLC0415

    config, now = load_without_secrets(config_path), clock.now()
    wanted = select_tenants(tenant, labels, config)
    chosen = [each for each in config.tenants.values() if wanted.matches(each.name)]
    if not chosen:
        said = f"no tenant of {config.path} matches {filter_text(tenant, labels)}"
        raise click.BadParameter(said, param_hint="--tenant")
    total = count_text(len(chosen), "tenant")
    with read_store(config) as reader, transient_line() as show:
        show(f"trying rules on the history of {total} …")
        reasons = matching_reasons((reason,), reader)
        found = [
            suggest(
                select_reasons(
                    reader.history.full_history(each.name, poll_interval=each.poll_interval, timezone=each.timezone),
                    reasons,
                ),
                budget=budget,
                until=now,
            )
            for each in with_progress(chosen, lambda number: f"{number:,} of {total}")
        ]
    if not any(each.all_rules or each.unsupported for each in found):
        raise CommandFailed(f"nothing was ever held for a reason that matches {reason!r}")
    if as_json:
        print_json([_as_json(each) for each in found])
    else:
        click.echo("\n\n".join(_text(each, budget) for each in found))
    if not any(each.all_rules for each in found):
        raise click.exceptions.Exit(EXIT_FOUND)


def _text(found: "Suggestions", budget: float) -> str:
    """Return rules as TOML, each behind the sentence that explains it."""
    head = [f"# {line}" for line in _introduction(found, budget)]
    missing = [f"# {line}" for line in _missing(found)]
    rules = [*map(_past_rule_text, found.rules), *map(_rule_text, found.made)]
    return "\n".join([*head, *missing, *rules])


def _missing(found: "Suggestions") -> Iterator[str]:
    """Yield for which reasons there is no suggestion; those that lack the same are one line."""
    reasons_by_why: dict[str, list[str]] = {}
    for each in found.unsupported:
        reasons_by_why.setdefault(each.why, []).append(clean(each.reason))
    for why, (first, *more) in reasons_by_why.items():
        others = f" and {count_text(len(more), 'other hold reason')}" if more else ""
        yield f"No suggestion for {first}{others}: {'each' if more else 'it'} {why.removeprefix('it ')}."
    for kind in found.too_noisy:
        yield f"No rule {kind.title}: it {kind.why}."


def _introduction(found: "Suggestions", budget: float) -> Iterable[str]:
    yield f"{clean(found.tenant)}: from its own history, for at most {rate_text(budget, 'false alert')}."
    yield "Every alert in the history counts as a false one, except rises of six times the greatest and 100 messages."
    if found.unsupported and not found.all_rules:
        yield "Rules that need no number are the better choice: those that `alerter init` writes."
    if found.rules:
        yield "Rules that compare with the past take the place of those of the same name that `alerter init` wrote."
    if found.all_rules:
        chosen, confirmed = rate_text(found.per_week), rate_text(found.confirmed_per_week)
        yield f"How often all together would have alerted: {chosen} in the first two thirds of the history, where they"
        yield f"were chosen; {confirmed} in the rest, which confirms them."
        yield "To see when, and who would be notified: alerter backtest --rules FILE"
    if found.per_week > budget:
        yield "Even the highest limits alert more often than that: the count is above them most of the time."


def _past_rule_text(suggestion: "SuggestedRule") -> str:
    from alerter.config import toml_text  # noqa: PLC0415 - as above

    rule = suggestion.rule
    keep_firing_for = max(level.keep_firing_for for level in rule.levels.values())
    rows = [("name", toml_text(rule.name)), ("tenants", f"[{toml_text(rule.tenants.globs[0])}]")]
    if rule.reasons.globs:
        rows.append(("reasons", f"[{', '.join(map(toml_text, rule.reasons.globs))}]"))
    for severity, level in rule.levels.items():
        conditions = ", ".join(map(_condition_text, level.conditions))
        rows.append((str(severity), f"{{ {conditions} }}"))
    if keep_firing_for:
        rows.append(("keep_firing_for", toml_text(setting_text(keep_firing_for))))
    width = max(len(key) for key, _ in rows)
    lines = "\n".join(f"{key:<{width}} = {value}" for key, value in rows)
    return f"\n# {past_explanation(suggestion)}\n[[rules]]\n{lines}"


def _condition_text(condition: "Condition") -> str:
    """Return a condition as a configuration writes it, with the keys that are not as they are by default."""
    keys = []
    for each in fields(condition):
        value = getattr(condition, each.name)
        if value != each.default:
            text = f'"{setting_text(value)}"' if isinstance(value, timedelta) else f"{value:g}"
            keys.append(f"{each.name} = {text}")
    inner = f" {', '.join(keys)} " if keys else ""
    return f"{condition.name} = {{{inner}}}"


def past_explanation(suggestion: "SuggestedRule") -> str:
    """Return in one sentence how often a rule would have alerted, and without which hold reasons."""
    how_often = "It would never have alerted"
    if suggestion.chosen_on or suggestion.confirmed:
        chosen_on, confirmed = times_text(suggestion.chosen_on), times_text(suggestion.confirmed)
        how_often = f"It would have alerted {chosen_on} where it was chosen, and {confirmed} in the rest"
    without = ""
    if suggestion.left_out:
        names = first_and_more_text([clean(each) for each in suggestion.left_out])
        without = f" It leaves out {names}, where it would alert too often."
    return f"{how_often}.{without}"


def _rule_text(suggestion: "Suggestion") -> str:
    from alerter.config import toml_text  # noqa: PLC0415 - as above

    rule, for_ = suggestion.rule, suggestion.level.for_
    rows = [
        ("name", toml_text(rule.name)),
        ("tenants", f"[{toml_text(rule.tenants.globs[0])}]"),
        ("reasons", f"[{toml_text(rule.reasons.globs[0])}]"),
        (str(suggestion.severity), _level_text(suggestion.threshold, for_)),
        ("critical", _level_text(suggestion.critical, for_)),
    ]
    lines = "\n".join(f"{key:<8} = {value}" for key, value in rows)
    return f"\n# {suggestion_text(suggestion)}\n[[rules]]\n{lines}"


def _level_text(threshold: "Threshold", for_: timedelta) -> str:
    lasting = f', for = "{setting_text(for_)}"' if for_ else ""
    return f"{{ threshold = {{ above = {threshold.above}, clear_at = {threshold.clear_at} }}{lasting} }}"


def suggestion_text(suggestion: "Suggestion") -> str:
    """Return in one sentence where a limit comes from, and how often it would have alerted."""
    usual = suggestion.usual
    above = suggestion.threshold.above or 0
    days = count_text(usual.day_count, "day")
    return (
        f"From {days}: median daily peak {usual.median_peak:,.6g} (typical deviation {usual.deviation:,.2g}); "
        f"above {above:,} it {_how_often(suggestion)}."
    )


def _how_often(suggestion: "Suggestion") -> str:
    if not suggestion.firings:
        return "would never have alerted"
    times = times_text(len(suggestion.firings))
    ended = [each.until - each.since for each in suggestion.firings if each.until is not None]
    if not ended:
        return f"would have alerted {times}"
    middle = short_duration_text(sorted(ended)[len(ended) // 2])
    return f"would have alerted {times} ({'' if len(ended) == 1 else 'median '}{middle})"


def _as_json(found: "Suggestions") -> dict[str, object]:
    return {
        "tenant": found.tenant,
        "per_week": found.per_week,
        "confirmed_per_week": found.confirmed_per_week,
        "rules": [
            {
                "rule": each.rule.name,
                "left_out": list(each.left_out),
                "chosen_on": each.chosen_on,
                "confirmed": each.confirmed,
                "toml": _past_rule_text(each),
            }
            for each in found.rules
        ],
        "too_noisy": [{"rule": each.title, "why": each.why} for each in found.too_noisy],
        "suggestions": [
            {
                "reason": each.reason,
                "rule": each.rule.name,
                "severity": each.severity,
                "above": each.threshold.above,
                "clear_at": each.threshold.clear_at,
                "for_seconds": each.level.for_.total_seconds(),
                "critical_above": each.critical_above,
                "usual": each.usual.median_peak,
                "distance": each.usual.deviation,
                "days": each.usual.day_count,
                "fired": [(firing.since, firing.until) for firing in each.firings],
                "explanation": suggestion_text(each),
            }
            for each in found.made
        ],
        "unsupported": [{"reason": each.reason, "why": each.why} for each in found.unsupported],
    }
