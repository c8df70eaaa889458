"""Runs alerter in processes of its own among the canaries, and looks at everything that they leave or show."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.canaries.marks import found_below, found_in
from tests.canaries.secrets import ALL, PROXY_PASSWORD, Ports, configuration, credentials

#: How long a command may take.
PATIENCE_SECONDS = 60
#: How often it is looked at what processes show of themselves: what a command starts lives longer than this.
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a process ended, and all that could be read of it by others.

    Attributes:
        code: Its exit code.
        out: Its standard output.
        err: Its standard error.
        shown: What it and those that it started showed in `ps`: their arguments, and their environments.
    """

    code: int
    out: bytes
    err: bytes
    shown: frozenset[bytes]


@dataclass(slots=True)
class Home:
    """A folder to run alerter in, and everything that it wrote.

    Attributes:
        folder: All that may be searched is below it.
        environ: The environment of each command; no secret of alerter's stands in it.
        alert: An alert that fires.
        running: What was started.
        written: All that was written to standard output and standard error, and shown by processes.
    """

    folder: Path
    environ: dict[str, str]
    alert: str = "00000000"
    written: list[bytes] = field(default_factory=list)
    running: list["Running"] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "rules.toml"

    @property
    def credentials(self) -> Path:
        """Where the secrets are: the one place where they may be found."""
        return self.folder / "credentials"

    def configure(self, ports: Ports, **options: str) -> None:
        """Write the configuration, and each secret into a file of its own."""
        self.config.write_text(configuration(ports, **options))
        self.config.chmod(0o600)
        for name, secret in credentials(ports).items():
            self.set_secret(name, secret)

    def set_secret(self, name: str, secret: str) -> None:
        """Write one secret, as systemd would hand it over."""
        self.credentials.mkdir(mode=0o700, exist_ok=True)
        (self.credentials / name).write_text(secret)

    def start(self, *arguments: str | Path, **environ: str) -> "Running":
        """Start a command."""
        self.running.append(Running([sys.executable, "-m", "alerter", *map(str, arguments)], self, environ))
        return self.running[-1]

    def run(self, *arguments: str | Path, **environ: str) -> Ran:
        """Run a command to its end."""
        return self.start(*arguments, **environ).end()

    def close(self) -> None:
        """End what a test that failed has left behind."""
        for each in self.running:
            each.process.kill()
            each.process.wait()

    def leaks(self) -> list[str]:
        """Return where a canary can be found, but for the folder of the secrets."""
        said = [f"written: {name}" for text in dict.fromkeys(self.written) for name in found_in(text, ALL)]
        # The configuration is the user's: what he writes into it is there.
        return [*dict.fromkeys(said), *found_below(self.folder, ALL, but_for=[self.credentials, self.config])]


def a_home(folder: Path, ports: Ports, bundle: Path) -> Home:
    """Return a folder with a configuration, and an environment that leads to the servers of a test alone."""
    (folder / "temporary").mkdir()
    proxy = f"http://someone:{PROXY_PASSWORD.core}@127.0.0.1:{ports.proxy}"
    home = Home(
        folder=folder,
        environ={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(folder),
            "TMPDIR": str(folder / "temporary"),
            "CREDENTIALS_DIRECTORY": str(folder / "credentials"),
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "localhost,127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(bundle),
        },
    )
    home.configure(ports)
    return home


class Running:
    """A command that runs, watched as anybody on the machine may watch it."""

    def __init__(self, command: Sequence[str], home: Home, environ: Mapping[str, str]) -> None:
        self._home = home
        self._out, self._err = (home.folder.parent / f"{home.folder.name}.{name}" for name in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=home.folder,
                env={**home.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self._shown: set[bytes] = set()
        self._is_over = Event()
        self._watcher = Thread(target=self._watch)
        self._watcher.start()

    def wait_for(self, *texts: str, times: int = 1) -> None:
        """Wait until one of the texts was written often enough, or the process has ended; fail if neither comes."""
        deadline = Event()
        for _ in range(int(PATIENCE_SECONDS / LOOK_SECONDS)):
            is_over = self.process.poll() is not None
            written = self._out.read_bytes() + self._err.read_bytes()
            if is_over or any(written.count(text.encode()) >= times for text in texts):
                return
            deadline.wait(LOOK_SECONDS)
        pytest.fail(f"none of {texts} in:\n{self._err.read_text(errors='replace')}")

    def end(self, signal: int | None = None) -> Ran:
        """Wait for the end, after a signal if there is one."""
        if signal is not None:
            self.process.send_signal(signal)
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        finally:
            self.process.kill()
            self._is_over.set()
            self._watcher.join()
        ran = Ran(code=code, out=self._out.read_bytes(), err=self._err.read_bytes(), shown=frozenset(self._shown))
        self._home.written += [ran.out, ran.err, *ran.shown]
        return ran

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            for pid in _family(self.process.pid):
                self._shown.update(_shown_by(pid, is_ours=pid == self.process.pid))


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all that descend from it."""
    yield pid
    with suppress(OSError):  # it may end meanwhile
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from _family(int(child))


def _shown_by(pid: int, *, is_ours: bool) -> Iterator[bytes]:
    """Yield what `ps` shows of a process; of the environment only what one that we started has handed on."""
    for name in ("cmdline", "comm") if is_ours else ("cmdline", "comm", "environ"):
        with suppress(OSError):
            content = Path(f"/proc/{pid}/{name}").read_bytes()
            # The user's own variable, which each command needs to reach the world.
            yield b"\0".join(each for each in content.split(b"\0") if not each.startswith(b"HTTPS_PROXY="))
