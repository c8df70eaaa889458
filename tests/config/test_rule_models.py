"""The tables of conditions are made from their classes."""

from dataclasses import dataclass, fields
from datetime import timedelta

import pytest
from pydantic import ValidationError

from alerter.config.rule_models import LEVEL, RULE, built, table_of
from alerter.config.sections import allowed_keys
from alerter.core.conditions import CONDITIONS
from alerter.core.rules import Severity


@dataclass(frozen=True, kw_only=True)
class Invented:
    """A condition that nobody has written yet, with every type of field that one may have."""

    from_: timedelta
    within: timedelta | None = None
    messages: int = 5
    deviations: float = 3.0
    strict: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if self.messages == 0:
            raise ValueError("expected 'messages' above 0")


def test_a_new_condition_needs_no_change_of_the_configuration() -> None:
    """Its fields are its keys, spans are durations, and a trailing underscore is dropped."""
    table = table_of(Invented)

    condition = built(Invented, table.model_validate({"from": "1h", "within": "2d", "deviations": 2, "name": " x "}))

    assert allowed_keys(table) == ["from", "within", "messages", "deviations", "strict", "name"]
    assert condition == Invented(from_=timedelta(hours=1), within=timedelta(days=2), deviations=2.0, name="x")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({}, id="a field without a default is missing"),
        pytest.param({"from": 5}, id="a number is no duration"),
        pytest.param({"from": "1h", "within": True}, id="true is no duration"),
        pytest.param({"from": "1h", "messages": True}, id="true is no number"),
        pytest.param({"from": "1h", "messages": 1.0}, id="a fraction is no whole number"),
        pytest.param({"from": "1h", "deviations": "2"}, id="a text is no number"),
        pytest.param({"from": "1h", "deviations": float("nan")}, id="nan is no number"),
        pytest.param({"from": "1h", "strict": 1}, id="a number is no truth"),
        pytest.param({"from": "1h", "name": 1}, id="a number is no text"),
        pytest.param({"from_": "1h"}, id="the name of the field is not the key"),
    ],
)
def test_types_are_not_guessed(raw: dict[str, object]) -> None:
    """A value of another type is refused rather than turned into the right one."""
    with pytest.raises(ValidationError):
        table_of(Invented).model_validate(raw)


def test_a_condition_may_refuse_its_values() -> None:
    """What contradicts itself is refused by the condition's own class."""
    table = table_of(Invented).model_validate({"from": "1h", "messages": 0})

    with pytest.raises(ValueError, match="expected 'messages' above 0"):
        built(Invented, table)


def test_a_level_has_a_key_for_each_condition_and_a_rule_one_for_each_severity() -> None:
    """The kinds and the severities of the core are those of the file."""
    assert allowed_keys(LEVEL) == ["for", "keep_firing_for", *CONDITIONS]
    assert allowed_keys(RULE)[-len(Severity) :] == [severity.value for severity in Severity]
    for kind in CONDITIONS.values():
        assert allowed_keys(table_of(kind)) == [field.name.rstrip("_") for field in fields(kind)]
