"""Where the data and the secrets of a configuration are, for its service and in a shell beside that.

systemd tells a service by variables. A shell beside it has none of them, so that for a configuration in /etc/alerter
the places are known that the units in `deploy/` give it: there, `sudo alerter status` needs nothing else.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: The folder whose configurations have a service: rules.toml has alerter.service, NAME.toml has alerter@NAME.service.
SERVICE_FOLDER = Path("etc/alerter")
#: What the units put before the name of a secret that lies in a folder: nothing, or the kind of the folder.
CREDENTIAL_PREFIXES = ("", "encrypted_", "plain_")

ROOT = Path("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What systemd hands to a service as its secrets.

    Attributes:
        folder: Where they are, a file for each; None where there are none.
        absence: Why there are none.
    """

    folder: Path | None
    absence: str = ""

    def file_of(self, name: str) -> Path | None:
        """Return the file that holds a secret, or None where there is none of the name."""
        if self.folder is None:
            return None
        files = (self.folder / f"{prefix}{name}" for prefix in CREDENTIAL_PREFIXES)
        return next((file for file in files if file.is_file()), None)

    def why_not(self, name: str) -> str:
        """Return what to say of a name for which there is no file."""
        return self.absence if self.folder is None else f"there is no credential {self.folder / name}"


def unit_of(path: Path, *, root: Path = ROOT) -> str | None:
    """Return the unit, without `.service`, that runs with a configuration; None where none of ours does."""
    if path.absolute().parent != root / SERVICE_FOLDER or path.suffix != ".toml":
        return None
    return "alerter" if path.stem == "rules" else f"alerter@{path.stem}"


def state_folder(path: Path, environ: Mapping[str, str], *, root: Path = ROOT) -> Path:
    """Return what the path of an SQLite file is relative to: the service's data, or the configuration's folder.

    Args:
        path: The configuration.
        environ: Has systemd's `STATE_DIRECTORY` within a service; of several the first one counts.
        root: Of the file system.
    """
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    unit = unit_of(path, root=root)
    # For others than root it is a link to what they cannot see: they should be told that, not that there is no history.
    if unit is not None and os.path.lexists(root / "var/lib" / unit):
        return root / "var/lib" / unit
    return path.absolute().parent


def credentials_of(path: Path, environ: Mapping[str, str], *, root: Path = ROOT) -> Credentials:
    """Return the secrets of the service: those that are handed to this process, or that root may read of a running one.

    Args:
        path: The configuration.
        environ: Has systemd's `CREDENTIALS_DIRECTORY` within a service.
        root: Of the file system.
    """
    given = environ.get("CREDENTIALS_DIRECTORY", "")
    if given:
        return Credentials(folder=Path(given))
    unit = unit_of(path, root=root)
    if unit is None:
        return Credentials(folder=None, absence="$CREDENTIALS_DIRECTORY is not set")
    folder = root / "run/credentials" / f"{unit}.service"
    if os.access(folder, os.R_OK | os.X_OK):
        return Credentials(folder=folder)
    return Credentials(folder=None, absence=f"the credentials of {unit}.service are for root, while it runs")
