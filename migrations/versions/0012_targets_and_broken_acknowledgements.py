"""What each target of a receiver was told, and when an acknowledgement broke."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Whole microseconds: 64 bits, which SQLite calls INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("acknowledgements", sa.Column("broken_at", _NUMBER))
    # Made anew, for SQLite cannot change a primary key. No table refers to it.
    op.drop_index(op.f("ix_told_believed"), table_name="told")
    op.rename_table("told", "told_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_told RENAME TO pk_told_before")
    create_told()
    columns = "topic, receiver, rule, tenant, reason, severity, state, at, repeats, thread"
    op.execute(f"INSERT INTO told ({columns}, target) SELECT {columns}, '' FROM told_before")  # noqa: S608 - our own
    op.drop_table("told_before")


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")


def create_told() -> None:
    op.create_table(
        "told",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("thread", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("topic", "receiver", "target", name=op.f("pk_told")),
    )
    believed = sa.text("state = 'firing'")
    op.create_index(
        op.f("ix_told_believed"), "told", ["tenant", "topic"], sqlite_where=believed, postgresql_where=believed
    )
