"""Of a delivery: who is sending it, whether its target refuses it as such, and which of its addressees have it."""

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


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
