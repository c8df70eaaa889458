"""The JSON Schema of a configuration accepts what `check-config` accepts, and refuses what is wrong in shape."""

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel, create_model

from alerter.config.include import INCLUDE_KEYS
from alerter.config.json_schema import json_schema, table_schema
from alerter.config.models import MuteWindowConfig, RouteConfig, ServiceConfig, TenantConfig
from alerter.config.rule_models import LEVEL, RECEIVER, RULE, table_of
from alerter.config.sections import SECTIONS, allowed_keys
from alerter.core.conditions import CONDITIONS
from alerter.core.rules import Severity
from tests.config.test_example import EXAMPLE, blocks
from tests.config.test_load import RECEIVER as A_RECEIVER
from tests.config.test_load import TENANT, broken_files
from tests.config.test_rule_models import Invented
from tests.test_docs import README, section

SCHEMA = json_schema()
VALIDATOR = Draft7Validator(SCHEMA)

#: What no schema of a file can know, by what `check-config` says of it.
BEYOND = {
    "how long a span is": r"expected at (least|most) (the (retention|downsample_after), )?\w+, found",
    "which names exist": r"expected a (receiver|mute window)|expected a name of its own|falls back to itself",
    "which time zones exist": r"expected a time zone",
    "what a variable stands for": r"is not set|is set, but to nothing|literal '\$\{'|cannot be read",
    "what is wrong within a URL": r"expected (a|an Apprise) URL|expected a plain path|expected a file|no longer work",
    "what the heartbeat needs": r"expected a 'heartbeat_url' that|expected one login",
    "which keys of a condition go together": r"(exactly|at least) one of|either 'lasting'|'clear_at' at or",
    "what levels have to do with one another": r"in all of its levels",
    "what a condition has to do with its rule": r"is for rules with|evaluates each tenant's polling|not about a sum",
}


def errors_of(text: str) -> list[str]:
    """Return what the schema has against a file."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(tomllib.loads(text))]


def test_the_schema_is_one() -> None:
    """It keeps to its draft, and is JSON."""
    Draft7Validator.check_schema(json.loads(json.dumps(SCHEMA)))


@pytest.mark.parametrize("block", blocks())
def test_the_example_is_valid_with_every_setting_switched_on(block: list[int]) -> None:
    """Whatever the documentation shows, the editor accepts."""
    lines = [line[1:] if number in block else line for number, line in enumerate(EXAMPLE.splitlines())]

    assert errors_of("\n".join(lines)) == []


def test_the_examples_in_the_readme_are_valid() -> None:
    """Whatever README shows, the editor accepts."""
    written = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)

    assert written
    assert [errors_of(text) for text in written] == [[] for _ in written]


def wrong_files() -> Sequence[Any]:
    """Return the wrong files that are TOML at least, with what is said of them."""
    cases = []
    for case in broken_files():
        text, problems = case.values  # type: ignore[attr-defined] # a pytest.param
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        cases.append(pytest.param(text, problems, id=case.id))  # type: ignore[attr-defined] # as above
    return cases


@pytest.mark.parametrize(("text", "problems"), wrong_files())
def test_a_file_of_a_wrong_shape_is_refused(text: str, problems: list[str]) -> None:
    """What the schema lets pass is only what no schema can know."""
    lacking = ("" if "[tenants" in text else TENANT) + ("" if "[receivers" in text else A_RECEIVER)

    refused = errors_of(f"{text.rstrip()}\n{lacking}")

    beyond = [problem for problem in problems if any(re.search(form, problem) for form in BEYOND.values())]
    assert refused or beyond == problems


@pytest.mark.parametrize("reason", [*BEYOND])
def test_what_is_beyond_a_schema_is_really_let_pass(reason: str) -> None:
    """No excuse is left over for what the schema has learnt meanwhile."""
    excused = [
        case.values[0]
        for case in wrong_files()
        if all(re.search(BEYOND[reason], problem) for problem in case.values[1]) and not errors_of(case.values[0])
    ]

    assert excused


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param(
            "[[rules]]\nname = 'A'\nwarning = { threshold = { above = -1 } }", "threshold.above", id="a number"
        ),
        pytest.param(
            "[[rules]]\nname = 'A'\nwarning = { growth = { over = '0s', by = 1 } }", "growth.over", id="a span"
        ),
        pytest.param(
            "[[rules]]\nname = 'A'\nwarning = { baseline = { deviations = 0 } }", "deviations", id="a fraction"
        ),
        pytest.param("[[rules]]\nname = 'A'\nwarning = { baseline = { weeks = 53 } }", "weeks", id="a largest number"),
    ],
)
def test_what_a_condition_refuses_the_editor_refuses(text: str, path: str) -> None:
    """The limits of its fields are in the schema."""
    (error,) = errors_of(text)

    assert path in error


TABLES: dict[str, type[BaseModel]] = {
    "[service]": ServiceConfig,
    "[tenants.NAME]": TenantConfig,
    "[receivers.NAME]": RECEIVER,
    "[[routes]]": RouteConfig,
    "[[rules]]": RULE,
    "[mute_windows.NAME]": MuteWindowConfig,
}


def plain(text: str) -> str:
    """Return a description without what README's form adds: links, a small first letter, no full stop."""
    unlinked = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text).strip().rstrip(".")
    return unlinked[:1].casefold() + unlinked[1:]


@pytest.mark.parametrize("title", [*TABLES])
def test_every_setting_is_described_in_the_words_of_the_readme(title: str) -> None:
    """What an editor shows of a key is what README says; the table's docstring holds it."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", section(title), re.MULTILINE)
    said = {key: plain(meaning) for cell, meaning in rows for key in re.findall(r"`([^`]+)`", cell)}
    properties = table_schema(TABLES[title])["properties"]

    keys = [key for key in allowed_keys(TABLES[title]) if key not in set(Severity)]
    assert {key: plain(properties[key].get("description", "nothing")) for key in keys} == {
        key: said[key] for key in keys
    }


def test_every_section_and_every_condition_is_in_it() -> None:
    """With the keys that each has, and a description of every key of a condition."""
    sections = SCHEMA["properties"]
    levels = sections["rules"]["items"]["properties"]

    assert set(sections) == {*INCLUDE_KEYS, *SECTIONS}
    for severity in Severity:
        assert list(levels[severity.value]["properties"]) == allowed_keys(LEVEL)
        for name, kind in CONDITIONS.items():
            condition = levels[severity.value]["properties"][name]
            assert list(condition["properties"]) == allowed_keys(table_of(kind))
            assert all(each["description"] for each in condition["properties"].values())


def test_a_new_condition_is_in_it_by_itself() -> None:
    """Nothing but its class is needed, with every type of field that one may have."""
    schema = table_schema(table_of(Invented))

    accepts = Draft7Validator(schema).is_valid
    assert accepts({"from": "1h", "within": "${SPAN}", "messages": 7, "deviations": 1.5, "strict": True, "name": "x"})
    assert not accepts({"from": 1})
    assert not accepts({})
    assert not accepts({"from": "1h", "messages": 1.5})
    assert schema["properties"]["messages"]["default"] == 5
    assert (
        schema["description"] == "A condition that nobody has written yet, with every type of field that one may have."
    )


def test_a_new_setting_is_in_it_by_itself() -> None:
    """Of a type that nobody has used yet, at least that it may be there."""
    table = create_model(
        "Later", __base__=ServiceConfig, port=(int | None, None), odd=(complex, 0j), both=(int | str, 1)
    )

    accepts = Draft7Validator(table_schema(table)).is_valid

    assert accepts({"port": 8080, "odd": "anything", "both": "x"})
    assert not accepts({"port": "8080"})
    assert not accepts({"both": True})
    assert not accepts({"porridge": 1})


def test_defaults_are_those_of_the_tables() -> None:
    """As a file would write them."""
    service = table_schema(ServiceConfig)["properties"]

    assert service["poll_interval"]["default"] == "5m"
    assert service["timezone"]["default"] == "UTC"
    assert table_schema(MuteWindowConfig)["properties"]["days"]["default"] == ["mon-sun"]
    assert "default" not in service["heartbeat_url"]


def test_the_example_names_the_schema_as_init_says() -> None:
    """The first line is what editors look for; a relative path needs its `./`."""
    from alerter.cli.init import SCHEMA_NAME  # noqa: PLC0415 - beside what it is needed for

    assert EXAMPLE.splitlines()[0] == f"#:schema ./{SCHEMA_NAME}"
    assert f"alerter schema > {SCHEMA_NAME}" in EXAMPLE
    assert Path(SCHEMA_NAME).suffix == ".json"
