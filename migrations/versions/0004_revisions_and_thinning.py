"""Whether what is remembered of a tenant is still true, and how far its history has been thinned."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# 64 bits, which SQLite calls INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Neither costs a rewrite of the table, and its children are not touched.
    op.add_column("tenants", sa.Column("revision", _NUMBER, nullable=False, server_default="0"))
    op.add_column("tenants", sa.Column("thinned_until", _NUMBER, nullable=True))


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
