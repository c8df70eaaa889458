"""Sessions on a PostgreSQL server: which errors end them, and what nobody in its place gets to know."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from psycopg import errors

from alerter.errors import StoreError, StoreUnavailable
from alerter.storage import Store
from alerter.storage.sessions import ends_sessions, may_pass


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errors.ReadOnlySqlTransaction(), id="the server has become read-only"),
        pytest.param(errors.AdminShutdown(), id="an administrator ended the session"),
        pytest.param(errors.CrashShutdown(), id="another session crashed"),
        pytest.param(errors.CannotConnectNow(), id="it is starting or stopping"),
        pytest.param(errors.ConnectionFailure(), id="the connection failed"),
        pytest.param(errors.ProtocolViolation(), id="somebody in between says something else"),
        pytest.param(errors.IdleInTransactionSessionTimeout(), id="the session was ended for its silence"),
        pytest.param(errors.DiskFull(), id="its disk is full"),
        pytest.param(errors.TooManyConnections(), id="it has too many connections"),
        pytest.param(errors.QueryCanceled(), id="it takes too long"),
        pytest.param(errors.IoError(), id="its disk fails"),
        pytest.param(errors.InternalError_(), id="it has an error of its own"),
        pytest.param(errors.InvalidSqlStatementName(), id="another session has the prepared statement"),
        pytest.param(errors.FeatureNotSupported(), id="a table is another one than when a statement was prepared"),
    ],
)
def test_an_error_that_a_new_connection_may_not_have_ends_all(error: psycopg.Error) -> None:
    """It may lead to another server by now; to connect anew costs little."""
    assert ends_sessions(error)
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errors.UniqueViolation(), id="a row is there already"),
        pytest.param(errors.DeadlockDetected(), id="two wait for one another"),
        pytest.param(errors.SerializationFailure(), id="another transaction came first"),
        pytest.param(errors.LockNotAvailable(), id="another one has the lock"),
        pytest.param(errors.UndefinedTable(), id="a table is missing"),
        pytest.param(errors.NumericValueOutOfRange(), id="a number is too large"),
    ],
)
def test_an_error_of_a_statement_ends_nothing(error: psycopg.Error) -> None:
    """A new connection would have it as well."""
    assert not ends_sessions(error)
    assert not may_pass(error)


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        pytest.param("connection failed: Connection refused", True, id="nobody listens"),
        pytest.param("failed to resolve host 'db.example'", True, id="there is no network yet"),
        pytest.param("FATAL: the database system is starting up", True, id="it is starting"),
        pytest.param("FATAL: Passwort-Authentifizierung", True, id="another language"),
        pytest.param('FATAL: password authentication failed for user "a"', False, id="a wrong password"),
        pytest.param('FATAL: database "a" does not exist', False, id="a wrong name"),
        pytest.param("FATAL: no pg_hba.conf entry for host", False, id="a host that is not let in"),
    ],
)
def test_what_a_person_must_mend_is_told_from_what_passes(said: str, passes: bool) -> None:  # noqa: FBT001 - a table
    """Where libpq has words alone: a service waits for the one, and ends for the other."""
    assert may_pass(psycopg.OperationalError(said)) is passes


def test_a_server_that_is_not_there_may_be_there_later() -> None:
    """So says the kind of the error."""
    with (
        closing(Store("postgresql://127.0.0.1:1/held")) as store,
        pytest.raises(StoreUnavailable, match="refused"),
        store.read(),
    ):
        pass


@contextmanager
def an_impostor() -> Iterator[tuple[int, bytearray]]:
    """Serve the port of somebody who asks for the password in clear, and what he is told."""
    is_routed = bytearray()

    def serve() -> None:
        line, _ = listener.accept()
        with line:
            line.recv(1024)  # whether TLS is spoken here
            line.sendall(b"N")
            line.recv(1024)  # who wants to come in
            line.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")
            is_routed.extend(line.recv(1024))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], is_routed
        thread.join(10)


def test_whoever_answers_in_a_servers_place_does_not_get_the_password() -> None:
    """Nothing proves who he is: a password in clear would be his."""
    with (
        an_impostor() as (port, is_routed),
        closing(Store(f"postgresql://u:pass-0001@/held?host=db.example&hostaddr=127.0.0.1&port={port}")) as store,
        pytest.raises(StoreError, match="authentication"),
        store.read(),
    ):
        pass

    assert b"pass-0001" not in is_routed


def test_a_server_on_this_machine_may_ask_for_the_password_in_clear() -> None:
    """As with LDAP or PAM; what the URL says of it counts everywhere."""
    for host in ("localhost", "db.example&require_auth=password"):
        with (
            an_impostor() as (port, is_routed),
            closing(Store(f"postgresql://u:pass-0001@/held?host={host}&hostaddr=127.0.0.1&port={port}")) as store,
            pytest.raises(StoreError),
            store.read(),
        ):
            pass

        assert b"pass-0001" in is_routed


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        pytest.param("postgresql://v@/held?host=a:1&host=b:2", True, id="SQLAlchemy's form of the same"),
        pytest.param("postgresql://u@a:1,b:3/held", False, id="another port"),
        pytest.param("postgresql://u@a:1,c:2/held", False, id="another server"),
        pytest.param("postgresql://u@a:1,b:2/other", False, id="another database"),
    ],
)
def test_databases_on_several_servers_are_told_apart(other: str, is_same: bool) -> None:  # noqa: FBT001 - a table
    """Nothing is copied from a database into itself, in whichever form it is named."""
    with closing(Store("postgresql://u@a:1,b:2/held")) as store, closing(Store(other)) as another:
        assert store.is_same_as(another) is is_same
        assert store.location == "postgresql://a:1,b:2/held"
