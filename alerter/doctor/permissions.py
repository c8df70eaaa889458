"""The files that a service may read, by their modes: its user may not exist while it is stopped."""

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who reads: a user and groups; without them somebody whom nothing belongs to."""

    uid: int | None = None
    gids: frozenset[int] = frozenset()


def load_identity(user: str) -> Identity:
    """Return who a user is; one that does not exist has nothing."""
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        return Identity()
    return Identity(uid=found.pw_uid, gids=frozenset(os.getgrouplist(user, found.pw_gid)))


def unreadable(files: Iterable[Path], who: Identity) -> list[Path]:
    """Return the files that somebody may not read, or not get at because of a folder above them."""
    return [file for file in files if not may_read(file, who)]


def may_read(file: Path, who: Identity) -> bool:
    """Say whether the modes of a file and of all folders above it let somebody read it."""
    real = Path(os.path.realpath(file))
    return who.uid == 0 or (
        _may(real, stat.S_IROTH, who) and all(_may(each, stat.S_IXOTH, who) for each in real.parents)
    )


def _may(path: Path, bit: int, who: Identity) -> bool:
    """Say whether a mode has a bit, which is given as that of the others, for somebody; the owner's counts alone."""
    found = path.stat()
    if found.st_uid == who.uid:
        return bool(found.st_mode & bit << 6)
    return bool(found.st_mode & (bit << 3 if found.st_gid in who.gids else bit))
