"""What two instances do on one PostgreSQL: each tells what it polls, both judge the sum once, and none forgets."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta

import psycopg
import pytest

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import AlertState
from alerter.core.message.content import Message
from alerter.core.outbox import TargetName
from alerter.core.review import ReportSchedule
from alerter.core.routes import TargetId
from alerter.core.rules import Per
from alerter.core.series import ALL_TENANTS, Tenant
from alerter.errors import DeliveryError
from alerter.jobs.deliver import deliver
from alerter.jobs.notify import flush_groups as told_groups
from alerter.jobs.outages import notify_outages
from alerter.jobs.poll import PollCycle, poll_many, reconcile, shift_after_clock_jump
from alerter.jobs.report import enqueue_weekly_reports
from alerter.jobs.retention import BatchSizer, RetentionResult, apply_retention
from alerter.storage import Leases, OwnInstance, Store
from tests.builders import NOON, a_level, a_policy, a_rule, span
from tests.fakes import FakeClock, FakeSource, RecordingNotifier

SLACK = TargetName("secops/slack")
MAIL = TargetName("mail/json")
URLS: Mapping[TargetName, str] = {SLACK: "json://slack"}
TENANTS = {"acme": "5m", "umbrella": "5m"}
TOTAL = a_rule("Total", warning=a_level(above=250), per=Per.ALL)


@dataclass
class Sharer:
    """An instance with a store, a clock and a configuration of its own; the way out belongs to both."""

    store: Store
    leases: Leases
    notifier: RecordingNotifier
    clock: FakeClock
    alerting: AlertingConfig
    configuration: str = "same"
    member: OwnInstance = field(default_factory=lambda: OwnInstance(number=0, configuration="same"))
    held: frozenset[Tenant] = frozenset()

    def join(self) -> None:
        """Begin a life."""
        self.leases.add_tenants(self.alerting.poll_intervals)
        self.member = self.leases.join("host", "1", self.configuration, lasting=span("30s"), instead_of=0)
        self.store.use_leases_of(self.member)

    def renew(self) -> None:
        """Renew, take and give."""
        renewal = self.leases.renew(self.member, self.alerting.poll_intervals, self.held, lasting=span("30s"))
        assert renewal is not None
        self.held = renewal.owned

    def poll(self, answers: Mapping[str, int]) -> list[PollCycle]:
        """Poll tenants, each of which holds so many of one reason."""
        self.clock.forward("5m")
        polls = []
        for tenant, count in answers.items():
            source = FakeSource(self.clock, tenant=tenant)
            source.answers.append({"Spam": count})
            polls.append((Tenant(tenant), source))
        return poll_many(polls, self.store, self.alerting, clock=self.clock)

    def deliver(self, *, times: int = 9, urls: Mapping[TargetName, str] = URLS) -> list[str]:
        """Send what is due, while it may: so often is it asked; return the titles of what was tried."""
        may = iter([True] * times)
        tried = deliver(
            self.store, self.notifier, urls, alerting=self.alerting, clock=self.clock, may_send=lambda: next(may, False)
        )
        with self.store.read() as reader:
            return [reader.outbox.message(each.message_id).title for each in tried]


@pytest.fixture
def sharers(postgresql_url: str) -> Iterator[tuple[Sharer, Sharer]]:
    """Yield two instances: the first one polls acme and leads, the second one umbrella."""
    notifier, clock = RecordingNotifier(), FakeClock()
    with ExitStack() as stack:

        def sharer() -> Sharer:
            store = stack.enter_context(closing(Store(postgresql_url)))
            leases = store.leases()
            assert leases is not None
            alerting = a_policy(a_rule(), tenants=TENANTS)
            return Sharer(store, leases, notifier, clock, alerting)

        one, other = sharer(), sharer()
        for each in (one, other):
            each.join()
        for each in (one, other):
            each.renew()
        yield one, other


def expire(sharer: Sharer, url: str) -> None:
    """Let the time of an instance be up."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("UPDATE instances SET alive_until = 0 WHERE id = %s", (sharer.member.number,))


def firing(sharer: Sharer) -> set[tuple[str, str]]:
    """Return which rules fire for whom."""
    with sharer.store.read() as reader:
        return {(each.key.rule, each.key.tenant) for each in reader.alerts.load() if each.state is AlertState.FIRING}


def test_each_keeps_its_own_tenants_and_nothing_of_the_other(sharers: tuple[Sharer, Sharer]) -> None:
    """An answer of a tenant that was handed over meanwhile is left to whoever polls it now."""
    one, other = sharers

    assert [cycle.tenant for cycle in one.poll({"acme": 150, "umbrella": 150})] == ["acme"]
    assert firing(one) == {("Backlog", "acme")}
    assert [cycle.tenant for cycle in other.poll({"acme": 5, "umbrella": 150})] == ["umbrella"]
    assert firing(one) == {("Backlog", "acme"), ("Backlog", "umbrella")}


def test_an_instance_whose_time_is_up_commits_nothing(sharers: tuple[Sharer, Sharer], postgresql_url: str) -> None:
    """It stood still and goes on where it was: with a poll, with a message, with the removal of a rule."""
    one, other = sharers
    one.poll({"acme": 150})
    expire(one, postgresql_url)
    with other.store.read() as reader:
        before = (
            reader.alerts.transitions(),
            reader.notifications.states(),
            reader.outbox.waiting(),
            reader.polls.status_by_tenant(),
        )

    assert one.poll({"acme": 0}) == []
    assert one.deliver() == []
    one.alerting = a_policy(tenants=TENANTS)
    assert reconcile(one.store, one.alerting, now=one.clock.now) == []
    assert told_groups(one.store, one.alerting, now=one.clock.now) == ()
    shift_after_clock_jump(one.store, by=timedelta(hours=1), tenants=[Tenant("acme")])
    with other.store.read() as reader:
        assert (
            reader.alerts.transitions(),
            reader.notifications.states(),
            reader.outbox.waiting(),
            reader.polls.status_by_tenant(),
        ) == before
    assert one.notifier.sent == []


def test_what_one_told_the_other_does_not_tell_again_and_it_tells_the_end(
    sharers: tuple[Sharer, Sharer], postgresql_url: str
) -> None:
    """A tenant goes on with the instance that takes it over as if nothing had happened."""
    one, other = sharers
    one.poll({"acme": 150})
    one.deliver()
    expire(one, postgresql_url)
    other.renew()

    other.poll({"acme": 151})
    again = other.deliver()
    other.poll({"acme": 3})
    ends = other.deliver()

    assert again == []
    assert len(ends) == 1
    assert ends[0].startswith("Resolved")


def test_what_one_remembers_is_read_again_when_a_tenant_comes_back(
    sharers: tuple[Sharer, Sharer], postgresql_url: str
) -> None:
    """It polled the tenant before, and does not know what came between."""
    one, other = sharers
    one.poll({"acme": 150})
    expire(one, postgresql_url)
    other.renew()
    other.poll({"acme": 3})
    expire(other, postgresql_url)
    one.join()
    one.renew()

    one.poll({"acme": 150})

    with one.store.read() as reader:
        acme = reader.history.series_for(Tenant("acme"), window=span("1h"), poll_interval=span("5m"), now=one.clock.now)
        assert [sample.count for sample in acme.reasons[0].changes] == [0, 150, 3, 150]
        assert [(each.from_state, each.to_state) for each in reversed(reader.alerts.transitions())] == [
            (AlertState.INACTIVE, AlertState.FIRING),
            (AlertState.FIRING, AlertState.INACTIVE),
            (AlertState.INACTIVE, AlertState.FIRING),
        ]


def test_a_sum_over_all_tenants_is_judged_with_whatever_each_has_stored(sharers: tuple[Sharer, Sharer]) -> None:
    """Both polls together pass the limit: the second one finds it, the first one does not tell it again."""
    one, other = sharers
    for each in sharers:
        each.alerting = a_policy(TOTAL, tenants=TENANTS)

    one.poll({"acme": 150})
    assert firing(one) == set()
    other.poll({"umbrella": 150})
    assert firing(one) == {("Total", ALL_TENANTS)}
    one.poll({"acme": 150})
    notified = other.deliver() + one.deliver()
    other.poll({"umbrella": 10})

    assert len(notified) == 1
    assert firing(one) == set()


def test_while_configurations_differ_the_leader_alone_judges_sums_and_nothing_is_removed(
    sharers: tuple[Sharer, Sharer],
) -> None:
    """One has a rule that the other has with another limit: that is no removal, and no contradiction."""
    one, other = sharers
    other.alerting = a_policy(a_rule("Total", warning=a_level(above=1000), per=Per.ALL), a_rule(), tenants=TENANTS)
    one.alerting = a_policy(TOTAL, a_rule(), tenants=TENANTS)
    one.configuration = one.alerting.rules[0].name
    one.member = replace(one.member, configuration="changed")
    one.store.use_leases_of(one.member)
    one.renew()

    other.poll({"umbrella": 300})
    assert firing(one) == {("Backlog", "umbrella")}
    one.poll({"acme": 1})
    assert firing(one) == {("Backlog", "umbrella"), ("Total", ALL_TENANTS)}
    other.poll({"umbrella": 300})
    assert reconcile(other.store, other.alerting, now=other.clock.now) == []
    assert firing(one) == {("Backlog", "umbrella"), ("Total", ALL_TENANTS)}

    other.member = replace(other.member, configuration="changed")
    other.alerting = one.alerting
    other.store.use_leases_of(other.member)
    other.renew()
    without = a_policy(a_rule(), tenants=TENANTS)
    assert [each.key.rule for each in reconcile(other.store, without, now=other.clock.now)] == ["Total"]


def test_one_sends_what_the_other_planned(sharers: tuple[Sharer, Sharer]) -> None:
    """In order, each message once: a message that one is sending the other leaves alone."""
    one, other = sharers
    one.poll({"acme": 150})
    other.poll({"umbrella": 150})

    class Meanwhile(RecordingNotifier):
        """While a message is on its way, the other instance looks what is due."""

        def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
            """Send, and look."""
            assert other.deliver() == []
            super().deliver(message, url, had_by=had_by)

    one.notifier = Meanwhile()
    titles = one.deliver()

    assert len(titles) == 2
    assert "acme" in titles[0]
    assert other.deliver() == []


def test_a_message_of_one_whose_clock_is_ahead_waits_for_nothing(sharers: tuple[Sharer, Sharer]) -> None:
    """What nobody has tried is due, by whatever clock it was planned."""
    one, other = sharers
    other.clock = FakeClock(NOON - span("10m"))
    one.poll({"acme": 150})

    assert len(other.deliver()) == 1


def test_a_message_of_one_that_died_is_sent_by_the_other_when_its_claim_is_over(
    sharers: tuple[Sharer, Sharer],
) -> None:
    """At least once: nobody knows whether the dead one had sent it."""
    one, other = sharers
    one.poll({"acme": 150})

    # It finds that the message is due and claims it, and stands still before it is sent.
    one.deliver(times=1)
    claimed_only = other.deliver()
    one.clock.forward("59s")
    early = other.deliver()
    one.clock.forward("1s")

    assert (claimed_only, early) == ([], [])
    assert len(other.deliver()) == 1


def test_who_stood_still_while_sending_has_no_say_in_what_the_other_took_over(
    sharers: tuple[Sharer, Sharer], caplog: pytest.LogCaptureFixture
) -> None:
    """Its failure comes late: the other has sent the message, and that stands."""
    one, other = sharers
    one.poll({"acme": 150})

    class Slow(RecordingNotifier):
        """Stands still for more than a minute, and then fails."""

        def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
            """Let the other one send it, too."""
            one.clock.forward("61s")
            other.deliver()
            raise KeyError(message.id, url, had_by)

    one.notifier = Slow()
    with caplog.at_level(logging.WARNING):
        one.deliver()

    with one.store.read() as reader:
        [record] = reader.outbox.deliveries()
    assert record.delivery.sent_at is not None
    assert record.delivery.last_error == ""
    assert "delivery claimed by another instance" in caplog.text
    assert len(other.notifier.sent) == 1


def test_who_stood_still_while_sending_and_was_not_replaced_still_records_it(
    sharers: tuple[Sharer, Sharer], postgresql_url: str
) -> None:
    """Then the message is not sent twice, though the leases have run out."""
    one, other = sharers
    one.poll({"acme": 150})

    class Slow(RecordingNotifier):
        """Stands still until its leases have run out."""

        def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
            """Send it."""
            expire(one, postgresql_url)
            super().deliver(message, url, had_by=had_by)

    one.notifier = Slow()
    one.deliver()
    one.clock.forward("2m")

    assert len(one.notifier.sent) == 1
    assert other.deliver() == []


def test_that_a_target_cannot_be_reached_is_told_by_one_of_them_once(
    sharers: tuple[Sharer, Sharer], postgresql_url: str
) -> None:
    """Nor by one whose time is up, and both may look; whoever does not know a target forgets nothing of it."""
    one, other = sharers
    urls = {SLACK: URLS[SLACK], MAIL: "json://mail"}
    for each in sharers:
        each.alerting = a_policy(a_rule(), tenants=TENANTS, receivers={"secops": [SLACK], "mail": [MAIL]})
    one.notifier.refusals[URLS[SLACK]] = DeliveryError("connection refused")
    one.poll({"acme": 150})
    one.deliver(urls=urls)
    one.clock.forward("31m")
    expire(one, postgresql_url)

    assert not notify_outages(one.store, one.alerting, now=one.clock.now)
    assert notify_outages(other.store, other.alerting, now=one.clock.now)
    assert not notify_outages(other.store, other.alerting, now=one.clock.now)
    other.deliver(urls=urls)
    other.clock.forward("31m")
    other.deliver(urls=urls)

    news = [message.title for message in one.notifier.sent_to("json://mail") if "cannot be reached" in message.title]
    assert len(news) == 1


def test_an_outage_of_a_target_that_one_of_them_does_not_know_is_kept(sharers: tuple[Sharer, Sharer]) -> None:
    """While configurations differ nobody can say that it was removed."""
    one, other = sharers
    other.configuration = "another"
    other.join()
    one.notifier.refusals[URLS[SLACK]] = DeliveryError("connection refused")
    one.poll({"acme": 150})
    one.deliver()

    other.alerting = a_policy(a_rule(), tenants=TENANTS, receivers={"mail": [MAIL]})
    assert not notify_outages(other.store, other.alerting, now=one.clock.now)

    with one.store.read() as reader:
        assert [*reader.outbox.outages()] == [TargetId(SLACK)]


def reconfigure(sharer: Sharer, alerting: AlertingConfig) -> None:
    """Give an instance another configuration than the others have."""
    sharer.alerting = alerting
    sharer.member = replace(sharer.member, configuration="changed")
    sharer.store.use_leases_of(sharer.member)
    sharer.renew()


def test_a_message_to_a_url_that_another_instance_does_not_know_is_left_to_the_one_that_does(
    sharers: tuple[Sharer, Sharer],
) -> None:
    """Otherwise it would fail there, and wait for up to half an hour before it is tried where it can succeed."""
    one, other = sharers
    reconfigure(other, a_policy(a_rule(), tenants=TENANTS, receivers={"mail": [MAIL]}))
    one.poll({"acme": 150})

    assert other.deliver() == []
    assert len(one.deliver()) == 1


def test_a_message_to_a_url_that_nobody_knows_fails_although_configurations_differ(
    sharers: tuple[Sharer, Sharer],
) -> None:
    """Whoever knew it would have taken it within a minute: what cannot be sent must be seen."""
    one, other = sharers
    reconfigure(other, a_policy(a_rule(), tenants=TENANTS, receivers={"mail": [MAIL]}))
    one.poll({"acme": 150})
    one.clock.forward("1m")
    assert other.deliver() == []
    one.clock.forward("1s")

    assert len(other.deliver()) == 1
    with other.store.read() as reader:
        assert "no longer in the configuration" in reader.outbox.waiting()[0].last_error


def test_history_is_kept_by_the_leader_alone(sharers: tuple[Sharer, Sharer]) -> None:
    """Two that prune the same would be in each other's way."""
    one, other = sharers
    one.poll({"acme": 150})
    day = timedelta(days=1)
    later = NOON + 10 * day

    def keep(sharer: Sharer) -> RetentionResult:
        batch_sizer = BatchSizer(seconds=lambda: 0.0, pause=lambda _: False)
        return apply_retention(sharer.store, retention=day, downsample_after=day, batch_sizer=batch_sizer, now=later)

    assert keep(other) == RetentionResult()
    assert keep(one).pruned > 0


def test_a_clock_that_jumped_moves_what_its_own_instance_polls(sharers: tuple[Sharer, Sharer]) -> None:
    """The clocks of others have not jumped."""
    one, other = sharers
    waiting = a_policy(a_rule(warning=a_level(above=100, for_="1h")), tenants=TENANTS)
    one.alerting = other.alerting = waiting
    one.poll({"acme": 150})
    other.poll({"umbrella": 150})

    shift_after_clock_jump(one.store, by=timedelta(hours=1), tenants=[Tenant("acme"), Tenant("umbrella")])

    with one.store.read() as reader:
        active_at = {each.key.tenant: each.active_at for each in reader.alerts.load()}
    assert active_at == {"acme": NOON + span("5m") + span("1h"), "umbrella": NOON + span("10m")}


def test_one_of_two_sends_the_weekly_report(sharers: tuple[Sharer, Sharer]) -> None:
    """The one that leads, of all tenants; the other one finds nothing to do, also if it is asked first."""
    one, other = sharers
    due = NOON + timedelta(hours=3)
    schedule = ReportSchedule(day=due.weekday(), at=due.time(), timezone=UTC)
    for each in sharers:
        (receiver,) = each.alerting.receivers
        each.alerting = replace(each.alerting, receivers=(replace(receiver, weekly_report=schedule),))
    one.poll({"acme": 50})
    other.poll({"umbrella": 70})
    one.clock.now = due

    planned = [enqueue_weekly_reports(each.store, each.alerting, now=due) for each in (other, one, other, one)]

    assert planned == [0, 1, 0, 0]
    assert one.deliver() == ["Weekly report: 0 alerts, 0 without action; 120 held now (2 tenants)"]
    assert other.deliver() == []
