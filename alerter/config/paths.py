"""The folders of data and secrets that belong to a configuration, for its service and for commands in a shell.

systemd names them to a service by variables. A shell beside it has none of them, so that for a configuration in
/etc/alerter the places are known that the units in `deploy/` give it: there, `sudo alerter status` needs nothing else.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

#: The folder whose configurations have a service: rules.toml has alerter.service, NAME.toml has alerter@NAME.service.
SERVICE_FOLDER = Path("etc/alerter")
#: What stands before the name of a secret of a folder: the folder's own name in the unit.
ENCRYPTED, PLAIN = "encrypted_", "plain_"

#: Where units are that are installed; the first one is where `alerter install` puts them (systemd.unit(5)).
UNIT_FOLDERS = tuple(Path(folder, "systemd/system") for folder in ("usr/local/lib", "etc", "usr/lib", "lib", "run"))

ROOT = Path("/")
#: Why there is no credential outside of a service.
NO_DIRECTORY = "$CREDENTIALS_DIRECTORY is not set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The secrets of a service, a file for each.

    Attributes:
        places: Where one may be, in the order of looking: a folder, and what stands before the name in it.
        sealed: The folder of those that only the service gets to read; None where it is not known.
        absence: Why none is here, to follow `${NAME} is not set: `; empty where a file is just missing.
        remedy: What to do about a secret that lies in a file that everyone may read.
    """

    places: tuple[tuple[Path, str], ...] = ()
    sealed: Path | None = None
    absence: str = ""
    remedy: str = "chmod o-r, or write ${NAME}"

    def file_for(self, name: str) -> Path | None:
        """Return the file that holds a secret, or None where there is none of the name."""
        files = (folder / f"{prefix}{name}" for folder, prefix in self.places)
        return next((file for file in files if os.path.isfile(file)), None)  # noqa: PTH113 - a name may be too long

    def describe_body(self, name: str) -> str:
        """Return what to say of a name for which there is no file."""
        if self.sealed is not None and os.path.isfile(self.sealed / name):  # noqa: PTH113 - as above
            return f"{self.sealed / name} is encrypted, and can be read only while the service runs"
        return self.absence or f"there is no credential {self.places[-1][0] / name}"


def unit_for(path: Path, *, root: Path = ROOT) -> str | None:
    """Return the unit, without `.service`, that runs with a configuration; None where none of ours does."""
    if path.absolute().parent != root / SERVICE_FOLDER or path.suffix != ".toml":
        return None
    return "alerter" if path.stem == "rules" else f"alerter@{path.stem}"


def state_directory(path: Path, environ: Mapping[str, str], *, root: Path = ROOT) -> Path:
    """Return what the path of an SQLite file is relative to: the service's data, or the configuration's folder.

    Args:
        path: The configuration.
        environ: Has systemd's `STATE_DIRECTORY` within a service; of several the first one counts.
        root: Of the file system.
    """
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    folder = data_folder(path, root=root)
    # For others than root it is a link to what they cannot see: they should read that, not that there is no history.
    # Where the unit is installed, and the folder is missing, that is an error: data elsewhere would never be found.
    if folder is not None and (os.path.lexists(folder) or _is_installed(folder.name, root=root)):
        return folder
    return path.absolute().parent


def data_folder(path: Path, *, root: Path = ROOT) -> Path | None:
    """Return where the service of a configuration keeps its data; None where none of ours runs with it."""
    unit = unit_for(path, root=root)
    return None if unit is None else root / "var/lib" / unit


def _is_installed(unit: str, *, root: Path) -> bool:
    name = f"{unit.partition('@')[0]}@.service" if "@" in unit else f"{unit}.service"
    return any((root / folder / name).is_file() for folder in UNIT_FOLDERS)


def load_credentials(path: Path, environ: Mapping[str, str], *, root: Path = ROOT) -> Credentials:
    """Return the secrets of a configuration's service: what is handed to this process, or what root may read beside it.

    Args:
        path: The configuration.
        environ: Has systemd's `CREDENTIALS_DIRECTORY` within a service.
        root: Of the file system.
    """
    unit, given = unit_for(path, root=root), environ.get("CREDENTIALS_DIRECTORY", "")
    found = _credentials(path, unit, given, root=root)
    # Its user has no name that a file could belong to: what only root may read, the service may not either.
    remedy = f"put it into {credential_folders(path)[0]}/NAME and write ${{NAME}}"
    return found if unit is None else replace(found, remedy=remedy)


def _credentials(path: Path, unit: str | None, given: str, *, root: Path) -> Credentials:
    plain, sealed = credential_folders(path)
    if given:
        places = tuple((Path(given), prefix) for prefix in ("", ENCRYPTED, PLAIN))
        hint = f"{plain} had no such file when {unit}.service started" if unit is not None else ""
        return Credentials(places=places, absence=hint)
    if unit is None:
        return Credentials(absence=NO_DIRECTORY)
    if not os.access(plain, os.R_OK | os.X_OK):
        return Credentials(absence=f"{plain} is for root and for {unit}.service")
    running = root / "run/credentials" / f"{unit}.service"
    # Beside a service, what its next start will read comes before what the last one read.
    places = ((running, ENCRYPTED), (running, ""), (running, PLAIN)) if os.access(running, os.R_OK | os.X_OK) else ()
    return Credentials(places=(*places[:2], (plain, ""), *places[2:]), sealed=sealed)


def credential_folders(path: Path) -> tuple[Path, Path]:
    """Return where a service's secrets lie, a file for each: plain ones, and what `systemd-creds encrypt` wrote."""
    plain = path.absolute().with_name("credentials" if path.stem == "rules" else f"{path.stem}.credentials")
    return plain, plain.with_name(f"{plain.name}.encrypted")
