"""The other end of sd_notify: a real datagram socket that keeps what a service says to its manager."""

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: How long a service may take for anything it is waited for.
PATIENCE_SECONDS = 60

Said = Mapping[str, str]


@dataclass
class Supervisor:
    """Who is told, and what was said so far: a mapping for each datagram, oldest first."""

    address: str
    said: list[Said] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def environment(self, *, watchdog: bool = True) -> dict[str, str]:
        """Return the environment of a service that is started by this one."""
        watched = {"WATCHDOG_USEC": "900000000"} if watchdog else {}
        return {**os.environ, "NOTIFY_SOCKET": self.address.replace("\0", "@")} | watched  # noqa: TID251 - a child's

    def wait_for(self, name: str, value: str = "", *, times: int = 1) -> Said:
        """Return the datagram with this assignment, whose value has the text in it, the `times`-th such, or fail."""

        def found() -> list[Said]:
            return [each for each in self.said if name in each and value in each[name]]

        with self.changed:
            self.changed.wait_for(lambda: len(found()) >= times, timeout=PATIENCE_SECONDS)
        assert len(found()) >= times, f"no {name}={value} among {self.said}"
        return found()[times - 1]

    def position(self, name: str) -> int:
        """Return which datagram was the first with this assignment, counted from 0."""
        return next(number for number, each in enumerate(self.said) if name in each)

    def take(self, datagram: str) -> None:
        """Keep a datagram; a line is an assignment, as systemd reads it."""
        with self.changed:
            self.said.append(dict(line.split("=", 1) for line in datagram.splitlines()))
            self.changed.notify_all()


@contextmanager
def a_supervisor(address: str) -> Iterator[Supervisor]:
    """Listen at a path, or at an abstract name, which begins with a zero."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        supervisor = Supervisor(address)
        thread = threading.Thread(target=_listen, args=(listener, supervisor), daemon=True)
        thread.start()
        try:
            yield supervisor
        finally:
            listener.shutdown(socket.SHUT_RD)
            thread.join()
            if address.startswith("/"):
                Path(address).unlink()


def _listen(listener: socket.socket, supervisor: Supervisor) -> None:
    while datagram := listener.recv(65536):
        supervisor.take(datagram.decode())
