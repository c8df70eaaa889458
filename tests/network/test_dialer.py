"""Connections to a host some of whose addresses do not answer: real sockets on this machine, and names of our own."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import perf_counter

import pytest

from alerter.network.dialer import Dialer, Resolve, Unanswered

Family = socket.AddressFamily


@contextmanager
def a_listener(host: str, port: int = 0) -> Iterator[int]:
    """Listen at an address of this machine; yield the port."""
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        yield int(listener.getsockname()[1])


@contextmanager
def a_black_hole(host: str, port: int = 0) -> Iterator[int]:
    """Listen at an address, and take no connection: Linux drops whoever knocks once the queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        for _ in range(2):
            knocking = stack.enter_context(socket.socket(listener.family))
            knocking.settimeout(0)
            knocking.connect_ex((host, port))
        yield port


def resolving(*hosts: str) -> Resolve:
    """Return a resolver by which every name has these addresses."""

    def resolve(_: str, port: int, **__: object) -> Sequence[tuple[int, int, int, str, tuple[object, ...]]]:
        return [
            (Family.AF_INET6, 1, 6, "", (host, port, 0, 0)) if ":" in host else (Family.AF_INET, 1, 6, "", (host, port))
            for host in hosts
        ]

    return resolve


def reached(dialer: Dialer, port: int, *, timeout: float = 30.0) -> str:
    """Return the address that a connection leads to."""
    with dialer.connect("api.example", port, timeout=timeout) as connection:
        assert connection.gettimeout() == timeout
        return str(connection.getpeername()[0])


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["::1", "127.0.0.1"], id="IPv6 that nobody answers"),
        pytest.param(["127.0.0.2", "127.0.0.3", "127.0.0.1"], id="dead members of a name"),
        pytest.param(["127.0.0.2", "127.0.0.1", "127.0.0.3"], id="the second of several"),
        pytest.param(["127.0.0.9", "127.0.0.1"], id="one that refuses"),
    ],
)
def test_an_address_that_does_not_answer_costs_no_more_than_its_head_start(addresses: list[str]) -> None:
    """Another one is used long before the time is up."""
    with ExitStack() as stack:
        port = stack.enter_context(a_listener("127.0.0.1"))
        for host in {*addresses} & {"::1", "127.0.0.2", "127.0.0.3"}:
            stack.enter_context(a_black_hole(host, port))
        began = perf_counter()

        assert reached(Dialer(resolving(*addresses)), port) == "127.0.0.1"

    assert perf_counter() - began < 20


def test_the_address_that_answered_last_is_tried_first_the_next_time() -> None:
    """For as long as the name has it and it answers."""
    with ExitStack() as stack:
        port = stack.enter_context(a_listener("127.0.0.1"))
        stack.enter_context(a_black_hole("127.0.0.2", port))
        dialer = Dialer(resolving("127.0.0.2", "127.0.0.1"))
        first = reached(dialer, port)
        with a_listener("127.0.0.4", port):
            dialer._resolve = resolving("127.0.0.4", "127.0.0.1")  # noqa: SLF001 - the name has other addresses now
            second = reached(dialer, port)
            dialer._resolve = resolving("127.0.0.4")  # noqa: SLF001 - as above
            third = reached(dialer, port)

    assert (first, second, third) == ("127.0.0.1", "127.0.0.1", "127.0.0.4")


def test_families_are_tried_in_turn() -> None:
    """Three addresses of a family that does not answer do not hold the other family up."""
    tried = Dialer(resolving("::1", "::2", "::3", "127.0.0.1", "127.0.0.2"))._addresses("api.example", 1)  # noqa: SLF001 - their order

    assert [address[0] for _, address in tried] == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]


def test_where_none_answers_each_is_named() -> None:
    """Whoever reads it knows whom to ask; and it took no longer than it may."""
    with ExitStack() as stack:
        port = stack.enter_context(a_black_hole("127.0.0.2"))
        stack.enter_context(a_black_hole("127.0.0.3", port))

        with pytest.raises(Unanswered, match=r"127\.0\.0\.2, 127\.0\.0\.3 did not answer within 0\.4 s"):
            reached(Dialer(resolving("127.0.0.2", "127.0.0.3")), port, timeout=0.4)


def test_where_some_refuse_and_others_do_not_answer_both_are_said() -> None:
    """A refusal alone would hide that the firewall drops the rest."""
    with a_black_hole("127.0.0.2") as port, pytest.raises(OSError, match="refused") as caught:
        reached(Dialer(resolving("127.0.0.9", "127.0.0.2")), port, timeout=0.4)

    assert caught.value.strerror == "127.0.0.9: Connection refused; 127.0.0.2 did not answer within 0.4 s"


def test_a_single_address_that_refuses_says_what_it_always_said() -> None:
    """There is nothing to tell apart."""
    with a_listener("127.0.0.1") as port:
        pass

    with pytest.raises(ConnectionRefusedError) as caught:
        reached(Dialer(resolving("127.0.0.1")), port)

    assert caught.value.strerror == "Connection refused"


def test_many_addresses_that_do_not_answer_are_all_tried_in_time() -> None:
    """Of forty, the last one answers."""
    dead = [f"127.0.1.{number}" for number in range(1, 40)]
    with ExitStack() as stack:
        port = stack.enter_context(a_listener("127.0.0.1"))
        for host in dead:
            stack.enter_context(a_black_hole(host, port))

        assert reached(Dialer(resolving(*dead, "127.0.0.1")), port, timeout=3.0) == "127.0.0.1"


def test_a_name_without_an_address_does_not_resolve() -> None:
    """As one that the resolver does not know."""
    with pytest.raises(socket.gaierror):
        reached(Dialer(resolving()), 1)
