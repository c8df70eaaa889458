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
    create_service()


def downgrade() -> None:
    raise NotImplementedError("restore the copy that the upgrade made")


def create_history() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_polled_at", _NUMBER),
        sa.Column("revision", _NUMBER, server_default="0", nullable=False),
        sa.Column("downsampled_until", _NUMBER),
        sa.Column("downsampling_at", _NUMBER),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="held", nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("value", _NUMBER, nullable=False),
        sa.Column("changed_at", _NUMBER, nullable=False),
        sa.Column("first_seen_at", _NUMBER, nullable=False),
        sa.Column("first_held_at", _NUMBER),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("tenant_id", "kind", "digest", name=op.f("uq_series_tenant_id_kind_digest")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_series_tenant_id")),
    )
    op.create_index(
        "ix_series_largest",
        "series",
        ["kind", sa.literal_column("value DESC"), "id"],
        sqlite_where=sa.text("value > 0"),
        postgresql_where=sa.text("value > 0"),
    )
    op.create_table(
        "count_changes",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("previous_value", _NUMBER, nullable=False),
        sa.Column("value", _NUMBER, nullable=False),
        sa.CheckConstraint("previous_value <> value", name=op.f("ck_count_changes_changed")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_count_changes_tenant_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_count_changes_series_id")),
        sa.PrimaryKeyConstraint("tenant_id", "at", "series_id", name=op.f("pk_count_changes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "compressed_days",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("start_at", _NUMBER, nullable=False),
        sa.Column("end_at", _NUMBER, nullable=False),
        sa.Column("changes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("start_at <= end_at", name=op.f("ck_compressed_days_ordered")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_compressed_days_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "start_at", name=op.f("pk_compressed_days")),
    )
    op.create_table(
        "coverage",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="held", nullable=False),
        sa.Column("first_poll_at", _NUMBER, nullable=False),
        sa.Column("last_poll_at", _NUMBER, nullable=False),
        sa.Column("poll_count", sa.Integer(), nullable=False),
        sa.Column("latency_us", _NUMBER),
        sa.Column("steps", sa.LargeBinary()),
        sa.CheckConstraint("first_poll_at <= last_poll_at", name=op.f("ck_coverage_ordered")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_coverage_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "first_poll_at", name=op.f("pk_coverage")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "poll_failures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="held", nullable=False),
        sa.Column("outage_started_at", _NUMBER, nullable=False),
        sa.Column("first_failed_at", _NUMBER, nullable=False),
        sa.Column("last_failed_at", _NUMBER, nullable=False),
        sa.Column("failure_count", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("ended_at", _NUMBER),
        sa.Column("steps", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_poll_failures_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poll_failures")),
    )
    op.create_index(
        "ix_poll_failures_tenant_id_kind_last_failed_at", "poll_failures", ["tenant_id", "kind", "last_failed_at"]
    )
    op.create_index(
        "uq_poll_failures_open",
        "poll_failures",
        ["tenant_id", "kind"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="held", nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("value", _NUMBER),
        sa.Column("peak", _NUMBER),
        sa.Column("active_at", _NUMBER),
        sa.Column("fired_at", _NUMBER),
        sa.Column("keep_firing_since", _NUMBER),
        sa.Column("resolved_at", _NUMBER),
        sa.Column("resolved_because", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("fired_under", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_alerts")),
    )
    op.create_index(
        "ix_alerts_live",
        "alerts",
        ["tenant", "subject"],
        sqlite_where=sa.text("state != 'inactive'"),
        postgresql_where=sa.text("state != 'inactive'"),
    )
    op.create_index(
        "ix_alerts_resolved",
        "alerts",
        ["resolved_at", "digest"],
        sqlite_where=sa.text("resolved_at IS NOT NULL"),
        postgresql_where=sa.text("resolved_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_alerts_id"), "alerts", ["id"])
    op.create_index(op.f("ix_alerts_subject"), "alerts", ["subject"])
    op.create_table(
        "transitions",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="held", nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transitions")),
    )
    op.create_index(op.f("ix_transitions_alert_id"), "transitions", ["alert_id"])
    op.create_index(op.f("ix_transitions_at"), "transitions", ["at"])
    op.create_table(
        "notification_states",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="held", nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("notified_at", _NUMBER, nullable=False),
        sa.Column("repeat_count", sa.Integer(), nullable=False),
        sa.Column("thread", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("subject", "receiver", "target", name=op.f("pk_notification_states")),
    )
    op.create_index(
        "ix_notification_states_firing",
        "notification_states",
        ["tenant", "subject"],
        sqlite_where=sa.text("state = 'firing'"),
        postgresql_where=sa.text("state = 'firing'"),
    )
    op.create_table(
        "silences",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), server_default="held", nullable=False),
        sa.Column("tenants", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), server_default="{}", nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("severities", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("starts_at", _NUMBER, nullable=False),
        sa.Column("ends_at", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_silences_ends_at"), "silences", ["ends_at"])
    op.create_table(
        "acknowledgements",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="held", nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("value", _NUMBER),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", _NUMBER, nullable=False),
        sa.Column("broken_at", _NUMBER),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_acknowledgements")),
    )
    op.create_table(
        "actions",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actions")),
    )
    op.create_index(op.f("ix_actions_at"), "actions", ["at"])


def create_outbox() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("bodies", sa.Text(), nullable=False),
        sa.Column("alert_ids", sa.Text(), nullable=False),
        sa.Column("created_at", _NUMBER, nullable=False),
        sa.Column("extras", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index(op.f("ix_messages_created_at"), "messages", ["created_at"])
    op.create_index(
        "ix_messages_with_text",
        "messages",
        ["created_at"],
        sqlite_where=sa.text("bodies != '{}'"),
        postgresql_where=sa.text("bodies != '{}'"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("target_name", sa.Text(), nullable=False),
        sa.Column("created_at", _NUMBER, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _NUMBER, nullable=False),
        sa.Column("sent_at", _NUMBER),
        sa.Column("dead_at", _NUMBER),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("claim_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed_by", _NUMBER),
        sa.Column("refused_at", _NUMBER),
        sa.Column("had_by", sa.Text(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_deliveries_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_dead",
        "deliveries",
        ["id"],
        sqlite_where=sa.text("dead_at IS NOT NULL"),
        postgresql_where=sa.text("dead_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_deliveries_message_id"), "deliveries", ["message_id"])
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["id"],
        sqlite_where=sa.text("sent_at IS NULL AND dead_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL AND dead_at IS NULL"),
    )
    op.create_table(
        "targets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_targets")),
    )
    op.create_table(
        "outages",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("target_name", sa.Text(), nullable=False),
        sa.Column("started_at", _NUMBER, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("notified", sa.Text()),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_outages")),
    )
    op.create_table(
        "suppressed_notifications",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_suppressed_notifications")),
    )
    op.create_table(
        "notification_groups",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("flush_at", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_notification_groups")),
    )


def create_service() -> None:
    op.create_table(
        "database_sizes",
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("used_bytes", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("at", name=op.f("pk_database_sizes")),
    )
    op.create_table(
        "instances",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("config_digest", sa.Text(), nullable=False),
        sa.Column("started_at", _NUMBER, nullable=False),
        sa.Column("alive_until", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "leases",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("instance_id", _NUMBER),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_leases")),
    )
