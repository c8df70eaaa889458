"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Whole microseconds, counts and long row numbers: 64 bits, which SQLite calls INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    create_history()
    create_alerts()
    create_outbox()


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")


def create_history() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held", _NUMBER, nullable=False),
        sa.Column("changed_at", _NUMBER, nullable=False),
        sa.Column("first_seen_at", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("tenant_id", "digest", name=op.f("uq_series_tenant_id_digest")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_series_tenant_id")),
    )
    op.create_table(
        "counts",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("was", _NUMBER, nullable=False),
        sa.Column("held", _NUMBER, nullable=False),
        sa.CheckConstraint("was <> held", name=op.f("ck_counts_changed")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_counts_tenant_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_counts_series_id")),
        sa.PrimaryKeyConstraint("tenant_id", "at", "series_id", name=op.f("pk_counts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coverage",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("since", _NUMBER, nullable=False),
        sa.Column("until", _NUMBER, nullable=False),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.CheckConstraint("since <= until", name=op.f("ck_coverage_ordered")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_coverage_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "since", name=op.f("pk_coverage")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "poll_failures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("outage_since", _NUMBER, nullable=False),
        sa.Column("since", _NUMBER, nullable=False),
        sa.Column("until", _NUMBER, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("ended_at", _NUMBER),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_poll_failures_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poll_failures")),
    )
    op.create_index(
        "uq_poll_failures_open",
        "poll_failures",
        ["tenant_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("value", _NUMBER),
        sa.Column("peak", _NUMBER),
        sa.Column("active_at", _NUMBER),
        sa.Column("fired_at", _NUMBER),
        sa.Column("ending_since", _NUMBER),
        sa.Column("resolved_at", _NUMBER),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("operands", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_alerts")),
    )
    live = sa.text("state != 'inactive'")
    op.create_index("ix_alerts_live", "alerts", ["tenant", "topic"], sqlite_where=live, postgresql_where=live)
    op.create_index(op.f("ix_alerts_topic"), "alerts", ["topic"])
    op.create_table(
        "transitions",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("operands", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transitions")),
    )
    op.create_index(op.f("ix_transitions_alert_id"), "transitions", ["alert_id"])
    op.create_index(op.f("ix_transitions_at"), "transitions", ["at"])
    op.create_table(
        "told",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "receiver", name=op.f("pk_told")),
    )
    believed = sa.text("state = 'firing'")
    op.create_index("ix_told_believed", "told", ["tenant", "topic"], sqlite_where=believed, postgresql_where=believed)


def create_outbox() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("tone", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("bodies", sa.Text(), nullable=False),
        sa.Column("alert_ids", sa.Text(), nullable=False),
        sa.Column("created_at", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index(op.f("ix_messages_created_at"), "messages", ["created_at"])
    op.create_table(
        "deliveries",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("created_at", _NUMBER, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _NUMBER, nullable=False),
        sa.Column("sent_at", _NUMBER),
        sa.Column("dead_at", _NUMBER),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_deliveries_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_message_id"), "deliveries", ["message_id"])
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["id"],
        sqlite_where=sa.text("sent_at IS NULL AND dead_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL AND dead_at IS NULL"),
    )
