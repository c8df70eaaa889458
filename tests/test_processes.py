"""Children are alerter's own programs, whatever lies in the current directory or is named by Python's variables."""

import ast
import sys
from pathlib import Path

import pytest

import alerter
from alerter import processes
from alerter.processes import alerter_command, find_program, run, start
from alerter.storage.schema import migrations

PACKAGE = Path(alerter.__file__).parent
#: Modules and functions with which Python starts a process.
STARTERS = frozenset({"subprocess", "multiprocessing", "pty", "_posixsubprocess", "popen2", "commands"})
MODULES = frozenset({"os", "asyncio", "concurrent.futures"})
FUNCTIONS = (
    "exec", "spawn", "posix_spawn", "system", "popen", "fork", "ProcessPoolExecutor", "create_subprocess",
)  # fmt: skip


def starts_of(source: str) -> list[str]:
    """Return what in a source starts a process, or imports what can."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [each.name for each in names if each.name.partition(".")[0] in STARTERS]
            case ast.ImportFrom(module=module, names=names):
                found += [module or ""] if (module or "").partition(".")[0] in STARTERS else []
                found += [
                    each.name
                    for each in names
                    if module in {"os", "asyncio", "concurrent.futures"} and is_start(each.name)
                ]
            case ast.Attribute(value=ast.Name(id="os" | "asyncio" | "futures"), attr=name) if is_start(name):
                found.append(name)
            case _:
                pass
    return found


def is_start(name: str) -> bool:
    """Say whether a function has the name of one that starts a process."""
    return name.startswith(FUNCTIONS)


def is_for_types(path: Path) -> bool:
    """Say whether a module imports what starts processes only for its annotations."""
    text = path.read_text(encoding="utf-8")
    return "if TYPE_CHECKING:\n    from subprocess import CompletedProcess\n" in text


@pytest.mark.parametrize(
    "path",
    sorted((*PACKAGE.rglob("*.py"), *migrations().rglob("*.py"))),
    ids=lambda path: str(path.relative_to(PACKAGE.parent)),
)
def test_only_one_module_starts_processes(path: Path) -> None:
    """Whoever needs a child process takes `processes.start`."""
    found = starts_of(path.read_text(encoding="utf-8"))

    if path == Path(processes.__file__):
        assert found == ["subprocess"]
    else:
        assert found == (["subprocess"] if is_for_types(path) else [])


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess", "from subprocess import run", "import os\nos.execv('a', [])", "from os import system",
        "import os\nos.posix_spawn('a', [], {})", "from concurrent.futures import ProcessPoolExecutor",
        "import multiprocessing.pool", "import asyncio\nasyncio.create_subprocess_exec('a')", "import os\nos.fork()",
    ],
)  # fmt: skip
def test_each_way_to_start_a_process_is_found(source: str) -> None:
    """The test above can fail."""
    assert starts_of(source)


#: What Python would load by itself, or for alerter.
TRAPS = ("alerter/__init__.py", "alerter/__main__.py", "click.py", "sitecustomize.py", "usercustomize.py", "startup.py")


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory, and Python's variables, by which another program would be run; it leaves a mark."""
    mark = tmp_path / "mark"
    folder = tmp_path / "trap"
    (folder / "alerter").mkdir(parents=True)
    for name in TRAPS:
        (folder / name).write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "startup.py"))
    monkeypatch.setenv("PYTHONHOME", str(folder))
    return mark


def test_a_child_imports_nothing_from_where_it_is_started(trap: Path) -> None:
    """Nor from what Python's variables name."""
    done = run(alerter_command("--version"))

    assert (done.returncode, done.stdout) == (0, f"alerter, version {alerter.__version__}\n"), done.stderr
    assert not trap.exists()


@pytest.mark.usefixtures("trap")
def test_a_child_is_in_the_root_folder_without_pythons_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it may need otherwise, such as a password of the database, it has."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://here")
    code = "import os; e = os.environ; print(os.getcwd(), [n for n in e if n[:6] == 'PYTHON'], e['DATABASE_URL'])"

    done = run([sys.executable, "-c", code])

    assert done.stdout == "/ [] postgresql://here\n"


def test_a_program_must_have_an_absolute_path() -> None:
    """A name alone would be looked for by the system's rules, not by ours."""
    with pytest.raises(ValueError, match="expected an absolute path, found 'true'"):
        start(["true"])
    assert Path(alerter_command()[0]).is_absolute()


def test_a_program_is_not_looked_for_in_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty or relative part of the search path means that."""
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.chdir(tmp_path)

    monkeypatch.setenv("PATH", ":.:../" + tmp_path.name)
    beside = find_program("systemctl")
    monkeypatch.setenv("PATH", f":{tmp_path}")

    assert beside is None
    assert find_program("systemctl") == str(tmp_path / "systemctl")


def test_a_program_that_does_not_end_is_killed() -> None:
    """Whoever waits is told so."""
    with pytest.raises(TimeoutError, match=r"did not end within 0\.1 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.1)
