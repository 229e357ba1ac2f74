"""The governance store as it starts: ledger, gate records, candidates, suspensions, overrides, alerts.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_POSTGRESQL_GUARD = """
CREATE FUNCTION ledger_entry_is_append_only() RETURNS trigger AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only';
END
$$ LANGUAGE plpgsql
"""


def upgrade() -> None:
    """Create every table, and make the ledger refuse change and deletion."""
    op.create_table(
        "ledger_entry",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.String(200), nullable=False, unique=True),
        sa.Column("ts_utc", sa.String(27), nullable=False),
        sa.Column("actor_id", sa.String(200), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("object", sa.String(200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("ix_ledger_entry_action_object", "ledger_entry", ["action", "object"])
    _guard_ledger()
    op.create_table(
        "gate_record",
        sa.Column("record_id", sa.String(64), primary_key=True),
        sa.Column("run_id", sa.String(200), primary_key=True),
        sa.Column("gate", sa.String(100), nullable=False),
        sa.Column("scope", sa.String(200), nullable=False),
        sa.Column("region", sa.String(16), nullable=False),
        sa.Column("cycle", sa.String(7), nullable=False),
        sa.Column("table_name", sa.String(100), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("evaluated_rows", sa.Integer(), nullable=False),
        sa.Column("failed_rows", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Text()),
        sa.Column("observed", sa.Text()),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
    )
    op.create_index("ix_gate_record_partition", "gate_record", ["cycle", "region"])
    op.create_index("ix_gate_record_run", "gate_record", ["run_id"])
    op.create_table(
        "candidate",
        sa.Column("cycle", sa.String(7), primary_key=True),
        sa.Column("region", sa.String(16), primary_key=True),
        sa.Column("as_known", sa.String(6), primary_key=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("pointed_at", sa.String(27), nullable=False),
    )
    op.create_table(
        "suspension",
        sa.Column("suspension_id", sa.String(64), primary_key=True),
        sa.Column("region", sa.String(16), nullable=False),
        sa.Column("since_cycle", sa.String(7), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("gate_record_id", sa.String(64), nullable=False),
        sa.Column("resumed_cycle", sa.String(7)),
        sa.Column("opened_at", sa.String(27), nullable=False),
    )
    open_only = sa.text("resumed_cycle IS NULL")
    op.create_index(
        "uq_suspension_open", "suspension", ["region"], unique=True, sqlite_where=open_only, postgresql_where=open_only
    )
    op.create_table(
        "class_override",
        sa.Column("override_id", sa.String(64), primary_key=True),
        sa.Column("region", sa.String(16), nullable=False),
        sa.Column("sku_id", sa.Text(), nullable=False),
        sa.Column("location_id", sa.Text(), nullable=False),
        sa.Column("value_class", sa.String(1)),
        sa.Column("variability_class", sa.String(1)),
        sa.Column("start_cycle", sa.String(7), nullable=False),
        sa.Column("end_cycle", sa.String(7)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("approved_by", sa.String(200), nullable=False),
        sa.Column("known_from", sa.String(27), nullable=False),
        sa.Column("revoked_at", sa.String(27)),
    )
    op.create_index("ix_class_override_region", "class_override", ["region", "start_cycle"])
    op.create_table(
        "alert",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("enqueued_at", sa.String(27), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("delivered_at", sa.String(27)),
    )
    op.create_index("ix_alert_state", "alert", ["state"])


def downgrade() -> None:
    """There is no way back: the ledger is not dropped by a command."""
    raise RuntimeError("the first migration is not undone: it would drop the ledger; restore a backup instead")


def _guard_ledger() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(_POSTGRESQL_GUARD)
        op.execute(
            "CREATE TRIGGER ledger_entry_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_is_append_only()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER ledger_entry_no_{change.lower()} BEFORE {change} ON ledger_entry "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
