"""Connections to hosts with several addresses, of which some do not answer.

The addresses are tried one after the other with a short head start, both families in turn, as RFC 8305 has it ("Happy
Eyeballs"): whichever answers first is used. The libraries wait for each as long as for the whole connection, so that
one address of a host that does not answer, such as that of IPv6 where the network drops it, would fail every request.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from errno import ETIMEDOUT
from itertools import chain, zip_longest
from selectors import EVENT_WRITE, DefaultSelector
from threading import Lock
from typing import Any

#: How long one address has before the next is tried as well, in seconds: what RFC 8305, section 5, recommends.
HEAD_START_SECONDS = 0.25

#: A family, and an address as it has them.
_Address = tuple[int, tuple[Any, ...]]
#: What `setsockopt` takes.
Options = Sequence[tuple[int, int, int | bytes]]
#: What `getaddrinfo` takes and returns.
Resolve = Callable[..., Sequence[tuple[int, int, int, str, tuple[Any, ...]]]]


class Unanswered(TimeoutError):
    """No address took a connection in time; its `strerror` names those that did not answer."""


class Dialer:
    """Connects to hosts, and remembers which of a host's addresses answered last. Threads may share it.

    Args:
        resolve: Finds the addresses of a name; None for the system's resolver.
        monotonic: Seconds that never jump.
    """

    def __init__(self, resolve: Resolve | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._resolve = resolve
        self._monotonic = monotonic
        self._answered: dict[tuple[str, int], _Address] = {}
        self._lock = Lock()

    def connect(self, host: str, port: int, *, timeout: float, options: Options | None = None) -> socket.socket:
        """Return a connection, on which nothing waits for longer than the timeout.

        Args:
            host: A name or an address, an IPv6 address with or without its brackets.
            port: Its port.
            timeout: Seconds for all of its addresses together; the resolution of the name is the system's to bound.
            options: What is set on a socket before it connects.

        Raises:
            socket.gaierror: The name does not resolve.
            UnicodeError: It can be no host's name.
            Unanswered: No address answered in time.
            OSError: No connection came about otherwise; its `strerror` says of several addresses what each said.
        """
        host = host.strip("[]")
        addresses = self._addresses(host, port)
        race = _Race(addresses, timeout, options or (), self._monotonic)
        try:
            address, winner = race.run()
        finally:
            race.close()
        with self._lock:
            self._answered[host, port] = address
        winner.settimeout(timeout)
        return winner

    def _addresses(self, host: str, port: int) -> list[_Address]:
        """Return the addresses of a host: the one that answered last, then both families in turn."""
        found = (self._resolve or socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM)
        in_order = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
        if not in_order:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        first = in_order[0][0]
        families = [[each for each in in_order if (each[0] == first) is is_first] for is_first in (True, False)]
        in_turn = [each for each in chain.from_iterable(zip_longest(*families)) if each is not None]
        with self._lock:
            answered = self._answered.get((host, port))
        if answered is None or answered not in in_turn:
            return in_turn
        return [answered, *(each for each in in_turn if each != answered)]


class _Race:
    """The attempts to connect to one host."""

    def __init__(
        self,
        addresses: Sequence[_Address],
        timeout: float,
        options: Options,
        monotonic: Callable[[], float],
    ) -> None:
        self._waiting = deque(addresses)
        self._timeout = timeout
        self._options = options
        self._monotonic = monotonic
        # However many addresses there are, each is tried before the time is up.
        self._head_start = min(HEAD_START_SECONDS, timeout / (2 * len(addresses)))
        self._running: dict[socket.socket, _Address] = {}
        self._refused: dict[_Address, OSError] = {}
        self._selector = DefaultSelector()

    def run(self) -> tuple[_Address, socket.socket]:
        """Return the first that connects, with its address."""
        deadline = self._monotonic() + self._timeout
        while True:
            if self._waiting:
                self._begin(self._waiting.popleft())
            now = self._monotonic()
            if now >= deadline or not (self._running or self._waiting):
                raise self._failure()
            until = min(now + self._head_start, deadline) if self._waiting else deadline
            for each in self._ready(until - now) if self._running else ():
                address = self._running.pop(each)
                self._selector.unregister(each)
                code = each.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return address, each
                self._refused[address] = OSError(code, os.strerror(code))
                each.close()

    def _ready(self, seconds: float) -> Iterator[socket.socket]:
        for key, _ in self._selector.select(seconds):
            if isinstance(key.fileobj, socket.socket):
                yield key.fileobj

    def _begin(self, address: _Address) -> None:
        family, name = address
        try:
            attempt = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # such as of a family that this machine does not have
            self._refused[address] = error
            return
        try:
            for option in self._options:
                attempt.setsockopt(*option)
            attempt.settimeout(0)
            with suppress(BlockingIOError):
                attempt.connect(name)
        except OSError as error:
            self._refused[address] = error
            attempt.close()
            return
        self._running[attempt] = address
        self._selector.register(attempt, EVENT_WRITE)

    def _failure(self) -> OSError:
        silent = [str(name[0]) for _, name in (*self._running.values(), *self._waiting)]
        said = f"{', '.join(silent)} did not answer within {self._timeout:.3g} s" if silent else ""
        if not self._refused:
            return Unanswered(ETIMEDOUT, said)
        if not silent and len(self._refused) == 1:
            (only,) = self._refused.values()
            return only
        refusals = [f"{name[0]}: {error.strerror}" for (_, name), error in self._refused.items()]
        (code, *_) = (error.errno for error in self._refused.values())
        return OSError(code, "; ".join(filter(None, (*refusals, said))))

    def close(self) -> None:
        """Close every attempt that has not won."""
        for each in self._running:
            each.close()
        self._selector.close()
