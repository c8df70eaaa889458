"""What tests of root beside another user share: that user, whom no name belongs to, and a look at who owns what."""

import os
from pathlib import Path

import pytest

#: As systemd makes them: a number without an entry in /etc/passwd.
USER = 61234
#: In CI they run, for it is root's.
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="expected to be root: only root can act as another user")


def make_folder(path: Path) -> Path:
    """Make a folder that belongs to the other user."""
    path.mkdir(mode=0o700)
    os.chown(path, USER, USER)
    return path


def give(path: Path) -> Path:
    """Let a file, or the link itself, belong to the other user."""
    os.lchown(path, USER, USER)
    return path


def state_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return all that is in a folder, with owner, mode and content."""
    return {str(each.relative_to(folder)): _state(each) for each in sorted(folder.rglob("*"))}


def owners_in(folder: Path) -> set[tuple[int, int]]:
    """Return the users and groups that anything in a folder belongs to."""
    return {(each.lstat().st_uid, each.lstat().st_gid) for each in folder.rglob("*")}


def _state(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    is_file = path.is_file() and not path.is_symlink()
    return found.st_mode, found.st_uid, found.st_gid, path.read_bytes() if is_file else b""
