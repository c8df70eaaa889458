"""Who is sending a delivery: what somebody had in flight who is gone is sent again."""

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


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
