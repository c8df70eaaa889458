"""Connections that are kept for the next request, so that not every poll pays for a TLS handshake.

What distinguishes tenants is in the headers of each request; a connection belongs to a host. So a few of them serve
thousands of tenants, one exchange at a time, where one for each would take 0.7 MiB and two descriptors for every
tenant, and would have been closed by the server before its next poll. Nothing else is shared: no cookie is kept, and
a connection on which anything went wrong is closed.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

import urllib3

from alerter.network.deadline import HeldSession, RequestDeadline
from alerter.network.dialer import Dialer

#: A connection that was idle for longer is not used again: many servers close theirs after a minute.
MAX_IDLE_SECONDS = 30.0
#: The idle connections that are kept; as many as a daemon has pollers.
MAX_IDLE_LINES = 100


class Line:
    """A connection to one host, or the promise of one: it connects when it is first used.

    It has a thread of its own, which does one exchange after the other and may be left behind in one that hangs: to
    start a thread for every exchange would take as long as the exchange. It is a daemon, so that it holds no exit up.

    Attributes:
        is_kept: Whether it has answered before, so that its server may have closed it since.
        idle_since: When it was used last, in monotonic seconds.
    """

    def __init__(self, dialer: Dialer | None = None) -> None:
        """Promise a connection, which a dialer makes; None for one that remembers nothing."""
        self.request_deadline = RequestDeadline()
        self._session = HeldSession(self.request_deadline, dialer or Dialer())
        self._pool: urllib3.HTTPConnectionPool | None = None
        self.is_kept = False
        self.idle_since = 0.0
        self._exchanges: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, exchange: Callable[[], None]) -> None:
        """Begin an exchange in the line's thread.

        Raises:
            RuntimeError: This machine starts no further thread.
        """
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="mimecast-line", daemon=True)
            thread.start()
            self._thread = thread
        self._exchanges.put(exchange)

    def _run(self) -> None:
        while (exchange := self._exchanges.get()) is not None:
            exchange()

    def pool(self, url: str) -> urllib3.HTTPConnectionPool:
        """Return its connection, to the host of its first URL; what the environment says of the way there holds on.

        Raises:
            requests.RequestException: The URL or the proxy's is none.
            OSError: A file of trusted authorities that the environment names does not exist.
        """
        if self._pool is None:
            self._pool = self._session.pool(url)
        return self._pool

    def close(self) -> None:
        """Close it; its thread ends with the exchange that it is in."""
        self._exchanges.put(None)
        self._session.close()
        self.request_deadline.release()


class Lines:
    """The idle connections, by the origin (`https://host`) that they lead to; threads share them.

    Args:
        monotonic: Seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._dialer = Dialer()
        self._lock = threading.Lock()
        self._idle_by_origin: dict[str, list[Line]] = {}

    def take(self, origin: str) -> Line:
        """Return a line for one exchange: the one that was used last, for the others may be let go."""
        self._let_go()
        with self._lock:
            idle = self._idle_by_origin.get(origin)
            return idle.pop() if idle else Line(self._dialer)

    def give_back(self, line: Line, origin: str) -> None:
        """Keep a line whose answer was complete for the next exchange, or close it where there are enough."""
        line.is_kept, line.idle_since = True, self._monotonic()
        with self._lock:
            if sum(map(len, self._idle_by_origin.values())) < MAX_IDLE_LINES:
                self._idle_by_origin.setdefault(origin, []).append(line)
                return
        line.close()

    def close(self) -> None:
        """Close all that are idle; those in use are their exchange's to close."""
        with self._lock:
            idle = [line for lines in self._idle_by_origin.values() for line in lines]
            self._idle_by_origin.clear()
        for line in idle:
            line.close()

    def _let_go(self) -> None:
        """Close what was idle for too long: the oldest stand first."""
        oldest = self._monotonic() - MAX_IDLE_SECONDS
        with self._lock:
            gone = [line for lines in self._idle_by_origin.values() for line in lines if line.idle_since < oldest]
            for lines in self._idle_by_origin.values():
                lines[:] = [line for line in lines if line.idle_since >= oldest]
        for line in gone:
            line.close()
