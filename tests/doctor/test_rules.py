"""Whether the rules fit what was really seen: with a real database."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from alerter.doctor.findings import Finding, Group, Outcome
from alerter.doctor.rules import check_rules
from alerter.storage import Store
from tests.builders import NOON
from tests.doctor.diagnoses import NOT_APPLICABLE, OK, RECEIVER, TENANT, WARNING, a_config, only
from tests.storage.stored import poll

#: Two tenants, of which one was seen.
TENANTS = TENANT + TENANT.replace("acme", "new")

ROUTE = '[[routes]]\nreceivers = ["secops"]\n'


@pytest.fixture
def seen(sqlite_url: str) -> str:
    """A database in which acme held three reasons."""
    with closing(Store(sqlite_url)) as store:
        poll(store, "11:00", **{"High-Confidence Impersonation": 1, "Default Attachment": 2, "Spam": 3})
    return sqlite_url


def rule(name: str, selectors: str = "") -> str:
    """Return a rule with a warning."""
    return f'[[rules]]\nname = "{name}"\n{selectors}\nwarning = {{ threshold = {{ above = 5 }} }}\n'


def looked_at(folder: Path, url: str, *tables: str) -> list[Finding]:
    """Return what is found of rules and routes."""
    config = a_config(folder, TENANTS, RECEIVER, *tables)
    return list(check_rules(replace(config, service=config.service.model_copy(update={"database": url})), now=NOON))


def of(findings: Iterable[Finding], subject: str) -> Finding:
    """Return the one finding about a rule or the routes."""
    return only(finding for finding in findings if finding.subject == subject)


def test_a_rule_that_looks_at_something_is_well(seen: str, tmp_path: Path) -> None:
    """With how much of what was seen."""
    found = looked_at(tmp_path, seen, rule("All"), rule("Some", 'reasons = ["*impersonation*"]'))

    assert {finding.group for finding in found} == {Group.RULES}
    assert (of(found, "All").outcome, of(found, "All").text) == (OK, "matches 3 of 3 hold reasons seen so far")
    assert of(found, "Some").text == "matches 1 of 3 hold reasons seen so far"
    assert (of(found, "No data").outcome, of(found, "No data").text) == (OK, "evaluates the polling of 2 tenants")


def test_a_rule_that_still_learns_says_until_when(seen: str, tmp_path: Path) -> None:
    """With how many of its tenants lack history, if not all of them; one that was never polled has no day yet."""
    learns = 'warning = { growth = { over = "1d", times = 13, by = 30 } }\n'
    sudden = f'[[rules]]\nname = "Sudden"\n{learns}'
    known = f'[[rules]]\nname = "Known"\ntenants = ["acme"]\n{learns}'

    found = looked_at(tmp_path, seen, sudden, known, rule("All"))

    seen_text = "matches 3 of 3 hold reasons seen so far"
    assert of(found, "Sudden").text == f"{seen_text}; learning until 4d after the first poll"
    assert of(found, "Known").text == f"{seen_text}; learning until 2026-03-06 11:00:00 UTC (in 3d 23h)"
    assert of(found, "All").text == seen_text
    assert {of(found, name).outcome for name in ("Sudden", "Known", "All")} == {OK}


def test_a_rule_that_looks_at_nothing_is_told_with_what_it_may_mean(seen: str, tmp_path: Path) -> None:
    """A slip in a glob, or a policy that was renamed, says nothing by itself."""
    finding = of(looked_at(tmp_path, seen, rule("Odd", 'reasons = ["*Impresonation*"]')), "Odd")

    assert finding.outcome is WARNING
    assert finding.text == "matches no hold reason: '*Impresonation*' matches none of the 3 seen so far"
    assert finding.advice.startswith('Nearest: "High-Confidence Impersonation"')


def test_of_several_globs_each_that_matches_nothing_is_told(seen: str, tmp_path: Path) -> None:
    """Of rules and of routes, also where another glob matches; a lone `*` and what excludes something are well."""
    reasons = 'reasons = ["Spam", "*Impresonation*", "!*Attachment*"]\n'
    found = looked_at(tmp_path, seen, rule("All", 'reasons = ["*"]'), rule("Some", reasons), ROUTE, ROUTE + reasons)

    assert of(found, "All").outcome is OK
    assert of(found, "Some").outcome is WARNING
    assert of(found, "Some").text == (
        "matches 1 of 3 hold reasons seen so far, but '*Impresonation*' matches none of them"
    )
    assert of(found, "Some").advice.startswith('Nearest: "High-Confidence Impersonation"')
    (route,) = [finding for finding in found if finding.subject == "routes" and finding.outcome is WARNING]
    assert route.text == "reasons of route #2: '*Impresonation*' matches none of them"


def test_of_a_tenant_of_which_nothing_was_seen_nothing_is_claimed(seen: str, tmp_path: Path) -> None:
    """There is no reason to compare with."""
    finding = of(looked_at(tmp_path, seen, rule("New", 'tenants = ["new"]')), "New")

    assert finding.outcome is NOT_APPLICABLE
    assert finding.text == "no hold reason was seen yet of the tenants that it matches"


@pytest.mark.parametrize(
    ("routes", "rules", "outcome", "text"),
    [
        pytest.param((ROUTE,), (rule("All"),), OK, "somebody is notified", id="a route for everything"),
        pytest.param(
            (ROUTE + 'reasons = ["*Attachment*"]\n',),
            (rule("All"),),
            WARNING,
            "nobody is notified of warning of All for 2 of the series seen, such as 'High-Confidence Impersonation'",
            id="a route for one reason",
        ),
        pytest.param(
            (ROUTE + 'tenants = ["acme"]\n',),
            (rule("All"),),
            WARNING,
            "nobody is notified of critical of No data for 1 of the series seen, such as new",
            id="a tenant whose missing data nobody hears of",
        ),
        pytest.param(
            (ROUTE + 'rules = ["Sum", "No data"]\nreasons = ["Spam"]\n',),
            (rule("Sum", 'per = "tenant"'),),
            WARNING,
            "nobody is notified of warning of Sum for 2 of the series seen, such as acme",
            id="a sum, which has no reason",
        ),
        pytest.param(
            (ROUTE + 'tenants = ["acme", "new"]\n',),
            (rule("Total", 'per = "all"'),),
            WARNING,
            "nobody is notified of warning of Total for 1 of the series seen, such as *",
            id="a total, which has no tenant",
        ),
    ],
)
def test_what_no_route_takes_is_told(
    seen: str, tmp_path: Path, *, routes: tuple[str, ...], rules: tuple[str, ...], outcome: Outcome, text: str
) -> None:
    """By the same test as when an alert is really told."""
    finding = of(looked_at(tmp_path, seen, *routes, *rules), "routes")

    assert finding.outcome is outcome
    assert text in finding.text
    assert bool(finding.advice) is (outcome is WARNING)


def test_a_level_that_no_route_takes_is_left_to_the_configuration(seen: str, tmp_path: Path) -> None:
    """It warns of that by itself: nothing is said twice, and nothing is called well."""
    found = looked_at(tmp_path, seen, ROUTE + 'severity = ["critical"]\n', rule("All"))

    assert [each.subject for each in found] == ["All", "No data"]


def test_without_routes_everything_is_told_to_everybody(seen: str, tmp_path: Path) -> None:
    """There is nothing that could be lost."""
    assert [each.subject for each in looked_at(tmp_path, seen, rule("All"))] == ["All", "No data"]


def test_before_anything_was_seen_nothing_is_claimed(sqlite_url: str, tmp_path: Path) -> None:
    """Neither without a database nor with an empty one."""
    for url in (sqlite_url, f"sqlite:///{tmp_path}/none.db"):
        finding = only(looked_at(tmp_path, url, rule("All")))

        assert finding.outcome is NOT_APPLICABLE
        assert "no hold reason was seen yet" in finding.text


def test_a_database_that_cannot_be_read_is_said_elsewhere(tmp_path: Path) -> None:
    """The group of the database says what to do."""
    (tmp_path / "notes.txt").write_text("Dear diary, " * 100)

    finding = only(looked_at(tmp_path, f"sqlite:///{tmp_path}/notes.txt", rule("All")))

    assert (finding.outcome, finding.subject) == (NOT_APPLICABLE, "rules")
    assert "file is not a database" in finding.text
