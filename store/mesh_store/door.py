"""Open a store: its file or server, its schema, and what goes wrong with either, in words."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from mesh_core.errors import SchemaOutdated, StoreUnreachable
from mesh_migrations import HEAD, REVISIONS, VERSION_TABLE
from mesh_migrations.engine import APPLICATION_ID, WRITES, make_engine, make_sqlite_file, sqlite_path
from mesh_store.disk import make_private_folder

_SQLITE_HEADER = b"SQLite format 3\0"
_TABLES = {"exchange", "run", "body", "trace"}
"""Enough to tell that a database is in use."""


def open_engine(url: str, *, busy_seconds: float) -> Engine:
    """Connect to a store whose schema is this program's; an SQLite file is made or migrated where needed.

    Raises:
        StoreUnreachable: it cannot be reached or is not ours.
        SchemaOutdated: its schema is another one, and `mesh-store upgrade` has to be run.
    """
    engine = make_engine(url, busy_seconds=busy_seconds)
    try:
        path = sqlite_path(engine)
        if path is None:
            with transaction(engine, writes=False) as connection:
                _check_version(name_of(engine), _version(connection))
        else:
            _open_sqlite(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def upgrade(url: str, *, busy_seconds: float = 60.0) -> tuple[str | None, str]:
    """Make or migrate the tables; the version before, None where there was none, and the one now.

    Raises:
        StoreUnreachable: it cannot be reached, is not ours, or is newer than this program.
    """
    engine = make_engine(url, busy_seconds=busy_seconds)
    try:
        path = sqlite_path(engine)
        if path is None:
            return _migrate(engine)
        _check_file(path)
        with _alone(path):
            if not path.exists() or path.stat().st_size == 0:
                _make(path)
            return _migrate(engine)
    finally:
        engine.dispose()


@contextlib.contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """One transaction, committed at the end; what the database says is told in words.

    Raises:
        StoreUnreachable: the database could not be reached, or not in time.
    """
    try:
        with engine.connect().execution_options(**{WRITES: writes}) as connection, connection.begin():
            yield connection
    except SQLAlchemyError as cause:
        problem = _in_words(cause, engine)
        if problem is None:
            raise
        raise problem from cause


def name_of(engine: Engine) -> str:
    """The store for people, without a password."""
    path = sqlite_path(engine)
    if path is not None:
        return str(path)
    url = engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=True)


def _open_sqlite(engine: Engine, path: Path) -> None:
    _check_file(path)
    if path.exists() and path.stat().st_size:
        with transaction(engine, writes=False) as connection:
            _check_owner(connection, path)
            if _version(connection) == HEAD:
                return
    with _alone(path):  # several sidecars of one machine may start at once
        if not path.exists() or path.stat().st_size == 0:
            _make(path)
        _migrate(engine)


def _check_file(path: Path) -> None:
    head = b""
    try:
        make_private_folder(path.parent)
        if path.exists():
            with path.open("rb") as file:
                head = file.read(len(_SQLITE_HEADER))
    except OSError as cause:
        raise StoreUnreachable(
            f"the store {path} cannot be opened: {cause.strerror}", hint="check the path and its permissions"
        ) from cause
    if head and head != _SQLITE_HEADER:
        raise StoreUnreachable(
            f"{path} is not an SQLite database", hint="name another file with --store sqlite:///FILE"
        )


def _make(path: Path) -> None:
    try:
        make_sqlite_file(path)
    except (OSError, sqlite3.Error) as cause:
        said = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise StoreUnreachable(
            f"the store {path} cannot be made: {said}", hint="is the folder yours to write in?"
        ) from cause


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from making or migrating the same file meanwhile."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _migrate(engine: Engine) -> tuple[str | None, str]:
    from mesh_migrations.upgrade import (
        upgrade as run_migrations,
    )  # heavy: only where there is something to do

    with transaction(engine, writes=True) as connection:
        path = sqlite_path(engine)
        if path is not None:
            _check_owner(connection, path)
        else:
            _check_database(connection)
        before = _version(connection)
        if before is None and _TABLES & set(inspect(connection).get_table_names()):
            raise StoreUnreachable(
                f"{name_of(engine)} has tables that are not ours",
                hint="give mesh-replay a database of its own",
            )
        if before is not None:
            _check_known(name_of(engine), before)
        if before != HEAD:
            from mesh_migrations.upgrade import upgrade as run_migrations  # heavy, and seldom needed

            run_migrations(connection)
    return before, HEAD


def _check_owner(connection: Connection, path: Path) -> None:
    """An SQLite file that another program made is left alone."""
    owner = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    if owner != APPLICATION_ID and inspect(connection).get_table_names():
        raise StoreUnreachable(
            f"{path} is a database of another program", hint="name another file with --store sqlite:///FILE"
        )


def _check_database(connection: Connection) -> None:
    # One of several writers of a migration does it, the others wait.
    connection.execute(text("SELECT pg_advisory_xact_lock(1296389960)"))
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise StoreUnreachable(
            f"the database's encoding is {encoding}", hint="create it with ENCODING 'UTF8' TEMPLATE template0"
        )


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  # our own name
    return found


def _check_version(name: str, version: str | None) -> None:
    if version is None:
        raise SchemaOutdated(f"{name} has no tables of ours yet", hint="run `mesh-store upgrade`")
    _check_known(name, version)
    if version != HEAD:
        raise SchemaOutdated(
            f"the tables of {name} are of version {version}, this program needs {HEAD}",
            hint="run `mesh-store upgrade`",
        )


def _check_known(name: str, version: str) -> None:
    if version not in REVISIONS:
        raise SchemaOutdated(
            f"{name} was made by a newer mesh-replay (schema {version[:40]})", hint="upgrade this program"
        )


def _in_words(error: SQLAlchemyError, engine: Engine) -> StoreUnreachable | None:
    """What happened, for people; None where it is no fault of the store's surroundings."""
    if not isinstance(error, DBAPIError):
        return None
    name = name_of(engine)
    said = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
    if engine.dialect.name == "sqlite":
        return _sqlite_in_words(said, name, error)
    if "does not exist" in said and error.orig is not None and getattr(error.orig, "sqlstate", "") == "42P01":
        return SchemaOutdated(f"{name} has no tables of ours yet", hint="run `mesh-store upgrade`")
    if isinstance(error, OperationalError | InterfaceError):
        return StoreUnreachable(
            f"the store {name} cannot be reached: {said}",
            hint="is it running, and are address and user right?",
        )
    return None


def _sqlite_in_words(said: str, name: str, error: DBAPIError) -> StoreUnreachable | None:
    known = {
        "locked": (f"the store {name} is locked by another process", "try again, or end what holds it"),
        "readonly": (
            f"the store {name} cannot be written",
            "check the permissions of the file and its folder",
        ),
        "unable to open": (
            f"the store {name} cannot be opened",
            "is the folder there, and yours to write in?",
        ),
        "malformed": (f"the store {name} is damaged", "restore it, or move it away to start a new one"),
        "not a database": (
            f"{name} is not an SQLite database",
            "name another file with --store sqlite:///FILE",
        ),
        "full": (f"there is no room for the store {name}", "free some, or run `mesh-store prune`"),
        "disk i/o": (f"the disk of the store {name} fails", "check the disk"),
        "no such table": (f"the store {name} has lost its tables", "move it away to start a new one"),
    }
    for part, (problem, hint) in known.items():
        if part in said.lower():
            return StoreUnreachable(problem, hint=hint)
    if isinstance(error, OperationalError):
        return StoreUnreachable(f"the store {name} cannot be used: {said}", hint="run `mesh-store check`")
    return None
