"""A `systemctl` first in the path, which prints what the real one would, and notes what it was asked."""

from pathlib import Path

import pytest

#: As systemd 252 shows `alerter.service`, in its own order.
RUNNING = """\
Restart=on-failure
NRestarts=2
Result=success
WatchdogUSec=3min
User=alerter
DynamicUser=no
Id=alerter.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
ActiveEnterTimestamp=Mon 2026-03-02 12:00:00 UTC
"""


class Systemctl:
    """The program, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._path = folder / "systemctl"
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def shows(self, text: str, *, code: int = 0, error: str = "") -> None:
        """Print a text from now on, and an error, and end with a code."""
        (self._folder / "shown").write_text(text)
        self.runs(f'echo "$@" > {self._folder}/asked; cat {self._folder}/shown; echo "{error}" >&2; exit {code}')

    def runs(self, line: str) -> None:
        """Do something else."""
        self._path.write_text(f"#!/bin/sh\n{line}\n")
        self._path.chmod(0o755)

    @property
    def asked(self) -> str:
        """The arguments that it was given last."""
        return (self._folder / "asked").read_text().strip()
