"""The page at a Unix socket, as a proxy on the same machine asks for it: real HTTP over a real socket."""

import http.client
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from alerter.config.models import WebConfig
from alerter.errors import ListenError
from alerter.storage import Store
from alerter.web.server import HttpServer
from tests.web.sites import World, a_config


class UnixConnection(http.client.HTTPConnection):
    """A connection to a path in place of a host."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


@pytest.fixture
def path(sqlite_url: str, tmp_path: Path) -> Iterator[Path]:
    """A page whose proxy at the socket names the user, of whom alice may act."""
    web = WebConfig(user_header="X-User", trusted_proxies=("unix",), operators=("alice",))
    with closing(Store(sqlite_url)) as store:
        world = World(store, a_config("acme", web=web))
        world.poll({"Spam": 640})
        port = HttpServer("", 0, str(tmp_path / "web.sock"))
        port.serve(world.pages, has_forms=True)
        with closing(world.site), closing(port):
            yield tmp_path / "web.sock"


def ask(path: Path, where: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Return status and body of a response."""
    with closing(UnixConnection(path)) as connection:
        sent = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        body = urlencode(form) if form else None
        connection.request("POST" if form else "GET", where, body, {**sent, **headers})
        response = connection.getresponse()
        return response.status, response.read().decode()


def test_the_user_whom_the_proxy_names_is_signed_in(path: Path) -> None:
    """And may act if operators name them; what they do stands in the history without an address."""
    same_origin = {"Sec-Fetch-Site": "same-origin"}
    form = {"rule": "Backlog", "for": "2h", "comment": "planned"}

    assert "alice" in ask(path, "/", {"X-User": "alice"})[1]
    assert ask(path, "/silences/new", {"X-User": "bob", **same_origin}, form)[0] == 403
    assert ask(path, "/silences/new", {"X-User": "alice", **same_origin}, form)[0] == 303
    shown = ask(path, "/silences", {"X-User": "bob"})[1]
    assert "added silence" in shown
    assert "page, unix" in shown


def test_nobody_is_let_in_without_a_name(path: Path) -> None:
    """A way to sign in is configured, and the proxy did not say who it is."""
    assert ask(path, "/", {})[0] == 401
    assert ask(path, "/healthz", {})[0] == 200


def test_the_socket_is_for_its_owner_and_group(path: Path) -> None:
    """Its group is that of the proxy."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    """After a crash the file is still there, with nobody behind it."""
    left = tmp_path / "web.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as abandoned:
        abandoned.bind(str(left))

    with closing(HttpServer("", 0, str(left))), pytest.raises(ListenError, match="address already in use"):
        HttpServer("", 0, str(left))
