"""Of a delivery: who is sending it, if its target refuses it as such, who has it; and since when a target is away."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# 64 bits, which SQLite calls INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("claimed_by", _NUMBER))
    op.add_column("deliveries", sa.Column("refused_at", _NUMBER))
    op.add_column("deliveries", sa.Column("had_by", sa.Text(), nullable=False, server_default="[]"))
    op.create_table(
        "outages",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("since", _NUMBER, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_outages")),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
