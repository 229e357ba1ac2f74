"""Tables of the governance database, as SQLAlchemy Core sees them.

Belongs here: columns and keys. Does not: how they came to be (`migrations/`), triggers included. Times are UTC text of
one width and JSON is canonical text, so SQLite and PostgreSQL store, compare and hash the same bytes.
"""

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text, text

METADATA = MetaData()

LEDGER = Table(
    "ledger_entry",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("event_id", String(200), nullable=False, unique=True),
    Column("ts_utc", String(27), nullable=False),
    Column("actor_id", String(200), nullable=False),
    Column("action", String(60), nullable=False),
    Column("object", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_ledger_entry_action_object", "action", "object"),
)

GATE_RECORD = Table(
    "gate_record",
    METADATA,
    Column("record_id", String(64), primary_key=True),
    Column("run_id", String(200), primary_key=True),
    Column("gate", String(100), nullable=False),
    Column("scope", String(200), nullable=False),
    Column("region", String(16), nullable=False),
    Column("cycle", String(7), nullable=False),
    Column("table_name", String(100), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("verdict", String(10), nullable=False),
    Column("evaluated_rows", Integer, nullable=False),
    Column("failed_rows", Integer, nullable=False),
    Column("threshold", Text),
    Column("observed", Text),
    Column("details", Text, nullable=False),
    Column("recorded_at", String(27), nullable=False),
    Index("ix_gate_record_partition", "cycle", "region"),
    Index("ix_gate_record_run", "run_id"),
)

CANDIDATE = Table(
    "candidate",
    METADATA,
    Column("cycle", String(7), primary_key=True),
    Column("region", String(16), primary_key=True),
    Column("as_known", String(6), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("run_id", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("pointed_at", String(27), nullable=False),
)

SUSPENSION = Table(
    "suspension",
    METADATA,
    Column("suspension_id", String(64), primary_key=True),
    Column("region", String(16), nullable=False),
    Column("since_cycle", String(7), nullable=False),
    Column("reason", Text, nullable=False),
    Column("gate_record_id", String(64), nullable=False),
    Column("resumed_cycle", String(7)),
    Column("opened_at", String(27), nullable=False),
)
Index(
    "uq_suspension_open",
    SUSPENSION.c.region,
    unique=True,
    sqlite_where=text("resumed_cycle IS NULL"),
    postgresql_where=text("resumed_cycle IS NULL"),
)

OVERRIDE = Table(
    "class_override",
    METADATA,
    Column("override_id", String(64), primary_key=True),
    Column("region", String(16), nullable=False),
    Column("sku_id", Text, nullable=False),
    Column("location_id", Text, nullable=False),
    Column("value_class", String(1)),
    Column("variability_class", String(1)),
    Column("start_cycle", String(7), nullable=False),
    Column("end_cycle", String(7)),
    Column("reason", Text, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("approved_by", String(200), nullable=False),
    Column("known_from", String(27), nullable=False),
    Column("revoked_at", String(27)),
    Index("ix_class_override_region", "region", "start_cycle"),
)

ALERT = Table(
    "alert",
    METADATA,
    Column("key", String(300), primary_key=True),
    Column("kind", String(60), nullable=False),
    Column("payload", Text, nullable=False),
    Column("enqueued_at", String(27), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("last_error", Text),
    Column("delivered_at", String(27)),
    Index("ix_alert_state", "state"),
)
