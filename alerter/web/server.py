"""The port: waitress in a thread of its own, bounded in everything that a client could use up."""

import logging
import os
import socket
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer, UnixWSGIServer

from alerter.errors import ListenError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

#: Requests that are answered at the same time.
THREADS: Final = 4
#: Connections at the same time. For a further one, the oldest that is not being answered is closed.
CONNECTIONS: Final = 64
#: A connection that says or takes nothing is closed after this number of seconds.
IDLE_SECONDS: Final = 15
#: From the first byte of a request to the end of its header, in seconds, however the bytes drip in.
HEADER_SECONDS: Final = 5
#: From there until its answer has been taken.
ANSWER_SECONDS: Final = 60
#: A page has no more than a method, a path and what a browser adds.
HEADER_BYTES: Final = 16_384
#: The longest body: rules to be tried. Each route has its own limit.
MAX_BODY_BYTES: Final = 600_000
#: How long a stop waits for the thread, in seconds.
_GRACE: Final = 2.0


class HttpServer:
    """A port that is listened on.

    Args:
        host: An IP address of this machine.
        port: From 1 on; 0 for any that is free.
        path: Of a Unix socket, in place of both; a file that an earlier process left there is replaced.

    Raises:
        ListenError: It cannot be listened on.
    """

    def __init__(self, host: str, port: int, path: str = "") -> None:
        # waitress warns when all of its threads are busy, which four scrapes at a time would make a person act on.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._socket = _bound_path(path) if path else _bound(host, port)
        self._path = path
        #: The number of the port; 0 of a Unix socket.
        self.number: int = 0 if path else self._socket.getsockname()[1]
        self._stop = Event()
        self._closing = Lock()
        self._thread: Thread | None = None

    def serve(self, application: "WSGIApplication", *, has_forms: bool = False) -> None:
        """Answer requests from now on, until it is closed.

        Args:
            application: What answers.
            has_forms: Whether it takes bodies; else a request with one is refused.
        """
        # A client that does not read must not hold a thread: what is written waits in a file, beyond a megabyte, and
        # the thread is free.
        settings = Adjustments(
            sockets=[self._socket],
            threads=THREADS,
            # Never reached: waitress would accept nothing more, and nobody would get an answer.
            connection_limit=2 * CONNECTIONS + 10,
            cleanup_interval=1,
            max_request_header_size=HEADER_BYTES,
            max_request_body_size=MAX_BODY_BYTES if has_forms else 1,
            outbuf_high_watermark=2**62,
            asyncore_use_poll=True,
            ident="",
        )
        place = (self._socket.family, self._socket.type, self._socket.proto, self._socket.getsockname())
        server = _UnixServer if self._path else _TcpServer
        self._server = server(application, map={}, _sock=self._socket, adj=settings, bind_socket=False, sockinfo=place)
        self._thread = Thread(target=self._run, name="port", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more. What is being answered may be cut off."""
        if self._thread is None:
            self._socket.close()
        elif not self._stop.is_set():
            with self._closing:
                self._stop.set()
                self._server.pull_trigger()
            self._thread.join(_GRACE)

    def _run(self) -> None:
        server = self._server
        sockets = server._map  # noqa: SLF001 - waitress has no other way to end its loop from outside
        while not self._stop.is_set():
            wasyncore.loop(timeout=1, use_poll=True, map=sockets, count=1)
        server.task_dispatcher.shutdown(timeout=_GRACE / 2)
        for channel in list(server.active_channels.values()):
            channel.handle_close()
        wasyncore.dispatcher.close(server)
        if self._path:
            Path(self._path).unlink(missing_ok=True)
        # Who pulls a trigger that is closed writes into whatever has its descriptor by then, such as a database. So a
        # thread that is still at work, or still in `close`, keeps it open.
        with self._closing:
            if not server.task_dispatcher.threads:
                server.trigger.close()


class _Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A connection that knows when its newest request began."""

    began_at = 0.0

    def received(self, data: bytes) -> bool:
        """Take what a client has sent."""
        if self.request is None:
            self.began_at = self.last_activity
        is_taken: bool = super().received(data)
        return is_taken

    def is_late(self, now: float) -> bool:
        """Return whether it has had its time; never while a thread is at work for it."""
        if self.requests:
            return False
        if self.request is not None:
            return now - self.began_at > HEADER_SECONDS
        if self.total_outbufs_len and now - self.began_at > ANSWER_SECONDS:
            return True
        return bool(now - self.last_activity > IDLE_SECONDS)


class _Bounded:
    """What keeps slow clients from silencing a server of waitress."""

    channel_class = _Channel

    def maintenance(self, now: float) -> None:
        """Close what has had its time: called once a second."""
        for channel in self.active_channels.values():  # type: ignore[attr-defined] # of waitress
            channel.will_close = channel.will_close or channel.is_late(now)

    def handle_accept(self) -> None:
        """Accept a connection; one that says nothing yet makes room for it, else one that takes its answer slowly."""
        channels = self.active_channels  # type: ignore[attr-defined] # of waitress
        if len(channels) >= CONNECTIONS:
            idle = [channel for channel in channels.values() if not channel.requests]
            for oldest in sorted(idle, key=lambda each: (each.total_outbufs_len > 0, each.creation_time))[:1]:
                oldest.handle_close()
        super().handle_accept()  # type: ignore[misc] # of waitress


class _TcpServer(_Bounded, TcpWSGIServer):  # type: ignore[misc] # waitress has no types
    """A server at an address."""


class _UnixServer(_Bounded, UnixWSGIServer):  # type: ignore[misc] # as above
    """A server at a Unix socket, whose clients have no address."""

    def fix_addr(self, addr: object) -> tuple[str, None]:
        """Return what stands for a client's address."""
        del addr
        return "", None


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET  # noqa: PLR2004 - IPv6
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        place = f"[{host}]:{port}" if family is socket.AF_INET6 else f"{host}:{port}"
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ListenError(f"cannot listen on {place}: {reason.lower()}") from error


def _bound_path(path: str) -> socket.socket:
    """Return a socket at a path, in place of one that nobody listens at any more; its folder says who may use it."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if Path(path).is_socket() and not _has_listener(path):
            Path(path).unlink()
        bound.bind(path)
        Path(path).chmod(0o660)
        bound.listen(128)
    except OSError as error:
        bound.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ListenError(f"cannot listen on unix:{path}: {reason.lower()}") from error
    return bound


def _has_listener(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            return False
        return True
