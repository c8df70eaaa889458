"""The rules in `tests/scenarios` do what the files say, run as a user runs them; and a test that fails says how."""

import json
from pathlib import Path

import pytest

from tests.commands import RunCommand, runner

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))
RULES = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 200 } }\n'


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


def a_test(expect: str, *, series: str = "0 250", head: str = RULES) -> str:
    """Return a file with one test of one series."""
    test = f'[[tests]]\nname = "a test"\nseries = {{ "Spam" = "{series}" }}'
    return f'{head}\n{test}\n[[tests.expect]]\nat = "5m"\n{expect}\n'


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_scenarios_hold(alerter: RunCommand, path: Path) -> None:
    """Each file of scenarios is a file that `alerter test-rules` passes."""
    ended = alerter("test-rules", path)

    assert ended.code == 0, ended.out
    assert " 0 failed" in ended.out


def test_a_test_that_fails_shows_what_was_expected_and_what_was_found(alerter: RunCommand, tmp_path: Path) -> None:
    """A diff: `-` before what should have been, `+` before what was, a blank before what agrees."""
    path = tmp_path / "rules_test.toml"
    expected = '{ rule = "Backlog", severity = "warning", reason = "Spam" }'
    path.write_text(
        a_test(f'firing = []\npending = [{expected}]\nnotified = [{expected[:-2]}, notify_reason = "repeat" }}]')
    )

    ended = alerter("test-rules", path)

    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"{path}: a test: failed",
        "  at 5m (Mon 2026-01-05 00:05:00 UTC), what fires (- expected, + found):",
        "    + warning 'Backlog' on 'Spam' of acme",
        "  at 5m (Mon 2026-01-05 00:05:00 UTC), what is pending (- expected, + found):",
        "    - warning 'Backlog' on 'Spam' of acme",
        "  at 5m (Mon 2026-01-05 00:05:00 UTC), notifications since the expectation before (- expected, + found):",
        "    - everyone is notified (repeat) of warning 'Backlog' on 'Spam' of acme",
        "    + everyone is notified (first) of warning 'Backlog' on 'Spam' of acme",
        "0 tests passed, 1 failed",
    ]


def test_a_program_reads_the_outcome_as_json(alerter: RunCommand, tmp_path: Path) -> None:
    """File, test, whether it passed, and the differences."""
    path = tmp_path / "rules_test.toml"
    path.write_text(a_test("firing = []"))

    (outcome,) = json.loads(alerter("test-rules", "--json", path).out)

    assert (outcome["file"], outcome["test"], outcome["passed"]) == (str(path), "a test", False)
    assert outcome["differences"][0]["unexpected"] == [
        {"rule": "Backlog", "severity": "warning", "tenant": "acme", "reason": "Spam"}
    ]


def test_the_rules_of_a_configuration_are_tested_without_its_secrets(alerter: RunCommand, tmp_path: Path) -> None:
    """`rules_file` names the live configuration; the tests need no keys, no database, and none of its tenants."""
    (tmp_path / "live.toml").write_text(
        '[service]\ndatabase = "postgresql://u:${NO}@h/d"\n'
        '[tenants.real]\nclient_id = "${NO}"\nclient_secret = "${NO}"\n'
        f'[receivers.secops]\nurls = ["${{NO}}"]\n{RULES}'
    )
    path = tmp_path / "rules_test.toml"
    notified = (
        '{ receiver = "secops", notify_reason = "first", rule = "Backlog", severity = "warning", reason = "Spam" }'
    )
    path.write_text(a_test(f"notified = [{notified}]", head='rules_file = "live.toml"'))

    ended = alerter("test-rules", path)

    assert ended.code == 0, ended.err + ended.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(a_test("firing = []", series="0 many"), "such as 120, +5, 7x4 or _, found 'many'", id="notation"),
        pytest.param(a_test("firing = []", series="5 -6"), "counts of 0 or more, found -1", id="below zero"),
        pytest.param(a_test("firng = []"), "did you mean 'firing'?", id="a misspelt key"),
        pytest.param(
            a_test('firing = [{ rule = "Backlogs", severity = "warning" }]'),
            "did you mean 'Backlog'?",
            id="no such rule",
        ),
        pytest.param(
            a_test('firing = [{ rule = "Backlog", severity = "critical" }]'),
            "a level that rule 'Backlog' has",
            id="level",
        ),
        pytest.param(
            a_test(
                'notified = [{ notify_reason = "first", receiver = "secops", rule = "Backlog", severity = "warning" }]'
            ),
            'expected a receiver, "everyone", found',
            id="no such receiver",
        ),
        pytest.param(
            a_test('firing = [{ rule = "Backlog", severity = "warning", tenant = "acmee" }]'),
            "did you mean 'acme'?",
            id="no such tenant",
        ),
        pytest.param(
            a_test("firing = []", head=RULES + 'rules_file = "other.toml"'), "unknown key", id="a key in a rule"
        ),
        pytest.param(a_test("firing = []", head='rules_file = "other.toml"\n' + RULES), "found both", id="rules twice"),
        pytest.param(a_test("firing = []", head='rules_file = "other.toml"'), "no such file", id="no rules file"),
        pytest.param(a_test("firing = []", head=""), "missing: expected [[rules]]", id="no rules"),
        pytest.param(a_test("firing = []", head=RULES.replace("above", "abvoe")), "abvoe", id="a wrong rule"),
        pytest.param(a_test("firing = []", head="begin = 2026-01-05\n" + RULES), "with an offset", id="begin is a day"),
        pytest.param(RULES, "expected [[tests]]", id="no tests"),
        pytest.param(RULES + "[[tests]]\nname = 'a'\n", "missing", id="a test without anything"),
        pytest.param("tests = [1]\n" + RULES, "expected [[tests]] in two brackets, found the number 1", id="no table"),
        pytest.param(
            a_test('firing = []\n[[tests.expect]]\nat = "0m"'), "not before the expectation above", id="out of order"
        ),
        pytest.param(
            RULES + '[[tests]]\nname = "a"\nseries = { A = "_", B = "1" }\n[[tests.expect]]\nat = "0m"\n',
            "found that it did for 'A' and not for 'B'",
            id="half a poll",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(alerter: RunCommand, tmp_path: Path, text: str, said: str) -> None:
    """What was found, what was expected and where; nothing is run."""
    path = tmp_path / "rules_test.toml"
    path.write_text(text)

    refused = alerter("test-rules", path)

    assert refused.code == 2
    assert said in refused.err
    assert f"{path}:" in refused.err
    assert "passed" not in refused.out
