"""The URL of a PostgreSQL database: which servers it names."""

import pytest

from alerter.servers import read_server_url


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        pytest.param("postgresql://u:p@db.example/held", ["db.example"], id="one"),
        pytest.param("postgresql://u:p@db.example:6432/held", ["db.example:6432"], id="one with a port"),
        pytest.param("postgresql:///held", [""], id="none: libpq's default"),
        pytest.param("postgresql://", [""], id="nothing at all"),
        pytest.param("postgresql://u@/held?host=/run/postgresql", ["/run/postgresql"], id="a socket"),
        pytest.param("postgresql://u@/held?host=%2Frun%2Fpostgresql", ["/run/postgresql"], id="a socket, encoded"),
        pytest.param("postgresql://u:p@a,b/held", ["a", "b"], id="libpq's form"),
        pytest.param("postgresql://u:p@a:1,b:2,c/held", ["a:1", "b:2", "c"], id="libpq's form with ports"),
        pytest.param("postgresql://[::1]:5,[fe80::2]/held", ["[::1]:5", "[fe80::2]"], id="libpq's form with IPv6"),
        pytest.param("postgresql://a:1,b/held?port=7", ["a:1", "b:7"], id="a port for those without one"),
        pytest.param("postgresql://u@/held?host=a:1&host=b:2", ["a:1", "b:2"], id="SQLAlchemy's form"),
        pytest.param("postgresql://u@/held?host=a,b&port=1,2", ["a:1", "b:2"], id="lists"),
        pytest.param("postgresql://u@/held?host=a,b&port=1", ["a:1", "b:1"], id="one port for all"),
        pytest.param("postgresql://x/held?host=a", ["a"], id="what stands behind the question mark counts"),
        pytest.param("postgresql:///held?hostaddr=192.0.2.1", ["192.0.2.1"], id="an address alone"),
        pytest.param("postgresql:///held?host=::1", ["[::1]"], id="an address of IPv6"),
    ],
)
def test_every_form_of_several_servers_is_read(url: str, servers: list[str]) -> None:
    """As libpq and SQLAlchemy read it."""
    assert [str(server) for server in read_server_url(url).servers] == servers


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://u:secret@h:no/d", id="a port in words"),
        pytest.param("postgresql://u:secret@h:1,g:99999/d", id="a port that there is not"),
        pytest.param("postgresql://u:sec/ret@h/d", id="a password with a slash"),
        pytest.param("postgresql://h/d?host=a,b&port=1,2,3", id="more ports than servers"),
        pytest.param("secret", id="no URL"),
    ],
)
def test_what_is_not_understood_is_refused_without_being_shown(url: str) -> None:
    """The text goes into logs, and the URL holds a password."""
    with pytest.raises(ValueError, match=r"port|form") as caught:
        read_server_url(url)

    assert "sec" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        pytest.param("postgresql:///held", True, id="a socket"),
        pytest.param("postgresql:///held?host=/run/postgresql", True, id="the folder of a socket"),
        pytest.param("postgresql://localhost/held", True, id="this machine by name"),
        pytest.param("postgresql://127.0.0.7/held", True, id="a loopback address"),
        pytest.param("postgresql://[::1]/held", True, id="the loopback address of IPv6"),
        pytest.param("postgresql://db.example/held", False, id="a name"),
        pytest.param("postgresql://localhost,db.example/held", False, id="one of several"),
    ],
)
def test_it_is_known_which_servers_are_on_this_machine(url: str, is_local: bool) -> None:  # noqa: FBT001 - a table
    """Nobody can listen on the way there."""
    assert all(server.is_local for server in read_server_url(url).servers) is is_local


@pytest.mark.parametrize(
    ("url", "is_exposed"),
    [
        pytest.param("postgresql://db.example/held", True, id="nothing is said"),
        pytest.param("postgresql://db.example/held?sslmode=require", True, id="TLS with anybody"),
        pytest.param("postgresql://db.example/held?sslmode=verify-ca", True, id="a certificate of another host"),
        pytest.param("postgresql://db.example/held?sslmode=verify-full", False, id="a certificate of this host"),
        pytest.param("postgresql://db.example/held?sslrootcert=system", False, id="the system's authorities"),
        pytest.param("postgresql://127.0.0.1,db.example/held", True, id="one of several"),
        pytest.param("postgresql:///held", False, id="this machine"),
        pytest.param("postgresql://localhost/held?hostaddr=192.0.2.1", True, id="an address that is not the name's"),
        pytest.param("postgresql:///held?host=localhost&hostaddr=192.0.2.1", True, id="the same behind the ?"),
        pytest.param("postgresql:///held?host=db.example&hostaddr=127.0.0.1", True, id="a tunnel to another machine"),
        pytest.param("postgresql:///held?service=held", True, id="what a service file says"),
        pytest.param("postgresql:///held?service=held&sslmode=verify-full", False, id="that with a certificate"),
    ],
)
def test_it_is_known_whether_a_server_proves_who_it_is(url: str, is_exposed: bool) -> None:  # noqa: FBT001 - a table
    """Beyond this machine only a certificate that is verified does."""
    assert read_server_url(url).is_exposed(sslmode=None) is is_exposed


def test_what_libpq_finds_elsewhere_counts_where_the_url_says_nothing() -> None:
    """A mode and a host of the environment."""
    assert not read_server_url("postgresql://db.example/held").is_exposed(sslmode="verify-full")
    assert read_server_url("postgresql:///held").is_exposed(sslmode=None, host="db.example")
    assert read_server_url("postgresql://db.example/held?sslmode=require").is_exposed(sslmode="verify-full")
