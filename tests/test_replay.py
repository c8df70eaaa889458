"""A replay of what was stored is what happened live: alert by alert, and message by message."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Transition
from alerter.core.backtest.replay import run_replay
from alerter.core.conditions import CONDITIONS, InputKind, NewReason, Stagnant
from alerter.core.history import FailedPoll
from alerter.core.message.content import Format, Message
from alerter.core.message.render import compose_message
from alerter.core.rules import Per
from alerter.core.series import Snapshot, Tenant, from_epoch_us
from alerter.errors import Cause, SourceUnavailable
from alerter.jobs.notify import flush_groups, next_flush_at
from alerter.jobs.poll import poll
from alerter.storage import Store
from tests.builders import NOON, a_level, a_no_data, a_policy, a_rule, a_snapshot, minutes
from tests.drawn import KINDS, policies, polls
from tests.fakes import FakeClock

Polls = Sequence[Snapshot | FailedPoll]
ACME, GLOBEX = Tenant("acme"), Tenant("globex")
INTERVALS = {ACME: minutes(1), GLOBEX: minutes(3)}


@dataclass
class Account:
    """An account that gives one answer."""

    answer: Snapshot | FailedPoll

    def fetch(self) -> Snapshot:
        """Return the snapshot, or raise the failure."""
        if isinstance(self.answer, Snapshot):
            return self.answer
        raise SourceUnavailable(self.answer.cause, self.answer.detail)


@dataclass
class NotificationState:
    """What was decided, oldest first."""

    transitions: list[Transition] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


def lived(
    store: Store, alerting: AlertingConfig, polled: Mapping[Tenant, Sequence[Snapshot | FailedPoll]]
) -> NotificationState:
    """Return what the service decides while it happens, one poll after the other."""
    notified = NotificationState()
    order = sorted((at_of(each), tenant, each) for tenant, polls in polled.items() for each in polls)
    for at, tenant, answer in order:
        tell_due(store, alerting, notified, before=at)
        cycle = poll(tenant, Account(answer), store, alerting, clock=FakeClock(at))
        notified.transitions += cycle.transitions
        notified.messages += cycle.messages
    tell_due(store, alerting, notified, before=None)
    return notified


def at_of(poll: Snapshot | FailedPoll) -> datetime:
    """Return when a poll was answered, or had failed."""
    return poll.taken_at if isinstance(poll, Snapshot) else poll.at


def tell_due(store: Store, alerting: AlertingConfig, notified: NotificationState, *, before: datetime | None) -> None:
    """Tell what has been collected for long enough, as the service does beside its polls."""
    while (due_at := next_flush_at(store)) is not None and (before is None or due_at < before):
        notified.messages += flush_groups(store, alerting, now=due_at)


@pytest.fixture(autouse=True, scope="module")
def _without_bars() -> Iterator[None]:
    """A replay of years reads no history for bars: messages are compared without them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alerter.jobs.notify.figures_for", lambda *_, **__: {})
        yield


def replayed(store: Store, alerting: AlertingConfig) -> NotificationState:
    """Return what a replay of the stored history decides."""
    notified = NotificationState()
    with store.read() as reader:
        histories = [reader.history.full_history(tenant, poll_interval=every) for tenant, every in INTERVALS.items()]
    for moment in run_replay(alerting, histories):
        notified.transitions += moment.transitions
        notified.messages += [compose_message(each, alerting.context, now=moment.at) for each in moment.notifications]
    return notified


@contextmanager
def fresh(template: Path) -> Iterator[Store]:
    """Open a database of its own."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "alerter.db"
        shutil.copy(template, path)
        with closing(Store(f"sqlite:///{path}")) as store:
            yield store


def compare_what_is_told(
    template: Path, alerting: AlertingConfig, polled: Mapping[Tenant, Sequence[Snapshot | FailedPoll]]
) -> None:
    """Do so where polls are less than a minute apart: the instants of counts that are kept may then be as old.

    A message that waits for its group then has the span that was measured at the poll before.
    """
    with fresh(template) as store:
        live = lived(store, alerting, polled)
        replay = replayed(store, alerting)

    assert replay.transitions == live.transitions
    assert [without_span(message) for message in replay.messages] == [
        without_span(message) for message in live.messages
    ]


def heading(message: Message) -> tuple[object, ...]:
    """Return whom a message tells what, and when."""
    return message.receiver, message.status, message.title, message.alert_ids, message.created_at


def without_span(message: Message) -> tuple[object, ...]:
    """Return the same, without how long a change took."""
    return heading(replace(message, title=_SPAN.sub(" in …", message.title)))


def compare(template: Path, alerting: AlertingConfig, polled: Mapping[Tenant, Sequence[Snapshot | FailedPoll]]) -> None:
    """Let a history happen, replay it, and hold the one against the other."""
    with fresh(template) as store:
        live = lived(store, alerting, polled)
        replay = replayed(store, alerting)

    assert replay.transitions == live.transitions
    assert [words(message) for message in replay.messages] == [words(message) for message in live.messages]


def words(message: Message) -> tuple[object, ...]:
    """Return what a message says, without what is read from the database when it is sent."""
    lines = message.bodies[Format.TEXT].splitlines()
    return *heading(message), message.id, [line for line in lines if not _FROM_DATABASE.search(line)]


def compare_as_well_as_stored(template: Path, alerting: AlertingConfig, polled: Mapping[Tenant, Polls]) -> None:
    """Compare every word of what is told, unless a sum over both is evaluated more often than once a minute."""
    is_often = any(rule.per is Per.ALL for rule in alerting.rules)
    (compare_what_is_told if is_often else compare)(template, alerting, polled)


_SPAN = re.compile(r" in [0-9][0-9dhms ]*")
#: The last hour as a picture, what was held when there was data last, and what a reason was called before.
_FROM_DATABASE = re.compile("[·▁▂▃▄▅▆▇█]{8}|Last count|^  Renamed ")
_SETTINGS = settings(max_examples=40)
_HISTORIES = {
    "alerting": policies(INTERVALS),
    "acme": polls("acme", most=16),
    # At moments of its own: which of two polls at one instant came first is not stored.
    "globex": polls("globex", begin=NOON + timedelta(seconds=7), every=minutes(3), most=8),
}


@_SETTINGS
@given(**_HISTORIES)
def test_a_replay_of_what_was_stored_is_what_happened(
    migrated_file: Path, alerting: AlertingConfig, acme: Polls, globex: Polls
) -> None:
    """Random rules on random histories of two tenants: failures, weeks without polls, reasons that come and go."""
    compare_as_well_as_stored(migrated_file, alerting, {ACME: acme, GLOBEX: globex})


@_SETTINGS
@given(
    alerting=policies(INTERVALS),
    acme=polls("acme", most=16, jitter=timedelta(seconds=40)),
    globex=polls("globex", begin=NOON + timedelta(microseconds=7), every=minutes(3), most=8, jitter=minutes(2)),
)
def test_a_replay_judges_at_the_polls_that_there_were(
    migrated_file: Path, alerting: AlertingConfig, acme: Polls, globex: Polls
) -> None:
    """Polls are never evenly apart: some take long, some are missed, and some come soon after the one before."""
    compare_what_is_told(migrated_file, alerting, {ACME: acme, GLOBEX: globex})


@pytest.mark.parametrize("name", CONDITIONS)
@settings(_SETTINGS, max_examples=8)
@given(data=st.data(), acme=polls("acme", most=24, reasons=("Spam",)))
def test_every_kind_of_condition_finds_live_what_it_finds_in_a_replay(
    migrated_file: Path, name: str, data: st.DataObject, acme: Polls
) -> None:
    """A kind is in this test because it is in the union, so that none can work in backtests alone."""
    condition = data.draw(KINDS[name])
    per = Per.TENANT if condition.input_kind is InputKind.POLLING else Per.REASON
    alerting = a_policy(a_rule("Kind", warning=a_level(condition), per=per), tenants={"acme": "1m", "globex": "3m"})

    compare_what_is_told(migrated_file, alerting, {ACME: acme, GLOBEX: []})


@pytest.mark.parametrize("held", [pytest.param(1, id="the same count"), pytest.param(9, id="another count")])
def test_what_cannot_be_compared_after_a_gap_has_its_count_and_what_was_compared_last(
    migrated_file: Path, held: int
) -> None:
    """It is told with both, as live."""
    rule = a_rule("Stuck", critical=a_level(Stagnant(above=0, lasting=minutes(1))))
    alerting = a_policy(rule, tenants={"acme": "1m", "globex": "3m"})
    polled = [
        a_snapshot({"Spam": count}, tenant="globex", taken_at=NOON + minutes(after))
        for after, count in ((0, 1), (3, 1), (6, 1), (600, held))
    ]

    compare(migrated_file, alerting, {ACME: [], GLOBEX: polled})


def test_missing_data_that_is_over_at_a_failed_poll_says_nothing_of_what_is_held(migrated_file: Path) -> None:
    """A rule may let it fire on for a while after data came, and the next poll may fail."""
    level = a_level(a_no_data("1m"), a_no_data("3m"), keep_firing_for="1m")
    alerting = a_policy(a_rule("No data", warning=level), tenants={"acme": "1m", "globex": "3m"})
    failed = [FailedPoll(at=NOON + minutes(after), cause=Cause.DNS, detail="no such host") for after in (1, 2, 3, 4, 6)]
    good = [a_snapshot({"Spam": 3}, taken_at=NOON + minutes(after)) for after in (0, 5, 7)]

    compare(migrated_file, alerting, {ACME: [good[0], *failed[:4], good[1], failed[4], good[2]], GLOBEX: []})


RULES = (
    a_rule("At once", warning=a_level(above=5)),
    a_rule("In time", warning=a_level(above=5, for_="5m", keep_firing_for="2m")),
    a_rule("No data", warning=a_level(a_no_data("3m"))),
)


@_SETTINGS
@given(polled=polls("acme", most=16, jitter=timedelta(seconds=40)))
def test_spans_end_at_the_poll_at_which_they_ended(
    migrated_file: Path, polled: Sequence[Snapshot | FailedPoll]
) -> None:
    """A poll that comes a second too early is one poll too early: `for` is measured from poll to poll, as live."""
    alerting = a_policy(*RULES, tenants={"acme": "1m", "globex": "3m"})

    compare_what_is_told(migrated_file, alerting, {ACME: polled, GLOBEX: []})


def test_an_edit_of_the_interval_leaves_the_polls_before_it_as_they_were(migrated_file: Path) -> None:
    """A replay judges them where they were, although the tenant is polled more often now."""
    before, after = (a_policy(*RULES, tenants={"acme": every}) for every in ("5m", "1m"))
    rare = [a_snapshot({"Spam": 1 if number < 3 else 9}, taken_at=NOON + minutes(5 * number)) for number in range(6)]
    often = [
        a_snapshot({"Spam": 9 if number < 7 else 0}, taken_at=NOON + minutes(25.5 + number)) for number in range(12)
    ]
    with fresh(migrated_file) as store:
        live = lived(store, before, {ACME: rare}).transitions
        live += lived(store, after, {ACME: often}).transitions
        with store.read() as reader:
            history = reader.history.full_history(ACME, poll_interval=minutes(1))

    replay = [each for moment in run_replay(after, [history]) for each in moment.transitions]

    assert [from_epoch_us(poll) for poll in history.polling.poll_times.polls] == [at_of(each) for each in rare + often]
    assert replay == live
    assert [each.to_state for each in of_rule("In time", live)] == ["pending", "firing", "inactive"]


def of_rule(name: str, transitions: Sequence[Transition]) -> list[Transition]:
    """Return those of one rule."""
    return [each for each in transitions if each.key.rule == name]


@settings(_SETTINGS, max_examples=60)
@given(
    lag=st.integers(-3, 3),
    held=st.integers(8, 40),
    moved=st.integers(8, 40),
    rival=st.booleans(),
    failed=st.sets(st.integers(0, 19), max_size=4),
)
def test_a_renamed_policy_is_recognized_live_as_in_a_replay(
    migrated_file: Path, *, lag: int, held: int, moved: int, rival: bool, failed: set[int]
) -> None:
    """The old name may vanish some polls before or after the new one appears, and polls may fail meanwhile."""
    rules = (
        a_rule("New", info=a_level(NewReason(learn=timedelta(0)))),
        a_rule("New for long", info=a_level(NewReason(learn=timedelta(0)), for_="3m")),
    )
    alerting = a_policy(*rules, tenants={"acme": "1m", "globex": "3m"})
    polled: list[Snapshot | FailedPoll] = []
    for number in range(20):
        at = NOON + minutes(number)
        counts = {"Old": held if number < 10 + lag else 0, "New": moved if number >= 10 else 0, "Other": 12}
        counts |= {"Rival": moved if number >= 11 else 0} if rival else {}
        polled.append(FailedPoll(at=at) if number in failed else a_snapshot(counts, taken_at=at))
    polled.append(a_snapshot({"New": moved, "Other": 12}, taken_at=NOON + timedelta(hours=23)))
    polled.append(a_snapshot({"New": moved, "Other": 12}, taken_at=NOON + timedelta(hours=25)))

    compare_what_is_told(migrated_file, alerting, {ACME: polled, GLOBEX: []})
