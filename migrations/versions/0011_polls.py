"""Every poll to the microsecond, and the limit that an alert fired under."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("coverage", sa.Column("steps", sa.LargeBinary()))
    op.add_column("poll_failures", sa.Column("steps", sa.LargeBinary()))
    op.add_column("alerts", sa.Column("fired_under", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
