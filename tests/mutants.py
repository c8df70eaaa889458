"""Mutants: a module with one small fault, which the module's own tests must notice.

    python -m tests.mutants alerter.core.mutes alerter.core.outbox --sample 40 --seed 1

Of all small changes of a module (another comparison, `and` for `or`, one more or less, a call left out, ...) a seeded
sample is tried, one after the other: a change that no test of `tests/core/test_mutes.py` notices survives, and is
printed. Texts are left as they are. Without names of modules, all of `alerter.core` is tried.
"""

import argparse
import ast
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import CodeType, ModuleType

import click
import pytest
from typing_extensions import override

ROOT = Path(__file__).parent.parent
CORE = "alerter.core"
#: Tests that take longer, in seconds, have noticed an endless loop.
MAX_SECONDS = 300.0
#: Percent.
KILLED_AT_LEAST = 92

#: What takes the place of an operator; each of them has one.
OTHER_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
}  # fmt: skip
#: Each mutant has a process of its own, made from one that has imported what is no part of alerter.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["alembic.command", "hypothesis.stateful", "psycopg", "pydantic", "pytest", "sqlalchemy"]
)
OTHER_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a module: where, from what to what, and the whole source with it."""

    line: int
    before: str
    after: str
    source: str


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module's source, in the order of the places that they change."""
    places = sum(1 for _ in _places(ast.parse(source)))
    for number in range(places):
        tree = ast.parse(source)
        node, replacement = next(each for index, each in enumerate(_places(tree)) if index == number)
        before, line = ast.unparse(node), getattr(node, "lineno", 0)
        _replace(tree, node, replacement)
        yield Mutant(line, before, ast.unparse(replacement), ast.unparse(ast.fix_missing_locations(tree)))


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield each node that can be changed, with what it can be changed into."""
    left_out = {id(each) for part in _annotations(tree) for each in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) not in left_out:
            yield from ((node, other) for other in _changes(node))


def _annotations(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what says something to a type checker alone."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef():
                yield from (each for each in (node.returns, *node.decorator_list) if each is not None)
            case ast.AnnAssign() | ast.arg() if node.annotation is not None:
                yield node.annotation
            case ast.ClassDef():
                yield from node.decorator_list
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Assert():
                yield node
            case _:
                pass


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    yield from _changed_operators(node)
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in OTHER_NAMES:
            yield ast.Call(ast.Name(OTHER_NAMES[name]), args, keywords)
        case ast.If(test=test, body=body, orelse=orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.comprehension(target=target, iter=iterable, ifs=[_, *ifs], is_async=is_async):
            yield ast.comprehension(target, iterable, ifs, is_async)
        case _:
            pass


def _changed_operators(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left=left, ops=[operator, *others], comparators=comparators):
            yield ast.Compare(left, [OTHER_OPERATORS[type(operator)](), *others], comparators)  # type: ignore[list-item]
        case ast.BoolOp(op=operator, values=[first, second]):
            yield from (first, second, ast.BoolOp(OTHER_OPERATORS[type(operator)](), [first, second]))  # type: ignore[arg-type]
        case ast.BoolOp(op=operator, values=values):
            yield from (ast.BoolOp(operator, values[1:]), ast.BoolOp(operator, values[:-1]))
            yield ast.BoolOp(OTHER_OPERATORS[type(operator)](), values)  # type: ignore[arg-type]
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OTHER_OPERATORS:
            yield ast.BinOp(left, OTHER_OPERATORS[type(operator)](), right)  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case _:
            pass


def _replace(tree: ast.AST, node: ast.AST, replacement: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, replacement)
            elif isinstance(value, list):
                value[:] = [replacement if each is node else each for each in value]


class _Finder(MetaPathFinder):
    """Finds one module with another source than its own."""

    def __init__(self, module: str, source: str) -> None:
        self._module = module
        self._source = source

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._source)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    @override
    def get_code(self, fullname: str) -> CodeType | None:
        return compile(self._source, self.path, "exec")


def put_in(module: str, source: Path) -> None:
    """Let a module have another source in this process; called before it is imported."""
    sys.meta_path.insert(0, _Finder(module, source.read_text(encoding="utf-8")))


def own_tests(module: str) -> Path:
    """Return the tests of a module: a file beside those of its neighbours, or those of the package that it is in."""
    parts = module.split(".")[1:]
    file = ROOT.joinpath("tests", *parts[:-1], f"test_{parts[-1]}.py")
    return file if file.is_file() else file.parent


def is_noticed(module: str, source: str) -> bool:
    """Return True if the module's tests fail with a source, or take too long."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.py"
        path.write_text(source, encoding="utf-8")
        process = _PROCESSES.Process(target=_run_tests, args=(module, path))
        process.start()
        process.join(MAX_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        return process.exitcode != 0


def _run_tests(module: str, source: Path) -> None:
    """Run a module's own tests with another source, and end with pytest's exit code."""
    put_in(module, source)
    os.chdir(ROOT)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        options = ["-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", "--hypothesis-profile=quick"]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what was imported before
        code = pytest.main([*options, str(own_tests(module))])
    sys.exit(code)


def survivors_of(module: str, *, sample: int, seed: int, jobs: int) -> tuple[list[Mutant], int]:
    """Return the mutants of a module that its tests do not notice, and how many were tried.

    Raises:
        SystemExit: The tests fail without any fault.
    """
    source = _file_of(module).read_text(encoding="utf-8")
    if is_noticed(module, ast.unparse(ast.parse(source))):
        sys.exit(f"{module}: its tests in {own_tests(module).relative_to(ROOT)} fail as it is")
    mutants = list(mutants_of(source))
    chosen = Random(seed).sample(mutants, min(sample, len(mutants)))  # noqa: S311 - nothing here is secret
    with ThreadPoolExecutor(jobs) as executor:
        noticed = list(executor.map(lambda each: is_noticed(module, each.source), chosen))
    return [mutant for mutant, is_killed in zip(chosen, noticed, strict=True) if not is_killed], len(chosen)


def _file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _core() -> list[str]:
    paths = sorted((ROOT / "alerter" / "core").rglob("*.py"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if path.stem != "__init__"]


def main() -> None:
    """Try the mutants of some modules; exit code 1 if too many of them survive."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Try small faults of modules.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"such as {CORE}.mutes; all of {CORE} by default")
    parser.add_argument("--sample", type=int, default=20, metavar="N", help="how many of each module (20)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another one for other mutants (1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at the same time (2)")
    given = parser.parse_args()
    tried, survived = 0, 0
    for module in given.modules or _core():
        survivors, number = survivors_of(module, sample=given.sample, seed=given.seed, jobs=given.jobs)
        tried, survived = tried + number, survived + len(survivors)
        click.echo(f"{module}: {number - len(survivors)} of {number} noticed")
        for each in sorted(survivors, key=lambda mutant: mutant.line):
            click.echo(f"  {_file_of(module).relative_to(ROOT)}:{each.line}: {each.before}  ->  {each.after}")
    share = 100 * (tried - survived) / max(tried, 1)
    click.echo(f"{tried - survived} of {tried} noticed: {share:.1f} %; expected at least {KILLED_AT_LEAST} %")
    sys.exit(share < KILLED_AT_LEAST)


if __name__ == "__main__":
    main()
