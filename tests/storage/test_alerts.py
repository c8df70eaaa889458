"""What state the alerts are in, how they came to it, and what receivers were told."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from alerter.core.alerts import Alert, AlertState
from alerter.core.conditions import Evidence
from alerter.core.rules import Severity
from alerter.core.series import ALL_TENANTS, Sample, Tenant
from alerter.storage import Store
from tests.builders import NOON, a_key, a_resolved, a_told, an_alert, at
from tests.storage.stored import ACME, EVERY, a_transition, explained, statements


def test_an_alert_comes_back_exactly(store: Store) -> None:
    """Every field survives, to the microsecond."""
    odd = NOON + timedelta(microseconds=1)
    evidence = (
        Evidence(condition="growth", limit_text="+5 within 1h", value=Sample(odd, 9), reference=Sample(at("11:00"), 0)),
        Evidence(condition="forecast", limit_text="above 5", expected=Sample(odd, 7), headline="heading for 7 in 1h"),
        Evidence(condition="no_data", limit_text="no data for 15m", last_success_at=odd, detail='"quoted" \ud83d\0 é'),
    )
    alert = Alert(
        key=a_key(reason="Ünï\u200bcode 'x'", tenant="*"),
        state=AlertState.FIRING,
        value=2**53,
        peak=0,
        active_at=odd,
        fired_at=odd + EVERY,
        keep_firing_since=odd + 2 * EVERY,
        resolved_at=at("09:00"),
        resolved_because="rule removed",
        evidence=evidence,
    )

    with store.write() as transaction:
        transaction.alerts.save([alert, an_alert(AlertState.PENDING, value=None, peak=None)])

    with store.read() as reader:
        assert {each.key.id: each for each in reader.alerts.load_all()} == {
            alert.key.id: alert,
            a_key().id: an_alert(AlertState.PENDING, value=None, peak=None),
        }


def test_an_alert_is_stored_under_its_key(store: Store) -> None:
    """A later state takes the place of the earlier one."""
    with store.write() as transaction:
        transaction.alerts.save([an_alert(AlertState.PENDING), an_alert(key=a_key(reason="Virus"))])
        transaction.alerts.save([a_resolved()])

    with store.read() as reader:
        assert sorted(reader.alerts.load_all(), key=lambda alert: alert.key.reason) == [
            a_resolved(),
            an_alert(key=a_key(reason="Virus")),
        ]


def test_alerts_whose_ids_look_alike_are_kept_apart(store: Store) -> None:
    """Only the whole key is the identity: eight digits are for people."""
    alike = [
        a_key(reason="Spam"),
        a_key(reason="spam"),
        a_key(reason="Spam "),
        a_key(rule="Spam", reason="Backlog"),
    ]

    with store.write() as transaction:
        transaction.alerts.save(an_alert(key=key) for key in alike)

    with store.read() as reader:
        assert {alert.key for alert in reader.alerts.load_all()} == set(alike)


def test_an_alert_is_found_by_the_digits_that_name_it(store: Store) -> None:
    """Whatever state it is in; none where no alert has them."""
    spam, virus = an_alert(), replace(a_resolved(), key=a_key(reason="Virus"))
    with store.write() as transaction:
        transaction.alerts.save([spam, virus])

    with store.read() as reader:
        assert reader.alerts.by_id(spam.key.id) == [spam]
        assert reader.alerts.by_id(virus.key.id) == [virus]
        assert reader.alerts.by_id("00000000") == []


def test_what_is_true_now_of_some_alerts_comes_with_all_that_fires(store: Store) -> None:
    """Of what is over, only what is asked for."""
    firing = an_alert()
    asked_for, other = (replace(a_resolved(), key=a_key(reason=reason)) for reason in ("Virus", "Graymail"))
    with store.write() as transaction:
        transaction.alerts.save([firing, asked_for, other])

    with store.read() as reader:
        found = [reader.alerts.load_live(ids) for ids in ((), {asked_for.key.id})]

    assert [{alert.key.reason for alert in each} for each in found] == [
        {firing.key.reason},
        {firing.key.reason, "Virus"},
    ]


def test_two_alerts_of_the_same_digits_are_both_found(store: Store) -> None:
    """Eight digits are no identity: which of the two is meant is for a person to say."""
    first, second = (an_alert(key=a_key(reason=reason)) for reason in ("reason 38418", "reason 80905"))
    assert first.key.id == second.key.id
    with store.write() as transaction:
        transaction.alerts.save([first, second])

    with store.read() as reader:
        assert sorted(reader.alerts.by_id(first.key.id), key=lambda alert: alert.key.reason) == [first, second]


def test_a_poll_reads_what_goes_on_for_its_tenants(store: Store) -> None:
    """What is over, and known to be over by everybody, costs a poll nothing; all of it can still be read."""
    live, told_of, over, other, sums = (a_key(reason=name) for name in ("a", "b", "c", "d", "e"))
    other, sums = replace(other, tenant=Tenant("legacy")), replace(sums, tenant=ALL_TENANTS)
    with store.write() as transaction:
        transaction.alerts.save(an_alert(key=key) for key in (live, other, sums))
        transaction.alerts.save(replace(a_resolved(), key=key) for key in (told_of, over))
        transaction.notifications.save(
            [a_told(subject=told_of.subject), a_told(AlertState.INACTIVE, subject=over.subject)]
        )

    with store.read() as reader:
        assert {alert.key.reason for alert in reader.alerts.load([ACME, ALL_TENANTS])} == {"a", "b", "e"}
        assert {alert.key.reason for alert in reader.alerts.load()} == {"a", "b", "d", "e"}
        assert {alert.key.reason for alert in reader.alerts.load_all()} == {"a", "b", "c", "d", "e"}
        assert [notified.subject.reason for notified in reader.notifications.states([ACME, ALL_TENANTS])] == ["b"]
        assert {notified.subject.reason for notified in reader.notifications.states()} == {"b", "c"}
        assert (reader.alerts.load([]), reader.notifications.states([])) == ([], [])


def test_every_severity_of_a_topic_that_goes_on_is_read(store: Store) -> None:
    """A critical alert that is over still belongs to the warning that fires."""
    with store.write() as transaction:
        transaction.alerts.save([an_alert(), replace(a_resolved(), key=a_key(severity=Severity.CRITICAL))])

    with store.read() as reader:
        assert {alert.key.severity for alert in reader.alerts.load([ACME])} == {"warning", "critical"}


def test_what_fires_is_counted_by_severity(store: Store) -> None:
    """What is pending or over does not fire."""
    keys = [a_key(severity=severity, reason=reason) for severity, reason in (
        (Severity.CRITICAL, "a"), (Severity.WARNING, "a"), (Severity.WARNING, "b"),
    )]  # fmt: skip
    with store.write() as transaction:
        transaction.alerts.save(an_alert(key=key) for key in keys)
        transaction.alerts.save([an_alert(AlertState.PENDING, key=a_key(reason="c"))])
        transaction.alerts.save([replace(a_resolved(), key=a_key(reason="d"))])

    with store.read() as reader:
        assert reader.alerts.firing_by_severity() == {Severity.CRITICAL: 1, Severity.WARNING: 2}
        assert reader.alerts.counts_by_state() == {
            (AlertState.FIRING, Severity.CRITICAL): 1,
            (AlertState.FIRING, Severity.WARNING): 2,
            (AlertState.PENDING, Severity.WARNING): 1,
        }


def test_what_was_told_comes_back_exactly(store: Store) -> None:
    """One entry per topic, receiver and target, the latest."""
    first, other, elsewhere = a_told(), a_told(receiver="mail"), a_told(target="teams")
    later = replace(
        first,
        notified_at=NOON + timedelta(microseconds=1),
        repeat_count=3,
        severity=Severity.CRITICAL,
        thread="ab2cd3ef4g",
    )

    with store.write() as transaction:
        transaction.notifications.save([first, other, elsewhere])
        transaction.notifications.save([later])

    with store.read() as reader:
        assert sorted(reader.notifications.states(), key=lambda notified: (notified.receiver, notified.target)) == [
            other,
            later,
            elsewhere,
        ]


def test_what_a_target_was_told_that_has_moved_is_forgotten(store: Store) -> None:
    """That of one target of one receiver, about one topic."""
    gone, *kept = (
        a_told(),
        a_told(target="teams"),
        a_told(receiver="mail"),
        a_told(subject=a_key(reason="Virus").subject),
    )
    with store.write() as transaction:
        transaction.notifications.save([gone, *kept])
        transaction.notifications.delete([gone])

    with store.read() as reader:
        assert len(reader.notifications.states()) == len(kept)
        assert all(entry in reader.notifications.states([ACME]) for entry in kept)


def test_it_is_known_of_which_tenants_somebody_believes_that_something_fires(store: Store) -> None:
    """Each once; what is known to be over does not count."""
    keys = [replace(a_key(reason=reason), tenant=Tenant(name)) for name in ("acme", "legacy") for reason in "ab"]
    with store.write() as transaction:
        transaction.notifications.save(a_told(subject=key.subject) for key in keys)
        transaction.notifications.save(
            [a_told(AlertState.INACTIVE, subject=replace(keys[0], tenant=Tenant("over")).subject)]
        )

    with store.read() as reader:
        assert reader.notifications.tenants_notified_of_firing() == ["acme", "legacy"]


def test_the_history_of_alerts_is_read_newest_first(store: Store) -> None:
    """All of it, one alert's, or what happened since an instant."""
    spam = a_transition("11:00", AlertState.INACTIVE, AlertState.PENDING)
    virus = replace(spam, key=a_key(reason="Virus"), at=at("11:30"))
    fired = a_transition("11:45", AlertState.PENDING, AlertState.FIRING, note="for 45m")

    with store.write() as transaction:
        transaction.alerts.add_transitions([spam, virus])
        transaction.alerts.add_transitions([fired])

    with store.read() as reader:
        assert reader.alerts.transitions() == [fired, virus, spam]
        assert reader.alerts.transitions(alert_id=spam.key.id) == [fired, spam]
        assert reader.alerts.transitions(since=at("11:30")) == [fired, virus]
        assert reader.alerts.transitions(limit=1) == [fired]


def test_the_transitions_into_firing_and_out_of_it_are_read_oldest_first(store: Store) -> None:
    """What a condition needs of the past of its own alert: nothing of others, and nothing older than it looks back."""
    silent, pending, firing = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING
    own = [
        a_transition("09:00", pending, firing),
        a_transition("10:00", firing, silent),
        a_transition("11:00", silent, pending),
        a_transition("11:05", pending, silent),
        a_transition("11:30", silent, firing),
    ]
    other = replace(own[-1], key=a_key(reason="Virus"))
    with store.write() as transaction:
        transaction.alerts.add_transitions([*own, other])

    with store.read() as reader:
        found = reader.alerts.firing_transitions([a_key(), a_key(reason="Graymail")], since=at("10:00"))

    assert found == {a_key(): [own[1], own[4]]}


def test_alerts_that_are_over_are_not_read_to_find_the_others(sqlite_url: str) -> None:
    """There may be a hundred thousand of them: each look goes by an index that leaves them out."""
    with closing(Store(sqlite_url)) as store:
        store.upgrade()
        with store.write() as transaction:
            transaction.alerts.save([an_alert(), replace(a_resolved(), key=a_key(reason="Virus"))])
        with store.read() as reader, statements() as executed:
            reader.alerts.load()
            reader.alerts.load_live()
            reader.alerts.load_live({"00000000"})

    scans = [step for step in explained(sqlite_url, executed) if step.startswith("SCAN")]
    assert scans
    assert not [step for step in scans if "_live" not in step and "_firing" not in step]
