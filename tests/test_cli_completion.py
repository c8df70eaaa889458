"""What a shell completes: with real shells, and names that are hard to type."""

import os
import pty
import select
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import alerter as alerter_package
from alerter.cli import COMMANDS
from alerter.cli.completion import script
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import RunCommand, a_configuration, runner
from tests.programs import needed

HARD = "Attachments: PCI - 'Cards' (Outbound), $HOME"
HELD = f'time,reason,count\n0,"{HARD}",340\n0,Spam,12\n'
#: Completes as alerter does, and prints what else it is given, each argument in brackets.
PROGRAM = """#!/bin/sh
[ -n "$_ALERTER_COMPLETE" ] && exec {python} -m alerter "$@"
[ "$1" = completion ] && exec {python} -m alerter "$@"
printf '[%s]' "$@"; echo END
"""


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alerter: RunCommand) -> Path:
    """An `alerter` in the path, with a configuration, and a database in which it was polled once and warned."""
    program = tmp_path / "bin" / "alerter"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    with Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario.from_csv(HELD)) as simulator:  # noqa: TID251 - real requests carry the real date
        config = tmp_path / "rules.toml"
        config.write_text(a_configuration(simulator, above=100))
        alerter("poll", "--config", config)
    # As in the shell of somebody who has no secrets: names need none.
    config.write_text(config.read_text().replace("simulated-client-secret", "${NOBODY_HAS_THIS}"))
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("ALERTER_CONFIG", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return tmp_path


def bash(*words: str) -> list[str]:
    """Return what bash is offered for the last word of a line."""
    line = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}; _alerter_completion alerter"
    shown = 'printf "%s\\n" "${COMPREPLY[@]}"'
    command = [needed("bash"), "--norc", "-c", "\n".join((script("bash"), asked, shown))]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\n")[:-1]


@pytest.mark.usefixtures("installed")
class TestNames:
    """What is offered, as bash is offered it."""

    def test_commands(self) -> None:
        """All of them for nothing typed, and those that begin so."""
        assert bash("alerter", "") == list(COMMANDS)
        assert bash("alerter", "test-n") == ["test-notify"]

    def test_commands_are_listed_without_loading_them(self) -> None:
        """A key must not wait for libraries that no list needs."""
        script = (
            "import os, sys\nfrom alerter.cli import main\nsys.argv=['alerter']\n"
            "os.environ.update(_ALERTER_COMPLETE='bash_complete', COMP_WORDS='alerter\\n', COMP_CWORD='1')\n"
            "try: main()\nexcept SystemExit: pass\n"
            "own = {m for m in sys.modules if m.startswith('alerter.cli.')} - {'alerter.cli.colors'}\n"
            "print([*own, *(m for m in ('pydantic', 'sqlalchemy') if m in sys.modules)])"
        )

        shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

        assert "plain,status" in shown.stdout
        assert shown.stdout.endswith("[]\n")

    def test_subcommands_and_options(self) -> None:
        """As click knows them."""
        assert bash("alerter", "silence", "a") == ["add"]
        assert bash("alerter", "status", "--n") == ["--nagios"]
        assert bash("alerter", "completion", "") == ["bash", "zsh", "fish"]

    def test_tenants_receivers_and_rules(self) -> None:
        """From the configuration, also in another case, though its secrets cannot be read."""
        assert bash("alerter", "doctor", "--tenant", "AC") == ["acme"]
        assert bash("alerter", "test-notify", "") == ["secops"]
        assert bash("alerter", "silence", "add", "--rule", "B") == ["Backlog"]

    def test_hold_reasons_are_escaped(self) -> None:
        """What would be several words, or something else altogether; within open quotes what matters there."""
        assert bash("alerter", "history", "Att") == [r"Attachments:\ PCI\ -\ \'Cards\'\ \(Outbound\)\,\ \$HOME"]
        assert bash("alerter", "history", '"Att') == [HARD.replace("$", r"\$")]

    def test_alerts_deliveries_and_silences(self, alerter: RunCommand) -> None:
        """By their numbers, which nobody types by heart."""
        alerter("silence", "add", "--all", "--for", "1h", "--comment", "x", "--author", "ann")
        (alert,) = bash("alerter", "ack", "")

        assert len(alert) == 8
        assert bash("alerter", "alerts", "show", alert[:3]) == [alert]
        assert bash("alerter", "notifications", "retry", "") == ["1"]
        assert bash("alerter", "silence", "expire", "") == ["1"]

    def test_another_configuration_that_was_named_before(self, installed: Path) -> None:
        """The names are those of the file that the command will read."""
        other = installed / "other.toml"
        other.write_text((installed / "rules.toml").read_text().replace("[receivers.secops]", "[receivers.duty]"))

        assert bash("alerter", "test-notify", "--config", str(other), "") == ["duty"]

    @pytest.mark.parametrize("content", ["not = toml =", "[tenants.acme]\n"])
    def test_what_cannot_be_read_is_not_completed(self, installed: Path, content: str) -> None:
        """And nothing is said about it in the middle of a line."""
        (installed / "rules.toml").write_text(content)
        line = "_ALERTER_COMPLETE=bash_complete COMP_WORDS='alerter\nhistory\n' COMP_CWORD=2 alerter"

        shown = subprocess.run([needed("bash"), "-c", line], capture_output=True, text=True, check=True, timeout=60)

        assert (shown.stdout.strip(), shown.stderr) == ("", "")


# -- typed into real shells --------------------------------------------------------------------------------------------


def typed(command: list[str], preparation: str, *lines: str) -> str:
    """Return what an interactive shell shows after lines were typed, up to the end of what the program prints."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)  # noqa: S606 - the shell itself is what is tested
    try:
        os.write(terminal, f"{preparation}; echo REA''DY\n".encode())
        shown = _read(terminal, "READY")
        for keys in lines:
            os.write(terminal, f"{keys}\n".encode())
            shown += _read(terminal, "]END")
        return shown
    finally:
        os.close(terminal)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _read(terminal: int, until: str) -> str:
    """Return what a terminal shows until it shows something, within a minute."""
    shown = ""
    while until not in shown and select.select([terminal], [], [], 60)[0]:
        shown += os.read(terminal, 65_536).decode("utf-8", "replace")
    assert until in shown, shown
    return shown


@pytest.mark.usefixtures("installed")
def test_bash_types_a_hard_name_as_one_word() -> None:
    """A key in a real bash: the program gets exactly the name."""
    shown = typed([needed("bash"), "--norc", "-i"], 'eval "$(alerter completion bash)"', "alerter history Att\t")

    assert f"[history][{HARD}]END" in shown


@pytest.mark.usefixtures("installed")
def test_zsh_types_a_hard_name_as_one_word() -> None:
    """The same in a real zsh."""
    preparation = 'autoload -U compinit; compinit -u -D; eval "$(alerter completion zsh)"'

    shown = typed([needed("zsh"), "-f", "-i"], preparation, "alerter history Att\t")

    assert f"[history][{HARD}]END" in shown


#: What is typed before each press of a key, and the name that stands there then: names that would do something.
HOSTILE = (
    (("1",), "1 $(touch bad) `touch bad` \"; touch bad; \" '; touch bad; ' !! \\! !touch \\\\ $HOME ${IFS} end\\"),
    (("2",), "2 * ? [a-z] ~ {a,b} (c) <(touch bad);touch bad|touch bad&touch bad>bad #x a=b, c:d @e % ^f $'\\x41'"),
    (("3",), "3 '"),
    (("4",), '4 "'),
    (("5",), "5 !"),
    # The key first gives what two names have in common.
    (("X", "o"), 'X "or" (* ; touch bad) & other'),
    (("X", "m"), 'X "or" (* ; touch bad) & more'),
)


#: Completes these names with the classes of alerter, without the second that configuration and database take.
NAMING_PROGRAM = """#!{python}
import os, sys
import click
from click.shell_completion import CompletionItem
from alerter.cli.completion import SHELLS, VARIABLE

NAMES = {names!r}

@click.group()
def cli(): pass

@cli.command()
@click.argument("reason", shell_complete=lambda _, __, begun: [CompletionItem(n) for n in NAMES if n.startswith(begun)])
def history(reason): print(f"[history][{{reason}}]END")

if asked := os.environ.get(VARIABLE):
    shell = asked.partition("_")[0]
    print(SHELLS[shell](cli, {{}}, "alerter", VARIABLE).complete())
elif sys.argv[1] == "completion":
    print(SHELLS[sys.argv[2]](cli, {{}}, "alerter", VARIABLE).source())
else:
    cli()
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a shell stands, with an `alerter` that knows hold reasons which would do something there."""
    program = tmp_path / "bin" / "alerter"
    program.parent.mkdir()
    program.write_text(NAMING_PROGRAM.format(python=sys.executable, names=[name for _, name in HOSTILE]))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(Path(alerter_package.__file__).parent.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return tmp_path


TAB = "\t"
SHELL_COMMANDS = {
    "bash": (["bash", "--norc", "-i"], 'set -H; eval "$(alerter completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(alerter completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "alerter completion fish | source"),
}


@pytest.mark.parametrize("opened", ["", '"', "'"], ids=["bare", "double", "single"])
@pytest.mark.parametrize("shell", SHELL_COMMANDS)
def test_a_hostile_name_is_inserted_as_that_name(hostile: Path, shell: str, opened: str) -> None:
    """A key and Enter, outside and within quotes: the program gets the name, and nothing is executed."""
    (program, *options), preparation = SHELL_COMMANDS[shell]
    command = [needed(program), *options]

    shown = typed(
        command,
        f"cd '{hostile}'; {preparation}",
        *(f"alerter history {opened}{''.join(f'{key}{TAB}' for key in keys)}" for keys, _ in HOSTILE),
    )

    for _, name in HOSTILE:
        assert f"[history][{name}]END" in shown
    assert not (hostile / "bad").exists()


def fish(line: str) -> list[str]:
    """Return what fish is offered for the end of a line."""
    command = [needed("fish"), "--no-config", "-c", f'alerter completion fish | source; complete -C "{line}"']
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


@pytest.mark.usefixtures("installed")
def test_fish_is_offered_names_with_a_word_on_each() -> None:
    """It quotes by itself; an alert says what it is about."""
    assert fish("alerter test-n") == [f"test-notify\t{COMMANDS['test-notify']}"]
    assert fish("alerter history Att") == [HARD]
    (alert,) = fish("alerter ack ")
    assert alert.endswith(f"\tfiring warning of Backlog: {HARD} (acme)")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_script_is_one_that_its_shell_understands(alerter: RunCommand, name: str, tmp_path: Path) -> None:
    """It can be put where the shell looks for such scripts; another shell is the user's input."""
    shown = alerter("completion", name)
    path = tmp_path / "script"
    path.write_text(shown.out)

    assert shown.code == 0
    assert "_ALERTER_COMPLETE" in shown.out
    assert alerter("completion", "csh").code == 2
    subprocess.run([needed(name), "-n", path], check=True)
