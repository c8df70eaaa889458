"""Facts from Linux: the state of the clock, disks, and programs that have a file open."""

import ctypes
import os
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path


class _Timex(ctypes.Structure):
    """The beginning of the kernel's `struct timex` (adjtimex(2)), and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_byte * 512),
    )


def clock_error() -> timedelta | None:
    """Return how far the clock may be off at most, as far as the kernel knows; None where it cannot be asked.

    Nothing is set. What keeps the clock right says so to the kernel; otherwise the figure grows up to 16 s.
    """
    timex = _Timex(modes=0)
    try:
        answered = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (AttributeError, OSError):
        return None
    return None if answered < 0 else timedelta(microseconds=int(timex.maxerror))


def free_bytes(folder: Path) -> int:
    """Return how much may still be written to the disk of a folder.

    Raises:
        OSError: There is no such folder.
    """
    return shutil.disk_usage(folder).free


#: Where less is free than this, or than a part of a small disk, the next poll may find no room.
_MIN_ROOM_BYTES = 16 * 2**20
_MIN_ROOM_PART = 20


def disk_problem(folder: Path) -> str:
    """Return why nothing more may be written to the disk of a folder, in a few words; empty where it may.

    Root's own reserve does not count: a service has none of it.

    Raises:
        OSError: There is no such folder.
    """
    disk = os.statvfs(folder)
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    if disk.f_flag & os.ST_RDONLY:
        return "its disk is mounted read-only"
    if total and free < min(_MIN_ROOM_BYTES, total // _MIN_ROOM_PART):
        return f"its disk is full: {free // 1024:,} KiB are free"
    # File systems without a fixed number of files say 0 of both.
    return "its disk is full: no more files can be made" if disk.f_files and not disk.f_favail else ""


def processes_with_file_open(file: Path) -> list[str]:
    """Return which other programs have a file open, as `name (pid 812)`, as far as this user may see them."""
    wanted = file.stat()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.name != str(os.getpid()) and any(_leads_to(link, wanted) for link in (folder / "fd").iterdir()):
                found.append(f"{(folder / 'comm').read_text(encoding='utf-8').strip()} (pid {folder.name})")
    return sorted(found)


def _leads_to(link: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(link.stat(), wanted)
    except OSError:
        return False
