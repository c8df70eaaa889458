"""README's table of faults is what the tests prove, and nothing else."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
README = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    """Return the cells of each row of the table: the fault, what one gets, and the tests that prove it."""
    [section] = re.findall(r"^## Reliability\n(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def existing() -> list[str]:
    """Return the name of every test that stands beside this one."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8")) for path in HERE.glob("test_*.py") if path.name != "test_table.py"
    ]
    return [each.name for tree in trees for each in tree.body if isinstance(each, ast.FunctionDef) and is_test(each)]


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
    assert set(named) <= set(existing())


def test_every_test_of_a_fault_is_in_the_readme_once() -> None:
    """What is proven is promised: a new test belongs to a row, an old one's row goes with it."""
    named = [name for _, _, proof in rows() for name in re.findall(r"`(\w+)`", proof)]

    assert sorted(named) == sorted(existing())
