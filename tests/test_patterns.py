"""Every pattern of the program reads a text in a time that grows with its length and not with its square."""

import ast
import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import thread_time
from typing import Any

import pytest

import alerter

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from re import _constants, _parser  # type: ignore[attr-defined] # how Python itself reads a pattern

#: Four times the length: a linear search takes four times as long, a quadratic one sixteen times.
SHORT, LONG = 3_000, 12_000
#: Between the two, with room for a busy machine.
MAX_RATIO = 9
#: A search that is done within so many seconds has read nothing again and again.
NEGLIGIBLE = 0.005
#: What tries a pattern at every place of a text, and not at its beginning alone.
SEARCHES = frozenset({"search", "sub", "subn", "finditer", "findall", "split"})


@dataclass(frozen=True)
class Use:
    """A pattern, and how it is tried on a text."""

    pattern: re.Pattern[str]
    method: str

    def seconds(self, text: str) -> float:
        """Return the CPU time that a text takes."""
        began = thread_time()
        if self.method in SEARCHES:
            for _ in self.pattern.finditer(text):
                pass
        elif self.method == "match":
            self.pattern.match(text)
        else:
            self.pattern.fullmatch(text)
        return thread_time() - began


def _compiled(value: object) -> Iterator[re.Pattern[str]]:
    match value:
        case re.Pattern() if isinstance(value.pattern, str):
            yield value
        case Mapping():
            yield from _compiled([*value, *value.values()])
        case tuple() | list() | frozenset():
            for each in value:
                yield from _compiled(each)
        case _:
            pass


def _calls(source: str) -> Iterator[tuple[str, str, object]]:
    """Yield the calls of a source that are those of a pattern: on what, which method, and the first argument."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[first, *_]):
                if method in SEARCHES | {"match", "fullmatch"}:
                    yield name, method, first.value if isinstance(first, ast.Constant) else None
            case _:
                pass


def uses() -> Mapping[str, Use]:
    """Return every pattern of every module with each method that is called on it."""
    names = [each.name for each in pkgutil.walk_packages(alerter.__path__, "alerter.") if "__main__" not in each.name]
    values = {name: vars(importlib.import_module(name)) for name in names}
    calls = {name: [*_calls(Path(str(values[name]["__file__"])).read_text(encoding="utf-8"))] for name in names}
    found: dict[str, Use] = {}
    for place, name in [(module, name) for module in names for name in values[module]]:
        for number, pattern in enumerate(_compiled(values[place][name])):
            # A pattern in a table is called by the name of a loop.
            methods = {method for each in names for on, method, _ in calls[each] if on == name}
            # In one order, so that several processes find the same tests.
            for method in sorted(methods or {method for on, method, _ in calls[place] if on.islower() and on != "re"}):
                found.setdefault(f"{place}.{name}[{number}].{method}", Use(pattern, method))
    for place in names:
        for on, method, written in calls[place]:
            if on == "re" and isinstance(written, str):
                found[f"{place}: re.{method}({written!r})"] = Use(re.compile(written), method)
    once = {use: where for where, use in found.items()}
    return {where: use for use, where in once.items()}


def _samples(parsed: Iterable[tuple[object, object]]) -> Iterator[str]:
    """Yield what parts of a parsed pattern match, and at last what all of it does, as far as it can be told."""
    whole = ""
    for kind, argument in parsed:
        inner = [*_samples_of(kind, argument)]
        yield from inner
        if inner and kind not in {_constants.ASSERT, _constants.ASSERT_NOT}:
            whole += inner[-1]
            yield whole


def _samples_of(kind: object, argument: Any) -> Iterator[str]:  # noqa: ANN401 - Python's own, without types
    if kind is _constants.LITERAL:
        yield chr(argument)
    elif kind is _constants.RANGE:
        yield chr(argument[0])
    elif kind is _constants.CATEGORY:
        yield {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(argument), "a")
    elif kind in {_constants.ANY, _constants.NOT_LITERAL, _constants.NEGATE}:
        yield "a"
    elif kind is _constants.IN:
        yield from [sample for each in argument for sample in _samples_of(*each)][:4][::-1]
    else:
        yield from _nested(argument)


def _nested(argument: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    match argument:
        case _parser.SubPattern():
            yield from _samples(argument)
        case (int(least), int(), _parser.SubPattern() as inner):
            yield from (sample * max(1, least) for sample in _samples(inner))
        case (None, list(branches)):
            yield from (sample for branch in branches[::-1] for sample in _samples(branch))
        case (*_, _parser.SubPattern() as inner):
            yield from _samples(inner)
        case _:
            pass


def _attacks(pattern: re.Pattern[str], length: int) -> Iterator[str]:
    """Yield long texts that begin as the pattern does, go on with a part of it or two, and end otherwise."""
    samples = [*dict.fromkeys([*_samples(_parser.parse(pattern.pattern, pattern.flags)), *"a0 =\\\"'?/@"])]
    parts = [sample for sample in samples if sample]
    bodies = [*parts[:60], *("".join(pair) for pair in product(parts[:6], repeat=2))]
    heads = ["", *sorted(parts, key=len, reverse=True)[:3]]
    for head, body in product(heads, bodies):
        yield head + body * ((length - len(head)) // len(body)) + "\0"


def _repeats_itself(use: Use) -> str:
    """Return the input on which a pattern reads its text again and again; empty if there is none."""
    for short, long in zip(_attacks(use.pattern, SHORT), _attacks(use.pattern, LONG), strict=True):
        if use.seconds(long) > NEGLIGIBLE:
            slow, fast = (min(use.seconds(text) for _ in range(3)) for text in (long, short))
            if slow > NEGLIGIBLE and slow > MAX_RATIO * fast:
                return f"{long[:40]!r}…: {fast:.4f} s, and {slow:.4f} s for four times the length"
    return ""


@pytest.mark.uncounted
@pytest.mark.parametrize("use", [pytest.param(use, id=name) for name, use in uses().items()])
def test_a_pattern_takes_a_time_that_grows_with_the_text(use: Use) -> None:
    """At four times the length of its worst input it takes no more than about four times as long."""
    assert not _repeats_itself(use)


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\bbasic((?:\s|[+\"'])+)(?=\S*[0-9])\w{8,}", "sub"),
        (r"<a>(.*?)</a>", "finditer"),
        (r"\s+$", "search"),
        (r"[?&]([^=&#]+)=", "findall"),
    ],
)
def test_a_pattern_that_reads_its_text_again_and_again_is_found(pattern: str, method: str) -> None:
    """The inputs are strong enough for mistakes that people make."""
    use = Use(re.compile(pattern, re.DOTALL), method)

    assert _repeats_itself(use)
