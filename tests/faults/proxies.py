"""A wire between an instance and its database that can be cut: TCP on this side, the server's socket on the other."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHUNK = 65536


class Proxy:
    """Passes on what both sides say, until it is told to be silent, or to hang up.

    Attributes:
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, server: Path) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._passes = threading.Event()
        self._passes.set()
        self._refuses = False
        self._is_closed = False
        self._lines: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """Take everything and pass on nothing, as a broken balancer does: no end of a connection is seen."""
        self._passes.clear()

    def refuse(self) -> None:
        """End all connections, and refuse new ones."""
        self._refuses = True
        self._hang_up()

    def lead_to(self, server: Path) -> None:
        """Lead new connections to another server; those that are open stay where they are."""
        self._server = server

    def heal(self) -> None:
        """Pass on everything again; connections in which something was lost are ended."""
        if not self._passes.is_set():
            self._hang_up()
        self._refuses = False
        self._passes.set()

    def close(self) -> None:
        """End everything."""
        self._is_closed = True
        self._listener.close()
        self._hang_up()
        self._passes.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._refuses:
                    near.close()
                    continue
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._server))
                self._lines |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._passes.wait()
                sink.sendall(data)
        for each in (source, sink):
            self._end(each)

    def _hang_up(self) -> None:
        for each in list(self._lines):
            self._end(each)

    def _end(self, line: socket.socket) -> None:
        self._lines.discard(line)
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        line.close()


@contextmanager
def a_proxy(server: Path) -> Iterator[Proxy]:
    """Serve a proxy to a server's socket."""
    proxy = Proxy(server)
    try:
        yield proxy
    finally:
        proxy.close()
