"""Look up failed polls by their tenant, and hold by `clear_at` what fired before limits were kept."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_alerts = sa.table("alerts", sa.column("digest"), sa.column("state"), sa.column("operands"), sa.column("fired_under"))


def upgrade() -> None:
    op.create_index(op.f("ix_poll_failures_tenant_id_until"), "poll_failures", ["tenant_id", "until"])
    connection = op.get_bind()
    firing = connection.execute(
        sa.select(_alerts.c.digest, _alerts.c.operands).where(_alerts.c.state == "firing", _alerts.c.fired_under == "")
    )
    for digest, operands in firing.all():
        connection.execute(
            sa.update(_alerts).where(_alerts.c.digest == digest).values(fired_under=_fixed_limit(json.loads(operands)))
        )


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")


def _fixed_limit(operands: list[dict[str, str]]) -> str:
    """Return the limits that an alert was judged by, in words, wherever they clear."""
    limits = [each["limit"] for each in operands if each["condition"] == "threshold"]
    return ", ".join(limit.partition(", clears at ")[0] for limit in limits)
