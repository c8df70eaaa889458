"""The language of the code: one name has one meaning, modules are nouns, commands are where their names say."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerter.cli import COMMANDS

ROOT = Path(__file__).parents[1] / "alerter"
MODULES = sorted(ROOT.rglob("*.py"))

#: Words that the field has better ones for: no part of a name is one of them.
BANNED = frozenset(
    re.findall(
        r"\w+",
        "told tell tells hear heard hears judge judged judgement docket errand rests quiet blind sight bench tally"
        " ledger lifeline looks wordy anew whoever",
    )
)
#: And words and phrases that stand in no text at all: neither in a docstring, nor in a comment, nor in what users read.
RIDDLES = re.compile(
    r"\b(told|heard|hears|judged?|judges|judging|dockets?|errands?|anew|whoever|otherwise than|so many|so often"
    r"|held back|befalls?|lifelines?|wordy|tall(?:y|ies)|ledgers?)\b",
    re.IGNORECASE,
)


def tree_of(module: Path) -> ast.Module:
    """Return a module, parsed."""
    return ast.parse(module.read_text(encoding="utf-8"))


def names_in(tree: ast.Module) -> Iterator[str]:
    """Yield the names of classes, functions, arguments and variables that a module defines."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case _:
                pass


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_module_uses_the_words_of_the_field(module: Path) -> None:
    """Neither its names nor the beginning of its docstring are a riddle."""
    tree = tree_of(module)
    words = {(name, word.lower()) for name in names_in(tree) for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}

    assert [name for name, word in sorted(words) if word in BANNED] == []
    opening = (ast.get_docstring(tree) or "").partition(" ")[0]
    assert opening not in {"What", "How", "When", "Where", "Who", "Why", "Which", "Whether"}, "begin with what it is"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_text_is_plain(module: Path) -> None:
    """Subject, verb, object, and the words that the documentation has."""
    assert RIDDLES.findall(module.read_text(encoding="utf-8")) == []


def test_a_public_class_name_means_one_thing() -> None:
    """Two classes of one name are told apart by nobody who searches for it."""
    places = defaultdict(list)
    for module in MODULES:
        for node in tree_of(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(module.relative_to(ROOT)))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_command_is_in_the_module_of_its_name() -> None:
    """`test-rules` is `cli/test_rules.py`; Python's own words have an underscore behind them."""
    modules = {path.stem.removesuffix("_").replace("_", "-") for path in (ROOT / "cli").glob("*.py")}

    assert set(COMMANDS) - modules == set()
