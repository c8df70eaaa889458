"""Puts the man page into the wheel: it is made when the wheel is, out of the help of the commands in it."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPage(BuildHookInterface):
    """Writes the page, and lets hatchling install it where `man` looks for it beside the program."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write it, unless this is an installation of the checkout itself."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from alerter.cli.man_page import page  # noqa: PLC0415 - it is the project that is being built

        self._folder = TemporaryDirectory(prefix="alerter-")
        path = Path(self._folder.name) / "alerter.1"
        path.write_text(page(), encoding="ascii")
        build_data["shared_data"][str(path)] = "share/man/man1/alerter.1"
