"""How long the newest poll of each run of good polls took."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nullable without a default: neither database rewrites the table, and nobody knows it of polls that are over.
    op.add_column("coverage", sa.Column("latency", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
