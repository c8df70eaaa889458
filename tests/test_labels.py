"""What the benchmark of the rules calls an incident, and what its queues do: what the figures in README rest on."""

from datetime import timedelta

import pytest

from alerter.core.series import from_epoch_us
from benchmarks.labels import BEGIN, POLL_INTERVAL, IncidentKind, instant, label
from benchmarks.populations import REASONS_BY_USERS, simulate
from benchmarks.queues import EXPIRY_POLLS, Release, play


@pytest.mark.parametrize(
    ("harm", "evident"),
    [
        pytest.param([(10, 5), (11, 5), (12, 90)], 12, id="a quarter of a hundred"),
        pytest.param([(10, 25), (11, 75)], 10, id="a quarter at once"),
        pytest.param([(10, 1), (11, 1), (12, 1), (13, 1)], 13, id="four messages at least"),
        pytest.param([(10, 3)], None, id="fewer than four: it counts, and nobody can know in time"),
        pytest.param([], None, id="none"),
    ],
)
def test_an_incident_is_evident_when_a_quarter_of_its_harm_is_done(
    harm: list[tuple[int, int]], evident: int | None
) -> None:
    """Harm is what was treated in another way than without the cause, whatever a rule may see of it."""
    incident = label(IncidentKind.WAVE, "Spam", first=10, last=20, harm_at=harm, shown_until=15)

    assert incident.evident_at == (None if evident is None else instant(evident))
    assert incident.harm == sum(messages for _, messages in harm)


@pytest.mark.parametrize(
    ("shown_until", "ends"),
    [pytest.param(25, 25, id="while the count shows it"), pytest.param(9000, 308, id="for a day after its cause")],
)
def test_an_alert_is_about_an_incident_while_it_shows(shown_until: int, ends: int) -> None:
    """And no longer than a day after its cause has ended."""
    incident = label(IncidentKind.WAVE, "Spam", first=10, last=20, harm_at=[(10, 9)], shown_until=shown_until)

    assert incident.ended_at == instant(ends)


def test_a_queue_expires_and_releases_what_it_holds() -> None:
    """Half of what came lately goes with a release; Mimecast expires the rest after fourteen days."""
    played = play([(0, 10), (50, 10)], [Release(60, 0.5, 20), Release(70, 1, EXPIRY_POLLS)])

    assert played.changes == [(0, 10), (50, 20), (60, 15), (70, 0)]
    assert played.released == {60: 5, 70: 15}
    assert play([(0, 10)], []).changes == [(0, 10), (EXPIRY_POLLS, 0)]


def test_the_same_seed_makes_the_same_tenant() -> None:
    """So that a figure can be measured again."""
    one, other = (next(iter(simulate([(3, 500)], weeks=3, seed=5))) for _ in range(2))

    assert one.incidents == other.incidents
    assert [each.held for each in one.history.reasons] == [each.held for each in other.history.reasons]


def test_tenants_of_every_size_have_polls_and_incidents_within_their_weeks() -> None:
    """Every incident begins while its tenant is polled, and every count is one of a poll."""
    tenants = list(simulate([(number, users) for number in range(2) for users in REASONS_BY_USERS], weeks=3, seed=6))

    assert {each.users for each in tenants} == set(REASONS_BY_USERS)
    for each in tenants:
        polls = set(each.history.polling.poll_times.good)
        assert all(set(reason.at) <= polls for reason in each.history.reasons)
        last = from_epoch_us(max(polls)) + POLL_INTERVAL
        assert all(BEGIN <= incident.began_at <= last for incident in each.incidents)
        assert all(incident.ended_at - incident.began_at < timedelta(weeks=4) for incident in each.incidents)
