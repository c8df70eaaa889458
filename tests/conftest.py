"""What tests share: a fixed noon, and a real database of each kind."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url, text

from alerter.storage import Store, schema
from alerter.storage.tables import HEAD, REVISIONS, metadata
from tests.builders import NOON
from tests.postgres import Server, server

#: The same examples in every run, so that a build fails only for what it has changed, and no time limit that a busy
#: machine reaches: pytest's own ends a test that hangs.
settings.register_profile(
    "same",
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
settings.register_profile("quick", settings.get_profile("same"), max_examples=10)  # `make mutants`
settings.register_profile("random", settings.get_profile("same"), derandomize=False, max_examples=500)  # `make fuzz`
settings.load_profile("same")

CORE = Path(__file__).parent / "core"

#: Adds a revision that executes a statement; returns a function that removes it again.
AddRevision: TypeAlias = Callable[[str], Callable[[], None]]


@pytest.hookimpl(trylast=True)  # Hypothesis loads the profile that was asked for
def pytest_configure() -> None:
    """Let the examples of a test depend on the test alone, unless they are random anyway."""
    if settings.get_current_profile_name() != "random":
        # Hypothesis takes some values from the constants of all modules that are loaded: those of the tests before.
        pytest.MonkeyPatch().setattr("hypothesis.internal.conjecture.providers.is_local_module_file", lambda _: False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Count no lines where counting takes longer than the test: of drawn values, but for the core, which needs each."""
    is_random = item.get_closest_marker("hypothesis") is not None and CORE not in item.path.parents
    if not is_random and item.get_closest_marker("uncounted") is None:
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


@pytest.fixture(autouse=True)
def unchanged_log_level() -> Iterator[None]:
    """Fail a test that leaves logging as a command had set it up: tests after it would see nothing of the log."""
    yield
    assert logging.getLogger("alerter").level == logging.NOTSET, "wrap what runs a command in `unchanged_logging`"


@pytest.fixture
def noon() -> datetime:
    """Return the present of every test, an aware instant."""
    return NOON


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database of each kind with the present schema, and nothing in it."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """Yield a store over a real SQLite file, and over PostgreSQL."""
    with closing(Store(database_url)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql", "sqlite without cache"])
def store_both_ways(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Yield a store of each kind, and one that keeps no state of any tenant: both ways, everything is the same."""
    kind, *without = str(request.param).split(" ")
    with closing(Store(request.getfixturevalue(f"{kind}_url"), cache=not without)) as opened:
        yield opened


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """Return the URL of a migrated SQLite file."""
    path = tmp_path / "alerter.db"
    shutil.copy(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(shared_database: str) -> str:
    """Return the URL of a migrated PostgreSQL database, which no test finds anything of another one in."""
    # To empty the tables takes a tenth of the time of a new database.
    engine = create_engine(shared_database)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
    engine.dispose()
    return shared_database


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file that was migrated, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "alerter.db"
    with closing(Store(f"sqlite:///{path}")) as opened:
        opened.upgrade()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Yield a PostgreSQL server."""
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def migrated_database(postgresql: Server) -> Iterator[str]:
    """Yield the name of a PostgreSQL database that was migrated, to be copied."""
    with postgresql.database() as url:
        with closing(Store(url)) as opened:
            opened.upgrade()
        yield make_url(url).database or ""


@pytest.fixture(scope="session")
def shared_database(postgresql: Server, migrated_database: str) -> Iterator[str]:
    """Yield the URL of the PostgreSQL database that tests share, one after the other."""
    with postgresql.database(template=migrated_database) as url:
        yield url


@pytest.fixture
def a_later_revision(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AddRevision]:
    """Yield a function that gives this alerter one revision more, so that the present schema is an older one."""
    with pytest.MonkeyPatch.context() as patch:

        def add(statement: str) -> Callable[[], None]:
            later = tmp_path_factory.mktemp("later") / "migrations"
            shutil.copytree(schema.migrations(), later, ignore=shutil.ignore_patterns("__pycache__"))
            (later / "versions" / "9999_later.py").write_text(
                f"from alembic import op\n\nrevision = '9999'\ndown_revision = '{HEAD}'\n\n"
                f"def upgrade():\n    op.execute({statement!r})\n\n"
                "def downgrade():\n    raise NotImplementedError('restore the copy that the upgrade made')\n"
            )
            patch.setattr(schema, "migrations", lambda: later)
            patch.setattr(schema, "REVISIONS", (*REVISIONS, "9999"))
            patch.setattr(schema, "HEAD", "9999")
            return patch.undo

        yield add
    schema._own_objects.cache_clear()  # noqa: SLF001 - what it knows of the later revision
