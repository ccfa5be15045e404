"""The store: where recorded exchanges go, and where they are found again."""

import logging
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from mesh_core.errors import CaptureInvalid
from mesh_core.fingerprint import FailureGroup
from mesh_core.frames import decode_segment
from mesh_core.model import Bodies, Exchange
from mesh_core.query import Query
from mesh_core.trace import Trace
from mesh_store import bodies as body_store
from mesh_store import door, gather, groups, lookup, reading, writing
from mesh_store import search as searching
from mesh_store.lookup import Found
from mesh_store.rows import Refused
from mesh_store.search import Page

__all__ = ["Found", "Page", "Store", "open_store"]

logger = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
"""How long another writer of an SQLite file is waited for."""


def open_store(url: str, *, busy_seconds: float = BUSY_SECONDS) -> "Store":
    """Open the store at an URL: `sqlite:///FILE` (made and migrated at first use) or `postgresql://…`.

    Raises:
        StoreUnreachable: it cannot be reached, is damaged, or is not ours.
        SchemaOutdated: `mesh-store upgrade` has to be run first, or this program is too old.
    """
    return Store(door.open_engine(url, busy_seconds=busy_seconds))


class Store:
    """An open store; used by one thread at a time.

    Every method may raise StoreUnreachable.
    """

    def __init__(self, engine: Engine) -> None:
        """Take an engine whose schema was checked; `open_store` does so."""
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The store for people: its file, or its address without a password."""
        return door.name_of(self._engine)

    def close(self) -> None:
        """Let all connections go."""
        self._engine.dispose()

    def ingest(self, segment: bytes) -> int:
        """Commit what a spool segment holds, once, however often it is sent.

        Returns:
            The highest sequence number of its run that is in the store, durably.

        Raises:
            SegmentUnreadable: not even its header can be read.
        """
        read = decode_segment(segment)
        batch = writing.batch_of(read.frames)
        with door.transaction(self._engine, writes=True) as connection:
            return writing.write_segment(connection, read.run, batch, time.time_ns())

    def add(self, recorded: Iterable[tuple[Exchange, Bodies]]) -> int:
        """Commit exchanges that come from a file; how many were new.

        Raises:
            CaptureInvalid: one of them cannot be stored; then none is.
        """
        try:
            batch = writing.import_of(recorded)
        except Refused as cause:
            raise CaptureInvalid(str(cause), hint="correct the file, or leave the exchange out") from cause
        with door.transaction(self._engine, writes=True) as connection:
            return writing.write_import(connection, batch, time.time_ns())

    def exchange(self, exchange_id: str) -> Exchange | None:
        """The exchange of this id, 32 hex digits; None where it is not recorded."""
        return next(iter(self.exchanges([exchange_id])), None)

    def exchanges(self, ids: Iterable[str]) -> list[Exchange]:
        """The exchanges of these ids that are recorded, in this order."""
        with door.transaction(self._engine, writes=False) as connection:
            return reading.by_id(connection, ids)

    def bodies(self, exchanges: Iterable[Exchange]) -> Bodies:
        """The stored bytes of all their bodies, by hash; each is checked against it."""
        with door.transaction(self._engine, writes=False) as connection:
            return body_store.load(connection, body_store.all_hashes_of(exchanges))

    def trace(self, trace_id: str) -> Trace | None:
        """The whole trace, 32 hex digits, with all that is joined to it; None where it is not recorded.

        Where its request id was used again an hour later, the newest part.
        """
        with door.transaction(self._engine, writes=False) as connection:
            return gather.read_trace(connection, trace_id)

    def find(self, text: str) -> Found:
        """The one thing that a text names, in every form that people have in hand.

        Raises:
            IdAmbiguous: it may mean several; they are listed.
            NotRecorded: it names nothing; why, where that can be known.
        """
        with door.transaction(self._engine, writes=False) as connection:
            return lookup.find(connection, text)

    def search(self, query: Query, *, limit: int = 50, cursor: str | None = None) -> Page:
        """The exchanges that a query finds, newest first, from where `cursor` stopped.

        Raises:
            QueryInvalid: the cursor is not one that this query gave.
        """
        with door.transaction(self._engine, writes=False) as connection:
            return searching.search(connection, query, limit=limit, cursor=cursor)

    def failures(self, query: Query, *, limit: int = 50) -> list[FailureGroup]:
        """The failures that a query finds, grouped; the group that was last seen comes first."""
        with door.transaction(self._engine, writes=False) as connection:
            return groups.failures(connection, query, limit=limit)
