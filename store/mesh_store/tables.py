"""The tables as SQLAlchemy knows them. Their making is the migrations' work; a test compares the two.

1. An exchange is kept whole in `document`; the other columns are what it can be searched by.
2. Ids are bytes, so that they are half as long and a prefix is a range.
3. Text is as `searchable` gives it: no NUL in it, and compared by its bytes.
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text, literal_column

metadata = MetaData()
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
TEXT = Text().with_variant(Text(collation="C"), "postgresql")

run = Table(
    "run",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("run_id", LargeBinary, nullable=False, unique=True),
    Column("project", TEXT, nullable=False),
    Column("service", TEXT, nullable=False),
    Column("instance", TEXT, nullable=False),
    Column("recorder", TEXT, nullable=False),
    Column("key_id", TEXT),
    Column("started_at", NUMBER, nullable=False),
    Column("first_at", NUMBER),  # of all it has to say: the start of its first exchange or gap
    Column("last_at", NUMBER),
    Column("stored_at", NUMBER, nullable=False, server_default="0"),  # when something of it came last
    Column("exchanges", NUMBER, nullable=False, server_default="0"),  # frames that hold one
    Column("duplicates", NUMBER, nullable=False, server_default="0"),  # of these, stored already
    Column("refused", NUMBER, nullable=False, server_default="0"),  # of these, not storable
    Column("gaps", NUMBER, nullable=False, server_default="0"),  # frames that hold a gap
    Column("erased", NUMBER, nullable=False, server_default="0"),  # exchanges pruned or forgotten
    Column("bodies_refused", NUMBER, nullable=False, server_default="0"),  # did not hash to their name
    Column("bytes", NUMBER, nullable=False, server_default="0"),  # written for it
)
"""One recorder run, or the imports (`IMPORTS`), and its account."""

run_span = Table(
    "run_span",
    metadata,
    Column("run", NUMBER, primary_key=True, autoincrement=False),
    Column("first", NUMBER, primary_key=True, autoincrement=False),
    Column("last", NUMBER, nullable=False),
)
"""Which sequence numbers of a run are here: ranges that never touch, mostly one."""

recorder_gap = Table(
    "recorder_gap",
    metadata,
    Column("run", NUMBER, primary_key=True, autoincrement=False),
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("reason", TEXT, nullable=False),
    Column("stored_at", NUMBER, nullable=False),
    Column("count", NUMBER, nullable=False),
    Column("started_at", NUMBER, nullable=False),
    Column("ended_at", NUMBER, nullable=False),
)
"""Exchanges that were offered and not recorded."""

bookkeeping = Table(
    "bookkeeping",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("value", NUMBER, nullable=False),
)
"""What the store remembers about itself."""

body = Table(
    "body",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("size", NUMBER, nullable=False),
    Column("content", LargeBinary, nullable=False),  # zstd
)

exchange = Table(
    "exchange",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("run", NUMBER, nullable=False),
    Column("stored_at", NUMBER, nullable=False),
    Column("trace_id", LargeBinary, nullable=False),
    Column("span_id", LargeBinary),
    Column("request_key", NUMBER),  # a hash of `request_id`: wire text may be too long for an index
    Column("request_id", TEXT),
    Column("service", TEXT, nullable=False),  # in lower case
    Column("instance", TEXT, nullable=False),
    Column("direction", TEXT, nullable=False),
    Column("peer", TEXT),
    Column("started_at", NUMBER, nullable=False),
    Column("ended_at", NUMBER, nullable=False),
    Column("lasted", NUMBER, nullable=False),  # how long, as `magnitude` has it
    Column("scheme", TEXT, nullable=False),
    Column("method", TEXT, nullable=False),  # in lower case
    Column("authority", TEXT, nullable=False),
    Column("path", TEXT, nullable=False),
    Column("status", NUMBER),
    Column("grpc_status", NUMBER),
    Column("outcome", TEXT, nullable=False),
    Column("failed", NUMBER, nullable=False),
    Column("error", TEXT),
    Column("lane", TEXT, nullable=False),
    Column("fingerprint", LargeBinary),  # of failures
    Column("request_size", NUMBER),
    Column("response_size", NUMBER),
    Column("request_body", NUMBER),
    Column("response_body", NUMBER),
    Column("document", LargeBinary, nullable=False),
)

trace = Table(
    "trace",
    metadata,
    Column("trace_id", LargeBinary, primary_key=True),
    Column("low", LargeBinary, nullable=False),
    Column("started_at", NUMBER, nullable=False),
    Column("ended_at", NUMBER, nullable=False),
    Column("failed", NUMBER, nullable=False),
    Column("pinned", NUMBER, nullable=False, server_default="0"),
)

failure_group = Table(
    "failure_group",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("version", NUMBER, nullable=False),
    Column("title", TEXT, nullable=False),
    Column("service", TEXT, nullable=False),
    Column("outcome", TEXT, nullable=False),
    Column("status", NUMBER),
)

failed_key = Table(
    "failed_key",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("key", NUMBER, nullable=False),
    Column("at", NUMBER, nullable=False),
    sqlite_autoincrement=True,  # an id is never used again, as sidecars remember how far they have read
)
"""What failed of late, for sidecars that keep failed traces alone; `mesh_core.together` makes the keys."""

FAILED = exchange.c.failed == literal_column("1")
"""Written out, so that the partial indexes of failures are used."""
EARLIEST = -(2**63)
"""What a column of 64 bits takes."""
SHORT = 100_000_000
"""Nanoseconds; most exchanges take less."""
ROW_BYTES = 500
"""What a row of an exchange takes beside its document, with its indexes, about."""
IMPORTS = b"\0" * 16
"""The run that imported exchanges count as."""

_NO_NUL = "\uffff"
"""Stands for NUL, which Postgres takes in no text; a noncharacter, so no text of people has it."""


def magnitude(duration: int) -> int:
    """0 for less than `SHORT`, and one more for every ten times as long.

    What was open at a moment is looked up by it: of magnitude m, it began at most `SHORT * 10**m` earlier.
    """
    return 0 if duration < SHORT else len(str(duration // SHORT))


def searchable(text: str) -> str:
    """Text as its column holds it."""
    return text.replace("\0", _NO_NUL) if "\0" in text else text


def confusable(value: str) -> bool:
    """Whether a value looks in a column like another one."""
    return _NO_NUL in value or "\0" in value
