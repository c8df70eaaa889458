"""The lock files install the same everywhere, also when newer releases have come out."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def pinned(name: str) -> dict[str, set[str]]:
    """Return the extras of every package that a lock file pins."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.removesuffix("\\").strip()) for line in lines if "==" in line]
    return {pin.name: pin.extras for pin in pins}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_a_pin_names_the_extras_that_others_ask_for(name: str) -> None:
    """Pip looks for `coverage[toml]` beside a pin of `coverage`, finds a newer release, and refuses it for its hash."""
    pins = pinned(name)
    needed = [
        Requirement(text)
        for distribution in distributions()
        if distribution.name in pins
        for text in distribution.requires or ()
        if "extra ==" not in text
    ]
    wanted = {need.name: need.extras for need in needed if need.extras and need.name in pins}

    assert len(pins) > 20
    assert {package: extras for package, extras in wanted.items() if not extras <= pins[package]} == {}


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("requirements*.txt")))
def test_no_lock_names_a_place(name: str) -> None:
    """Where packages come from is the machine's business."""
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


#: The first version of a dependency without a hole that is known, and the hole.
MENDED = {
    "requests": ("2.32.4", "CVE-2024-47081"),
    "urllib3": ("2.6.3", "CVE-2026-21441"),
    "waitress": ("3.0.1", "CVE-2024-49768"),
}


@pytest.mark.parametrize("name", MENDED)
def test_no_version_with_a_known_hole_is_allowed(name: str) -> None:
    """Whoever installs without the lock file gets none of them either; `make audit` looks for new ones."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wanted,) = (each for each in map(Requirement, project["dependencies"]) if each.name == name)
    mended, hole = MENDED[name]
    before = Version(mended).release
    older = f"{before[0]}.{before[1]}.{before[2] - 1}" if before[2] else f"{before[0]}.{before[1] - 1}.99"

    assert wanted.specifier.contains(mended), name
    assert not wanted.specifier.contains(older), hole
