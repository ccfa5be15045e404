"""Where SQLite and Postgres say the same thing differently."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, case, func
from sqlalchemy.dialects import postgresql, sqlite

type Row = tuple[Any, ...]

MOST_PARAMETERS = 500
"""Values in one IN."""


def is_sqlite(connection: Connection) -> bool:
    """Whether the store is an SQLite file."""
    return connection.dialect.name == "sqlite"


def contains(name: str, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether the column has `text` in it, the case of letters counting."""
    find = func.instr if name == "sqlite" else func.strpos
    return find(column, text) > 0


def glob(name: str, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether the whole column fits a pattern in which `*` alone is special."""
    if name == "sqlite":
        escaped = pattern.replace("[", "[[]").replace("?", "[?]")
        return column.op("GLOB", is_comparison=True)(escaped)
    for special in ("\\", "%", "_"):
        pattern = pattern.replace(special, f"\\{special}")
    return column.like(pattern.replace("*", "%"), escape="\\")


def hex_of(name: str, column: ColumnElement[Any]) -> ColumnElement[str]:
    """Bytes as lower-case hex digits."""
    return func.lower(func.hex(column)) if name == "sqlite" else func.encode(column, "hex")


def lesser[T](a: ColumnElement[T], b: ColumnElement[T]) -> ColumnElement[T]:
    """The smaller of two numbers, either of which may be NULL."""
    return case((a.is_(None), b), (b < a, b), else_=a)


def greater[T](a: ColumnElement[T], b: ColumnElement[T]) -> ColumnElement[T]:
    """The greater of two numbers, either of which may be NULL."""
    return case((a.is_(None), b), (b > a, b), else_=a)


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The dialect's own INSERT, which knows ON CONFLICT."""
    return insert_for(connection.dialect.name, table)


def insert_for(name: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The INSERT of a dialect, by its name."""
    return sqlite.insert(table) if name == "sqlite" else postgresql.insert(table)


def insert_new(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> int:
    """Insert rows unless their key is there already; how many were new.

    The driver is given plain tuples: SQLAlchemy would spend longer on each row than SQLite does.
    """
    if not rows:
        return 0
    sql = _insert_sql(connection.dialect.name, table, tuple(columns))
    return connection.exec_driver_sql(sql, list(rows)).rowcount


@cache
def _insert_sql(name: str, table: Table, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" if name == "sqlite" else "%s" for _ in columns)
    # Names come from our tables alone.
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608


def chunks[T](items: Iterable[T], size: int = MOST_PARAMETERS) -> Iterable[list[T]]:
    """The items in lists of at most `size`."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
