"""Checks run at the same time, and each has an end."""

import time
from collections.abc import Iterable
from threading import Barrier, Event

from alerter.doctor.findings import Finding, Group, Outcome
from alerter.doctor.runner import Check, CheckTimeouts, run_checks
from tests.doctor.diagnoses import FAILED, NOT_APPLICABLE, OK


def finding(subject: str) -> Finding:
    """Return a good finding."""
    return Finding(group=Group.DATABASE, subject=subject, outcome=Outcome.OK, text="well")


def a_check(subject: str, run: object = None) -> Check:
    """Return a check that finds all well, or that runs a function first."""

    def look() -> Iterable[Finding]:
        if callable(run):
            run()
        return [finding(subject)]

    return Check(group=Group.DATABASE, subject=subject, run=look)


def examined(*checks: Check, patience: CheckTimeouts = CheckTimeouts(), at_once: int = 9) -> list[Finding]:  # noqa: B008 - frozen
    """Return what the checks find, in the order in which they end."""
    batches = run_checks(checks, monotonic=time.monotonic, patience=patience, at_once=at_once)  # noqa: TID251 - real threads
    return [finding for _, batch in batches for finding in batch]


def test_every_check_is_run() -> None:
    """More of them than run at a time, and each once."""
    found = examined(*(a_check(str(number)) for number in range(10)), at_once=3)

    assert sorted(each.subject for each in found) == [str(number) for number in range(10)]


def test_checks_run_at_the_same_time() -> None:
    """Three that wait for one another come to an end."""
    together = Barrier(3, timeout=10)

    found = examined(*(a_check(name, together.wait) for name in "abc"))

    assert {each.outcome for each in found} == {OK}


def test_no_more_run_at_a_time_than_are_allowed() -> None:
    """Two that wait for one another, one at a time, do not come to an end."""
    together = Barrier(2)

    found = examined(*(a_check(name, together.wait) for name in "ab"), patience=CheckTimeouts(each=0.1), at_once=1)

    assert found[0].outcome is FAILED
    together.abort()


def test_a_check_that_hangs_is_left_behind() -> None:
    """It has failed, and the others are told."""
    forever = Event()

    well, hanging = examined(a_check("hangs", forever.wait), a_check("well"), patience=CheckTimeouts(each=0.3))

    assert well.outcome is OK
    assert (hanging.subject, hanging.outcome, hanging.text) == ("hangs", FAILED, "not finished within 0.3 s")
    assert hanging.advice
    forever.set()


def test_when_the_time_is_up_nothing_more_begins() -> None:
    """Thousands of accounts behind a dead name server must not take hours."""
    forever = Event()
    patience = CheckTimeouts(each=0.1, altogether=0.05)

    found = examined(a_check("hangs", forever.wait), a_check("second"), a_check("third"), patience=patience, at_once=1)

    assert [(each.subject, each.outcome) for each in found] == [
        ("hangs", FAILED), ("second", NOT_APPLICABLE), ("third", NOT_APPLICABLE)
    ]  # fmt: skip
    assert "--tenant" in found[1].advice
    forever.set()


def test_a_check_that_breaks_hides_no_other() -> None:
    """A bug in one of them is a finding too."""

    def breaks() -> None:
        raise KeyError("policyInfo")

    found = {each.subject: each for each in examined(a_check("odd", breaks), a_check("well"))}

    assert found["well"].outcome is OK
    assert (found["odd"].outcome, found["odd"].text) == (FAILED, "a bug in alerter: KeyError: 'policyInfo'")
