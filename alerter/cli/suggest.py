"""`alerter suggest`: limits that fit each hold reason's own history, as TOML to paste."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from re import compile as compile_regex
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli.database_access import reading
from alerter.cli.names import reasons_of
from alerter.cli.options import FOUND, Failed, config_option, load_without_secrets, output_options
from alerter.cli.output import clean, counted, print_json, with_progress
from alerter.cli.tenant_filter import label_option, tenants_of, wanted_text
from alerter.humanize import rough

if TYPE_CHECKING:
    from alerter.core.backtest.suggest import Suggestion, Suggestions
    from alerter.core.conditions import Threshold

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
@output_options
@click.option(
    "--budget",
    callback=_per_week,
    metavar="N/TIME",
    default="1/quarter",
    show_default=True,
    help="How many alerts a tenant may have: N/day, N/week, N/month or N/quarter.",
)
@click.option("--tenant", metavar="GLOB", default="*", show_default=True, help="For which tenants.")
@label_option
@click.option("--reason", metavar="GLOB", default="*", show_default=True, help="For which hold reasons.")
def suggest(
    config_path: Path | None, *, as_json: bool, budget: float, tenant: str, labels: Sequence[str], reason: str
) -> None:
    """Suggest limits that fit each hold reason's own history, as rules to paste into the configuration.

    It takes the highest count of each day for each reason, sets a limit well above it, and counts how often it would
    have alerted. While all limits of a tenant together would have alerted more often than the budget, the one with the
    most alerts moves up. Limits are chosen on the first two thirds of the history and confirmed on the rest; one that
    does not keep to the budget there is not suggested. Exit code 1 if there is no suggestion at all.
    """
    from alerter.core.backtest.suggest import select_reasons, suggest  # noqa: PLC0415

    config, now = load_without_secrets(config_path), clock.now()
    wanted = tenants_of(tenant, labels, config)
    chosen = [each for each in config.tenants.values() if wanted.matches(each.name)]
    if not chosen:
        said = f"no tenant of {config.path} matches {wanted_text(tenant, labels)}"
        raise click.BadParameter(said, param_hint="--tenant")
    total = counted(len(chosen), "tenant")
    with reading(config) as reader:
        reasons = reasons_of((reason,), reader)
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
    if not any(each.made or each.unsupported for each in found):
        raise Failed(f"nothing was ever held for a reason that matches {reason!r}")
    if as_json:
        print_json([_as_json(each) for each in found])
    else:
        click.echo("\n\n".join(_text(each, budget) for each in found))
    if not any(each.made for each in found):
        raise click.exceptions.Exit(FOUND)


def _text(found: "Suggestions", budget: float) -> str:
    """Return rules as TOML, each behind the sentence that explains it."""
    head = [f"# {line}" for line in _introduction(found, budget)]
    missing = [f"# {line}" for line in _missing(found)]
    return "\n".join([*head, *missing, *(_rule_text(each) for each in found.made)])


def _missing(found: "Suggestions") -> Iterator[str]:
    """Yield for which reasons there is no suggestion; those that lack the same are one line."""
    reasons_by_why: dict[str, list[str]] = {}
    for each in found.unsupported:
        reasons_by_why.setdefault(each.why, []).append(clean(each.reason))
    for why, (first, *more) in reasons_by_why.items():
        others = f" and {counted(len(more), 'other hold reason')}" if more else ""
        yield f"No suggestion for {first}{others}: {'each' if more else 'it'} {why.removeprefix('it ')}."


def _introduction(found: "Suggestions", budget: float) -> Iterable[str]:
    alerts = "1 alert" if budget == 1 else f"{budget:.3g} alerts"
    yield f"{found.tenant}: limits from its own history, for at most {alerts} a week."
    if found.unsupported and not found.made:
        yield "Rules that need no number are the better choice: those that `alerter init` writes."
    if found.made:
        yield f"Together they would have alerted {found.per_week:.2g} times a week where they were chosen, in the first"
        confirmed = f"{found.confirmed_per_week:.2g} times a week"
        yield f"two thirds of the history, and {confirmed} in the rest, which confirms them."
        yield "To see when, and who would be notified: alerter backtest --rules FILE"
    if found.per_week > budget:
        yield "Even the highest limits alert more often than that: the count is above them most of the time."


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
    return f"\n# {explanation(suggestion)}\n[[rules]]\n{lines}"


def _level_text(threshold: "Threshold", for_: timedelta) -> str:
    from alerter.core.conditions import duration_text  # noqa: PLC0415

    lasting = f', for = "{duration_text(for_)}"' if for_ else ""
    return f"{{ threshold = {{ above = {threshold.above}, clear_at = {threshold.clear_at} }}{lasting} }}"


def explanation(suggestion: "Suggestion") -> str:
    """Return in one sentence where a limit comes from, and how often it would have alerted."""
    usual = suggestion.usual
    above = suggestion.threshold.above or 0
    days = counted(usual.days, "day")
    return (
        f"From {days}: median daily peak {usual.highest:,.6g} (typical deviation {usual.distance:,.2g}); "
        f"above {above:,} it {_how_often(suggestion)}."
    )


def _how_often(suggestion: "Suggestion") -> str:
    if not suggestion.firings:
        return "would never have alerted"
    times = {1: "once", 2: "twice"}.get(len(suggestion.firings), f"{len(suggestion.firings)} times")
    ended = [each.until - each.since for each in suggestion.firings if each.until is not None]
    if not ended:
        return f"would have alerted {times}"
    middle = rough(sorted(ended)[len(ended) // 2])
    return f"would have alerted {times} ({'' if len(ended) == 1 else 'median '}{middle})"


def _as_json(found: "Suggestions") -> dict[str, object]:
    return {
        "tenant": found.tenant,
        "per_week": found.per_week,
        "confirmed_per_week": found.confirmed_per_week,
        "suggestions": [
            {
                "reason": each.reason,
                "rule": each.rule.name,
                "severity": each.severity,
                "above": each.threshold.above,
                "clear_at": each.threshold.clear_at,
                "for_seconds": each.level.for_.total_seconds(),
                "critical_above": each.critical_above,
                "usual": each.usual.highest,
                "distance": each.usual.distance,
                "days": each.usual.days,
                "fired": [(firing.since, firing.until) for firing in each.firings],
                "explanation": explanation(each),
            }
            for each in found.made
        ],
        "unsupported": [{"reason": each.reason, "why": each.why} for each in found.unsupported],
    }
