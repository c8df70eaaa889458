"""What Alembic runs: the store hands over a connection in a transaction, a developer names a URL with `-x url=`."""

from alembic import context
from sqlalchemy import Connection, create_engine

from alerter.storage.tables import metadata_for_postgresql


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata_for_postgresql(),
        # SQLite alters a table by building it again.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    migrate(handed_over)
else:
    with create_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as own:
        migrate(own)
