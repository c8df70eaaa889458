"""Folders that another user than root controls, and how root uses their files: as the owner, who sees nothing else.

The owner of a folder can plant a link in it, or replace a file that was just checked. So while root touches anything
there, its thread has the owner's rights (setfsuid(2), which also takes away what lets root ignore permissions), and
the folder is all that it can reach (chroot(2), without which the owner's way through /var/lib/private would be closed).
No link leads out of it and no file in it becomes root's, so that no check can come too early or too late. A container
may forbid the second part (Docker does): then links lead where the owner could follow them as well.

Import nothing within such a block: the program's own files cannot be reached from there.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import CDLL

#: Who may use a file that alerter makes: its owner alone, whatever the umask.
FILE_MODE = 0o600
#: As many as the kernel follows (path_resolution(7)).
_MAX_LINKS = 40
#: unshare(2)
_CLONE_FS = 0x200
_SEARCH = os.O_PATH | os.O_NOFOLLOW


class Folder:
    """An open folder of another user, and whose rights root uses there."""

    def __init__(self, descriptor: int, *, uid: int, gid: int) -> None:
        """Keep an open folder.

        Args:
            descriptor: Of the folder; it is closed with this object.
            uid: Whose rights root uses. They are root's where others may write to a folder of its own.
            gid: Which group's.
        """
        self._descriptor = descriptor
        self.uid = uid
        self.gid = gid
        self.is_confined = _can_confine()

    def __del__(self) -> None:
        os.close(self._descriptor)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Give this thread the owner's rights for a while, with the folder as the root of its file system.

        Afterwards it is who and where it was before, which may be within another such block: the garbage collector
        ends a connection at any time.

        Raises:
            PermissionError: This root may not do that, as in a container without its capabilities.
        """
        libc = _libc()
        before = libc.setfsuid(-1), libc.setfsgid(-1)
        _become(libc, os.geteuid(), os.getegid())
        try:
            with self._confined(libc) if self.is_confined else nullcontext():
                try:
                    _become(libc, self.uid, self.gid)
                    yield
                finally:
                    _become(libc, os.geteuid(), os.getegid())
        finally:
            _become(libc, *before)

    @contextmanager
    def _confined(self, libc: "CDLL") -> Iterator[None]:
        root, here = os.open("/", _SEARCH), os.open(".", _SEARCH)
        try:
            # Root directory and current directory become this thread's own: other threads stay where they are.
            if libc.unshare(_CLONE_FS):
                raise _powerless(self.uid)
            os.fchdir(self._descriptor)
            os.chroot(".")
            try:
                yield
            finally:
                os.fchdir(root)
                os.chroot(".")
                os.fchdir(here)
        finally:
            os.close(root)
            os.close(here)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a file is.

    Attributes:
        folder: Its folder, if root must act as the owner there; else None.
        path: The path without links, as far as they are followed.
        given: The path that was asked for.
    """

    folder: Folder | None
    path: Path
    given: Path

    @contextmanager
    def entered(self) -> Iterator[Path]:
        """Act as the owner of the folder, if need be; yield the path by which the file is reached meanwhile."""
        with nullcontext() if self.folder is None else self.folder.entered():
            yield self._reached

    @property
    def _reached(self) -> Path:
        if self.folder is None:
            return self.given
        return Path("/", self.path.name) if self.folder.is_confined else self.path

    def check(self, *suffixes: str) -> None:
        """Make sure that the path, with each of the suffixes, leads to a file or to nothing; for use while entered.

        Raises:
            OSError: It leads to something else: a named pipe would keep who opens it waiting for ever.
        """
        for suffix in suffixes:
            try:
                reached = self._reached
                found = reached.with_name(f"{reached.name}{suffix}").stat(follow_symlinks=self.folder is None)
            except OSError:
                continue  # It cannot be opened either.
            self.check_one(found, suffix)

    def check_one(self, found: os.stat_result, suffix: str = "") -> None:
        """Make sure that something is a file, and in a folder of root's that others may write to only there.

        Raises:
            OSError: It is something else.
        """
        is_elsewhere_too = self.folder is not None and self.folder.uid == 0 and found.st_nlink > 1
        if not stat.S_ISREG(found.st_mode) or is_elsewhere_too:
            kind = next((name for test, name in _KINDS if test(found.st_mode)), "a file with several names")
            raise OSError(errno.EINVAL, f"expected a file, found {kind}", f"{self.path}{suffix}")


_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def find(path: Path) -> Found:
    """Return where a file is, which need not exist.

    Root follows a link to another folder only if nobody else can have made it.

    Raises:
        OSError: There is no such folder, or somebody's link leads root to what belongs to another user.
    """
    if os.geteuid() != 0:
        return Found(folder=None, path=Path(os.path.realpath(path)), given=path)
    target = str(path)
    for _ in range(_MAX_LINKS):
        # Not `Path.absolute` and its like: after a link, `..` must stay as it is.
        parent, name = os.path.split(os.path.join(os.getcwd(), target))  # noqa: PTH109, PTH118
        folder = find_folder(Path(parent))
        here = Path(os.path.realpath(parent), name)
        if folder is not None or not here.is_symlink():
            return Found(folder=folder, path=here, given=path)
        target = os.path.join(parent, here.readlink())  # noqa: PTH118 - as above
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def find_folder(path: Path) -> Folder | None:
    """Return a folder, if root must act as its owner there; None for any other user, and where root alone may write.

    Raises:
        OSError: There is no such folder, or somebody's link leads root to what belongs to another user.
    """
    if os.geteuid() != 0:
        return None
    descriptor, owner = _open_folder(path)
    found = os.fstat(descriptor)
    if not stat.S_ISDIR(found.st_mode):
        os.close(descriptor)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    is_shared = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid)
    if not owner and not is_shared:
        os.close(descriptor)
        return None
    # For good, and for all threads: root needs no groups, and a thread cannot put them aside alone.
    try:
        os.setgroups([])
    except PermissionError:
        os.close(descriptor)
        raise _powerless(owner) from None
    # A folder that was given to a user, but not to a group, is root's group's: that must not lend its rights.
    return Folder(descriptor, uid=owner, gid=found.st_gid or owner)


@contextmanager
def as_owner(path: Path) -> Iterator[Path]:
    """Touch a file, or others beside it, as the owner of its folder.

    Yields:
        The path by which the file is reached within the block.

    Raises:
        OSError: There is no such folder, or root must not follow the way to it.
    """
    with find(path).entered() as reached:
        yield reached


def open_file(path: Path, *, is_new: bool = False) -> int:
    """Open a file to read and write it; one that is made is for its owner alone.

    Args:
        path: Where it is. In another user's folder root follows no link.
        is_new: Whether it must not be there yet.

    Raises:
        OSError: It cannot be opened, or it is no file.
    """
    found = find(path)
    with found.entered() as reached:
        if not is_new:
            found.check("")
            with suppress(FileNotFoundError):
                descriptor = os.open(reached, _flags(found))
                try:
                    found.check_one(os.fstat(descriptor))
                except OSError:
                    os.close(descriptor)
                    raise
                return descriptor
        descriptor = os.open(reached, _flags(found) | os.O_CREAT | (os.O_EXCL if is_new else 0), FILE_MODE)
        os.fchmod(descriptor, FILE_MODE)
        return descriptor


def _flags(found: Found) -> int:
    # Without O_NONBLOCK a named pipe would keep us waiting.
    return os.O_RDWR | os.O_NONBLOCK | (0 if found.folder is None else os.O_NOFOLLOW)


def _open_folder(path: Path) -> tuple[int, int]:
    """Open a folder, step by step from the root; return it, and who controls the way to it: 0 for root alone.

    It may turn out to be a file.

    Raises:
        OSError: There is none; or a user's folder or link leads to what belongs to another (systemd's "unsafe path").
    """
    names = deque(os.path.join(os.getcwd(), path).split("/"))  # noqa: PTH109, PTH118 - after a link `..` must stay
    descriptor, owner, links = os.open("/", _SEARCH), 0, 0
    try:
        while names:
            name = names.popleft()
            if name in {"", "."}:
                continue
            step = _open_step(name, descriptor, path)
            found = os.fstat(step)
            if stat.S_ISLNK(found.st_mode):
                links += 1
                target = os.readlink("", dir_fd=step)
                names.extendleft(reversed(target.split("/")))
                os.close(step)
                step = os.open("/" if target.startswith("/") else ".", _SEARCH, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = step
            _check_step(path, found, owner, links)
            owner = owner or found.st_uid
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, owner


def _open_step(name: str, folder: int, path: Path) -> int:
    try:
        return os.open(name, _SEARCH, dir_fd=folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _check_step(path: Path, found: os.stat_result, owner: int, links: int) -> None:
    if links > _MAX_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if owner not in {0, found.st_uid}:
        text = f"root does not follow this way, on which user {owner} leads to what is user {found.st_uid}'s"
        raise OSError(errno.EPERM, text, str(path))


def _become(libc: "CDLL", uid: int, gid: int) -> None:
    """Give this thread, for files alone, the rights of a user and a group."""
    for set_id, number in ((libc.setfsgid, gid), (libc.setfsuid, uid)):
        set_id(number)
        # It says nothing of a failure; a number that nobody can have changes nothing, and shows what is in force.
        if set_id(-1) != number:
            raise _powerless(uid)


def _powerless(uid: int) -> PermissionError:
    text = f"root may not act as the owner of the folder here: run this as user {uid}"
    return PermissionError(errno.EPERM, text)


@lru_cache
def _can_confine() -> bool:
    try:
        os.chroot("/")
    except PermissionError:
        return False
    return not _libc().unshare(_CLONE_FS)


@lru_cache
def _libc() -> "CDLL":
    from ctypes import CDLL  # noqa: PLC0415 - only root needs it

    return CDLL(None)
