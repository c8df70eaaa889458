"""Days of changes that nobody writes to any more, packed: the service does that little by little."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# 64 bits, which SQLite calls INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "chunks",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("since", _NUMBER, nullable=False),
        sa.Column("until", _NUMBER, nullable=False),
        sa.Column("changes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("since <= until", name=op.f("ck_chunks_ordered")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_chunks_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "since", name=op.f("pk_chunks")),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
