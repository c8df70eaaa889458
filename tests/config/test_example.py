"""`rules.example.toml` is documentation that loads: what it shows works, and what works it shows."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from re import MULTILINE, findall, search

import pytest

from alerter.config import Config, load_config
from alerter.config.models import MuteWindowConfig, RouteConfig, ServiceConfig, TenantConfig, WebConfig, WebToken
from alerter.config.rule_models import LEVEL, RECEIVER, RULE
from alerter.config.sections import SECTIONS, allowed_keys
from alerter.core.conditions import CONDITIONS

EXAMPLE = (Path(__file__).parents[2] / "rules.example.toml").read_text(encoding="utf-8")

VARIABLES = {
    "MIMECAST_CLIENT_ID": "id-0001",
    "MIMECAST_CLIENT_SECRET": "secret-0001",
    "ALICE_HASH": "$2b$12$" + "a" * 53,
    "LEGACY_APP_ID": "id-0002",
    "LEGACY_APP_KEY": "key-0002",
    "LEGACY_ACCESS_KEY": "access-0002",
    "LEGACY_SECRET_KEY": "c2VjcmV0LTAwMDI=",
    "SLACK_URL": "https://hooks.slack.com/services/T0/B0/abc",
    "SMTP_PASSWORD": "secret-0003",
    "HEARTBEAT_URL": "https://hc-ping.com/secret-0004",
}


def load(lines: Sequence[str], folder: Path) -> Config:
    """Return what a file of these lines holds."""
    path = folder / "rules.toml"
    (folder / "tenants.d").mkdir(exist_ok=True)
    (folder / "tenants.d" / "none.toml").touch()  # what the example includes
    path.write_text("\n".join(lines), encoding="utf-8")
    return load_config(path, VARIABLES)


def is_setting(line: str) -> bool:
    """Say whether the line is a setting that is commented out, rather than prose."""
    return line.startswith("#") and not line.startswith(("# ", "#:", "#\n")) and line != "#"


def blocks() -> Sequence[object]:
    """Return the numbers of the lines of each block of settings that are commented out, under its first line."""
    lines = EXAMPLE.splitlines()
    runs = groupby(range(len(lines)), key=lambda number: is_setting(lines[number]))
    numbers = [list(run) for is_block, run in runs if is_block]
    return [pytest.param(block, id=f"line {block[0] + 1} {lines[block[0]]}") for block in numbers]


def test_the_example_loads_as_it_is(tmp_path: Path) -> None:
    """With three variables set it is a sound configuration, without a warning."""
    config = load(EXAMPLE.splitlines(), tmp_path)

    assert config.warnings == ()
    assert list(config.tenants) == ["acme"]
    assert [target.name for receiver in config.receivers for target in receiver.targets] == ["secops/slack"]
    assert [rule.name for rule in config.rules] == ["Rise", "Rare", "Mass release", "Silence", "No data"]


@pytest.mark.parametrize("block", blocks())
def test_every_setting_that_is_commented_out_works(block: list[int], tmp_path: Path) -> None:
    """Whoever removes the `#` from a setting gets a configuration that loads, without a warning."""
    lines = [line[1:] if number in block else line for number, line in enumerate(EXAMPLE.splitlines())]

    config = load(lines, tmp_path)

    assert config.warnings == ()


def test_a_default_that_is_shown_is_the_default(tmp_path: Path) -> None:
    """The settings of the service that are commented out show what holds without them."""
    without = load(EXAMPLE.splitlines(), tmp_path)
    section = EXAMPLE[EXAMPLE.index("[service]") : EXAMPLE.index("---- The page")]
    with_default = {key for key, field in ServiceConfig.model_fields.items() if field.default is not None}
    settings = [line[1:] for line in section.splitlines() if is_setting(line)]
    shown = [line for line in settings if line.partition(" ")[0] in with_default]

    with_them = load([*EXAMPLE.replace("[service]", "").splitlines(), "[service]", *shown], tmp_path)

    assert len(settings) == len(allowed_keys(ServiceConfig))
    assert len(shown) == len(with_default)
    assert with_them.service == without.service


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_shown(section: str) -> None:
    """A table that the configuration knows is in its documentation."""
    assert search(rf"^#?\[+{section}\b", EXAMPLE, MULTILINE)


TABLES = (ServiceConfig, WebConfig, WebToken, TenantConfig, RECEIVER, RouteConfig, MuteWindowConfig)
KEYS = {
    key
    for table in (
        ServiceConfig,
        WebConfig,
        WebToken,
        TenantConfig,
        RECEIVER,
        RouteConfig,
        MuteWindowConfig,
        RULE,
        LEVEL,
    )
    for key in allowed_keys(table)
    if key != "tokens"  # a section of its own
} | {field.name.rstrip("_") for kind in CONDITIONS.values() for field in fields(kind)}


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_setting_is_shown(key: str) -> None:
    """A key that the configuration knows is set somewhere in its documentation."""
    assert search(rf"^#?(?:.*[{{,] )?{key} *= ", EXAMPLE, MULTILINE)


def test_every_variable_of_the_example_is_one_that_this_test_sets() -> None:
    """No variable is left to chance."""
    named = {
        name for line in EXAMPLE.splitlines() if not line.startswith("# ") for name in findall(r"\$\{(\w+)\}", line)
    }

    assert named == set(VARIABLES)
