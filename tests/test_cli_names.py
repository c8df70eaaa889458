"""Names that hurt, as people type and paste them behind commands: each means itself alone, and nothing is executed."""

import json
import subprocess
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from alerter import clock
from alerter.cli.names import pasted, resolve_name
from alerter.core.selectors import build_selector, shown
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.storage import Store
from tests.commands import RunCommand, runner

HOSTILE_NAMES: list[str] = json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8"))
#: What else a pattern could be mistaken for.
NAMES = [*HOSTILE_NAMES, "Spam*", "Spam 1", "[ext] a?b", r"back\slash*", "it's"]
CONFIG = """
[tenants.acme]
client_id     = "an-id"
client_secret = "a-secret"

[receivers.secops]
urls = ["json://host"]

[[rules]]
name    = "High: $${what}?* [new]"
warning = { threshold = { above = 5 } }
"""


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose tenant held something for each of the names."""
    path = tmp_path_factory.mktemp("names") / "rules.toml"
    path.write_text(CONFIG)
    minute = timedelta(minutes=1)
    with closing(Store(f"sqlite:///{path.parent}/alerter.db")) as store:
        store.upgrade()
        with store.write() as transaction:
            counts = {HoldReason(name): number for number, name in enumerate(NAMES, start=1)}
            snapshot = Snapshot(tenant=Tenant("acme"), taken_at=clock.now() - minute, counts=counts)
            transaction.history.add(snapshot, poll_interval=minute)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_typed_as_it_is_shown_means_itself_alone(alerter: RunCommand, config: Path, name: str) -> None:
    """In every command that takes a hold reason, as it is stored, as it is shown, and as a hint prints it."""
    for typed in (name, shown(name), _read_by_bash(pasted(name))):
        history = alerter("history", "--config", config, "--json", "--", typed)
        explain = alerter("explain", "--config", config, "--json", "--", "acme", typed)
        export = alerter("export", "--config", config, f"--reason={typed}", "--format=jsonl")
        suggest = alerter("suggest", "--config", config, f"--reason={typed}", "--json")
        silence = alerter(
            "silence", "add", "--config", config, f"--reason={typed}", "--for=1h", "--comment=x", "--dry-run", "--json"
        )

        assert [each["reason"] for each in json.loads(history.out)] == [name]
        assert json.loads(explain.out)["reason"] == name
        assert {json.loads(line).get("reason", name) or name for line in export.out.strip().split("\n")} == {name}
        assert [each["reason"] for each in json.loads(suggest.out)[0]["unsupported"]] == [name]
        assert list(filter(build_selector(json.loads(silence.out)["reasons"], ()).matches, NAMES)) == [name]
        assert "matches no hold reason" not in silence.err


@pytest.mark.parametrize("name", NAMES)
def test_what_a_hint_prints_is_read_by_a_shell_as_one_name(name: str) -> None:
    """Quotes, blanks, `$(…)` and what looks like an option among them."""
    assert resolve_name("hold reason", _read_by_bash(pasted(name)), NAMES) == name
    assert not _read_by_bash(pasted(name)).startswith("-")


def _read_by_bash(word: str) -> str:
    """Return what bash makes of a word that was pasted."""
    done = subprocess.run(["/bin/bash", "-c", f"printf %s {word}"], capture_output=True, check=True, timeout=10)
    return done.stdout.decode()


def test_a_glob_that_matches_nothing_seen_is_said_where_it_is_typed(alerter: RunCommand, config: Path) -> None:
    """With the nearest names, as they can be pasted; so is one of several."""
    notified = alerter(
        "silence",
        "add",
        "--config",
        config,
        "--reason=Spam*",
        "--reason=Spam 2",
        "--for=1h",
        "--comment=x",
        "--dry-run",
    )
    unknown = alerter("history", "--config", config, "back slash")
    nothing = alerter("export", "--config", config, "--reason=nobody knows it")

    assert "--reason 'Spam 2' matches no hold reason seen so far; there are: 'Spam 1', " in notified.err
    assert r"'Spam\*'" in notified.err
    assert "'Spam*' matches" not in notified.err
    assert r"there are: 'back\\slash\*'" in unknown.err
    assert "--reason 'nobody knows it' matches no hold reason seen so far; there are: " in nothing.err


def test_the_name_of_a_rule_is_no_glob_where_it_is_typed(alerter: RunCommand, config: Path) -> None:
    """A silence for a rule is for that one, whatever is in its name."""
    silence = alerter(
        "silence", "add", "--config", config, "--rule=High: ${what}?* [new]", "--for=1h", "--comment=x", "--dry-run",
        "--json",
    )  # fmt: skip

    assert json.loads(silence.out)["rules"] == [r"High: ${what}\?\* [new]"]
    assert "matches nothing" not in silence.err


def test_check_config_says_which_glob_matches_nothing_that_was_seen(alerter: RunCommand, config: Path) -> None:
    """And which is a name that it does not select alone; in the form in which each is pasted into the file."""
    other = config.with_name("other.toml")
    rules = '[[rules]]\nname = "{}"\nreasons = [{}]\nwarning = {{ threshold = {{ above = 5 }} }}\n'
    other.write_text(CONFIG + rules.format("A", '"Spam 1", "Impresonation*"') + rules.format("B", '"Spam*"'))

    shown = alerter("check-config", "--config", other)

    assert shown.code == 0
    assert (
        f"warning: A: matches 1 of {len(NAMES)} hold reasons seen so far, but 'Impresonation*' matches none"
        in shown.err
    )
    assert "warning: B: " in shown.err
    assert "'Spam*' is the name of one, and as a glob selects 1 other too" in shown.err
    assert r'For that one alone write "Spam\\*".' in shown.err


@pytest.mark.parametrize("command", [("status", "--config"), ("db", "restore"), ("db", "backup")], ids=" ".join)
def test_no_path_reaches_a_terminal_as_it_is(
    alerter: RunCommand, config: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Where a shell has put it in place of a `*`, somebody else may have chosen it."""
    path = tmp_path / "a\x9b31m\u202eb\nc"

    said = alerter(*command, path) if "--config" in command else alerter(*command, "--config", config, path)

    text = said.out + said.err
    assert "\\u202e" in text or "�" in text, "the path is said"
    assert "\u202e" not in text
    assert "\x9b" not in text
