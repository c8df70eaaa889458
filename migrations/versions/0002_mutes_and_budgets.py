"""Silences and acknowledgements, what is held back or collected for a receiver, and threads of messages."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Whole microseconds, counts and long row numbers: 64 bits, which SQLite calls INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # A constant default costs neither database a rewrite of the table, and its children are not touched.
    op.add_column("told", sa.Column("thread", sa.Text(), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("extras", sa.Text(), nullable=False, server_default="{}"))
    create_mutes()
    create_budgets()


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")


def create_mutes() -> None:
    op.create_table(
        "silences",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("tenants", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("severities", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("since", _NUMBER, nullable=False),
        sa.Column("until", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_silences_until"), "silences", ["until"])
    op.create_table(
        "acknowledgements",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("value", _NUMBER),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_acknowledgements")),
    )


def create_budgets() -> None:
    op.create_table(
        "held_back",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_held_back")),
    )
    op.create_table(
        "open_groups",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("due_at", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_open_groups")),
    )
