"""What is remembered from one cycle to the next: when it is taken for true, and when it is thrown away."""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from time import process_time

import pytest

from alerter.core.alerts import Alert, AlertState
from alerter.core.message.content import Outage
from alerter.core.notifications import NotificationState, ReceiverName, TargetId
from alerter.core.outbox import TargetName
from alerter.core.poll_times import PollRun
from alerter.core.rules import MATCH_ALL, Lookbacks, Selector, Severity
from alerter.core.series import HoldReason, Sample, Tenant, to_epoch_us
from alerter.errors import Cause, SourceUnavailable
from alerter.storage import Reader, Store, Transaction
from tests.builders import NOON, a_key, a_resolved, a_snapshot, a_told, an_alert, at, span
from tests.storage.stored import (
    ACME,
    EVERY,
    a_message,
    a_silence,
    a_transition,
    an_acknowledgement,
    enqueue,
    prune,
    silence,
    statements,
)

HOUR = Lookbacks(((MATCH_ALL, span("1h")),))
DAY = Lookbacks(((MATCH_ALL, span("1d")),))
#: What `add_snapshot` returns where everything was read.
UNKNOWN = None
NOTHING: dict[int, int] = {}

SPAM = {"Spam": 3}


def polled(
    store: Store,
    clock: str,
    held: Mapping[str, int],
    *,
    windows: Lookbacks | None = HOUR,
    every: timedelta = EVERY,
    alerts: Collection[Alert] = (),
    notified: Collection[NotificationState] = (),
) -> Mapping[int, int] | None:
    """Store what a cycle with a good poll came to; return which series are said to have changed."""
    snapshot = a_snapshot(held, taken_at=at(clock))
    with store.write() as transaction:
        changed = transaction.add_snapshot(snapshot, poll_interval=every, windows=windows)
        transaction.alerts([ACME])
        transaction.notified([ACME])
        transaction.save_alerts(alerts)
        transaction.save_told(notified)
    return changed


def failed(store: Store, clock: str, cause: Cause = Cause.TIMEOUT) -> None:
    """Store what a cycle with a failed poll came to."""
    error = SourceUnavailable(cause, "no answer")
    with store.write() as transaction:
        transaction.add_failure(ACME, error, poll_interval=EVERY, windows=HOUR, at=at(clock))


def test_a_poll_after_another_knows_what_has_changed(store: Store) -> None:
    """By the places of their series, in the order of first sight."""
    found = [
        polled(store, "11:45", {"Spam": 3, "Virus": 1}),
        polled(store, "11:50", {"Spam": 3, "Virus": 1}),
        polled(store, "11:55", {"Virus": 1}),
        polled(store, "12:00", {"Spam": 3, "Virus": 2}),
    ]

    assert found == [UNKNOWN, NOTHING, {0: 0}, {0: 3, 1: 2}]


@pytest.mark.parametrize(
    ("clock", "held"),
    [
        pytest.param("11:55", SPAM, id="the same instant again"),
        pytest.param("11:50", SPAM, id="an instant before it"),
        pytest.param("12:06", SPAM, id="after a gap"),
        pytest.param("12:00", {"Spam": 3, "New": 1}, id="with a reason that is new"),
    ],
)
def test_a_poll_that_does_not_go_on_from_the_last_one_is_read(
    store: Store, clock: str, held: Mapping[str, int]
) -> None:
    """What is remembered says nothing of it."""
    polled(store, "11:55", SPAM)

    assert polled(store, clock, held) is UNKNOWN


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(lambda store: failed(store, "11:57"), id="a poll has failed"),
        pytest.param(lambda store: polled(store, "11:57", SPAM, every=span("1m")), id="it was polled more often"),
        pytest.param(lambda store: polled(store, "11:57", SPAM, windows=DAY), id="the rules looked further back"),
        pytest.param(lambda store: polled(store, "11:57", SPAM, windows=None), id="nothing was to be remembered"),
        pytest.param(lambda store: store.forget([ACME]), id="it is polled elsewhere"),
        pytest.param(lambda store: prune(store, "11:00"), id="old history was deleted"),
    ],
)
def test_after_anything_else_everything_is_read(store: Store, between: Callable[[Store], object]) -> None:
    """What is remembered goes on from a good poll to the next one, and from nothing else."""
    polled(store, "10:55", SPAM)
    polled(store, "11:50", SPAM)
    polled(store, "11:55", SPAM)

    between(store)

    assert polled(store, "12:00", SPAM) is UNKNOWN
    assert polled(store, "12:05", SPAM) == NOTHING


def test_nothing_is_remembered_of_a_transaction_that_is_not_committed(store: Store) -> None:
    """Neither of one that fails, nor of one that is taken back on purpose, such as a dry run."""
    polled(store, "11:55", SPAM)
    with suppress(ZeroDivisionError), store.write() as transaction:
        snapshot = a_snapshot({"Spam": 9}, taken_at=at("12:00"))
        assert transaction.add_snapshot(snapshot, poll_interval=EVERY, windows=HOUR) == {0: 9}
        raise ZeroDivisionError

    assert polled(store, "12:05", {"Spam": 9}) is UNKNOWN


def test_while_the_clock_is_behind_a_failed_poll_nothing_is_remembered(store: Store) -> None:
    """The run that a poll begins then ends with that failure, which nothing that is remembered knows."""
    failed(store, "12:05")

    polled(store, "12:00", SPAM)

    assert polled(store, "12:04", SPAM) is UNKNOWN
    assert polled(store, "12:08", SPAM) is UNKNOWN
    with store.read() as reader:
        assert [
            span.since
            for span in reader.tenant_series(
                ACME, window=span("1h"), poll_interval=EVERY, now=at("12:08")
            ).polling.coverage
        ] == [
            at("12:00"),
            at("12:08"),
        ]


# who else writes

_RUNS = [
    PollRun(since=to_epoch_us(at("09:00")), until=to_epoch_us(at("10:00")), polls=13),
    PollRun(since=to_epoch_us(at("11:50")), until=to_epoch_us(at("11:55")), polls=2),
]
#: Every way in which a transaction changes something, and whether a cycle would have to know of it.
_WRITES: dict[str, tuple[Callable[[Transaction], object], bool]] = {
    "add_snapshot": (lambda one: one.add_snapshot(a_snapshot(SPAM, taken_at=NOON), poll_interval=EVERY), True),
    "add_failure": (lambda one: one.add_failure(ACME, SourceUnavailable(Cause.DNS, "no such host"), at=NOON), True),
    "save_alerts": (lambda one: one.save_alerts([an_alert()]), True),
    "save_told": (lambda one: one.save_told([a_told()]), True),
    "forget_told": (lambda one: one.forget_told([a_told()]), True),
    "prune": (lambda one: one.prune(ACME, before=NOON, batch=9), True),
    "drop": (lambda one: one.drop([("silence", 1)], before=NOON), False),
    "thin": (lambda one: one.thin(ACME, before=at("13:00"), batch=9), True),
    "strip": (lambda one: one.strip(["old"]), False),
    "give_back": (lambda one: one.give_back(9), False),
    "note_size": (lambda one: one.note_size(now=NOON), False),
    "add_changes": (
        lambda one: one.add_changes(ACME, {}, {}, [(to_epoch_us(at("09:30")), HoldReason("Spam"), 0, 2)]),
        True,
    ),
    "cover": (lambda one: one.cover(ACME, _RUNS, {}, ()), True),
    "close_ranks": (lambda one: one.close_ranks(), False),
    "add_transitions": (
        lambda one: one.add_transitions([a_transition("12:00", AlertState.PENDING, AlertState.FIRING)]),
        False,
    ),
    "add_silence": (lambda one: one.add_silence(a_silence()), False),
    "expire_silence": (lambda one: one.expire_silence(1, at=NOON), False),
    "save_acknowledgement": (lambda one: one.save_acknowledgement(an_acknowledgement()), False),
    "break_acknowledgement": (
        lambda one: one.break_acknowledgement(replace(an_acknowledgement(), broken_at=NOON)),
        False,
    ),
    "forget_acknowledgement": (lambda one: one.forget_acknowledgement(an_acknowledgement().topic), False),
    "enqueue": (lambda one: one.enqueue(a_message("new"), [TargetName("secops/slack")]), False),
    "save_delivery": (lambda one: one.save_delivery(replace(one.waiting_deliveries()[0], sent_at=NOON)), False),
    "settle": (lambda one: one.settle(replace(one.waiting_deliveries()[0], sent_at=NOON)), False),
    "claim": (lambda one: one.claim(one.waiting_deliveries()[0]), False),
    "release_claims": (lambda one: one.release_claims(now=NOON), False),
    "save_outage": (lambda one: one.save_outage(Outage(target="secops/slack", since=NOON, error="gone")), False),
    "end_outage": (lambda one: one.end_outage(TargetName("secops/slack")), False),
    "reset_held_back": (lambda one: one.reset_held_back(ReceiverName("secops")), False),
    "hold_back": (lambda one: one.hold_back(ReceiverName("secops")), False),
    "save_addresses": (lambda one: one.save_addresses({TargetName("secops/slack"): TargetId("a")}), False),
    "readdress": (lambda one: one.readdress({one.waiting_deliveries()[0].id: TargetName("secops/teams")}), False),
    "open_group": (lambda one: one.open_group(ReceiverName("secops"), due_at=NOON), False),
    "pack": (lambda one: one.pack(ACME, before=NOON), False),
    "close_group": (lambda one: one.close_group(ReceiverName("secops")), False),
}


@pytest.mark.parametrize("name", _WRITES)
def test_whoever_changes_what_is_remembered_lets_it_be_seen(store: Store, database_url: str, name: str) -> None:
    """Another process cannot tell this one what it did; the tenant's revision, or its newest poll, can."""
    write, matters = _WRITES[name]
    polled(store, "11:50", SPAM)
    polled(store, "11:55", SPAM)
    silence(store)
    enqueue(store, "old", "secops/slack")

    with closing(Store(database_url)) as other, other.write() as transaction:
        write(transaction)

    assert polled(store, "12:01", SPAM) == (UNKNOWN if matters else NOTHING)


def test_no_way_to_write_is_forgotten() -> None:
    """Whoever adds one says above whether it changes what is remembered."""
    about_memory = {"keep_idle", "finish", "remember"}
    about_leases = {"member", "standing"}
    writers = {name for name in dir(Transaction) if not name.startswith("_") and name not in dir(Reader)}

    assert writers - about_memory - about_leases == set(_WRITES)


# what a cycle costs


def _said(act: Callable[[], object]) -> list[str]:
    """Return the verbs that were said to the database, but for how each transaction begins."""
    with statements() as executed:
        act()
    return [words.split()[0] for words, _ in executed if not words.startswith(("BEGIN", "SELECT set_config"))]


def test_a_poll_that_changes_nothing_is_one_statement(store: Store) -> None:
    """However many reasons there are, and whatever fires."""
    held = {f"reason{number}": number for number in range(200)}
    polled(store, "11:50", held, alerts=[an_alert()], notified=[a_told()])
    polled(store, "11:55", held)

    assert _said(lambda: polled(store, "12:00", held)) == ["UPDATE"]


def test_a_poll_that_changes_counts_is_three_statements(store: Store) -> None:
    """However many counts have changed."""
    polled(store, "11:55", {f"reason{number}": number for number in range(200)})
    held = {f"reason{number}": number + 1 for number in range(200)}

    assert _said(lambda: polled(store, "12:00", held)) == ["UPDATE", "UPDATE", "INSERT"]


def test_a_failure_like_the_one_before_is_one_statement(store: Store) -> None:
    """While an outage lasts, nothing is read."""
    failed(store, "11:55")

    assert _said(lambda: failed(store, "12:00")) == ["UPDATE"]
    with store.read() as reader:
        failure = reader.polling(ACME).failure
    assert failure is not None
    assert (failure.since, failure.at) == (at("11:55"), at("12:00"))


@pytest.mark.parametrize(
    ("clock", "cause"),
    [
        pytest.param("12:00", Cause.DNS, id="another cause"),
        pytest.param("11:50", Cause.TIMEOUT, id="the clock was set back"),
    ],
)
def test_a_failure_unlike_the_one_before_is_read(store: Store, clock: str, cause: Cause) -> None:
    """It begins another run, or an earlier one."""
    failed(store, "11:55")

    assert "SELECT" in _said(lambda: failed(store, clock, cause))


# alerts


@pytest.mark.parametrize(
    ("alerts", "notified"),
    [
        pytest.param([an_alert()], [a_told()], id="one fires, and is known to"),
        pytest.param([an_alert(AlertState.PENDING)], [], id="one is pending"),
        pytest.param([an_alert(), a_resolved(severity=Severity.CRITICAL)], [a_told()], id="one fires, another is over"),
        pytest.param([a_resolved()], [a_told()], id="one is over, and not known to be"),
        pytest.param([a_resolved()], [a_told(AlertState.INACTIVE)], id="one is over, and known to be"),
        pytest.param([an_alert(AlertState.INACTIVE)], [], id="one was pending once"),
        pytest.param([an_alert(), an_alert(key=a_key(reason="Virus"))], [], id="two of two topics"),
    ],
)
def test_what_is_remembered_of_alerts_is_what_would_be_read(
    store: Store, alerts: list[Alert], notified: list[NotificationState]
) -> None:
    """The alerts of every topic that goes on, or that a receiver believes to."""
    for clock, first, then in (("11:50", alerts[:1], []), ("11:55", alerts, notified), ("12:00", [], [])):
        polled(store, clock, SPAM, alerts=first, notified=then)

    with store.write() as transaction:
        transaction.add_snapshot(a_snapshot(SPAM, taken_at=at("12:05")), poll_interval=EVERY, windows=HOUR)
        remembered = (transaction.alerts([ACME]), transaction.notified([ACME]))
    with store.read() as reader:
        read = (reader.alerts([ACME]), reader.notified([ACME]))
    assert [sorted(each, key=repr) for each in remembered] == [sorted(each, key=repr) for each in read]


def test_what_is_forgotten_of_many_tenants_costs_as_much_as_there_is_of_it(store: Store) -> None:
    """A receiver that gets another name leaves what it was told of every tenant: a reload must not take minutes."""
    notified = [a_told(topic=a_key(tenant=f"t{number}").topic) for number in range(600)]
    lasted = 0.0
    for clock in ("11:55", "12:00", "12:05"):
        with store.write() as transaction:
            for entry in notified:
                snapshot = a_snapshot(SPAM, tenant=entry.topic.tenant, taken_at=at(clock))
                transaction.add_snapshot(snapshot, poll_interval=EVERY, windows=HOUR)
            transaction.notified([entry.topic.tenant for entry in notified])
            begun = process_time()
            if clock == "11:55":
                transaction.save_told(notified)
            elif clock == "12:05":
                transaction.forget_told(notified)
            lasted = process_time() - begun

    assert lasted < 1
    with store.read() as reader:
        assert reader.notified() == []


def test_other_tenants_are_read_beside_the_one_that_is_remembered(store: Store) -> None:
    """A cycle may ask for several."""
    elsewhere = an_alert(key=a_key(tenant="umbrella"))
    for clock in ("11:50", "11:55"):
        polled(store, clock, SPAM, alerts=[an_alert(), elsewhere])

    with store.write() as transaction:
        transaction.add_snapshot(a_snapshot(SPAM), poll_interval=EVERY, windows=HOUR)
        found = transaction.alerts([ACME, Tenant("umbrella")])

    assert found == [an_alert(), elsewhere]


# windows


def test_a_series_is_remembered_as_far_back_as_its_rules_look_and_no_further(store: Store) -> None:
    """A rule with a long memory for one reason makes no other one longer."""
    windows = Lookbacks(((MATCH_ALL, span("10m")), (Selector(("Virus",)), span("1h"))))
    for number, clock in enumerate(("11:00", "11:10", "11:20", "11:30", "11:40", "11:50", "12:00")):
        polled(store, clock, {"Spam": number, "Virus": number}, windows=windows, every=span("10m"))

    with store.write() as transaction:
        snapshot = a_snapshot({"Spam": 6, "Virus": 6}, taken_at=at("12:05"))
        transaction.add_snapshot(snapshot, poll_interval=span("10m"), windows=windows)
        known = transaction.tenant_series(ACME, window=span("1h"), poll_interval=span("10m"), now=at("12:05"))
    spam, virus = (each.changes for each in known.reasons)

    assert spam == [Sample(at("11:34:59"), 3), *(Sample(at(f"11:{4 + n}0"), 4 + n) for n in (0, 1)), Sample(NOON, 6)]
    assert [sample.count for sample in virus] == [0, 1, 2, 3, 4, 5, 6]
    assert known.reasons[-1:] == [known.reasons[1]]
