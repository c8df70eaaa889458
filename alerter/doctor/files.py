"""Checks of files: who may read the secrets, and who may change or replace what the service trusts."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from alerter.config import WORLD_READABLE, Config, is_readable_by_everyone
from alerter.config.environments import load_service_environment
from alerter.config.paths import ROOT, credential_folders, unit_for
from alerter.config.trust import ROOT_USER, Step, steps_to, user_name
from alerter.doctor.config import finding_from_problem
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.humanize import first_and_more_text

#: Where systemd puts the secrets that it hands to services, as it wants them.
HANDED = Path("/run/credentials")


def check_files(config: Config, *, root: Path = ROOT) -> Iterator[Finding]:
    """Yield how the configuration and each file of a secret are protected, with all folders above them."""
    open_to_all = [warning for warning in config.warnings if WORLD_READABLE in warning.text]
    for warning in open_to_all:
        advice = "Others who use this machine may have read it: have the key renewed, or the URL."
        yield finding_from_problem(warning, Group.FILES, Outcome.FAILED, advice=advice)
    secrets = [file for file in config.credential_files if not file.is_relative_to(HANDED)]
    notified: set[Path] = set()
    for file in dict.fromkeys((*config.files, *secrets, *_beside(config, root=root))):
        changes = dict(_changes(file))
        # What is wrong with a folder is said once, for all its files.
        yield from (finding for path, finding in changes.items() if path not in notified)
        notified.update(changes)
        readers = list(_readers(file)) if file in secrets else []
        yield from readers
        # Of many open files only some are named: nothing good is said of the others.
        if not changes and not readers and not (open_to_all and is_readable_by_everyone(file)):
            yield _well(file)
    yield from _additions(config)
    yield from _folders_of_secrets(config, root=root)


def _beside(config: Config, *, root: Path) -> Iterator[Path]:
    """Yield what else the service of a configuration believes."""
    try:
        environment = load_service_environment(config.path, root=root)
    except (OSError, UnicodeDecodeError):
        return  # that is said elsewhere
    if environment is not None:
        yield environment.path


def _changes(file: Path) -> Iterator[tuple[Path, Finding]]:
    """Yield each file, link or folder on the way to a file that somebody else may change, and what of that follows."""
    try:
        steps = list(steps_to(file))
    except OSError as error:
        text = f"it cannot be read: {error.strerror or error}"
        yield file, _weakness(file, Outcome.FAILED, text, "")
        return
    for step, behind in zip(steps, [*steps[1:], None], strict=True):
        if (finding := _change(file, step, behind)) is not None:
            yield step.path, finding


def _change(file: Path, step: Step, behind: Step | None) -> Finding | None:
    """Return who else may change a file or a link, or replace what lies in a folder; None where nobody may."""
    mode, owner = step.status.st_mode, _other_owner(step.status)
    if owner:
        text = f"{owner} may change it" if step.path == file else f"{owner} may replace it by way of {step.path}"
        return _weakness(file, Outcome.WARNING, text, f"chown root {quote(str(step.path))}")
    # What is sticky lets nobody take away what belongs to others.
    if stat.S_ISLNK(mode) or (step.is_folder and mode & stat.S_ISVTX):
        return None
    if mode & stat.S_IWOTH:
        return _weakness(file, Outcome.FAILED, _text("everyone", step, behind), f"chmod o-w {quote(str(step.path))}")
    group = _others_in_group(step.status) if mode & stat.S_IWGRP else ""
    return (
        _weakness(file, Outcome.WARNING, _text(group, step, behind), f"chmod g-w {quote(str(step.path))}")
        if group
        else None
    )


def _text(who: str, step: Step, behind: Step | None) -> str:
    if not step.is_folder or behind is None:
        return f"{who} may change it"
    mode = f"the mode {stat.S_IMODE(step.status.st_mode):04o}"
    if not behind.is_folder:
        return f"{who} may put another file in its place: its folder has {mode}"
    return f"{who} may put another folder in the place of {behind.path}: {step.path} has {mode}"


def _readers(file: Path) -> Iterator[Finding]:
    """Yield that people of a group may read a secret; one of them may be the user that a service runs as."""
    status = file.stat()
    names = _members(status.st_gid) if status.st_mode & stat.S_IRGRP else []
    if len(names) > 1:
        text = f"{first_and_more_text(names)} may read this secret by the group {_group_name(status.st_gid)}"
        yield _weakness(
            file, Outcome.WARNING, text, f"chmod g-r {quote(str(file))}, or give it a group of the service alone."
        )


def _additions(config: Config) -> Iterator[Finding]:
    """Yield which folders of included files others may add one to: what takes files in takes that as well."""
    for folder in dict.fromkeys(file.parent for file in config.files[1:]):
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and mode & stat.S_ISVTX:
            text = "everyone may add a file to it, which would be included"
            yield _weakness(folder, Outcome.FAILED, text, f"chmod o-w {quote(str(folder))}")


def _folders_of_secrets(config: Config, *, root: Path) -> Iterator[Finding]:
    if unit_for(config.path, root=root) is None:
        return
    for folder in filter(Path.is_dir, credential_folders(config.path)):
        status = folder.stat()
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or _other_owner(status):
            text = f"its owner is {user_name(status.st_uid)} and its mode {stat.S_IMODE(status.st_mode):04o}"
            advice = f"It is for root alone: chown root {quote(str(folder))} && chmod 700 {quote(str(folder))}"
            yield _weakness(folder, Outcome.WARNING, text, advice)


def _other_owner(status: os.stat_result) -> str:
    """Return who owns something, if that is neither root nor who looks."""
    return "" if status.st_uid in {ROOT_USER, os.geteuid()} else f"{user_name(status.st_uid)}, who owns it,"


def _others_in_group(status: os.stat_result) -> str:
    """Return a group with those in it but for root and who looks; empty where that is nobody."""
    names = _members(status.st_gid)
    return f"the group {_group_name(status.st_gid)} ({first_and_more_text(names)})" if names else ""


def _members(gid: int) -> list[str]:
    """Return who is in a group, by its list or as their own one; without root and who looks."""
    listed = grp.getgrgid(gid).gr_mem if _group_name(gid) != str(gid) else []
    own = (user.pw_name for user in pwd.getpwall() if user.pw_gid == gid)
    return sorted({*listed, *own} - {user_name(ROOT_USER), user_name(os.geteuid())})


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _well(file: Path) -> Finding:
    mode = stat.S_IMODE(file.stat().st_mode)
    text = f"mode {mode:04o}: no secret in it lies open, and nobody else may change it"
    return Finding(group=Group.FILES, subject=str(file), outcome=Outcome.OK, text=text)


def _weakness(path: Path, outcome: Outcome, text: str, advice: str) -> Finding:
    return Finding(group=Group.FILES, subject=str(path), outcome=outcome, text=text, advice=advice)
