"""Lets a world happen twice, in the model and in the real code, and says where they first differ."""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from alerter.core.alerts import AlertKey
from alerter.core.notifications import Notice
from tests.reference.alerts import Key
from tests.reference.drive import Happened, Real, real
from tests.reference.model import Message, Model
from tests.reference.mutes import Silence
from tests.reference.polls import Poll
from tests.reference.script import Acknowledged, Configured, Event, Jumped, Polled, Silenced, script_of

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
        told = self.model.tell_groups(event.at)
        match event:
            case Configured():
                told += self.model.configure(tomllib.loads(event.toml), event.at)
            case Polled():
                poll = Poll(tenant=event.tenant, at=event.at, counts=event.counts, cause=event.cause)
                told += self.model.poll(poll, event.at)
            case Silenced():
                self.model.silences.append(
                    Silence(
                        starts_at=event.at,
                        ends_at=event.ends_at,
                        tenants=event.tenants,
                        reasons=event.reasons,
                        rules=event.rules,
                        levels=event.levels,
                    )
                )
            case Jumped():
                self.model.jump(event.by)
            case Acknowledged(is_undone=True):
                self.model.undo(event.subject)
            case Acknowledged():
                self.model.acknowledge(event.subject, event.at)
            case _:
                pass
        return told

    def facts(self, told: Iterable[Message]) -> Facts:
        """Return what the model finds after an event."""
        assert self.model is not None
        new, self.seen = self.model.transitions[self.seen :], len(self.model.transitions)
        return {
            "transitions": sorted((*each.key, each.before, each.after) for each in new),
            "told": sorted(
                (each.target, *entry.subject, entry.level, entry.reason) for each in told for entry in each.entries
            ),
            "alerts": sorted(
                (
                    *key,
                    alert.state,
                    text_of(alert.fired_at or alert.pending_since),
                    alert.peak,
                    alert.ending_since is not None,
                )
                for key, alert in self.model.alerts.items()
                if alert.state != "inactive"
            ),
        }


def text_of(at: datetime | None) -> str:
    """Return an instant for people."""
    return f"{at:%d %H:%M:%S}" if at else ""


def facts_of(world: Real, happened: Happened) -> Facts:
    """Return what the real code finds after an event."""
    return {
        "transitions": sorted(
            (*names_of(each.key), str(each.before), str(each.after)) for each in happened.transitions
        ),
        "told": sorted((url, *line_of(notice)) for url, each in happened.told for notice in each.notices),
        "alerts": sorted(
            (
                *names_of(alert.key),
                str(alert.state),
                text_of(alert.fired_at if alert.is_firing else alert.active_at),
                alert.peak,
                alert.ending_since is not None,
            )
            for alert in world.alerts()
            if alert.state != "inactive"
        ),
    }


def names_of(key: AlertKey) -> Key:
    """Return the identity of an alert in plain texts."""
    return str(key.rule), str(key.severity), str(key.tenant), str(key.reason)


def line_of(notice: Notice) -> tuple[str, ...]:
    """Return one thing that is told: the subject, the level, and why; of an end, the level that was told before."""
    key, before = notice.alert.key, notice.told_before
    level = before.severity if notice.reason == "resolved" and before is not None else key.severity
    return str(key.rule), str(key.tenant), str(key.reason), str(level), str(notice.reason)


@dataclass(slots=True)
class Outcome:
    """What both found, event by event, until they first differ.

    `problem` has the script and the difference; it is empty if there is none.
    """

    facts: list[Facts] = field(default_factory=list)
    problem: str = ""


def outcome_of(events: list[Event], template: Path, folder: Path) -> Outcome:
    """Let a world happen twice, and return what came of it."""
    twin, outcome = Twin(), Outcome()
    with real(template, folder) as world:
        for number, event in enumerate(events):
            expected = twin.facts(twin.happen(event))
            found = facts_of(world, world.happen(event))
            if expected != found:
                lines = [script_of(events[: number + 1])]
                for name in expected:
                    lines += [f"  {name}: the model alone has {each}" for each in missing(expected[name], found[name])]
                    lines += [f"  {name}: the code alone has {each}" for each in missing(found[name], expected[name])]
                outcome.problem = "\n".join(lines)
                return outcome
            outcome.facts.append(expected)
    return outcome


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
