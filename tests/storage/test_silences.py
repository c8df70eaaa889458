"""What people asked to be kept quiet is kept as they asked for it."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from alerter.core.rules import Severity
from alerter.core.selectors import Selector
from alerter.core.silences import AlertMatcher
from alerter.errors import StoreError
from alerter.storage import Store
from tests.builders import NOON, at, minutes
from tests.storage.stored import a_silence, an_acknowledgement, explained, prune, silence, statements


def test_a_silence_comes_back_exactly(store: Store) -> None:
    """Every matcher, every word and the microsecond."""
    matcher = AlertMatcher(
        tenants=Selector(("acme", "!acme-test")),
        labels={"tier": Selector(("!gold",)), "customer": Selector(("Äcme*", "'\""))},
        reasons=Selector(("*\ud83d\0 'é\"*",)),
        rules=Selector(("Surge",)),
        severities=frozenset({Severity.WARNING, Severity.CRITICAL}),
    )
    asked = replace(a_silence(matcher), ends_at=at("13:00") + timedelta(microseconds=1), comment="it's\nknown é")

    kept = silence(store, asked)

    assert kept == replace(asked, id=kept.id)
    with store.read() as reader:
        assert reader.silences.silences(since=NOON) == [kept]


def test_a_silence_of_everything_stays_one(store: Store) -> None:
    """A matcher without any selector matches every alert, also after it was stored."""
    silence(store)

    with store.read() as reader:
        assert [each.matcher for each in reader.silences.silences(since=NOON)] == [AlertMatcher()]


def test_what_a_database_refuses_in_a_text_is_replaced(store: Store) -> None:
    """The caller sees the author and the comment as they will be read."""
    kept = silence(store, replace(a_silence(author="ann\0"), comment="half \ud83d"))

    assert (kept.author, kept.comment) == ("ann\N{REPLACEMENT CHARACTER}", "half ?")
    with store.read() as reader:
        assert reader.silences.silences(since=NOON) == [kept]


def test_silences_are_read_until_they_have_been_over_for_as_long_as_is_asked(store: Store) -> None:
    """Those that have not begun too; a silence does not hold at its end, so that one ending then is not read."""
    later = silence(store, since="15:00", until="16:00")
    now = silence(store, since="11:00", until="13:00")
    silence(store, since="08:00", until="09:00")
    recent = silence(store, since="08:00", until="11:30")

    with store.read() as reader:
        assert reader.silences.silences(since=at("09:00")) == [later, now, recent]
        assert reader.silences.silences(since=at("11:30")) == [later, now]
        assert reader.silences.silences(since=at("16:00")) == []


def test_a_number_is_never_given_to_another_silence(store: Store) -> None:
    """What an old message says of silence 2 is never true of a newer one, also when the old one was pruned."""
    first, second = silence(store, until="11:30"), silence(store, until="11:30")
    prune(store, NOON)

    third = silence(store, replace(a_silence(), id=first.id))

    assert len({first.id, second.id, third.id}) == 3
    assert third.id > second.id


def test_a_silence_can_be_ended_early(store: Store) -> None:
    """From that instant on it holds no longer."""
    kept = silence(store, until="13:00")

    with store.write() as transaction:
        ended = transaction.silences.expire(kept.id, at=NOON)

    assert ended == replace(kept, ends_at=NOON)
    with store.read() as reader:
        assert reader.silences.silences(since=NOON) == []
        assert reader.silences.silences(since=NOON - minutes(1)) == [ended]


def test_a_silence_that_is_over_does_not_get_longer(store: Store) -> None:
    """To end it again changes nothing, and leaves the others as they are."""
    over, other = silence(store, until="11:30"), silence(store)

    with store.write() as transaction:
        assert transaction.silences.expire(over.id, at=NOON) == over

    with store.read() as reader:
        assert reader.silences.silences(since=at("11:00")) == [over, other]


def test_a_silence_that_has_not_begun_can_be_taken_back(store: Store) -> None:
    """It then has never held."""
    kept = silence(store, since="15:00", until="16:00")

    with store.write() as transaction:
        ended = transaction.silences.expire(kept.id, at=NOON)

    assert ended is not None
    assert not any(ended.is_active(now=at(clock)) for clock in ("11:59", "12:00", "15:00", "15:30"))


def test_to_end_a_silence_that_does_not_exist_says_so(store: Store) -> None:
    """None is the answer, and nothing else is ended."""
    kept = silence(store)

    with store.write() as transaction:
        assert transaction.silences.expire(kept.id + 1, at=NOON) is None

    with store.read() as reader:
        assert reader.silences.silences(since=NOON) == [kept]


def test_a_number_beyond_all_is_an_error_of_the_store(store: Store) -> None:
    """What does not fit into 64 bits is refused, and not a crash."""
    with pytest.raises(StoreError), store.write() as transaction:
        transaction.silences.expire(10**30, at=NOON)


def test_acknowledgements_come_back_exactly(store: Store) -> None:
    """One per topic, with the count that must double, or without one."""
    spam = replace(
        an_acknowledgement(), value=2**53, comment="it's\nknown é", acknowledged_at=NOON + timedelta(microseconds=1)
    )
    unseen = an_acknowledgement("*", value=None)

    with store.write() as transaction:
        transaction.silences.save_acknowledgement(spam)
        transaction.silences.save_acknowledgement(unseen)

    with store.read() as reader:
        assert reader.silences.acknowledgements() == {spam.subject: spam, unseen.subject: unseen}


def test_the_newest_acknowledgement_of_a_topic_counts(store: Store) -> None:
    """Whoever takes over takes over at the level and the count of now."""
    first = an_acknowledgement(clock="11:00")
    second = replace(an_acknowledgement(clock="11:30", value=300), author="ann", severity=Severity.CRITICAL)

    with store.write() as transaction:
        transaction.silences.save_acknowledgement(first)
        transaction.silences.save_acknowledgement(second)

    with store.read() as reader:
        assert reader.silences.acknowledgements() == {second.subject: second}


def test_an_acknowledgement_breaks_unless_a_newer_one_has_taken_its_place(store: Store) -> None:
    """Whoever acknowledges what is worse now is not undone by the poll that found it."""
    first, second = an_acknowledgement(clock="11:00"), an_acknowledgement(clock="11:30", value=300)
    broken = replace(second, broken_at=NOON)
    with store.write() as transaction:
        transaction.silences.save_acknowledgement(second)
        transaction.silences.break_acknowledgement(replace(first, broken_at=NOON))
    with store.read() as reader:
        assert reader.silences.acknowledgements() == {second.subject: second}

    with store.write() as transaction:
        transaction.silences.break_acknowledgement(broken)

    with store.read() as reader:
        assert reader.silences.acknowledgements() == {second.subject: broken}


def test_an_acknowledgement_that_is_forgotten_leaves_the_others(store: Store) -> None:
    """There need not be one."""
    spam, virus = an_acknowledgement(), an_acknowledgement("Virus")
    with store.write() as transaction:
        transaction.silences.save_acknowledgement(spam)
        transaction.silences.save_acknowledgement(virus)
        transaction.silences.delete_acknowledgement(spam.subject)
        transaction.silences.delete_acknowledgement(spam.subject)

    with store.read() as reader:
        assert reader.silences.acknowledgements() == {virus.subject: virus}


def test_what_a_database_refuses_in_an_acknowledgement_is_replaced(store: Store) -> None:
    """A comment from a terminal may hold anything."""
    with store.write() as transaction:
        transaction.silences.save_acknowledgement(replace(an_acknowledgement(), author="b\0b", comment="\ud83d"))

    with store.read() as reader:
        (found,) = reader.silences.acknowledgements().values()
    assert (found.author, found.comment) == ("b\N{REPLACEMENT CHARACTER}b", "?")


def test_the_silences_of_years_are_not_read_for_those_of_now(sqlite_url: str) -> None:
    """An index leads to what has not ended."""
    with closing(Store(sqlite_url)) as store, statements() as executed, store.read() as reader:
        reader.silences.silences(since=NOON)

    assert explained(sqlite_url, executed)[0].startswith("SEARCH silences USING INDEX ix_silences_ends_at")
