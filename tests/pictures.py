"""README's pictures of the conditions: what was held, and when the rule that stands above the picture fires.

No verdict is drawn by hand. A picture has its counts from `tests.gallery` and its rule from the block of TOML above it
in README; when that is pending and when it fires comes from a replay of the one over the other.

`python -m tests.pictures` draws them anew, in README, below their markers.
"""

import re
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerter.config import Config, load_config
from alerter.core.alerts import AlertState, Transition
from alerter.core.backtest.replay import run_replay
from alerter.core.backtest.rule_tests import history_from_counts, parse_counts
from alerter.core.history import TenantHistory
from alerter.core.rules import Severity
from alerter.core.series import HoldReason, Tenant
from alerter.service.alerting_config import build_alerting_config
from tests.gallery import GALLERY, Picture

README = Path(__file__).parents[1] / "docs/reference/conditions.md"
#: What renews them.
COMMAND = "python -m tests.pictures"

_REST = '[tenants.acme]\nclient_id = "i"\nclient_secret = "s"\n[receivers.secops]\nurls = ["json://host"]\n'
_PICTURE = re.compile(
    r"(?P<head><!-- picture: (?P<name>[^\n]+) -->\n\n```toml\n(?P<toml>.*?)```\n\n```text\n)(?P<drawing>.*?)(?=```\n)",
    re.DOTALL,
)
#: From nothing to a whole row, in eighths.
_BLOCKS = " ▁▂▃▄▅▆▇█"
_LIMIT = "▔"
_FAILED = "x"
_STATES = {AlertState.INACTIVE: "·", AlertState.PENDING: "░", AlertState.FIRING: "█"}

#: Ticks are counted from here.
_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)

Lane = list[AlertState]


def drawing_of(picture: Picture, toml: str) -> str:
    """Return a picture of counts, with the states of a TOML text's levels below it, as lines of text."""
    lanes = ((name, " " + "".join(_STATES[state] for state in lane)) for name, lane in lanes_of(picture, toml).items())
    rows = [*_chart(picture), *lanes]
    margin = max(len(label) for label, _ in rows)
    return "".join(f"{label:>{margin}} {row}".rstrip() + "\n" for label, row in rows)


def lanes_of(picture: Picture, toml: str) -> dict[str, Lane]:
    """Return the state of each level of a TOML text at each poll that is drawn, and of those beside it."""
    lanes = {str(severity): lane for severity, lane in _lanes(picture, toml)}
    for name, level in picture.beside.items():
        ((_, lanes[name]),) = _lanes(picture, f'[[rules]]\nname = "Beside"\nwarning = {level}\n')
    return lanes


def config_of(toml: str) -> Config:
    """Return the configuration that a block of README is, with a tenant and a receiver."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.toml"
        path.write_text(f"{toml}\n{_REST}", encoding="utf-8")
        return load_config(path, {})


def pictures_in(readme: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each picture in a text, the TOML above it, and its drawing."""
    for found in _PICTURE.finditer(readme):
        yield found["name"], found["toml"], found["drawing"]


def redrawn(readme: str, pictures: Mapping[str, Picture]) -> str:
    """Return a text with all of its pictures drawn anew."""
    return _PICTURE.sub(lambda found: found["head"] + drawing_of(pictures[found["name"]], found["toml"]), readme)


def _lanes(picture: Picture, toml: str) -> Iterator[tuple[Severity, Lane]]:
    """Yield each level and its state at each poll that is drawn."""
    config = config_of(toml)
    moments = list(run_replay(build_alerting_config(config), [_history(picture)]))
    transitions = [transition for moment in moments for transition in moment.transitions]
    written = {rule["name"] for rule in tomllib.loads(toml)["rules"]}
    for rule in config.rules:
        # The built-in rule on polling comes along with every configuration.
        for severity in rule.levels if rule.name in written else ():
            own = [each for each in transitions if (each.key.rule, each.key.severity) == (rule.name, severity)]
            yield severity, [_state_at(at, own) for at in picture.polls]


def _state_at(at: datetime, transitions: Iterable[Transition]) -> AlertState:
    state = AlertState.INACTIVE
    for transition in transitions:
        if transition.at <= at:
            state = transition.to_state
    return state


def _history(picture: Picture) -> TenantHistory:
    return history_from_counts(
        Tenant("acme"),
        {HoldReason("Spam"): parse_counts(f"{picture.before} {picture.counts}")},
        begin=picture.begin - len(parse_counts(picture.before)) * picture.every,
        poll_interval=picture.every,
        timezone=UTC,
    )


def _chart(picture: Picture) -> Iterator[tuple[str, str]]:
    """Yield each row of the columns with its label, the axis, and the times below it."""
    highest = max([picture.limit or 0, *(count for count in picture.columns if count is not None)])
    for top in range(-(-highest // picture.row) * picture.row, 0, -picture.row):
        yield f"{top}", "┤" + "".join(_cell(count, top, picture) for count in picture.columns)
    ticks = [number for number, at in enumerate(picture.polls) if (at - _MIDNIGHT) % picture.tick == timedelta(0)]
    yield "0", "└" + "".join("┴" if number in ticks else "─" for number in range(len(picture.polls)))
    times = ""
    for number in ticks:
        times = f"{times:<{number}}{picture.polls[number]:{picture.clock}}"
    yield "", f" {times}"


def _cell(count: int | None, top: int, picture: Picture) -> str:
    """Return what a column shows in the row that ends at a count."""
    if count is None:
        return _FAILED if top == picture.row else " "
    eighths = -(-(count - top + picture.row) * 8 // picture.row)
    if eighths > 0:
        return _BLOCKS[min(eighths, 8)]
    return _LIMIT if top == picture.limit else " "


def main() -> None:
    """Renew the pictures of README."""
    README.write_text(redrawn(README.read_text(encoding="utf-8"), GALLERY), encoding="utf-8")


if __name__ == "__main__":
    main()
