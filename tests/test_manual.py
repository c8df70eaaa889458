"""The man page says what the program does, and is one that `man` and its linters understand."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from alerter import __version__
from alerter.cli import COMMANDS, cli, man_page
from tests.programs import needed
from tests.test_docs import commands

TEXT = man_page.page()


def plain(text: str) -> str:
    """Return what a reader sees of a piece of the source."""
    return re.sub(r"\\f[BIR]", "", text).replace(r"\-", "-").replace(r"\(aq", "'").replace(r"\&", "")


def section(title: str) -> str:
    """Return the text of a command's section."""
    found = re.search(
        rf'^\.SS "{re.escape(title)}( [^"]+)?"\n(.*?)(?=^\.S[HS] )', plain(TEXT), re.MULTILINE | re.DOTALL
    )
    assert found is not None, title
    return found[2]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The page as a file."""
    path = tmp_path / "alerter.1"
    path.write_text(TEXT, encoding="ascii")
    return path


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_is_there_with_its_words_and_options(name: str, command: click.Command) -> None:
    """As `--help` has them; what most have is explained once."""
    words = " ".join(section(f"alerter {name}").split())

    assert " ".join((command.help or "").split()).replace("`", "") in words.replace(" .PP ", " ")
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.opts[0] not in man_page.COMMON:
            assert re.search(rf" \.TP (-[a-z], )?{max(parameter.opts, key=len)}[ ,]", words)
            assert " ".join((parameter.help or "").split()) in words


def test_no_command_is_there_that_does_not_exist() -> None:
    """The page promises nothing."""
    promised = re.findall(r'^\.SS "alerter ((?:[a-z-]+ ?)+)', plain(TEXT), re.MULTILINE)

    assert [name.strip() for name in promised] == [name for name, _ in commands()]
    assert {name.split()[0] for name in promised} == set(COMMANDS)


def test_every_variable_that_an_option_reads_is_in_the_environment() -> None:
    """Also what only a service sees."""
    named = {name for term in man_page.ENVIRONMENT for name in term.split(", ")}
    read = {str(option.envvar) for _, command in commands() for option in command.params if option.envvar}

    assert read <= named
    assert {"ALERTER_CONFIG", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"} <= named
    assert all(plain(f".TP\n\\fB{term}") in plain(TEXT) for term in man_page.ENVIRONMENT)


def test_the_sections_are_those_that_readers_of_man_pages_expect() -> None:
    """In their order; see man-pages(7)."""
    assert re.findall(r"^\.SH (.+)$", TEXT, re.MULTILINE) == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "CONFIGURATION", "EXIT STATUS", "FILES",
        "ENVIRONMENT", "SIGNALS", "EXAMPLES", "SEE ALSO",
    ]  # fmt: skip
    assert f'"alerter {__version__}"' in TEXT.splitlines()[1]
    assert (cli.help or "").partition(",")[0][1:] in plain(TEXT)


def test_every_example_is_a_command_that_exists() -> None:
    """With options that it has."""
    known = {name: {option for each in command.params for option in each.opts} for name, command in commands()}

    for line in man_page.EXAMPLES.values():
        words = line.partition("alerter ")[2].removeprefix("alerter ").split()
        name = next(found for found in (" ".join(words[:2]), words[0]) if found in known)
        assert {word for word in words if word.startswith("--")} <= known[name], line


def test_mandoc_has_nothing_to_say(page: Path) -> None:
    """Neither an error nor a warning, nor a matter of style."""
    done = subprocess.run([needed("mandoc"), "-T", "lint", page], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_groff_has_nothing_to_say_and_shows_the_page(page: Path) -> None:
    """As `man alerter` does, on a terminal that is 80 characters wide."""
    environment = {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    command = [needed("man"), "--warnings", "--local-file", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert (done.stderr, done.returncode) == ("", 0)
    shown = re.sub(r".\x08", "", done.stdout)
    assert "alerter db backup PATH" in shown
    assert "alerter silence add --reason '*Graymail*' --for 2h --comment 'cleaning up'" in shown
    assert not re.search(r"\\[a-z(]|\.PP|`", shown)


def test_whatis_would_find_it(page: Path) -> None:
    """lexgrog(1) reads the line of NAME: the name, a dash, and a few words."""
    done = subprocess.run([needed("lexgrog"), page], capture_output=True, text=True, check=False)

    assert done.returncode == 0
    assert '"alerter - watch the mail that a Mimecast gateway is holding"' in done.stdout


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("One. Two words.", ["One.", "Two words."], id="a line for each sentence"),
        pytest.param("See ./x.toml. `run` it.", ["See ./x.toml.", r"\fBrun\fR it."], id="code is bold"),
        pytest.param(".hidden is no request", [r"\&.hidden is no request"], id="a dot at the beginning"),
        pytest.param("'quoted' text", [r"\(aqquoted\(aq text"], id="a quote at the beginning"),
        pytest.param(r"a\b --all", [r"a\eb \-\-all"], id="a backslash and a hyphen"),
        pytest.param("held … mail", [r"held \[u2026] mail"], id="what is not ASCII"),
        pytest.param("word " * 20, [("word " * 13).strip(), ("word " * 7).strip()], id="a long sentence"),
    ],
)
def test_text_becomes_source(text: str, lines: list[str]) -> None:
    """Whatever stands in a help text, roff shows it as it is."""
    assert list(man_page._sentences(text)) == lines  # noqa: SLF001 - each case alone
