"""No command shows a secret, whether it goes well or something is wrong."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import quote

import pytest
import trustme

from tests.canaries.conftest import a_new_home
from tests.canaries.echoes import Echo
from tests.canaries.runs import Home, Ran
from tests.canaries.secrets import CLIENT_SECRET, DATABASE_PASSWORD, Ports
from tests.test_docs import commands

Case: TypeAlias = Callable[[Home], Sequence[Ran]]


#: How a bug is reported: by the log, by doctor, by the plugin.
CRASHED = re.compile(rb"internal error|a bug in alerter")

#: Commands that take no configuration.
BARE = frozenset({"schema", "web-password", "web-token"})


def plain(*arguments: str) -> Case:
    """Return a case: a command that ends by itself. `ALERT` stands for an alert that fires, `HERE` for the folder."""

    def run(home: Home) -> Sequence[Ran]:
        given = [each.replace("ALERT", home.alert).replace("HERE", str(home.folder)) for each in arguments]
        return [home.run(*given, *(() if arguments[0] in BARE else ("--config", home.config)))]

    return run


def several(*cases: Case) -> Case:
    """Return a case of several ones, one after the other."""
    return lambda home: [ran for case in cases for ran in case(home)]


def until_stopped(*arguments: str, signs: Sequence[str]) -> Case:
    """Return a case: a command that is stopped when it has written one of the signs, unless it ends before."""

    def run(home: Home) -> Sequence[Ran]:
        running = home.start(*arguments, "--config", home.config)
        running.wait_for(*signs)
        return [running.end(signal.SIGTERM)]

    return run


def completing(home: Home) -> Sequence[Ran]:
    """Write a script for a shell, and answer what such a script asks."""
    asked = {"_ALERTER_COMPLETE": "bash_complete", "COMP_WORDS": "alerter test-notify ", "COMP_CWORD": "2"}
    return [home.run("completion", "bash"), home.run(**asked)]


def installing(home: Home) -> Sequence[Ran]:
    """Lay out a service below another root."""
    return [home.run("install", "--root", home.folder / "root")]


def copying(home: Home) -> Sequence[Ran]:
    """Copy the database to a server that cannot be reached, by a name; and to a file."""
    into = ("${SERVER_URL}", f"sqlite:///{home.folder}/moved.db")
    return [home.run("db", "copy", each, "--config", home.config, SERVER_URL=UNREACHABLE) for each in into]


def trying_rules(home: Home) -> Sequence[Ran]:
    """Try the configuration as a file of rules, and compare it with itself."""
    return [home.run("backtest", "--config", home.config, "--rules", home.config, "--diff", home.config)]


def proving_rules(home: Home) -> Sequence[Ran]:
    """Run a test of the configuration's rules, for which no secret is looked up."""
    tests = home.folder / "tests.toml"
    series = 'series = { "Spam" = "0 1" }\nexpect = [{ at = "5m", pending = [] }]'
    tests.write_text(f'rules_file = "{home.config}"\n[[tests]]\nname = "a test"\n{series}\n')
    return [home.run("test-rules", tests), home.run("test-rules", "--json", tests)]


def writing_an_example(home: Home) -> Sequence[Ran]:
    """Write a configuration to start from."""
    return [home.run("init", "--config", home.folder / "new.toml")]


#: A database that cannot be reached, with a password.
UNREACHABLE = f"postgresql://alerter:{quote(DATABASE_PASSWORD.text, safe='')}@127.0.0.1:1/alerter"

#: What is run of each command; a command without a case fails the test below.
CASES: Mapping[str, Case] = MappingProxyType(
    {
        "init": writing_an_example,
        "check-config": several(plain("check-config"), plain("check-config", "--json")),
        "schema": plain("schema"),
        "install": installing,
        "run": until_stopped("run", "--verbose", signs=("delivery failed", "waiting for the database")),
        "poll": several(plain("poll"), plain("poll", "--dry-run"), plain("poll", "--json")),
        "status": several(plain("status"), plain("status", "--json"), plain("status", "--nagios")),
        "tenants": several(plain("tenants"), plain("tenants", "--failing", "--json")),
        "alerts": several(plain("alerts"), plain("alerts", "--all", "--json")),
        "alerts show": several(plain("alerts", "show", "ALERT"), plain("alerts", "show", "ALERT", "--json")),
        "rules": several(plain("rules"), plain("rules", "--json")),
        "routes": several(plain("routes"), plain("routes", "--json")),
        "routes test": several(
            plain("routes", "test", "acme", "Spam"), plain("routes", "test", "acme", "Spam", "--json")
        ),
        "explain": several(plain("explain", "acme", "Spam"), plain("explain", "ALERT", "--json")),
        "ack": plain("ack", "ALERT", "--comment", "on it"),
        "silence add": plain("silence", "add", "--tenant", "acme", "--for", "2h", "--comment", "cleaning"),
        "silence list": several(plain("silence", "list"), plain("silence", "list", "--json")),
        "silence expire": plain("silence", "expire", "1"),
        "notifications": several(plain("notifications", "--failed"), plain("notifications", "--json")),
        "notifications retry": plain("notifications", "retry", "1"),
        "history": several(plain("history", "*"), plain("history", "*", "--json")),
        "export": several(plain("export"), plain("export", "-o", "HERE/export.csv")),
        "import": plain("import", "HERE/counts.csv", "--tenant", "acme", "--dry-run"),
        "backtest": several(plain("backtest"), plain("backtest", "--json"), trying_rules),
        "review": several(plain("review"), plain("review", "--json")),
        "suggest": several(plain("suggest"), plain("suggest", "--json")),
        "test-rules": proving_rules,
        "test-notify": plain("test-notify", "all"),
        "doctor": several(plain("doctor"), plain("doctor", "--json"), plain("doctor", "--send")),
        "simulate": until_stopped("simulate", "--port", "0", signs=("a Mimecast runs",)),
        "demo": plain("demo"),
        "web-password": plain("web-password", "alice"),
        "web-token": plain("web-token", "bot"),
        "completion": completing,
        "db upgrade": plain("db", "upgrade"),
        "db backup": plain("db", "backup", "HERE/another.db"),
        "db restore": plain("db", "restore", "HERE/backup.db"),
        "db compact": plain("db", "compact"),
        "db copy": copying,
    }
)


#: What reads no configuration, or nothing of it that can be wrong here.
WITHOUT_CONFIGURATION = frozenset(
    {"init", "schema", "install", "completion", "test-rules", "web-password", "web-token"}
)


@pytest.fixture(scope="module")
def lived_in(
    tmp_path_factory: pytest.TempPathFactory, echo: Echo, real_ports: Ports, authority: trustme.CA
) -> Iterator[Home]:
    """A home with alerts that fire, and messages that no target has taken: each has repeated what it was sent."""
    echo.write = str.encode
    with a_new_home(tmp_path_factory.mktemp("lived"), real_ports, authority) as home:
        home.run("poll")
        home.run("db", "backup", home.folder / "backup.db")
        home.alert = json.loads(home.run("alerts", "--json").out)[0]["alert"]
        (home.folder / "counts.csv").write_text("time,reason,held\n2026-01-01T00:00:00Z,Spam,1\n")
        yield home


def test_every_command_has_a_case() -> None:
    """A new command is run among the canaries, too."""
    assert set(CASES) == {name for name, _ in commands()}


@pytest.mark.slow
def test_what_was_lived_through_was_worth_it(lived_in: Home) -> None:
    """There is something to leak: alerts, and answers of targets that repeat secrets, in database and log."""
    shown = json.loads(lived_in.run("notifications", "--failed", "--json").out)

    urls = [path.name for path in lived_in.credentials.glob("*_URL") if path.name != "HEARTBEAT_URL"]
    assert len({each["target"] for each in shown}) == len(urls)
    assert "[redacted]" in json.dumps(shown)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES])
def test_no_command_shows_a_secret(lived_in: Home, name: str) -> None:
    """Output, log, arguments, environments of children, every file: none of them has any of the secrets."""
    runs = CASES[name](lived_in)

    assert lived_in.leaks() == []
    assert all(ran.code in {0, 1} for ran in runs), [ran.err for ran in runs]
    assert not any(b"Traceback" in ran.err for ran in runs)


def broken(home: Home) -> None:
    """Put a secret into the wrong place, as a text and by its name."""
    text = home.config.read_text()
    home.config.write_text(f'{text}\nfor = "{CLIENT_SECRET.core}"\nrunbook = "${{CLIENT_SECRET}}"\n')


def no_database(home: Home) -> None:
    """Name a database that cannot be reached, with a password."""
    home.set_secret("DATABASE_URL", UNREACHABLE)
    home.config.write_text(home.config.read_text().replace("sqlite:///alerter.db", "${DATABASE_URL}"))


def no_sqlite(home: Home) -> None:
    """Name a file that is no database."""
    (home.folder / "alerter.db").write_text("no database")


def crashing(home: Home) -> None:
    """Let every command crash once it has read its configuration."""
    home.environ["PYTHONPATH"] = os.pathsep.join((str(Path(__file__).parent / "crash"), home.environ["PYTHONPATH"]))
    home.environ["CRASH"] = "load"


@pytest.fixture(scope="module", params=[broken, no_database, no_sqlite, crashing], ids=lambda each: each.__name__)
def troubled(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    echo: Echo,
    real_ports: Ports,
    authority: trustme.CA,
) -> Iterator[Home]:
    """A home in which something is wrong."""
    echo.write = str.encode
    with a_new_home(tmp_path_factory.mktemp("troubled"), real_ports, authority) as home:
        request.param(home)
        yield home


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in WITHOUT_CONFIGURATION])
def test_no_command_shows_a_secret_when_something_is_wrong(troubled: Home, name: str) -> None:
    """Whatever a command cannot do, and however it fails, it does not say with which secret."""
    runs = CASES[name](troubled)

    assert troubled.leaks() == []
    is_crash = "CRASH" in troubled.environ
    assert any(CRASHED.search(ran.err + ran.out) for ran in runs) == is_crash, [ran.err for ran in runs]
