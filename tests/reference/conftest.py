"""What the comparison with the model shares."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from alerter.core.message.content import Message
from tests.reference.compare import outcome_of
from tests.reference.script import Event
from tests.reference.stories import Story

Taken = list[tuple[str, Message]]
"""The target, named by the first part of its host, and what it took."""

Line = tuple[float, str, str, str, str]
"""When (minutes after the start), receiver, rule, level, and why."""


@pytest.fixture
def problem_of(migrated_file: Path) -> Callable[[list[Event]], str]:
    """Return what says where model and code first differ in a world."""

    def problem(events: list[Event]) -> str:
        with TemporaryDirectory() as folder:
            return outcome_of(events, migrated_file, Path(folder)).problem

    return problem


@pytest.fixture
def notified(migrated_file: Path, tmp_path: Path) -> Callable[[Story], list[Line]]:
    """Return what lets a story happen twice, holds model and code together, and returns what both of them told."""

    def happen(story: Story) -> list[Line]:
        outcome = outcome_of(story.events, migrated_file, tmp_path)
        assert not outcome.problem, outcome.problem
        return [
            ((event.at - story.start).total_seconds() / 60, receiver, rule, level, why)
            for event, facts in zip(story.events, outcome.facts, strict=True)
            for receiver, rule, _, _, level, why in facts["told"]  # type: ignore[attr-defined]
        ]

    return happen


@pytest.fixture
def taken(migrated_file: Path, tmp_path: Path) -> Callable[[Story], Taken]:
    """Return what lets a story happen twice, holds model and code together, and returns what targets took."""

    def happen(story: Story) -> Taken:
        outcome = outcome_of(story.events, migrated_file, tmp_path)
        assert not outcome.problem, outcome.problem
        return [(url.removeprefix("json://").removesuffix(".example"), message) for url, message in outcome.taken]

    return happen
