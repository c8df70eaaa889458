"""Tables of the commands fit the terminal: a row is one line at any width, and no word is broken."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click import Command
from click.testing import CliRunner, Result
from rich.cells import cell_len

from alerter.cli import cli
from alerter.cli.tables import Cell, Column, Cut, Table, draw, shorten
from alerter.simulator.api import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import unchanged_logging
from tests.test_docs import commands
from tests.test_terminal import alerter, on_a_terminal

WIDTHS = (60, 80, 100, 160)
LONG = "Default Attachment Management Definition - Block Dangerous File Types!"
REASONS = (
    LONG, "Spam Scanning", "Graymail", "Impersonation Protect", "Default Content Examination - Finance", "Phishing",
    "Suspected Malware", "Attachment Protect - Sandbox", "漢字のポリシー",
)  # fmt: skip
RECEIVERS = ("secops", "postmaster", "customer-desk", "night-watch")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def run(words: str, config: Path, *, width: int = 80, environment: Mapping[str, str] | None = None) -> Result:
    """Run a command in this process; return what it printed, with its colours."""
    with unchanged_logging():
        return CliRunner().invoke(
            cli,
            [*words.split(), "--config", str(config)],
            env={"COLUMNS": str(width), **(environment or {})},
            color=True,
        )


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration of nine alerts and four receivers; one alert is acknowledged, one silenced."""
    config = tmp_path_factory.mktemp("tables") / "rules.toml"
    held = "".join(f'0,"{reason}",{612 - 60 * number}\n' for number, reason in enumerate(REASONS))
    receivers = "".join(f'[receivers.{name}]\nurls = ["json://127.0.0.1:9/{name}"]\n' for name in RECEIVERS)
    with Simulator(
        clock=lambda: datetime.now(UTC),  # noqa: TID251 - real requests carry the real date
        scenario=Scenario.from_csv("time,reason,count\n" + held),
    ) as simulator:
        config.write_text(
            f'[service]\ntimezone = "UTC"\n[tenants.acme-industries-emea]\nbase_url = "{simulator.base_url}"\n'
            f'client_id = "{SIMULATOR_CLIENT_ID}"\nclient_secret = "{SIMULATOR_CLIENT_SECRET}"\n{receivers}'
            '[[rules]]\nname = "Backlog of held mail"\nreasons = ["Default*", "Spam*"]\n'
            "critical = { threshold = { above = 100 } }\n"
            '[[rules]]\nname = "Others"\nreasons = ["*", "!Default*", "!Spam*"]\n'
            "warning = { threshold = { above = 100 } }\n"
            '[[rules]]\nname = "Sudden"\nwarning = { growth = { over = "1d", times = 14, by = 30 } }\n'
        )
        run("poll", config)
        first = run("alerts", config).output.splitlines()[0].split("\t")[1]
        assert run(f"ack {first} --author ann --comment working", config).exit_code == 0
        silence = "silence add --reason Graymail --for 2h --author bob --comment planned"
        assert run(silence, config).exit_code == 0
        yield config


def at_width(words: str, config: Path, width: int) -> list[str]:
    """Return the lines that a command shows on a terminal of a width, without colours."""
    return ANSI.sub("", run(f"{words} --color always", config, width=width).output).split("\n")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("words", ["status", "alerts", "tenants", "notifications", "silence list"])
def test_no_line_is_wider_than_the_terminal(watched: Path, words: str, width: int) -> None:
    """Whatever a command lists, no row takes a second line."""
    lines = at_width(words, watched, width)

    assert [line for line in lines if cell_len(line) > width] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_an_alert_is_one_line_with_its_id_level_reason_count_and_age(watched: Path, width: int) -> None:
    """Nine alerts are nine lines, in `alerts` as in `status`, with what a person needs on each of them."""
    ids = [line.split("\t")[1] for line in run("alerts", watched).output.splitlines()]
    assert len(ids) == len(REASONS)

    for words in ("alerts", "status"):
        lines = at_width(words, watched, width)
        start = lines.index("Alerts") + 1
        rows = lines[start + 1 : lines.index("", start)]

        assert {row.split()[0] for row in rows} == {*ids}
        assert len(rows) == len(ids)
        assert all(re.search(r"critical|warning", row) for row in rows)
        assert all(re.search(r" \d+s\b", row) for row in rows)
        counts = {str(612 - 60 * number) for number in range(len(REASONS))}
        assert {word for row in rows for word in row.split()} >= counts


@pytest.mark.parametrize("width", WIDTHS)
def test_the_state_of_a_silence_is_never_cut(watched: Path, width: int) -> None:
    """One that begins later is `pending`, in as many words as Alertmanager has for it."""
    add = "silence add --tenant acme-industries-emea --rule Others --reason Phishing --start tomorrow"
    assert run(f"{add} --for 2h --comment moving-the-mail-of-a-whole-subsidiary", watched).exit_code == 0

    states = [line.split()[1] for line in at_width("silence list", watched, width)[2:] if line]

    assert states[0] == "active"
    assert {*states[1:]} == {"pending"}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_name_that_is_shortened_keeps_whole_words(watched: Path, width: int) -> None:
    """Words are left out of a name of 70 characters, from its middle; none is cut."""
    row = next(line for line in at_width("alerts", watched, width) if "Types!" in line or "Default Att" in line)
    shown = row[row.index("Default") : row.index("Types!") + len("Types!")]

    assert len(LONG) == 70
    assert {*shown.split()} <= {*LONG.split(), "…"}


def test_a_column_without_text_is_not_shown(watched: Path) -> None:
    """No tenant is muted or has labels: there is no column for it on a terminal; a pipe has the same columns always."""
    shown = "\n".join(at_width("tenants", watched, 160))
    piped = run("tenants", watched).output

    assert "labels" not in shown
    assert "muted" not in shown
    assert "last successful poll" in shown
    assert piped.count("\t") == 9


def test_colour_says_what_is_wrong_and_can_be_switched_off(watched: Path) -> None:
    """On a terminal levels have colours; `--color never` and NO_COLOR end that, `always` has them in a pipe."""
    on_terminal = on_a_terminal(alerter("alerts", watched))
    without = on_a_terminal(["env", "NO_COLOR=1", *alerter("alerts", watched)])
    forced = run("alerts --color always", watched).output
    piped = run("alerts", watched).output

    assert "\x1b[31m\x1b[1mcritical" in on_terminal
    assert "\x1b[33mwarning" in on_terminal
    assert not ANSI.search(without)
    assert without.startswith("Alerts\r\n")
    assert "\x1b[31m\x1b[1mcritical" in forced
    assert ANSI.sub("", forced).startswith("Alerts\n")
    assert not ANSI.search(piped)


@pytest.mark.parametrize(
    ("choice", "environment", "expected"),
    [
        pytest.param("always", {"NO_COLOR": "1"}, "colours", id="what was asked for counts more than the environment"),
        pytest.param("never", {}, "none", id="never"),
        pytest.param("auto", {}, "none", id="a pipe has none"),
    ],
)
def test_the_choice_of_colours_stands_before_or_after_the_command(
    watched: Path, choice: str, environment: dict[str, str], expected: str
) -> None:
    """`alerter --color always status` and `alerter status --color always` are the same."""
    before = run(f"--color {choice} alerts", watched, environment=environment).output
    after = run(f"alerts --color {choice}", watched, environment=environment).output

    assert bool(ANSI.search(before)) is bool(ANSI.search(after)) is (expected == "colours")


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_takes_the_choice_of_colours(name: str, command: Command) -> None:
    """Nobody must remember which ones paint."""
    options = [each for each in command.params if "--color" in each.opts]

    assert len(options) == 1, name


def plain(text: str, _: str) -> str:
    """Paint nothing."""
    return text


def drawn(table: Table, width: int) -> list[str]:
    """Return a table's lines."""
    return list(draw(table, width=width, paint=plain, clean=str))


def test_columns_are_dropped_from_the_least_important_on() -> None:
    """What has no room goes in the order that the columns say; one that must stay is cut at last."""
    columns = (Column("id"), Column("name", min_width=8), Column("extra", drop=1), Column("more", drop=2))
    table = Table(title="T", columns=columns, rows=[("a1", "Some long name", "x" * 12, "y" * 12)])

    assert drawn(table, 80)[0].split() == ["id", "name", "extra", "more"]
    assert drawn(table, 38)[0].split() == ["id", "name", "extra"]
    assert drawn(table, 24)[0].split() == ["id", "name"]
    assert all(len(line) <= 20 for line in drawn(table, 20))


def test_numbers_are_never_shortened() -> None:
    """A count that is cut would be another count."""
    table = Table(title="T", columns=("name", ">held"), rows=[("A name of many words", "1,234,567")])

    assert all("1,234,567" in line for line in drawn(table, 22)[1:])


@pytest.mark.parametrize(
    ("text", "width", "cut", "expected"),
    [
        pytest.param("Spam", 10, Cut.MIDDLE, "Spam", id="what fits is unchanged"),
        pytest.param(LONG, 40, Cut.MIDDLE, "Default Attachment … File Types!", id="words go from the middle"),
        pytest.param("A sentence that goes on", 14, Cut.END, "A sentence …", id="words go from the end"),
        pytest.param("Aaaaaaaaaabbbbbbbbbbccccc", 11, Cut.MIDDLE, "Aaaaa…ccccc", id="one long word keeps both ends"),
        pytest.param("漢字漢字漢字", 7, Cut.END, "漢字漢…", id="a wide character is two columns"),
        pytest.param("abcdef", 1, Cut.MIDDLE, "…", id="hardly any room"),
    ],
)
def test_a_text_is_shortened_to_a_width(text: str, width: int, cut: Cut, expected: str) -> None:
    """Whole words are left out where that leaves enough; a long word keeps both its ends."""
    assert shorten(text, width, cut=cut) == expected
    assert cell_len(shorten(text, width, cut=cut)) <= width


def test_a_terminal_shows_the_short_form_of_a_cell() -> None:
    """A pipe has the text in full."""
    table = Table(title="T", columns=("at",), rows=[(Cell("2026-03-10 09:00:00 UTC", "2h ago"),)])

    assert drawn(table, 80)[1] == "  2h ago"
