"""README's table of faults is what the tests prove, and nothing else."""

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.documentation import DOCUMENTATION

HERE = Path(__file__).parent
README = DOCUMENTATION


def rows() -> list[list[str]]:
    """Return the cells of each row of the table: the fault, what one gets, and the tests that prove it."""
    return table_below("## Reliability")


def table_below(heading: str) -> list[list[str]]:
    """Return the cells of each row of the table that follows a heading, without its head."""
    [section] = re.findall(rf"^{heading}\n(.*?)(?=^##)", README, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def existing() -> list[str]:
    """Return the name of every test that stands beside this one."""
    return named_tests(path for path in HERE.glob("test_*.py") if path.name != "test_table.py")


def named_tests(modules: Iterable[Path]) -> list[str]:
    """Return the name of every test of some modules."""
    return [name for path in modules for name in _tests_of(path)]


@cache
def _tests_of(module: Path) -> list[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return [each.name for each in tree.body if isinstance(each, ast.FunctionDef) and is_test(each)]


def is_test(function: ast.FunctionDef) -> bool:
    """Say whether pytest runs a function."""
    return function.name.startswith("test_")


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_fault_in_the_readme_is_proven_by_tests_that_exist(row: list[str]) -> None:
    """A row has a fault, an outcome, and in its last cell nothing but tests."""
    fault, outcome, proof = row
    named = re.findall(r"`(\w+)`", proof)

    assert fault
    assert outcome
    assert named
    assert set(named) <= set(named_tests(HERE.parent.rglob("test_*.py")))


def test_every_test_of_a_fault_is_in_the_readme_once() -> None:
    """What is proven is promised: a new test belongs to a row, an old one's row goes with it."""
    named = [name for _, _, proof in rows() for name in re.findall(r"`(\w+)`", proof)]

    assert sorted(set(named) & set(existing())) == sorted(existing())
    assert len(named) == len(set(named))


def claims() -> list[str]:
    """Return the name of every claim that `deploy/prove.py` shows, in its order."""
    script = HERE.parents[1] / "deploy" / "prove.py"
    tree = ast.parse(script.read_text(encoding="utf-8"))
    return [each.name for each in tree.body if isinstance(each, ast.FunctionDef) and takes_a_time(each)]


def test_what_is_removed_there_is_what_the_readme_says() -> None:
    """The commands are shown as people will type them."""
    script = ast.parse((HERE.parents[1] / "deploy" / "prove.py").read_text(encoding="utf-8"))
    [commands] = [
        ast.literal_eval(each.value) for each in script.body if isinstance(each, ast.Assign) and is_removal(each)
    ]

    assert len(commands) == 3
    assert all(f"\n# {command}\n" in README for command in commands)


def is_removal(assignment: ast.Assign) -> bool:
    """Say whether the script names its commands there."""
    return [each.id for each in assignment.targets if isinstance(each, ast.Name)] == ["REMOVAL"]


def takes_a_time(function: ast.FunctionDef) -> bool:
    """Say whether a function of the script is a claim: it gets the time since which the log counts."""
    return [argument.arg for argument in function.args.args] == ["since"]


def test_what_is_shown_in_a_real_systemd_is_in_the_readme_once() -> None:
    """The second table names every claim of the script, in its order, and no other one."""
    named = [re.findall(r"`(\w+)`", row[-1]) for row in table_below("### In a real systemd")]

    assert named == [[claim] for claim in claims()]
    assert len(claims()) > 10
