"""Alembic's environment: the store's URL comes from the project's settings, as for every command."""

import os
from pathlib import Path

from alembic import context
from sqlalchemy import Connection

from mesh_core.project import load_project
from mesh_migrations import VERSION_TABLE
from mesh_migrations.engine import WRITES, make_engine, make_sqlite_file, sqlite_path, store_url


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _url() -> str:
    return load_project(cwd=Path.cwd(), environ=os.environ, read=_read).store


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


def _run_by_itself() -> None:
    engine = make_engine(_url())
    path = sqlite_path(engine)
    if path is not None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make_sqlite_file(path)
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        _run(connection)
    engine.dispose()


def _write_sql() -> None:
    context.configure(
        url=store_url(_url()).render_as_string(hide_password=False),
        version_table=VERSION_TABLE,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _write_sql()
elif given := context.config.attributes.get("connection"):
    _run(given)
else:
    _run_by_itself()
