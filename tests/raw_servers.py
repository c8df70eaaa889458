"""Servers on loopback that answer byte by byte, or not at all: what no library for servers would do."""

import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class RawServer:
    """A server on loopback that does to each connection whatever it is told, byte by byte."""

    def __init__(self, play: Callable[[socket.socket], object], *, context: ssl.SSLContext | None = None) -> None:
        self._play = play
        self._context = context
        self.ended = threading.Event()
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The address of its root."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _one(self, connection: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self._play(connection)
        connection.close()


def read_request(connection: socket.socket) -> bytes:
    """Return one request with its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536) or b"\r\n\r\n"
    head, _, body = received.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    while found and len(body) < int(found[1]):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def trickle(start: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """Return a play that begins an answer and then drips for as long as the client stays."""

    def play(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        connection.settimeout(0.02)
        while True:
            connection.sendall(piece)
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return

    return play


def no_play(connection: socket.socket) -> None:
    """Read and say nothing until the client is gone."""
    while connection.recv(65_536):
        pass
