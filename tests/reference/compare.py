"""Lets a world happen twice, in the model and in the real code, and says where they first differ."""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from alerter.core.alerts import AlertKey, Transition
from alerter.core.message.content import Message as RealMessage
from alerter.core.notifications import NotificationItem
from tests.reference.alerts import Key
from tests.reference.drive import Happened, Real, real
from tests.reference.model import Message, Model
from tests.reference.mutes import Silence
from tests.reference.polls import Poll
from tests.reference.script import (
    Acknowledged,
    Configured,
    Delivered,
    Event,
    Jumped,
    PollRange,
    Restarted,
    Silenced,
    script_of,
)

Facts = dict[str, object]


@dataclass(slots=True)
class Twin:
    """The model, driven by the same events."""

    model: Model | None = None
    seen: int = 0

    def happen(self, event: Event) -> list[Message]:
        """Let one event happen, and return what is told."""
        if self.model is None:
            assert isinstance(event, Configured)
            self.model = Model(config=tomllib.loads(event.toml))
        notified = self.model.flush_groups(event.at)
        match event:
            case Configured():
                notified += self.model.configure(tomllib.loads(event.toml), event.at)
            case PollRange():
                poll = Poll(tenant=event.tenant, at=event.at, counts=event.counts, cause=event.cause)
                notified += self.model.poll(poll, event.at)
                notified += self.model.notify_removed_tenants(event.at)
            case Delivered():
                notified += self.model.notify_removed_tenants(event.at)
                self.model.deliver(dict(event.outcomes), event.at)
            case Restarted():
                notified += self.model.configure(self.model.config, event.at)
            case _:
                self.act(self.model, event)
        return notified

    @staticmethod
    def act(model: Model, event: Silenced | Acknowledged | Jumped) -> None:
        """Do what a user does beside the service, or the clock."""
        match event:
            case Silenced():
                model.silences.append(
                    Silence(
                        starts_at=event.at,
                        ends_at=event.ends_at,
                        tenants=event.tenants,
                        reasons=event.reasons,
                        rules=event.rules,
                        levels=event.levels,
                    )
                )
            case Acknowledged(is_undone=True):
                model.undo(event.subject)
            case Acknowledged():
                model.acknowledge(event.subject, event.at)
            case Jumped():
                model.jump(event.by)

    def history(self) -> list[tuple[str, ...]]:
        """Return all that changed, oldest first."""
        assert self.model is not None
        return sorted((text_of(each.at), *each.key, each.before, each.after) for each in self.model.transitions)

    def facts(self, event: Event, notified: Iterable[Message]) -> Facts:
        """Return what the model finds after an event."""
        assert self.model is not None
        new, self.seen = self.model.transitions[self.seen :], len(self.model.transitions)
        return {
            "transitions": sorted((*each.key, each.before, each.after) for each in new),
            "told": sorted(
                (each.target, *entry.subject, entry.level, entry.reason) for each in notified for entry in each.entries
            ),
            "alerts": sorted(
                (
                    *key,
                    alert.state,
                    text_of(alert.fired_at),
                    alert.peak,
                    alert.keep_firing_since is not None,
                )
                for key, alert in self.model.alerts.items()
                if alert.state != "inactive"
            ),
            "outbox": sorted(
                (url, number, row.state, row.attempts)
                for url, target in self.model.targets.items()
                for number, row in enumerate(target.rows)
                if isinstance(event, Delivered)
            ),
        }


def text_of(at: datetime | None) -> str:
    """Return an instant for people."""
    return f"{at:%m-%d %H:%M:%S}" if at else ""


def facts_of(world: Real, event: Event, happened: Happened) -> Facts:
    """Return what the real code finds after an event."""
    return {
        "transitions": sorted(
            (*names_of(each.key), str(each.from_state), str(each.to_state)) for each in happened.transitions
        ),
        "told": sorted((url, *line_of(item)) for url, each in happened.notified for item in each.items),
        "alerts": sorted(
            (
                *names_of(alert.key),
                str(alert.state),
                text_of(alert.fired_at if alert.is_firing else None),
                alert.peak,
                alert.keep_firing_since is not None,
            )
            for alert in world.alerts()
            if alert.state != "inactive"
        ),
        "outbox": outbox_of(world) if isinstance(event, Delivered) else [],
    }


def outbox_of(world: Real) -> list[tuple[str, int, str, int]]:
    """Return how each message of each target is, in order."""
    numbers: dict[str, int] = {}
    found = []
    for each in sorted(world.deliveries(), key=lambda each: each.id):
        url = world.url_of(each.target)
        numbers[url] = number = numbers.get(url, -1) + 1
        state = "sent" if each.sent_at else "dead" if each.dead_at else "waiting"
        found.append((url, number, state, each.attempts))
    return sorted(found)


def names_of(key: AlertKey) -> Key:
    """Return the identity of an alert in plain texts."""
    return str(key.rule), str(key.severity), str(key.tenant), str(key.reason)


def line_of(item: NotificationItem) -> tuple[str, ...]:
    """Return one thing that is told: the subject, the level, and why; of an end, the level that was told before."""
    key, before = item.alert.key, item.previous_state
    level = before.severity if item.reason == "resolved" and before is not None else key.severity
    return str(key.rule), str(key.tenant), str(key.reason), str(level), str(item.reason)


@dataclass(slots=True)
class Outcome:
    """What both found, event by event, until they first differ.

    `taken` is what targets took, each with its URL. `problem` has the script and the difference, or is empty.
    """

    facts: list[Facts] = field(default_factory=list)
    taken: list[tuple[str, RealMessage]] = field(default_factory=list)
    problem: str = ""


def outcome_of(events: list[Event], template: Path, folder: Path) -> Outcome:
    """Let a world happen twice, and return what came of it."""
    twin, outcome = Twin(), Outcome()
    with real(template, folder) as world:
        for number, event in enumerate(events):
            expected = twin.facts(event, twin.happen(event))
            found = facts_of(world, event, world.happen(event))
            if expected != found:
                outcome.problem = "\n".join([script_of(events[: number + 1]), *run_rule_test(expected, found)])
                return outcome
            outcome.facts.append(expected)
        outcome.taken = world.way_out.taken
        if all(isinstance(event, PollRange | Delivered) for event in events[1:]):
            expected, found = {"backtest": twin.history()}, {"backtest": history_of(world.replayed())}
            if expected != found:
                outcome.problem = "\n".join([script_of(events), *run_rule_test(expected, found)])
    return outcome


def run_rule_test(expected: Facts, found: Facts) -> list[str]:
    """Return what differs, one line for each."""
    lines = []
    for name in expected:
        lines += [f"  {name}: the model alone has {each}" for each in missing(expected[name], found[name])]
        lines += [f"  {name}: the code alone has {each}" for each in missing(found[name], expected[name])]
    return lines


def history_of(transitions: Iterable[Transition]) -> list[tuple[str, ...]]:
    """Return transitions in plain texts, oldest first."""
    return sorted(
        (text_of(each.at), *names_of(each.key), str(each.from_state), str(each.to_state)) for each in transitions
    )


def shrunk(events: list[Event], fails: Callable[[list[Event]], bool]) -> list[Event]:
    """Return as few of the events as fail still, without the first one, which is the configuration."""
    size = len(events) // 2
    while size:
        start = 1
        while start < len(events):
            fewer = events[:start] + events[start + size :]
            if fails(fewer):
                events = fewer
            else:
                start += size
        size //= 2
    return events


def missing(one: object, other: object) -> list[object]:
    """Return what one list has that another has not."""
    assert isinstance(one, list)
    assert isinstance(other, list)
    return [each for each in one if each not in other]
