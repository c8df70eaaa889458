"""The tables, as SQLAlchemy Core metadata: what changes is stored, not what was seen.

A count is a row only when it changed, with the value that it had before; polling is a row per unbroken run of good
polls, with two bytes for the instant of each, and another row after every few hundred. A series is therefore a step
function that is defined where polling covered it, and the database grows with changes and failures, hardly with polls.

Only the store and the migrations read this. Whoever changes a table adds a revision to `migrations/versions` and
its name to `REVISIONS`; a test holds both to the same catalogue.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
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
)
from sqlalchemy.types import TypeEngine

from alerter.core.series import instant_of, number_of

#: The revisions of the schema, oldest first.
REVISIONS = (
    "0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012", "0013", "0014",
)  # fmt: skip
#: The revision that these tables are.
HEAD = REVISIONS[-1]

#: Stands in a table's `info` where its rows belong to a process that runs: a copy of the database leaves them out.
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
        return None if value is None else number_of(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - overridden
        """Return the instant."""
        return None if value is None else instant_of(value)


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

# `polled_since` and `first_held_at` below outlive the history: what is new is new for ever, whatever was pruned.
# `revision` rises with every transaction that changes what is stored of a tenant, but for a poll that changed no more
# than counts and the newest run of polls: whoever remembers a tenant sees by both whether that is still true.
# `thinned_until` is how far its history has been thinned to the extremes of each hour, `thinning_at` where that goes
# on: earlier, once older history was imported.
tenants = Table(
    "tenants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("polled_since", Instant),
    Column("revision", _Number, nullable=False, server_default="0"),
    Column("thinned_until", Instant),
    Column("thinning_at", Instant),
    UniqueConstraint("name"),
)

# `digest` stands for the reason where it must be unique: a name of 1000 characters does not fit into an index of
# PostgreSQL, whose entries end at 2704 bytes.
series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("held", _Number, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("first_held_at", Instant),
    UniqueConstraint("tenant_id", "digest"),
)

# Clustered as it is written and read: a poll appends at the end of its tenant, a window is one range of it.
counts = Table(
    "counts",
    metadata,
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("series_id", Integer, ForeignKey("series.id"), nullable=False),
    Column("was", _Number, nullable=False),
    Column("held", _Number, nullable=False),
    PrimaryKeyConstraint("tenant_id", "at", "series_id"),
    CheckConstraint("was <> held", name="changed"),
    sqlite_with_rowid=False,
)

# The changes of some instants, none of which are in `counts` then: `since` and `until` are the first and the last one.
chunks = Table(
    "chunks",
    metadata,
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("changes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "since"),
    CheckConstraint("since <= until", name="ordered"),
)

# Parts of runs of good polls: one begins with the poll that the part before ends with. `steps` are the distances from
# poll to poll, packed (`core.poll_times`); NULL where only the number of polls is known.
coverage = Table(
    "coverage",
    metadata,
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("polls", Integer, nullable=False),
    Column("latency", _Number),  # of its newest poll, in microseconds
    Column("steps", LargeBinary),
    PrimaryKeyConstraint("tenant_id", "since"),
    CheckConstraint("since <= until", name="ordered"),
    sqlite_with_rowid=False,
)

# Numbered, not keyed by `since`: after the clock was set back, two runs may have begun at the same instant. A run
# ends with a good poll, with another cause, or when it has many polls; `outage_since` is the first failure since the
# last good poll, and `steps` are as those of `coverage`.
poll_failures = Table(
    "poll_failures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
    Column("outage_since", Instant, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("ended_at", Instant),
    Column("steps", LargeBinary),
    Index("ix_poll_failures_tenant_id_until", "tenant_id", "until"),
)
Index(
    "uq_poll_failures_open",
    poll_failures.c.tenant_id,
    unique=True,
    sqlite_where=poll_failures.c.ended_at.is_(None),
)

# `digest` is the whole of what `id` shows the first eight digits of, so that two alerts never share a row; `topic`
# is the digest of what receivers are told about.
alerts = Table(
    "alerts",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("topic", Text, nullable=False, index=True),
    Column("rule", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("value", _Number),
    Column("peak", _Number),
    Column("active_at", Instant),
    Column("fired_at", Instant),
    Column("ending_since", Instant),
    Column("resolved_at", Instant),
    Column("resolution", Text, nullable=False),
    Column("operands", Text, nullable=False),
    Column("fired_under", Text, nullable=False, server_default=""),
)
# A poll reads what goes on; what is over grows with the history, and an index of its own keeps it out of the way. The
# states stand in the statements as they are: no partial index is used for a parameter.
is_live = alerts.c.state != literal("inactive", Text, literal_execute=True)
Index("ix_alerts_live", alerts.c.tenant, alerts.c.topic, sqlite_where=is_live)

transitions = Table(
    "transitions",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("alert_id", Text, nullable=False, index=True),
    Column("rule", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False, index=True),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("operands", Text, nullable=False),
    Column("note", Text, nullable=False),
)

# `target` stands for a URL of the receiver without saying what it is; it is empty in what was told before targets were
# told apart.
told = Table(
    "told",
    metadata,
    Column("topic", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("thread", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("topic", "receiver", "target"),
)
is_believed = told.c.state == literal("firing", Text, literal_execute=True)
Index("ix_told_believed", told.c.tenant, told.c.topic, sqlite_where=is_believed)

# `bodies` is a JSON object of texts, packed where that is shorter: one message says the same in four formats. `extras`
# is a JSON object of what only some messages have. Of a message that everybody got long ago, only the title is
# kept, and nothing in `bodies`.
messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("receiver", Text, nullable=False),
    Column("tone", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("bodies", Text, nullable=False),
    Column("alert_ids", Text, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
    Column("extras", Text, nullable=False, server_default="{}"),
)

NO_TEXT = "{}"
has_text = messages.c.bodies != literal(NO_TEXT, Text, literal_execute=True)
Index("ix_messages_with_text", messages.c.created_at, sqlite_where=has_text)

# `claimed_by` is the number of the instance that is sending it, 0 for one that has the database for itself, and nothing
# while nobody is. `had_by` is a JSON list of what stands for the addressees that have it.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("message_id", Text, ForeignKey("messages.id"), nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("dead_at", Instant),
    Column("last_error", Text, nullable=False),
    Column("claims", Integer, nullable=False, server_default="0"),
    Column("claimed_by", _Number),
    Column("refused_at", Instant),
    Column("had_by", Text, nullable=False, server_default="[]"),
)
#: What is still to be sent, however long the record of what was sent has become.
is_waiting = deliveries.c.sent_at.is_(None) & deliveries.c.dead_at.is_(None)
Index("ix_deliveries_waiting", deliveries.c.id, sqlite_where=is_waiting)

# A target has a row in this only while it cannot be reached. `told` is a JSON list of the receivers that know of it.
# Which URL a target's name stood for when the configuration was read last: see `notifications.TargetId`.
addresses = Table(
    "addresses",
    metadata,
    Column("target", Text, primary_key=True),
    Column("url", Text, nullable=False),
)

outages = Table(
    "outages",
    metadata,
    Column("target", Text, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("error", Text, nullable=False),
    Column("told", Text),
)

# People write a silence's number down: it is never given again, also after the silence was pruned. No check keeps
# `since` before `until`: a silence that is ended before it began has never held. `labels` is a JSON object, a list of
# globs for each label.
silences = Table(
    "silences",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("tenants", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("severities", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False, index=True),
    Column("labels", Text, nullable=False, server_default="{}"),
    sqlite_autoincrement=True,
)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("value", _Number),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("broken_at", Instant),
)

# A receiver has a row in these only while something is held back from it, or collected for it.
held_back = Table(
    "held_back",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("messages", Integer, nullable=False),
)

open_groups = Table(
    "open_groups",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("due_at", Instant, nullable=False),
)


# What the rows took on some days, from which the growth is known.
sizes = Table(
    "sizes",
    metadata,
    Column("at", Instant, primary_key=True),
    Column("used_bytes", _Number, nullable=False),
)

# Who shares a PostgreSQL database, by its clock: see `store.leases`. A number is never given again. No reference binds
# a lease to its instance: one that has gone leaves thousands behind, which are free by that alone.
instances = Table(
    "instances",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("configuration", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
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

    Only who compares or creates tables there needs them; to name them above would load that dialect into every daemon.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            where = index.dialect_options["sqlite"]["where"]
            if where is not None:
                index.dialect_kwargs["postgresql_where"] = where
    return metadata
