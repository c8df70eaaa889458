"""Everyone else who could decide what a file holds: who owns or may write it, a link to it, or a folder above it.

Links are followed one by one, for each of them lies in a folder where somebody else may be able to replace it.
"""

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT_USER = 0
#: As the kernel has it: more links than that go round in a circle.
MAX_LINKS = 40
#: No configuration and no secret is longer: ten thousand tenants fit into a tenth of it.
MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Step:
    """A folder or a link on the way to a file, or the file itself."""

    path: Path
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether others may put something into it."""
        return stat.S_ISDIR(self.status.st_mode)


def steps_to(path: Path) -> Iterator[Step]:
    """Yield every folder, from `/` on, and every link that is looked at when a path is opened, and at last the file.

    Raises:
        OSError: Something of it is not there, may not be looked at, or is a circle of links.
    """
    current, ahead, links = Path("/"), [*path.absolute().parts[:0:-1]], 0
    yield Step(current, current.lstat())
    while ahead:
        part = ahead.pop()
        if part == "..":
            current = current.parent
            continue
        step = Step(current / part, (current / part).lstat())
        yield step
        if not stat.S_ISLNK(step.status.st_mode):
            current = step.path
            continue
        links += 1
        target = step.path.readlink()
        if links > MAX_LINKS:
            raise OSError(f"too many links on the way to {path}")
        ahead += target.parts[target.is_absolute() :][::-1]
        current = Path("/") if target.is_absolute() else current


def why_not_ours(path: Path, *, uid: int) -> str:
    """Return who but root and a user owns a file or something on the way to it; empty where nobody does.

    Raises:
        OSError: As `steps_to`.
    """
    return next((owned for step in steps_to(path) if (owned := _owned_by_another(step, uid))), "")


def why_not_trusted(path: Path, *, uid: int) -> str:
    """Return why somebody else than root and a user may decide what a file holds; empty where nobody may.

    Others may be able to write to a folder above its own only where nothing of theirs can take the place of what is
    there, as in `/tmp`.

    Raises:
        OSError: As `steps_to`.
    """
    steps = list(steps_to(path))
    folders = [step for step in steps if step.is_folder]
    for step in steps:
        may_be_sticky = step.is_folder and step.path != folders[-1].path
        if why := _owned_by_another(step, uid) or _writable_by_others(step, may_be_sticky=may_be_sticky):
            return why
    return ""


class OutsideError(Exception):
    """A file is not where it must be, or is nothing that lies anywhere, such as a pipe."""


def bytes_of(path: Path, *, within: Path | None = None, only_own: bool = False, only_plain: bool = False) -> bytes:
    """Return the content of a file.

    Args:
        path: Where it is.
        within: The folder in or below which it must lie, wherever links and `..` lead; None for anywhere.
        only_own: Whether it must belong, with all on the way to it, to root or to the user of this process.
        only_plain: Whether it must be a plain file. It must be for the other two as well; else it may be a pipe, such
            as a shell makes of `<(...)`.

    Raises:
        OutsideError: It lies elsewhere.
        OSError: It cannot be read, is endless or far too large, or belongs to somebody else.
    """
    only_plain = only_plain or only_own or within is not None
    uid = os.geteuid()
    if within is not None and not _real(path).is_relative_to(_real(within)):
        raise OutsideError
    if only_own and (why := why_not_ours(path, uid=uid)):
        raise OSError(why)
    # What was opened is looked at once more: by now it may be another file, or something that nobody ever writes to.
    with open(path, "rb", opener=_without_waiting if only_plain else None) as file:
        status = os.fstat(file.fileno())
        is_plain = stat.S_ISREG(status.st_mode) or not only_plain
        if not is_plain or (only_own and status.st_uid not in {ROOT_USER, uid}):
            raise OSError("it is no plain file" + " of root's or of this user's" * only_own)
        if within is not None and not _place_of(file.fileno(), path).is_relative_to(_real(within)):
            raise OutsideError
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(f"it is larger than {MAX_BYTES >> 20} MiB")
    return content


def _place_of(descriptor: int, path: Path) -> Path:
    """Return where an open file lies, as the kernel says; where it does not, where its path leads."""
    notified = Path(f"/proc/self/fd/{descriptor}")
    return notified.readlink() if notified.is_symlink() else _real(path)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # a circle of links makes `Path.resolve` raise what is no OSError


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _owned_by_another(step: Step, uid: int) -> str:
    owner = step.status.st_uid
    return "" if owner in {ROOT_USER, uid} else f"{step.path} belongs to {user_name(owner)}"


def _writable_by_others(step: Step, *, may_be_sticky: bool) -> str:
    mode = step.status.st_mode
    if stat.S_ISLNK(mode) or (may_be_sticky and mode & stat.S_ISVTX):
        return ""
    if mode & stat.S_IWOTH:
        return f"everyone may write to {step.path}"
    return f"a group may write to {step.path}" if mode & stat.S_IWGRP else ""


def user_name(uid: int) -> str:
    """Return what a user is called, or the number where nobody has it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
