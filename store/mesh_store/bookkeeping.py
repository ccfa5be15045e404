"""What the store remembers about itself: a few numbers by name."""

from sqlalchemy import Connection, delete, select

from mesh_store.dialect import insert_into
from mesh_store.tables import bookkeeping

PRUNED_BEFORE = "pruned_before"
"""Exchanges that started before this, in nanoseconds since the epoch, may have been pruned."""
FREED_BYTES = "freed_bytes"
"""Of what the runs have written, this much went again; for stores that cannot count their pages."""


def recall(connection: Connection, name: str) -> int | None:
    """The number of this name; None where there is none."""
    found: int | None = connection.execute(
        select(bookkeeping.c.value).where(bookkeeping.c.name == name)
    ).scalar()
    return found


def remember(connection: Connection, name: str, value: int) -> None:
    """Keep a number under a name."""
    statement = insert_into(connection, bookkeeping).values(name=name, value=value)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[bookkeeping.c.name], set_={"value": statement.excluded.value}
        )
    )


def forget(connection: Connection, name: str) -> None:
    """Keep no number under a name any more."""
    connection.execute(delete(bookkeeping).where(bookkeeping.c.name == name))
