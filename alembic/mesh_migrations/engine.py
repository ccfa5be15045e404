"""A connection to the store's database, the same for reading, writing and migrating."""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mesh_core.errors import ConfigInvalid, StoreUnreachable

APPLICATION_ID = 0x4D455348
"""`MESH`: what SQLite files of ours say of themselves."""
WRITES = "mesh_writes"
"""Execution option of a connection that is going to write."""
_HINT = "use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
CACHE_KIB = 16_384
"""Of SQLite's page cache, for each connection."""


def store_url(url: str) -> URL:
    """The URL as SQLAlchemy takes it.

    Raises:
        ConfigInvalid: it is not one of a store.
        StoreUnreachable: it is one of a store that this version cannot reach.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as cause:
        raise ConfigInvalid(f"{url} is not the URL of a store", hint=_HINT) from cause
    name = parsed.get_backend_name()
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if name == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+pysqlite", host=None)
    if name in ("https", "http"):
        raise StoreUnreachable(f"a store behind {name}:// is not there yet", hint=_HINT)
    if name == "sqlite":
        raise ConfigInvalid("a store in memory would be forgotten at once", hint="use sqlite:///FILE")
    raise ConfigInvalid(f"{name}:// is not a store", hint=_HINT)


def make_engine(url: str, *, busy_seconds: float = 5.0) -> Engine:
    """An engine whose transactions begin as `WRITES` says; nothing is opened yet.

    Args:
        url: of the store, as users write it.
        busy_seconds: how long to wait for another writer of an SQLite file.

    Raises:
        ConfigInvalid: it is not the URL of a store.
    """
    parsed = store_url(url)
    if parsed.get_backend_name() != "sqlite":
        arguments = {
            "connect_timeout": 10,
            "application_name": "mesh-replay",
            # A server that vanished without a word is noticed within a minute, and not after hours.
            "keepalives_idle": 20,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 50_000,
        }
        return create_engine(
            parsed,
            pool_pre_ping=True,
            pool_size=2,
            connect_args={name: value for name, value in arguments.items() if name not in parsed.query},
        )
    engine = create_engine(parsed, connect_args={"timeout": busy_seconds, "check_same_thread": False})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def sqlite_path(engine: Engine) -> Path | None:
    """The file of an SQLite store; None for any other."""
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None


def make_sqlite_file(path: Path) -> None:
    """Make an empty database for its user alone, in the mode that several processes can share.

    Raises:
        OSError: the file cannot be made.
    """
    import sqlite3

    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only before the first table
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    finally:
        connection.close()


def _set_up(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions by itself, and too late
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")  # a segment is deleted once it is committed
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Take the write lock at the beginning: a reader that turns writer could not wait for it."""
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
