"""How many statements a command runs: as many for a hundred tenants as for one."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from alerter import clock
from alerter.core.alerts import AlertState
from alerter.core.outbox import TargetName
from alerter.core.routes import TargetId
from alerter.core.rules import Severity
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.errors import Cause, SourceUnavailable
from alerter.storage import Store
from tests.builders import a_key, an_alert
from tests.commands import RunCommand, runner
from tests.storage.stored import a_message, a_silence

MANY = 100

#: Commands that people and monitoring run again and again. `export`, `backtest` and `suggest` read whole histories,
#: tenant after tenant, so that one of them at a time is in memory.
COMMANDS = {
    "status": ["status"],
    "status as JSON": ["status", "--json"],
    "status of some": ["status", "--tenant", "customer-0*"],
    "Nagios plugin": ["status", "--nagios"],
    "tenants": ["tenants"],
    "tenants by label": ["tenants", "--label", "tier=gold"],
    "tenants that fail": ["tenants", "--failing"],
    "alerts": ["alerts"],
    "alerts of some": ["alerts", "--tenant", "customer-0*"],
    "history of a reason": ["history", "Spam"],
    "history of all reasons": ["history", "*", "--json"],
    "history on a terminal": ["history", "Spam", "--all"],
    "notifications": ["notifications"],
    "silences": ["silence", "list"],
    "review": ["review"],
}


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_runs_a_fixed_number_of_statements(
    alerter: RunCommand, tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of each tenant on its own takes seconds where there are thousands."""
    if command[-1] == "--all":
        monkeypatch.setattr("alerter.cli.history.is_for_people", lambda: True)
    two, many = (_configured(tmp_path / str(number), number) for number in (2, MANY))

    with _statements() as for_two:
        few = alerter(*command, "--config", two)
    with _statements() as for_many:
        all_ = alerter(*command, "--config", many)

    assert few.code == all_.code
    assert len(all_.out) >= len(few.out) > 0
    assert for_many == for_two


def _configured(folder: Path, number: int) -> Path:
    """Return the configuration of some tenants, each with polls, a failure, an alert and a message about it."""
    folder.mkdir()
    names = [Tenant(f"customer-{each:03}") for each in range(number)]
    tenants = "".join(
        f'[tenants.{name}]\nclient_id = "id"\nclient_secret = "secret-{name}"\nlabels = {{ tier = "gold" }}\n'
        for name in names
    )
    rule = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 2 } }\n'
    (folder / "rules.toml").write_text(f'{tenants}[receivers.secops]\nurls = ["json://127.0.0.1:9"]\n{rule}')
    with closing(Store(f"sqlite:///{folder}/alerter.db")) as store:
        store.upgrade()
        for name in names:
            _fill(store, name)
        with store.write() as transaction:
            now = clock.now()
            transaction.silences.add(replace(a_silence(), starts_at=now, ends_at=now + timedelta(hours=1)))
    return folder / "rules.toml"


def _fill(store: Store, tenant: Tenant) -> None:
    now = clock.now()
    with store.write() as transaction:
        for minutes, held in ((15, 3), (10, 5), (5, 4)):
            counts = {HoldReason("Spam"): held, HoldReason("Virus"): 1}
            snapshot = Snapshot(tenant=tenant, taken_at=now - timedelta(minutes=minutes), counts=counts)
            transaction.history.add(snapshot, poll_interval=timedelta(minutes=5))
        transaction.polls.add_failure(tenant, SourceUnavailable(Cause.TIMEOUT, "no answer"), at=now)
        key = a_key(tenant=tenant, reason="Spam", severity=Severity.WARNING)
        transaction.alerts.save([an_alert(AlertState.FIRING, key=key)])
        transaction.outbox.enqueue(
            replace(a_message(f"about {tenant}"), created_at=now), {TargetName("secops/json"): TargetId("json")}
        )


@contextmanager
def _statements() -> Iterator[list[str]]:
    """Collect the verb and the first table of what is executed."""
    executed: list[str] = []

    def collect(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        executed.append(" ".join(statement.split()[:2]))

    event.listen(Engine, "before_cursor_execute", collect)
    try:
        yield executed
    finally:
        event.remove(Engine, "before_cursor_execute", collect)
