"""When each tenant was first polled well, and when each hold reason first held anything."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INSTANT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Nullable without a default: neither database rewrites the table.
    op.add_column("tenants", sa.Column("polled_since", _INSTANT))
    op.add_column("series", sa.Column("first_held_at", _INSTANT))
    op.execute("UPDATE tenants SET polled_since = (SELECT min(since) FROM coverage WHERE tenant_id = tenants.id)")
    # What was seen before this schema may have held something that was pruned since: it is never called new.
    op.execute("UPDATE series SET first_held_at = first_seen_at")


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
