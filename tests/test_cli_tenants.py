"""`alerter tenants` and `alerter status` for many tenants: a real database with a hundred and twenty of them."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from alerter import clock
from alerter.cli.status import MAX_ROWS
from alerter.cli.tenants import ORDERS
from alerter.core.alerts import AlertState
from alerter.core.rules import Severity
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.errors import Cause, SourceUnavailable
from alerter.storage import Store
from tests.builders import a_key, an_alert
from tests.commands import Outcome, RunCommand, runner

MANY = 120
#: The places of the tenants that are not well.
SILENT, EXPIRED, STALE, NEW, FIRING = 7, 11, 13, 17, 19


def name_of(number: int) -> Tenant:
    """Return a tenant's name."""
    return Tenant(f"customer-{number:03}")


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """The command line."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration of many tenants, of which every third is gold, and a database that has seen nearly all."""
    path = tmp_path / "rules.toml"
    tenants = "".join(
        f'[tenants.{name_of(number)}]\nclient_id = "id"\nclient_secret = "secret-{number}"\n'
        f'labels = {{ tier = "{"silver" if number % 3 else "gold"}" }}\n'
        for number in range(MANY)
    )
    rule = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 200 } }\n'
    path.write_text(f'{tenants}[receivers.secops]\nurls = ["json://127.0.0.1:9"]\n{rule}')
    with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store:
        store.upgrade()
        fill(store)
    return path


def fill(store: Store) -> None:
    """Poll all tenants but one, each in its own way."""
    now = clock.now()
    with store.write() as transaction:
        for number in range(MANY):
            at = now - (timedelta(days=1) if number == STALE else timedelta(seconds=number))
            snapshot = Snapshot(
                tenant=name_of(number),
                taken_at=at,
                counts={HoldReason("Spam"): number, HoldReason("Graymail"): 1},
                latency=timedelta(seconds=number / 100),
            )
            if number != NEW:
                transaction.history.add(snapshot, poll_interval=timedelta(minutes=5))
        transaction.polls.add_failure(name_of(SILENT), SourceUnavailable(Cause.TIMEOUT, "no answer"), at=now)
        transaction.polls.add_failure(name_of(EXPIRED), SourceUnavailable(Cause.KEYS_EXPIRED, "expired"), at=now)
        key = a_key(tenant=name_of(FIRING), reason="Spam", severity=Severity.WARNING)
        transaction.alerts.save([an_alert(AlertState.FIRING, key=key)])


def cells(shown: Outcome, title: str) -> list[list[str]]:
    """Return the rows of a table, as a pipe gets them, without its name."""
    return [line.split("\t")[1:] for line in shown.out.splitlines() if line.startswith(f"{title}\t")]


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement that is sent to a database."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("command", [["history", "*"], ["export"], ["suggest"], ["backtest"]], ids=lambda each: each[0])
def test_commands_about_history_choose_by_label(alerter: RunCommand, config: Path, command: list[str]) -> None:
    """Whoever looks after many sees those of one kind, by name and label together."""
    shown = alerter(*command, "--tenant", "customer-00*", "--label", "tier=gold", "--config", config)
    nobody = alerter(*command, "--label", "tier=bronze", "--config", config)

    named = set(re.findall(r"customer-\d+", shown.out))
    gold = {name_of(number) for number in (0, 3, 6, 9)}
    if command == ["backtest"]:
        assert ", 4 tenants" in shown.out
    else:
        assert named == gold
    assert nobody.code in {1, 2}
    assert nobody.out == ""
    assert "nothing matches" in nobody.err or "'*' with the label tier=bronze" in nobody.err


def test_the_doctor_calls_those_with_a_label(alerter: RunCommand, config: Path) -> None:
    """Nobody is called where nobody has it, and that is said."""
    shown = alerter("doctor", "--label", "tier=bronze", "--config", config)

    assert shown.code == 2
    assert "no tenant matches '*' with the label tier=bronze; there are: customer-000, " in shown.err


def test_status_of_many_is_a_summary_and_the_worst(alerter: RunCommand, config: Path) -> None:
    """Whoever is not seen comes first, then what fires, then the largest counts; the rest is one line."""
    shown = alerter("status", "--config", config)

    tenants = [row for row in cells(shown, "tenants") if len(row) > 1]
    assert shown.code == 1
    assert cells(shown, "summary")[0][0] == (
        f"{MANY} tenants: {MANY - 4} seen, 2 failing (timeout 1, keys_expired 1), 1 not polled any more, "
        f"1 never polled, {sum(range(MANY)) - NEW + MANY - 1:,} held, 1 alert firing"
    )
    assert [row[0] for row in tenants[:6]] == [
        *map(name_of, (EXPIRED, SILENT, STALE, NEW, FIRING)),
        name_of(MANY - 1),
    ]
    assert len(tenants) == MAX_ROWS
    assert [f"and {MANY - MAX_ROWS} more that are well"] in cells(shown, "tenants")


def test_status_of_many_shows_the_largest_counts(alerter: RunCommand, config: Path) -> None:
    """Of thousands of hold reasons a person reads those with most held."""
    rows = cells(alerter("status", "--config", config), "held")

    assert [row[:3] for row in rows[:2]] == [[name_of(MANY - 1), "Spam", "119"], [name_of(MANY - 2), "Spam", "118"]]
    assert len(rows) == MAX_ROWS


def test_status_asks_the_database_no_more_often_for_more_tenants(
    alerter: RunCommand, config: Path, statements: list[str]
) -> None:
    """One look for all, and one for each of the few that are shown: ten thousand tenants take no ten thousand."""
    alerter("status", "--json", "--config", config)
    of_json = len(statements)
    statements.clear()
    alerter("status", "--config", config)

    assert of_json < 20
    assert len(statements) < 20 + 5 * MAX_ROWS


def test_more_that_are_not_well_are_not_called_well(alerter: RunCommand, config: Path) -> None:
    """Where more fail than are shown, nobody is told that the rest is well."""
    config.write_text(config.read_text().replace("[receivers", '[service]\npoll_interval = "10m"\n[receivers'))
    with closing(Store(f"sqlite:///{config.parent}/alerter.db")) as store, store.write() as transaction:
        for number in range(MAX_ROWS + 10):
            transaction.polls.add_failure(name_of(number), SourceUnavailable(Cause.DNS, "none"), at=clock.now())

    shown = alerter("status", "--config", config)

    (more,) = [row[0] for row in cells(shown, "tenants") if len(row) == 1]
    assert more == f"and {MANY - MAX_ROWS} more; `alerter tenants` lists all of them, --failing the failing ones"


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        pytest.param(["--tenant", "customer-00?"], range(10), id="by name"),
        pytest.param(["--label", "tier=gold", "--tenant", "*-01*"], [12, 15, 18], id="by label and name"),
        pytest.param(["--label", "tier=!GOLD", "--tenant", "*-00*"], [1, 2, 4, 5, 7, 8], id="by another value"),
        pytest.param(["--failing"], [SILENT, EXPIRED, STALE, NEW], id="those that are not seen"),
    ],
)
@pytest.mark.parametrize("command", ["status", "tenants"])
def test_tenants_can_be_chosen(
    alerter: RunCommand, config: Path, command: str, options: list[str], numbers: list[int]
) -> None:
    """By name, by label, or because something is wrong with them: the list, the overview and both for a program."""
    shown = alerter(command, *options, "--config", config)
    as_json = json.loads(alerter(command, *options, "--json", "--config", config).out)

    listed = as_json if command == "tenants" else as_json["tenants"]
    assert {row[0] for row in cells(shown, "tenants")} == set(map(name_of, numbers))
    assert {each["tenant"] for each in listed} == set(map(name_of, numbers))
    assert shown.code == (1 if {SILENT, EXPIRED, STALE, NEW} & set(numbers) else 0)


def test_status_of_chosen_tenants_shows_their_alerts_alone(alerter: RunCommand, config: Path) -> None:
    """What fires elsewhere is not the answer, nor the exit code."""
    other = alerter("status", "--tenant", name_of(1), "--config", config)
    own = alerter("status", "--tenant", name_of(FIRING), "--config", config)

    assert (other.code, cells(other, "alerts")) == (0, [])
    assert (own.code, len(cells(own, "alerts"))) == (1, 1)


def test_tenants_lists_everybody_with_everything(alerter: RunCommand, config: Path) -> None:
    """The last successful poll, its latency, the interval, what is held and fires, labels, and why polling fails."""
    rows = {row[0]: row for row in cells(alerter("tenants", "--config", config), "tenants")}

    assert len(rows) == MANY
    assert rows[name_of(FIRING)][2:] == ["0.19s", "5m", "20", "1", "", "tier=silver", "good"]
    assert rows[name_of(NEW)][1:] == ["never", "", "5m", "unknown", "", "", "tier=silver", "never polled"]
    assert rows[name_of(EXPIRED)][-1].endswith(": keys_expired: expired")
    assert rows[name_of(STALE)][-1].startswith("not polled any more")


def test_tenants_are_listed_for_a_program(alerter: RunCommand, config: Path) -> None:
    """Every field is there, whatever is known."""
    config.write_text(config.read_text().replace('client_id = "id"\n', 'client_id = "id"\nmuted = true\n', 1))

    listed = {each["tenant"]: each for each in json.loads(alerter("tenants", "--json", "--config", config).out)}

    first, failing, new = (listed[name_of(number)] for number in (0, SILENT, NEW))
    assert (first["muted"], first["labels"], first["timezone"]) == (True, {"tier": "gold"}, "UTC")
    assert (failing["cause"], failing["held"], failing["latency"]) == ("timeout", SILENT + 1, 0.07)
    assert (new["last_success_at"], new["held"], new["latency"]) == (None, None, None)
    assert {tuple(each) for each in listed.values()} == {tuple(first)}


@pytest.mark.parametrize(
    ("order", "first"),
    [
        pytest.param("worst", EXPIRED, id="who is not seen"),
        pytest.param("name", 0, id="by name"),
        pytest.param("held", MANY - 1, id="most held"),
        pytest.param("firing", FIRING, id="most that fires"),
        pytest.param("age", NEW, id="the oldest good poll, or none"),
        pytest.param("latency", MANY - 1, id="the slowest"),
    ],
)
def test_tenants_are_sorted_as_one_likes(alerter: RunCommand, config: Path, order: str, first: int) -> None:
    """Each order answers a question."""
    shown = alerter("tenants", "--sort", order, "--config", config)

    assert cells(shown, "tenants")[0][0] == name_of(first)
    assert order in ORDERS


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        pytest.param(["--tenant", "nobody-*"], 1, "no tenant matches", id="no such name"),
        pytest.param(["--label", "tier=bronze"], 1, "no tenant matches", id="no such label"),
        pytest.param(["--label", "gold"], 2, "expected a label such as tier=gold, found 'gold'", id="no label at all"),
    ],
)
@pytest.mark.parametrize("command", ["status", "tenants"])
def test_a_choice_of_nobody_is_said(  # noqa: PLR0917
    alerter: RunCommand, config: Path, command: str, options: list[str], code: int, said: str
) -> None:
    """An empty list would look as if all were well."""
    shown = alerter(command, *options, "--config", config)

    assert shown.code == code
    assert said in shown.err


@pytest.fixture
def shared(tmp_path: Path, postgresql_url: str) -> Iterator[Path]:
    """A configuration of three tenants on a PostgreSQL that two instances share; the second one died."""
    path = tmp_path / "shared.toml"
    names = [name_of(number) for number in range(3)]
    tenants = "".join(f'[tenants.{name}]\nclient_id = "id"\nclient_secret = "secret"\n' for name in names)
    path.write_text(
        f'[service]\ndatabase = "{postgresql_url}"\n{tenants}[receivers.secops]\nurls = ["json://127.0.0.1:9"]\n'
    )
    with closing(Store(postgresql_url)) as store:
        leases = store.leases()
        assert leases is not None
        leases.add_tenants(names)
        lasting = timedelta(seconds=30)
        one, other = (leases.join(f"mon-{each}:1", "0.2.0", each, lasting=lasting, instead_of=0) for each in "ab")
        leases.renew(other, names[:1], (), lasting=lasting)
        leases.renew(one, names[1:2], (), lasting=lasting)
        yield path


def test_status_shows_the_instances_that_share_the_database(alerter: RunCommand, shared: Path) -> None:
    """Who leads, how many tenants each polls, and that their configurations differ."""
    shown = alerter("status", "--config", shared)
    found = json.loads(alerter("status", "--json", "--config", shared).out)["instances"]

    rows = cells(shown, "instances")
    assert [(row[0], *row[2:]) for row in rows] == [
        ("mon-a:1", "1", "0.2.0", "configuration a: they DIFFER"),
        ("mon-b:1", "1", "0.2.0", "leads; configuration b: they DIFFER"),
    ]
    assert [(each["instance"], each["tenants"], each["leads"], each["alive"]) for each in found] == [
        ("mon-a:1", 1, False, True),
        ("mon-b:1", 1, True, True),
    ]


def test_an_instance_that_died_is_shown_and_what_it_polled_is_nobodys(
    alerter: RunCommand, shared: Path, postgresql_url: str
) -> None:
    """Until another one takes its tenants; whoever looks finds its machine."""
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as connection:
        connection.execute("UPDATE instances SET alive_until = alive_until - 60000000 WHERE name = 'mon-b:1'")

    state = cells(alerter("status", "--config", shared), "instances")[1][-1]
    rows = cells(alerter("tenants", "--sort", "name", "--config", shared), "tenants")
    found = json.loads(alerter("tenants", "--sort", "name", "--json", "--config", shared).out)

    assert state.startswith("gone ")
    assert state.endswith(" ago: others poll its tenants")
    assert [row[-1] for row in rows] == ["none", "mon-a:1", "none"]
    assert [each["instance"] for each in found] == [None, "mon-a:1", None]


def test_a_file_has_no_instances(alerter: RunCommand, config: Path) -> None:
    """Whoever has one machine need not know that there could be two."""
    assert cells(alerter("status", "--config", config), "instances") == []
    assert json.loads(alerter("tenants", "--json", "--config", config).out)[0]["instance"] is None
