"""What is remembered from one cycle to the next: when it is taken for true, and when it is thrown away."""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from time import process_time
from typing import cast

import pytest

from alerter.core.actions import Action, ActionKind, ActionOrigin, Actor
from alerter.core.alerts import Alert, AlertState
from alerter.core.message.content import TargetOutage
from alerter.core.notifications import NotificationState
from alerter.core.outbox import TargetName
from alerter.core.poll_times import PollRun
from alerter.core.routes import ReceiverName, TargetId
from alerter.core.rules import Lookbacks, Severity
from alerter.core.selectors import MATCH_ALL, Selector
from alerter.core.series import HoldReason, Sample, Tenant, to_epoch_us
from alerter.errors import Cause, SourceUnavailable
from alerter.storage import Store, Transaction
from tests.builders import NOON, a_key, a_resolved, a_snapshot, a_told, an_alert, at, span
from tests.storage.stored import (
    ACME,
    EVERY,
    a_message,
    a_silence,
    a_transition,
    an_acknowledgement,
    enqueue,
    poll,
    prune,
    rows,
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
        changed = transaction.history.add(snapshot, poll_interval=every, windows=windows)
        transaction.alerts.load([ACME])
        transaction.notifications.states([ACME])
        transaction.alerts.save(alerts)
        transaction.notifications.save(notified)
    return changed


def failed(store: Store, clock: str, cause: Cause = Cause.TIMEOUT) -> None:
    """Store what a cycle with a failed poll came to."""
    error = SourceUnavailable(cause, "no answer")
    with store.write() as transaction:
        transaction.polls.add_failure(ACME, error, poll_interval=EVERY, windows=HOUR, at=at(clock))


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
        pytest.param(lambda store: store.evict([ACME]), id="it is polled elsewhere"),
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
        assert transaction.history.add(snapshot, poll_interval=EVERY, windows=HOUR) == {0: 9}
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
            span.start_at
            for span in reader.history.series_for(
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
    "history.add": (lambda one: one.history.add(a_snapshot(SPAM, taken_at=NOON), poll_interval=EVERY), True),
    "polls.add_failure": (
        lambda one: one.polls.add_failure(ACME, SourceUnavailable(Cause.DNS, "no such host"), at=NOON),
        True,
    ),
    "alerts.save": (lambda one: one.alerts.save([an_alert()]), True),
    "notifications.save": (lambda one: one.notifications.save([a_told()]), True),
    "notifications.delete": (lambda one: one.notifications.delete([a_told()]), True),
    "retention.prune": (lambda one: one.retention.prune(ACME, before=NOON, batch=9), True),
    "retention.delete_expired": (lambda one: one.retention.delete_expired([("silence", 1)], before=NOON), False),
    "retention.downsample": (lambda one: one.retention.downsample(ACME, before=at("13:00"), batch=9), True),
    "retention.drop_bodies": (lambda one: one.retention.drop_bodies(["old"]), False),
    "retention.vacuum_pages": (lambda one: one.retention.vacuum_pages(9), False),
    "retention.record_size": (lambda one: one.retention.record_size(now=NOON), False),
    "imports.add_changes": (
        lambda one: one.imports.add_changes(ACME, {}, {}, [(to_epoch_us(at("09:30")), HoldReason("Spam"), 0, 2)]),
        True,
    ),
    "imports.finish": (lambda one: one.imports.finish(ACME, _RUNS, (), {}, ()), True),
    "imports.lock_writers": (lambda one: one.imports.lock_writers(), False),
    "alerts.add_transitions": (
        lambda one: one.alerts.add_transitions([a_transition("12:00", AlertState.PENDING, AlertState.FIRING)]),
        False,
    ),
    "silences.add": (lambda one: one.silences.add(a_silence()), False),
    "silences.expire": (lambda one: one.silences.expire(1, at=NOON), False),
    "silences.save_acknowledgement": (
        lambda one: one.silences.save_acknowledgement(an_acknowledgement()),
        False,
    ),
    "silences.break_acknowledgement": (
        lambda one: one.silences.break_acknowledgement(replace(an_acknowledgement(), broken_at=NOON)),
        False,
    ),
    "actions.add": (
        lambda one: one.actions.add(
            Action(kind=ActionKind.TEST, at=NOON, actor=Actor(name="a", origin=ActionOrigin.PAGE), object="secops")
        ),
        False,
    ),
    "silences.delete_acknowledgement": (
        lambda one: one.silences.delete_acknowledgement(an_acknowledgement().subject),
        False,
    ),
    "outbox.enqueue": (
        lambda one: one.outbox.enqueue(a_message("new"), {TargetName("secops/slack"): TargetId("a")}),
        False,
    ),
    "outbox.save_delivery": (
        lambda one: one.outbox.save_delivery(replace(one.outbox.waiting()[0], sent_at=NOON)),
        False,
    ),
    "outbox.record_outcome": (
        lambda one: one.outbox.record_outcome(replace(one.outbox.waiting()[0], sent_at=NOON)),
        False,
    ),
    "outbox.claim": (lambda one: one.outbox.claim(one.outbox.waiting()[0]), False),
    "outbox.release_claims": (lambda one: one.outbox.release_claims(now=NOON), False),
    "outbox.save_outage": (
        lambda one: one.outbox.save_outage(
            TargetOutage(target="secops/slack", target_id=TargetId("secops/slack"), since=NOON, error="gone")
        ),
        False,
    ),
    "outbox.end_outage": (lambda one: one.outbox.end_outage(TargetId("secops/slack")), False),
    "notifications.reset_suppressed": (lambda one: one.notifications.reset_suppressed(ReceiverName("secops")), False),
    "notifications.add_suppressed": (lambda one: one.notifications.add_suppressed(ReceiverName("secops")), False),
    "outbox.save_targets": (lambda one: one.outbox.save_targets({TargetName("secops/slack"): TargetId("a")}), False),
    "notifications.open_group": (
        lambda one: one.notifications.open_group(ReceiverName("secops"), due_at=NOON),
        False,
    ),
    "retention.compress": (lambda one: one.retention.compress(ACME, before=NOON), False),
    "notifications.close_group": (
        lambda one: one.notifications.close_group(ReceiverName("secops")),
        False,
    ),
}


#: Every way in which a transaction only reads.
_READS = {
    "history": ("reasons held_by_tenant held_by_reason reason_names reasons_by_tenant series_for samples "
                "samples_of_many sum_over_tenants full_history"),
    "polls": "tenants status status_by_tenant first_poll_at failure_at",
    "alerts": ("load load_all load_live firing_changes by_id by_id_prefix firing_by_severity counts_by_state "
               "transitions firing_transitions"),
    "notifications": "states states_of tenants_notified_of_firing hourly_limits open_groups due_groups next_flush_at",
    "outbox": ("waiting sent_times message has_message deliveries deliveries_for_alerts waiting_count "
               "backlog_by_target targets was_overtaken outages delivery"),
    "silences": "silences silence acknowledgements",
    "actions": "on_subject newest acknowledged_at",
    "retention": ("tenants_to_prune expired_rows tenants_to_compress tenants_to_downsample messages_with_old_bodies "
                  "database_size"),
    "leases": "instances instance_by_tenant state",
    "imports": "records stored_history runs failures",
}  # fmt: skip


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


def test_no_way_to_write_is_forgotten(store: Store) -> None:
    """A method that is new must be listed above: whether it writes, and whether a cached state then is outdated."""
    with store.read() as reader:
        found = {
            f"{name}.{method}"
            for name, repository in vars(reader).items()
            if name not in {"cache", "lists"}  # one is what is cached, the other only reads
            for method in dir(repository)
            if not method.startswith("_")
        }

    reads = {f"{name}.{method}" for name, methods in _READS.items() for method in methods.split()}
    assert found == reads | _WRITES.keys()


@pytest.mark.parametrize("name", [each for each in _WRITES if each != "imports.lock_writers"])  # it locks, and no more
def test_a_view_writes_nothing(store: Store, name: str) -> None:
    """A transaction to read would not wait for other writers: to write in it is a mistake in alerter."""
    poll(store, "11:55", Spam=1)
    enqueue(store, "old", "secops/slack")
    before = rows(store, "SELECT * FROM tenants"), rows(store, "SELECT * FROM deliveries")

    with store.read() as reader, suppress(RuntimeError):
        _WRITES[name][0](cast("Transaction", reader))

    assert (rows(store, "SELECT * FROM tenants"), rows(store, "SELECT * FROM deliveries")) == before


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
        failure = reader.polls.status(ACME).failure
    assert failure is not None
    assert (failure.started_at, failure.last_failed_at) == (at("11:55"), at("12:00"))


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
        transaction.history.add(a_snapshot(SPAM, taken_at=at("12:05")), poll_interval=EVERY, windows=HOUR)
        remembered = (transaction.alerts.load([ACME]), transaction.notifications.states([ACME]))
    with store.read() as reader:
        read = (reader.alerts.load([ACME]), reader.notifications.states([ACME]))
    assert [sorted(each, key=repr) for each in remembered] == [sorted(each, key=repr) for each in read]


def test_what_is_forgotten_of_many_tenants_costs_as_much_as_there_is_of_it(store: Store) -> None:
    """A receiver that gets another name leaves what it was told of every tenant: a reload must not take minutes."""
    notified = [a_told(subject=a_key(tenant=f"t{number}").subject) for number in range(600)]
    lasted = 0.0
    for clock in ("11:55", "12:00", "12:05"):
        with store.write() as transaction:
            for entry in notified:
                snapshot = a_snapshot(SPAM, tenant=entry.subject.tenant, taken_at=at(clock))
                transaction.history.add(snapshot, poll_interval=EVERY, windows=HOUR)
            transaction.notifications.states([entry.subject.tenant for entry in notified])
            begun = process_time()
            if clock == "11:55":
                transaction.notifications.save(notified)
            elif clock == "12:05":
                transaction.notifications.delete(notified)
            lasted = process_time() - begun

    assert lasted < 1
    with store.read() as reader:
        assert reader.notifications.states() == []


def test_other_tenants_are_read_beside_the_one_that_is_remembered(store: Store) -> None:
    """A cycle may ask for several."""
    elsewhere = an_alert(key=a_key(tenant="umbrella"))
    for clock in ("11:50", "11:55"):
        polled(store, clock, SPAM, alerts=[an_alert(), elsewhere])

    with store.write() as transaction:
        transaction.history.add(a_snapshot(SPAM), poll_interval=EVERY, windows=HOUR)
        found = transaction.alerts.load([ACME, Tenant("umbrella")])

    assert found == [an_alert(), elsewhere]


# windows


def test_a_series_is_remembered_as_far_back_as_its_rules_look_and_no_further(store: Store) -> None:
    """A rule with a long memory for one reason makes no other one longer."""
    windows = Lookbacks(((MATCH_ALL, span("10m")), (Selector(("Virus",)), span("1h"))))
    for number, clock in enumerate(("11:00", "11:10", "11:20", "11:30", "11:40", "11:50", "12:00")):
        polled(store, clock, {"Spam": number, "Virus": number}, windows=windows, every=span("10m"))

    with store.write() as transaction:
        snapshot = a_snapshot({"Spam": 6, "Virus": 6}, taken_at=at("12:05"))
        transaction.history.add(snapshot, poll_interval=span("10m"), windows=windows)
        known = transaction.history.series_for(ACME, window=span("1h"), poll_interval=span("10m"), now=at("12:05"))
    spam, virus = (each.changes for each in known.reasons)

    assert spam == [Sample(at("11:34:59"), 3), *(Sample(at(f"11:{4 + n}0"), 4 + n) for n in (0, 1)), Sample(NOON, 6)]
    assert [sample.count for sample in virus] == [0, 1, 2, 3, 4, 5, 6]
    assert known.reasons[-1:] == [known.reasons[1]]
