"""The small faults that `make mutants` puts into modules."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import CORE, ROOT, mutants_of, own_tests


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("a < b", ["a <= b"], id="another comparison"),
        pytest.param("a and b", ["a", "b", "a or b"], id="another operator, and an operand less"),
        pytest.param("a or b or c", ["b or c", "a or b", "a and b and c"], id="one operand less of three"),
        pytest.param("not a", ["a"], id="no negation"),
        pytest.param("a = min(b, 1)", ["a = max(b, 1)", "a = min(b, 2)"], id="the other end, and one more"),
        pytest.param("if a:\n    b()", ["if not a:\n    b()", "if a:\n    pass"], id="the other branch, and no call"),
        pytest.param("a if b else c", ["a", "c"], id="one branch alone"),
        pytest.param("[a for a in b if c]", ["[a for a in b]"], id="no condition"),
        pytest.param("def f(a: 1) -> 2:\n    'text'", [], id="neither types nor texts"),
    ],
)
def test_each_place_of_a_source_is_changed_once_in_each_way(source: str, expected: list[str]) -> None:
    """A mutant is the whole source with one change."""
    assert [mutant.source for mutant in mutants_of(source)] == expected


def test_a_module_has_the_fault_that_is_put_in(tmp_path: Path) -> None:
    """Though its file is as it was."""
    mutant = tmp_path / "mutant.py"
    mutant.write_text("def ago(*_):\n    return 'a fault'\n")
    code = (
        "from pathlib import Path; from tests.mutants import put_in; "
        f"put_in('alerter.humanize', Path({str(mutant)!r})); from alerter.humanize import ago; print(ago())"
    )

    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)

    assert ran.stdout == "a fault\n"


def test_a_module_is_tried_with_its_own_tests() -> None:
    """Or with those of its package, where it has none of its own."""
    assert own_tests(f"{CORE}.mutes") == ROOT / "tests/core/test_mutes.py"
    assert own_tests(f"{CORE}.conditions.base") == ROOT / "tests/core/conditions"
