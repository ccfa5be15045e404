"""The first tables: exchanges, bodies, traces, failure groups, and the account of every recorder run."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64 bits in both."""
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Compared by its bytes in both."""
BYTES = sa.LargeBinary()


def upgrade() -> None:
    _runs()
    _gaps()
    _bodies()
    _exchanges()
    _exchange_indexes()
    _found_out()


def downgrade() -> None:
    for table in (
        "exchange",
        "body",
        "trace",
        "failure_group",
        "recorder_gap",
        "run_span",
        "run",
        "bookkeeping",
    ):
        op.drop_table(table)


def _runs() -> None:
    """What recorders offered, and what became of it."""
    op.create_table(
        "run",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("run_id", BYTES, nullable=False, unique=True),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("service", TEXT, nullable=False),
        sa.Column("instance", TEXT, nullable=False),
        sa.Column("recorder", TEXT, nullable=False),
        sa.Column("key_id", TEXT),
        sa.Column("started_at", NUMBER, nullable=False),
        sa.Column("first_at", NUMBER),
        sa.Column("last_at", NUMBER),
        sa.Column("stored_at", NUMBER, nullable=False, server_default="0"),
        sa.Column("exchanges", NUMBER, nullable=False, server_default="0"),
        sa.Column("duplicates", NUMBER, nullable=False, server_default="0"),
        sa.Column("refused", NUMBER, nullable=False, server_default="0"),
        sa.Column("gaps", NUMBER, nullable=False, server_default="0"),
        sa.Column("erased", NUMBER, nullable=False, server_default="0"),
        sa.Column("bodies_refused", NUMBER, nullable=False, server_default="0"),
        sa.Column("bytes", NUMBER, nullable=False, server_default="0"),
        sqlite_strict=True,
    )
    op.create_table(
        "run_span",
        sa.Column("run", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("first", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("last", NUMBER, nullable=False),
        sqlite_strict=True,
    )


def _gaps() -> None:
    """What was not recorded, and what the store remembers about itself."""
    op.create_table(
        "recorder_gap",
        sa.Column("run", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("stored_at", NUMBER, nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.Column("started_at", NUMBER, nullable=False),
        sa.Column("ended_at", NUMBER, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("recorder_gap_by_time", "recorder_gap", ["ended_at"])
    op.create_table(
        "bookkeeping",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("value", NUMBER, nullable=False),
        sqlite_strict=True,
    )


def _bodies() -> None:
    op.create_table(
        "body",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("hash", BYTES, nullable=False, unique=True),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("content", BYTES, nullable=False),
        sqlite_strict=True,
    )


def _exchanges() -> None:
    op.create_table(
        "exchange",
        sa.Column("id", BYTES, primary_key=True),
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("stored_at", NUMBER, nullable=False),
        sa.Column("trace_id", BYTES, nullable=False),
        sa.Column("span_id", BYTES),
        sa.Column("request_key", NUMBER),
        sa.Column("request_id", TEXT),
        sa.Column("service", TEXT, nullable=False),
        sa.Column("instance", TEXT, nullable=False),
        sa.Column("direction", TEXT, nullable=False),
        sa.Column("peer", TEXT),
        sa.Column("started_at", NUMBER, nullable=False),
        sa.Column("ended_at", NUMBER, nullable=False),
        sa.Column("lasted", NUMBER, nullable=False),
        sa.Column("scheme", TEXT, nullable=False),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("authority", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("status", NUMBER),
        sa.Column("grpc_status", NUMBER),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("failed", NUMBER, nullable=False),
        sa.Column("error", TEXT),
        sa.Column("lane", TEXT, nullable=False),
        sa.Column("fingerprint", BYTES),
        sa.Column("request_size", NUMBER),
        sa.Column("response_size", NUMBER),
        sa.Column("request_body", NUMBER),
        sa.Column("response_body", NUMBER),
        sa.Column("document", BYTES, nullable=False),
        sqlite_strict=True,
        # Ids carry their millisecond, so the key that makes them unique also tells the day.
        postgresql_partition_by="RANGE (id)",
    )


def _exchange_indexes() -> None:
    """Partition and storage on Postgres, and what makes searches look-ups on both."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("CREATE TABLE exchange_other PARTITION OF exchange DEFAULT")
        # Both are compressed already; trying again costs time.
        for table, column in (("exchange", "document"), ("body", "content")):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    indexes = {
        "exchange_by_time": (["started_at", "id"], None),
        "exchange_by_service": (["service", "started_at", "id"], None),
        "exchange_by_trace": (["trace_id"], None),
        "exchange_by_span": (["span_id"], "span_id IS NOT NULL"),
        "exchange_by_request": (["request_key"], "request_key IS NOT NULL"),
        "exchange_by_request_body": (["request_body"], "request_body IS NOT NULL"),
        "exchange_by_response_body": (["response_body"], "response_body IS NOT NULL"),
        "failure_by_time": (["started_at", "id"], "failed = 1"),
        "failure_by_service": (["service", "started_at", "id"], "failed = 1"),
        "failure_by_fingerprint": (["fingerprint", "started_at"], "fingerprint IS NOT NULL"),
        "exchange_long": (["service", "lasted", "started_at", "id"], "lasted > 0"),
    }
    for name, (columns, only) in indexes.items():
        where = None if only is None else sa.text(only)
        op.create_index(name, "exchange", columns, sqlite_where=where, postgresql_where=where)


def _found_out() -> None:
    """What is known of traces and failures beyond the single exchange."""
    op.create_table(
        "trace",
        sa.Column("trace_id", BYTES, primary_key=True),
        sa.Column("low", BYTES, nullable=False),
        sa.Column("started_at", NUMBER, nullable=False),
        sa.Column("ended_at", NUMBER, nullable=False),
        sa.Column("failed", NUMBER, nullable=False),
        sa.Column("pinned", NUMBER, nullable=False, server_default="0"),
        sqlite_strict=True,
    )
    op.create_index("trace_by_low", "trace", ["low"])
    op.create_table(
        "failure_group",
        sa.Column("fingerprint", BYTES, primary_key=True),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("service", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("status", NUMBER),
        sqlite_strict=True,
    )
