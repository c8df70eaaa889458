"""Where thinning goes on, which messages still have a text, and how large the database was."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# 64 bits, which SQLite calls INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("tenants", sa.Column("thinning_at", _NUMBER, nullable=True))
    op.create_index(
        "ix_messages_with_text",
        "messages",
        ["created_at"],
        sqlite_where=sa.text("bodies != '{}'"),
        postgresql_where=sa.text("bodies != '{}'"),
    )
    op.create_table(
        "sizes",
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("used_bytes", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("at", name=op.f("pk_sizes")),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
