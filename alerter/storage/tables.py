"""The tables as SQLAlchemy Core metadata: changes of counts are stored, not every count that was seen.

A count is a row only when it changed, with the value that it had before. Polling is a row per unbroken run of
successful polls, with two bytes for the instant of each, and another row after every few hundred. A series is therefore
a step function that is defined where polling covered it, and the database grows with changes and failures, hardly with
polls.

Only the store and the migrations read this. A change of a table needs a revision in `migrations/versions` and its name
in `REVISIONS`; a test compares both with the same catalogue.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    literal,
    literal_column,
)
from sqlalchemy.types import TypeEngine

from alerter.core.series import from_epoch_us, to_epoch_us

#: The revisions of the schema, oldest first.
REVISIONS = ("0001",)
#: The revision that these tables are.
HEAD = REVISIONS[-1]

#: The kind of a series that counts held messages, one for each hold reason.
HELD = "held"

#: Is in the `info` of a table whose rows belong to a running process: a copy of the database leaves them out.
OF_AN_INSTANCE = "of_an_instance"

#: SQLite numbers rows only in a column that is called INTEGER, which holds 64 bits there.
_Number = BigInteger().with_variant(Integer(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware instant as whole microseconds since 1970-01-01 UTC, and back in UTC: exactly what a datetime holds.

    Coarser units would lose the order of a poll and its own coverage: what a snapshot saw at 12:00:00.4 must not be
    stored as covered until 12:00:00 only.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """Return the column's type: the 64-bit integer of each database."""
        return dialect.type_descriptor(_Number)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - overridden
        """Return the stored number; a naive instant is a TypeError."""
        return None if value is None else to_epoch_us(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - overridden
        """Return the instant."""
        return None if value is None else from_epoch_us(value)


# Every constraint has a name from the first day on: without one, a later migration could neither drop nor keep it.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _kind() -> Column[str]:
    """Return the column that says what a series counts: `held` for held messages, the only kind so far."""
    return Column("kind", Text, nullable=False, server_default=HELD)


def is_held(table: FromClause) -> ColumnElement[bool]:
    """Return the condition that a row is about held messages."""
    return table.c.kind == literal_column(f"'{HELD}'")


# `first_polled_at` and `first_held_at` below outlive the history: a reason is new only once, whatever was pruned.
# `revision` rises with every transaction that changes what is stored of a tenant, except a poll that changed only
# counts and the newest run of polls: the cache compares both to know whether it is still valid.
# `downsampled_until` is how far the history is reduced to the extremes of each hour, `downsampling_at` where that
# continues: earlier if older history was imported since.
tenants = Table(
    "tenants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("first_polled_at", Instant),
    Column("revision", _Number, nullable=False, server_default="0"),
    Column("downsampled_until", Instant),
    Column("downsampling_at", Instant),
    UniqueConstraint("name"),
)

# `digest` stands for the reason where it must be unique: a name of 1000 characters does not fit into an index of
# PostgreSQL, whose entries end at 2704 bytes. `value` is the count now.
series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    _kind(),
    Column("digest", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("value", _Number, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("first_held_at", Instant),
    UniqueConstraint("tenant_id", "kind", "digest"),
)
# The largest of half a million series are found without reading all of them; most series hold nothing.
is_above_zero = series.c.value > literal_column("0")
Index("ix_series_largest", series.c.kind, series.c.value.desc(), series.c.id, sqlite_where=is_above_zero)

# Clustered as it is written and read: a poll appends at the end of its tenant, a lookback is one range of it.
count_changes = Table(
    "count_changes",
    metadata,
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("series_id", Integer, ForeignKey("series.id"), nullable=False),
    Column("previous_value", _Number, nullable=False),
    Column("value", _Number, nullable=False),
    PrimaryKeyConstraint("tenant_id", "at", "series_id"),
    CheckConstraint("previous_value <> value", name="changed"),
    sqlite_with_rowid=False,
)

# Count changes of old days, at most of one day each. Between `start_at` and `end_at`, both included, the tenant has no
# rows in `count_changes`.
compressed_days = Table(
    "compressed_days",
    metadata,
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    Column("start_at", Instant, nullable=False),
    Column("end_at", Instant, nullable=False),
    Column("changes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "start_at"),
    CheckConstraint("start_at <= end_at", name="ordered"),
)

# Parts of runs of successful polls: one begins with the poll that the part before ends with. `steps` are the distances
# from poll to poll, packed (`core.poll_times`); NULL if only the number of polls is known.
coverage = Table(
    "coverage",
    metadata,
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    _kind(),
    Column("first_poll_at", Instant, nullable=False),
    Column("last_poll_at", Instant, nullable=False),
    Column("poll_count", Integer, nullable=False),
    Column("latency_us", _Number),  # of its newest poll
    Column("steps", LargeBinary),
    PrimaryKeyConstraint("tenant_id", "kind", "first_poll_at"),
    CheckConstraint("first_poll_at <= last_poll_at", name="ordered"),
    sqlite_with_rowid=False,
)

# Numbered, not keyed by `first_failed_at`: after the clock was set back, two runs may have begun at the same instant. A
# run ends with a successful poll, with another cause, or when it has many polls; `outage_started_at` is the first
# failure since the last successful poll, and `steps` are as those of `coverage`.
poll_failures = Table(
    "poll_failures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    _kind(),
    Column("outage_started_at", Instant, nullable=False),
    Column("first_failed_at", Instant, nullable=False),
    Column("last_failed_at", Instant, nullable=False),
    Column("failure_count", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("ended_at", Instant),
    Column("steps", LargeBinary),
    Index("ix_poll_failures_tenant_id_kind_last_failed_at", "tenant_id", "kind", "last_failed_at"),
)
Index(
    "uq_poll_failures_open",
    poll_failures.c.tenant_id,
    poll_failures.c.kind,
    unique=True,
    sqlite_where=poll_failures.c.ended_at.is_(None),
)

# `digest` is the whole of what `id` shows the first eight digits of, so that two alerts never share a row; `subject` is
# the digest of the alert subject, which has no severity.
alerts = Table(
    "alerts",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("id", Text, nullable=False, index=True),
    Column("subject", Text, nullable=False, index=True),
    _kind(),
    Column("rule", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("value", _Number),
    Column("peak", _Number),
    Column("active_at", Instant),
    Column("fired_at", Instant),
    Column("keep_firing_since", Instant),
    Column("resolved_at", Instant),
    Column("resolved_because", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("fired_under", Text, nullable=False, server_default=""),
)
# A poll reads live alerts; resolved ones grow with the history, and an index of their own keeps them out of the way.
# The states are literals in the statements: no partial index is used for a parameter.
is_live = alerts.c.state != literal("inactive", Text, literal_execute=True)
Index("ix_alerts_live", alerts.c.tenant, alerts.c.subject, sqlite_where=is_live)
# Newest first, for lists of what has ended.
is_resolved = alerts.c.resolved_at.is_not(None)
Index("ix_alerts_resolved", alerts.c.resolved_at, alerts.c.digest, sqlite_where=is_resolved)

transitions = Table(
    "transitions",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("alert_id", Text, nullable=False, index=True),
    _kind(),
    Column("rule", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False, index=True),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

# `target` identifies a URL of the receiver without containing it.
notification_states = Table(
    "notification_states",
    metadata,
    Column("subject", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("target", Text, nullable=False),
    _kind(),
    Column("rule", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("notified_at", Instant, nullable=False),
    Column("repeat_count", Integer, nullable=False),
    Column("thread", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("subject", "receiver", "target"),
)
is_notified_of_firing = notification_states.c.state == literal("firing", Text, literal_execute=True)
Index(
    "ix_notification_states_firing",
    notification_states.c.tenant,
    notification_states.c.subject,
    sqlite_where=is_notified_of_firing,
)

# `bodies` is a JSON object of texts, compressed if that is shorter: one message says the same in four formats. `extras`
# is a JSON object of what only some messages have. Of a message that every target got long ago, only the title is kept,
# and nothing in `bodies`.
messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("receiver", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("bodies", Text, nullable=False),
    Column("alert_ids", Text, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
    Column("extras", Text, nullable=False, server_default="{}"),
)

NO_TEXT = "{}"
has_text = messages.c.bodies != literal(NO_TEXT, Text, literal_execute=True)
Index("ix_messages_with_text", messages.c.created_at, sqlite_where=has_text)

# `target` identifies a URL, whatever the configuration calls it; `target_name` is what it was called when the message
# was planned. `claimed_by` is the number of the instance that is sending it, 0 for one that has the database for
# itself, and NULL if none does. `had_by` is a JSON list of digests of the recipients that have it.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("message_id", Text, ForeignKey("messages.id"), nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("target_name", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("dead_at", Instant),
    Column("last_error", Text, nullable=False),
    Column("claim_count", Integer, nullable=False, server_default="0"),
    Column("claimed_by", _Number),
    Column("refused_at", Instant),
    Column("had_by", Text, nullable=False, server_default="[]"),
)
#: What is still to be sent, however long the record of what was sent has become.
is_waiting = deliveries.c.sent_at.is_(None) & deliveries.c.dead_at.is_(None)
Index("ix_deliveries_waiting", deliveries.c.id, sqlite_where=is_waiting)
#: What was given up; these are few as well.
is_dead = deliveries.c.dead_at.is_not(None)
Index("ix_deliveries_dead", deliveries.c.id, sqlite_where=is_dead)

# The targets of the configuration as it was read last: what each is called, and which URL it stands for.
targets = Table(
    "targets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("target", Text, nullable=False),
)

# A target has a row in this only while it cannot be reached. `notified` is a JSON list of the receivers that were
# notified of it.
outages = Table(
    "outages",
    metadata,
    Column("target", Text, primary_key=True),
    Column("target_name", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("error", Text, nullable=False),
    Column("notified", Text),
)

# People write a silence's number down: it is never given again, also after the silence was pruned. No check keeps
# `starts_at` before `ends_at`: a silence that is ended before it began has never held. `labels` is a JSON object, a
# list of globs for each label.
silences = Table(
    "silences",
    metadata,
    Column("id", _Number, primary_key=True),
    _kind(),
    Column("tenants", Text, nullable=False),
    Column("labels", Text, nullable=False, server_default="{}"),
    Column("reasons", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("severities", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False, index=True),
    sqlite_autoincrement=True,
)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("subject", Text, primary_key=True),
    _kind(),
    Column("rule", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("value", _Number),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("acknowledged_at", Instant, nullable=False),
    Column("broken_at", Instant),
)

# Who did what: `object` is the id of an alert, the number of a silence or a delivery, or the name of a receiver, and
# `subject` the digest of the alert subject where the action is about one.
actions = Table(
    "actions",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("comment", Text, nullable=False),
)

# A receiver has a row in these only while notifications to it are suppressed by `max_per_hour`, or grouped for it.
suppressed_notifications = Table(
    "suppressed_notifications",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("count", Integer, nullable=False),
)

notification_groups = Table(
    "notification_groups",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("flush_at", Instant, nullable=False),
)


# How many bytes the rows took on some days, from which the growth is calculated.
database_sizes = Table(
    "database_sizes",
    metadata,
    Column("at", Instant, primary_key=True),
    Column("used_bytes", _Number, nullable=False),
)

# Which instances share a PostgreSQL database, by its clock: see `storage.leases`. A number is never given again. No
# reference binds a lease to its instance: one that has gone leaves thousands behind, which are free by that alone.
instances = Table(
    "instances",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("config_digest", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("alive_until", Instant, nullable=False),
    sqlite_autoincrement=True,
    info={OF_AN_INSTANCE: True},
)

leases = Table(
    "leases",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("instance_id", _Number),
    info={OF_AN_INSTANCE: True},
)


def metadata_for_postgresql() -> MetaData:
    """Return the metadata with the conditions of its partial indexes for PostgreSQL as well.

    Only code that compares or creates tables there needs them; naming them above would load that dialect into every
    daemon.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            where = index.dialect_options["sqlite"]["where"]
            if where is not None:
                index.dialect_kwargs["postgresql_where"] = where
    return metadata
