"""systemd as a service talks to it: sd_notify(3), the protocol alone. Nothing where something else started the process.

One datagram of `NAME=value` lines to the socket that the environment names (sd_notify(3) of systemd 252, read 2026-11).
Its library would be a dependency that has to be compiled.
"""

import logging
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

#: A service manager that does not read what it is sent must not hold up the daemon.
PATIENCE_SECONDS = 2


class SdNotify:
    """The service manager that started this process, if it is one.

    Args:
        environ: The environment: systemd names the socket and the watchdog in it.
        pid: Of this process: the watchdog may be meant for another one.
    """

    def __init__(self, environ: Mapping[str, str], *, pid: int) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._has_watchdog = _is_watched(environ, pid)

    @property
    def is_listening(self) -> bool:
        """Whether somebody wants to know."""
        return bool(self._address)

    @property
    def has_watchdog(self) -> bool:
        """Whether this process is ended unless it says again and again that it is well."""
        return self.is_listening and self._has_watchdog

    def notify(self, **assignments: str | int) -> bool:
        """Send assignments such as `READY=1`, all in one; return whether they arrived, or nobody wants them.

        A text becomes one line: a line break in it would begin another assignment.
        """
        lines = (f"{name}={' '.join(str(value).split())}" for name, value in assignments.items())
        return not self._address or _sent("\n".join(lines).encode(), self._address)

    def notify_reloading(self, **assignments: str | int) -> bool:
        """Say that a reload begins; `READY=1` ends it."""
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self.notify(RELOADING=1, MONOTONIC_USEC=usec, **assignments)


def _address(name: str) -> str:
    """Return the socket's address: a path, or an abstract name, which is written with an `@` and begins with a zero."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else ""


def _is_watched(environ: Mapping[str, str], pid: int) -> bool:
    usec, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    return usec.isdecimal() and int(usec) > 0 and whose in ("", str(pid))


def _sent(datagram: bytes, address: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(PATIENCE_SECONDS)
            sender.sendto(datagram, address)
    except OSError as error:
        log.warning("sd_notify failed text=%s: %s", datagram.decode(), error.strerror or error)
        return False
    return True
