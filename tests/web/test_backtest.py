"""Try a rule: in a process of its own, with limits, and with nothing of this machine in reach of the text."""

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerter import clock
from alerter.config import load_config
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.processes import TookTooLong, run_limited
from alerter.storage import Store
from alerter.web.views import backtest
from tests.web.sites import World, a_config

RULES = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 10 } }\n'
CONFIG = (
    '[service]\ndatabase = "sqlite:///alerter.db"\n'
    '[tenants.acme]\nclient_id = "id-0001"\nclient_secret = "sekrit-0001"\n'
    '[receivers.secops]\nurls = ["json://localhost/sekrit"]\n'
    '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 100 } }\n'
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service whose configuration and history are files, as the child reads them."""
    path = tmp_path / "alerter.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    config = load_config(path, {})
    with closing(Store(config.service.database)) as store:
        store.upgrade()
        begin = clock.now() - timedelta(days=1)
        with store.write() as transaction:
            for number, held in enumerate([0, 0, 50, 50, 0, 0]):
                snapshot = Snapshot(
                    tenant=Tenant("acme"),
                    taken_at=begin + timedelta(minutes=5 * number),
                    counts={HoldReason("Spam"): held},
                )
                transaction.history.add(snapshot, poll_interval=timedelta(minutes=5))
        found = World(store, replace(config, web=a_config().web), clock=clock.now())
        with closing(found.site):
            yield found


def test_a_rule_is_compared_with_those_in_force(world: World) -> None:
    """A lower limit would have alerted once more; nothing is saved."""
    found = world.ask("/backtest", method="POST", form={"rules": RULES, "span": "7d"})

    assert found.status == 200
    assert '<dd class="diff-add">+1</dd>' in found.text
    assert "Spam" in found.text
    assert found.headers["Cache-Control"] == "no-store"


def test_an_error_says_line_and_key(world: World) -> None:
    """As check-config does, and the text is still there."""
    found = world.ask("/backtest", method="POST", form={"rules": RULES.replace("warning", "warnings"), "span": "7d"})

    assert found.status == 400
    assert "did you mean" in found.text
    assert "warnings = {" in found.text
    assert "sekrit" not in found.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(RULES + 'runbook = "${HOME}"', "line 4: expected no variable", id="a variable"),
        pytest.param(RULES + 'runbook = "${file:/etc/passwd}"', "expected no variable", id="a file"),
        pytest.param('include = ["/etc/*"]\n' + RULES, "include: expected rules", id="another file"),
        pytest.param('[service]\ndatabase = "sqlite:////etc/x"\n' + RULES, "service: expected rules", id="a database"),
        pytest.param('[receivers.x]\nurls = ["json://x"]\n' + RULES, "receivers: expected rules", id="an address"),
        pytest.param("[[rules", "expected TOML", id="no TOML"),
        pytest.param("", "at least one rule", id="nothing"),
    ],
)
def test_text_from_a_browser_reaches_nothing(world: World, text: str, words: str) -> None:
    """It is refused before any process is started."""
    found = world.ask("/backtest", method="POST", form={"rules": text, "span": "7d"})

    assert found.status == 400
    assert words in found.text


def test_rules_that_are_too_long_are_refused(world: World) -> None:
    """A quarter of a megabyte is more than anybody writes."""
    found = world.ask("/backtest", method="POST", form={"rules": "#" * (256 * 1024 + 1), "span": "7d"})

    assert found.status == 413


def test_one_person_tries_rules_at_a_time(world: World) -> None:
    """A second one is asked to wait: each takes a core."""
    assert backtest._running.acquire(blocking=False)  # noqa: SLF001 - somebody else's
    try:
        found = world.ask("/backtest", method="POST", form={"rules": RULES, "span": "7d"})
    finally:
        backtest._running.release()  # noqa: SLF001 - as above

    assert (found.status, found.headers["Retry-After"]) == (429, "10")


def test_a_program_that_does_not_end_is_stopped() -> None:
    """By the clock, or by the processor time that it takes."""
    with pytest.raises(TookTooLong, match="stopped after 1 s"):
        run_limited([sys.executable, "-c", "import time; time.sleep(60)"], "", seconds=1, memory_bytes=2**29)


def test_a_program_that_takes_too_much_memory_fails() -> None:
    """The machine's memory is for the service."""
    done = run_limited([sys.executable, "-c", "bytearray(2**29)"], "", seconds=20, memory_bytes=2**28)

    assert done.returncode != 0
    assert "MemoryError" in done.stderr
