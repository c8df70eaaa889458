"""`alerter install`: what a machine needs to run alerter as a service of systemd."""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import click

from alerter.cli.completion import script
from alerter.cli.man_page import page
from alerter.cli.options import CommandFailed
from alerter.cli.package_data import EXAMPLE, read_package_file
from alerter.processes import find_program, run

UNITS = ("alerter.service", "alerter@.service")
#: Where systemd looks for units of what is installed by hand; what an administrator overrides is in /etc.
UNIT_FOLDER = Path("usr/local/lib/systemd/system")
CONFIG_FOLDER = Path("etc/alerter")
COMMAND = Path("usr/local/bin/alerter")
MANUAL = Path("usr/local/share/man/man1/alerter.1")
#: Where each shell looks for how to complete commands that are installed by hand.
COMPLETIONS = MappingProxyType(
    {
        "bash": Path("usr/local/share/bash-completion/completions/alerter"),
        "zsh": Path("usr/local/share/zsh/site-functions/_alerter"),
        "fish": Path("usr/local/share/fish/vendor_completions.d/alerter.fish"),
    }
)
#: What the units as they are shipped start.
SHIPPED_COMMAND = "/opt/alerter/bin/alerter"
#: What a service cannot see, so that nothing of it can be started from there.
HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))
#: A name that is the same in a unit and in the names of files.
_INSTANCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class InstallFolder:
    """A folder that must be there; one that is there is left as it is."""

    path: Path
    mode: int

    def make(self) -> str:
        """Make it; return what was done, or nothing."""
        # Also a link: systemd moves the data of a service to another folder, and leaves one.
        if self.path.is_dir() or self.path.is_symlink():
            return ""
        _make_folders(self.path.parent)
        self.path.mkdir(mode=self.mode)
        self.path.chmod(self.mode)
        return f"made {self.path}"


@dataclass(frozen=True, kw_only=True)
class InstallFile:
    """A file that must be there: one of ours is replaced by an upgrade, another that is there is left as it is."""

    path: Path
    text: str
    is_ours: bool

    def make(self) -> str:
        """Write it; return what was done, or nothing."""
        before = self.path.read_text(encoding="utf-8") if self.path.exists() else None
        if before == self.text or (before is not None and not self.is_ours):
            return ""
        _make_folders(self.path.parent)
        with self.path.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(self.text)
        return f"{'wrote' if before is None else 'replaced'} {self.path}"


@dataclass(frozen=True, kw_only=True)
class InstallLink:
    """A link that must be there, unless something else has its name."""

    path: Path
    target: Path

    def make(self) -> str:
        """Make it; return what was done, or nothing."""
        if self.path == self.target or (self.path.is_symlink() and self.path.readlink() == self.target):
            return ""
        if self.path.exists() and not self.path.is_symlink():
            return f"left {self.path} as it is: it is no link"
        _make_folders(self.path.parent)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(self.target)
        return f"linked {self.path} to {self.target}"


def _make_folders(path: Path) -> None:
    """Make a folder and those above it, which everybody may read whatever the umask; those that are there stay."""
    if not path.is_dir():
        _make_folders(path.parent)
        path.mkdir()
        path.chmod(0o755)


def _instance(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _INSTANCE.fullmatch(name) or name == "rules":
            expected = "expected letters, digits, '_' and '-'; 'rules' is that of alerter.service"
            raise click.BadParameter(f"{expected}; found {name!r}", context, parameter)
    return names


@click.command()
@click.option(
    "--instance", "instances", metavar="NAME", multiple=True, callback=_instance,
    help="Also what alerter@NAME.service needs, for one of several configurations.",
)  # fmt: skip
@click.option(
    "--root", metavar="DIR", default="/", type=click.Path(path_type=Path, file_okay=False),
    help="Write below DIR, as for the image of a machine. [default: /]",
)  # fmt: skip
def install(instances: tuple[str, ...], root: Path) -> None:
    """Install what a systemd service needs: units, folders for secrets and data, a configuration, the command's name.

    And what its users need: the man page, and what completes commands in their shells.

    As root, and again after an upgrade. What you have written is left as it is. Exit code 1 if it cannot be done.
    """
    prefix, root = Path(sys.prefix), root.absolute()
    is_here = root == Path("/")
    if is_here and (reason := describe_body(os.geteuid(), prefix, Path(sys.base_prefix))):
        raise CommandFailed(reason)
    if is_here and (closed := closed_to_others(prefix)):
        raise CommandFailed(f"the service could not read {closed}: chmod -R go+rX {prefix}, and umask 022 before pip")
    try:
        done = list(filter(None, (step.make() for step in _steps(root, prefix / "bin/alerter", instances))))
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}") from None
    click.echo("\n".join(done) or "everything was there")
    if is_here:
        _make_known(prefix)
    for name in instances or ("",):
        click.echo(_what_next(root / CONFIG_FOLDER, name))


def _make_known(prefix: Path) -> None:
    if Path("/run/systemd/system").is_dir():
        _run("systemctl", "daemon-reload")
    if Path("/sys/fs/selinux/enforce").exists():
        # What pip wrote has the label of its folder; SELinux lets systemd start what is labelled as a program.
        _run("restorecon", "-R", str(prefix))


def _run(name: str, *arguments: str) -> None:
    """Run a program of the system, if there is one; show what it complains of."""
    program = find_program(name)
    if program is not None:
        click.echo(run([program, *arguments]).stderr, err=True, nl=False)


def closed_to_others(prefix: Path) -> Path | None:
    """Return a part of the program that others may not read, as after pip with a strict umask; None if all may be."""
    from alerter.doctor.permissions import Identity, unreadable  # noqa: PLC0415 - only here

    files = (prefix / "bin/alerter", Path(sys.executable), Path(__file__), Path(click.__file__))
    return next(iter(unreadable(filter(Path.exists, files), Identity())), None)


def describe_body(user: int, *places: Path) -> str:
    """Return why a service cannot be installed, or nothing.

    Args:
        user: The number of the one who asks.
        places: Where the program and its Python are.
    """
    if user != 0:
        return "expected to be root: units and secrets are root's"
    hidden = ((place, folder) for place in places for folder in HIDDEN if place.resolve().is_relative_to(folder))
    return next(
        (
            f"{place} is below {folder}, which the service cannot see: install alerter into a virtual environment "
            f"elsewhere, such as /opt/alerter, with a Python that is elsewhere too"
            for place, folder in hidden
        ),
        "",
    )


def _steps(
    root: Path, command: Path, instances: tuple[str, ...]
) -> Iterator[InstallFolder | InstallFile | InstallLink]:
    for unit in UNITS:
        text = read_package_file("deploy", unit).replace(SHIPPED_COMMAND, str(command))
        yield InstallFile(path=root / UNIT_FOLDER / unit, text=text, is_ours=True)
    yield InstallFile(path=root / MANUAL, text=page(), is_ours=True)
    for shell, path in COMPLETIONS.items():
        yield InstallFile(path=root / path, text=script(shell), is_ours=True)
    folder = root / CONFIG_FOLDER
    yield InstallFolder(path=folder, mode=0o755)
    yield from _configuration(folder / "rules.toml", root)
    for name in instances:
        yield from _configuration(folder / f"{name}.toml", root)
    yield InstallLink(path=root / COMMAND, target=command)


def _configuration(path: Path, root: Path) -> Iterator[InstallFolder | InstallFile]:
    from alerter.config.paths import credential_folders, data_folder  # noqa: PLC0415 - pydantic costs more than `--help` may

    yield InstallFile(path=path, text=read_package_file(EXAMPLE), is_ours=False)
    # What root's commands store before the first start is the service's: systemd then takes the folder over.
    for folder in (*credential_folders(path), data_folder(path, root=root)):
        if folder is not None:
            yield InstallFolder(path=folder, mode=0o700)


def _what_next(folder: Path, instance: str) -> str:
    from alerter.config.paths import credential_folders  # noqa: PLC0415 - as above

    path, unit = (
        (folder / f"{instance}.toml", f"alerter@{instance}") if instance else (folder / "rules.toml", "alerter")
    )
    return f"""
next, for {unit}.service:
  1. write into {path} whom to watch and whom to alert; everybody may read it, so no secrets
  2. put each secret ${{NAME}} into a file of its name: paste it and press Ctrl-D after
     install -m 600 /dev/stdin {credential_folders(path)[0]}/NAME
  3. alerter check-config --config {path}
  4. systemctl enable --now {unit}"""
