"""Sessions on a PostgreSQL server: how they are opened, how a transaction begins, and which errors end all of them.

Nothing is kept in a session: no setting, no lock, no prepared statement, so that a pooler in transaction mode may stand
in between, and a transaction may run on any server that takes writes.
"""

import os
from contextlib import suppress
from socket import SHUT_RDWR, socket
from typing import Any, Final, Protocol
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext

from alerter.errors import StoreError
from alerter.servers import ServerUrl, read_server_url

#: As many connections as a daemon may use at a time: its jobs, its senders, and the main thread.
POOL_SIZE = 45
#: How long one server may take to let a connection in, in seconds.
CONNECT_SECONDS: Final = 5
#: The server's own timeouts end nothing when the server cannot be reached any more: these do, within half a minute.
_KEEPALIVES: Final = {
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
#: From this version on, libpq takes a setting for how a server may ask for a password.
_LIBPQ_WITH_REQUIRE_AUTH: Final = 160_000

#: What PostgreSQL says (SQLSTATE, by class or in full: its manual's appendix A) where a statement, its values or
#: another transaction is to blame. After anything else a new connection may do better: it may lead to another server.
_STAYS_AFTER: Final = ("22", "23", "40", "42", "44", "P0", "55P03")
#: What the server says until a person has mended it: a wrong name or password, no such database.
_FINAL: Final = ("28", "3D")
_FINAL_WORDS: Final = ("password", "pg_hba.conf", "authentication", "certificate", '" does not exist')


def server_url(url: str) -> URL:
    """Return the URL as SQLAlchemy takes it, with several servers in the one form that the driver has for them.

    Raises:
        ValueError: It is not understood; the text shows nothing of it.
    """
    read = read_server_url(url)
    if len(read.servers) == 1:
        return make_url(url)
    ports = ["" if server.port is None else str(server.port) for server in read.servers]
    query = dict(read.parameters) | {"host": ",".join(server.host for server in read.servers), "port": ",".join(ports)}
    # Of several, the one is meant that takes writes: without this, libpq stays with the first that answers.
    return make_url(read.bare).set(query={"target_session_attrs": "read-write"} | query)


def database_location(url: URL) -> str:
    """Return where the database is, for people: hosts and name; never a password."""
    servers = _read(url).servers
    named = ",".join(map(str, servers)) if len(servers) > 1 else url.host or ""
    return f"postgresql://{named}/{url.database or ''}"


def _read(url: URL) -> ServerUrl:
    return read_server_url(url.render_as_string(hide_password=True))


class _Wire(Protocol):
    """A connection as the driver has it."""

    def fileno(self) -> int:
        """Return the number of its socket."""
        ...


class ServerConnections:
    """The connections to a server, on each of which somebody may wait for it."""

    def __init__(self, engine: Engine) -> None:
        self._open: WeakSet[_Wire] = WeakSet()
        event.listen(engine, "connect", lambda connection, _: self._open.add(connection))

    def close_all(self) -> None:
        """End all of them, also from another thread than the one that waits, and whatever is between it and the server.

        A wait ends by itself when the network says nothing, but not behind something that takes all and passes on
        nothing. Nor does one for the answer whether a connection that was at rest is still good: so those that are at
        rest are ended as well.
        """
        # A caller that has just closed one has done what is to be done.
        for connection in list(self._open):
            with suppress(Exception), socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(SHUT_RDWR)


def open_server(url: URL, *, statement_timeout: str, lock_timeout: str, is_read_only: bool) -> Engine:
    """Return an engine; it connects when it is first used.

    Args:
        url: As `server_url` returns it.
        statement_timeout: How long a statement may take, as PostgreSQL writes it; `0` for any time.
        lock_timeout: How long it may wait for a lock.
        is_read_only: Whether every transaction refuses to write.

    Raises:
        StoreError: The driver for PostgreSQL is not installed.
    """
    try:
        engine = create_engine(
            url,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "alerter",
                # A pooler in transaction mode does not know on which server a statement was prepared.
                "prepare_threshold": None,
                **_KEEPALIVES,
                **_guard(url),
            },
            # Never False: that would ask for a transaction that writes also where the server is closed for writes.
            execution_options={"postgresql_readonly": True} if is_read_only else {},
            pool_size=POOL_SIZE,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            "the driver for PostgreSQL is missing: install psycopg, or alerter with its extra [postgresql]"
        ) from error
    settings = {"timezone": "UTC", "statement_timeout": statement_timeout, "lock_timeout": lock_timeout}
    limits = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())

    @event.listens_for(engine, "begin")
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(limits)

    @event.listens_for(engine, "handle_error")
    def end_all(context: ExceptionContext) -> None:
        # Where a server has become a standby, or its name leads to another one by now, the connections that are open
        # stay with it. All are given up, each when it is free.
        if ends_sessions(context.original_exception):
            context.is_disconnect = True

    return engine


def _guard(url: URL) -> dict[str, Any]:
    """Return what keeps libpq from handing the password in clear to somebody who answers in the server's place.

    A certificate that is verified keeps him away; so does a socket of this machine.
    """
    import psycopg  # noqa: PLC0415 - an extra, and slow to load

    # What the environment or a service file says, which libpq goes by as well.
    defaults = {each.keyword.decode(): (each.val or b"").decode() for each in psycopg.pq.Conninfo.get_defaults()}
    is_said = "require_auth" in url.query or defaults.get("require_auth")
    if is_said or not _read(url).is_exposed(sslmode=defaults["sslmode"], host=defaults["host"]):
        return {}
    return {"require_auth": "!password"} if psycopg.pq.version() >= _LIBPQ_WITH_REQUIRE_AUTH else {}


def ends_sessions(error: BaseException) -> bool:
    """Return whether an error of the driver is one that a new connection may not have."""
    state = getattr(error, "sqlstate", None)
    return isinstance(state, str) and not state.startswith(_STAYS_AFTER)


def may_pass(error: BaseException | None) -> bool:
    """Return whether an error of the driver says that the server cannot be reached, or takes nothing for now."""
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return not state.startswith((*_STAYS_AFTER, *_FINAL))
    # Before a session has begun there is no code, but words; in another language, all of it is waited for.
    said = str(error)
    return type(error).__name__ == "OperationalError" and not any(words in said for words in _FINAL_WORDS)
