"""Random worlds, in which the model of the contract and the real code must find and tell the same, event by event.

Each world is made from a seed, so that one that fails can be looked at again: it is printed as a script, without the
events that it does not need.
"""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reference.compare import shrunk
from tests.reference.script import Event
from tests.reference.worlds import world_of

Problems = Callable[[list[Event]], str]

#: The harness, which must know both.
HARNESS = {"compare", "conftest", "drive"}


def test_the_model_shares_no_code_with_alerter() -> None:
    """What is compared with a part of itself proves nothing."""
    folder = Path(__file__).parent
    model = [path for path in folder.glob("*.py") if path.stem not in HARNESS and not path.stem.startswith("test_")]

    for path in model:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            assert not [
                name for name in names if name.startswith(("alerter", *(f"tests.reference.{x}" for x in HARNESS)))
            ]
    assert len(model) > 8


def check(seed: int, problem_of: Problems) -> None:
    """Fail with the smallest script that still differs, if the world of a seed does."""
    world = world_of(seed)
    if problem_of(world):
        pytest.fail(f"seed {seed}\n{problem_of(shrunk(world, lambda fewer: bool(problem_of(fewer))))}")


@pytest.mark.uncounted
@pytest.mark.parametrize("seed", range(6))
def test_what_is_told_is_what_the_contract_says(seed: int, problem_of: Problems) -> None:
    """A few worlds, of which each has some of everything."""
    check(seed, problem_of)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("thousand", range(1, 4))
def test_what_is_told_is_what_the_contract_says_in_thousands_of_worlds(thousand: int, problem_of: Problems) -> None:
    """A thousand worlds more."""
    for seed in range(thousand * 1000, thousand * 1000 + 1000):
        check(seed, problem_of)
