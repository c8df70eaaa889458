"""Which URL the name of each target stood for when the configuration was read last."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "addresses",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_addresses")),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")
