"""The store: where recorded exchanges go, and where they are found again."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Concatenate, Self

from sqlalchemy import Connection, Engine

from mesh_core.config import Redact
from mesh_core.errors import CaptureInvalid, StoreUnreachable
from mesh_core.fingerprint import FailureGroup
from mesh_core.frames import decode_segment
from mesh_core.model import Bodies, Exchange
from mesh_core.query import Query
from mesh_core.redact import Scan
from mesh_core.retention import Retention
from mesh_core.together import Failed
from mesh_core.trace import Trace
from mesh_store import bodies as body_store
from mesh_store import (
    check,
    door,
    erase,
    failed_keys,
    forget,
    gather,
    groups,
    lookup,
    partitions,
    pins,
    reading,
    secrets,
    stats,
    writing,
)
from mesh_store import search as searching
from mesh_store.check import Check
from mesh_store.clock import Clock
from mesh_store.keeper import Keeper
from mesh_store.lookup import Found
from mesh_store.retention import prune
from mesh_store.rows import Refused
from mesh_store.search import Page
from mesh_store.stats import Stats
from mesh_store.writing import Batch

__all__ = ["Check", "Found", "Page", "Retention", "Stats", "Store", "open_store"]

logger = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
"""How long another writer of an SQLite file is waited for."""
DEFAULT_RETENTION = Retention()


def open_store(
    url: str, *, busy_seconds: float = BUSY_SECONDS, retention: Retention = DEFAULT_RETENTION
) -> "Store":
    """Open the store at an URL: `sqlite:///FILE` (made and migrated at first use) or `postgresql://…`.

    Args:
        url: of the store.
        busy_seconds: how long another writer of an SQLite file is waited for.
        retention: what is kept while this store is written to.

    Raises:
        StoreUnreachable: it cannot be reached, is damaged, or is not ours.
        SchemaOutdated: `mesh-store upgrade` has to be run first, or this program is too old.
    """
    return Store(door.open_engine(url, busy_seconds=busy_seconds), retention)


class Store:
    """An open store; used by one thread at a time.

    Every method may raise StoreUnreachable.
    """

    def __init__(self, engine: Engine, retention: Retention) -> None:
        """Take an engine whose schema was checked; `open_store` does so."""
        self._engine = engine
        self._clock = Clock(engine)
        self._keeper = Keeper(engine, retention, self._clock)
        self._days: set[int] = set()

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
        now = self._clock.stamp()
        with self._writing(batch) as connection:
            highest = writing.write_segment(connection, read.run, batch, now)
        self._look_after()
        return highest

    def add(self, recorded: Iterable[tuple[Exchange, Bodies]]) -> int:
        """Commit exchanges that come from a file; how many were new.

        Raises:
            CaptureInvalid: one of them cannot be stored; then none is.
        """
        try:
            batch = writing.import_of(recorded)
        except Refused as cause:
            raise CaptureInvalid(str(cause), hint="correct the file, or leave the exchange out") from cause
        now = self._clock.stamp()
        with self._writing(batch) as connection:
            return writing.write_import(connection, batch, now)

    def exchange(self, exchange_id: str) -> Exchange | None:
        """The exchange of this id, 32 hex digits; None where it is not recorded."""
        return next(iter(self.exchanges([exchange_id])), None)

    def exchanges(self, ids: Iterable[str]) -> list[Exchange]:
        """The exchanges of these ids that are recorded, in this order."""
        return self._read(reading.by_id, ids)

    def bodies(self, exchanges: Iterable[Exchange]) -> Bodies:
        """The stored bytes of all their bodies, by hash; each is checked against it."""
        return self._read(body_store.load, body_store.all_hashes_of(exchanges))

    def bodies_named(self, names: Iterable[str]) -> Bodies:
        """The stored bytes of bodies by their hashes; what is not there, or damaged, is left out."""
        return self._read(body_store.load, names)

    def trace(self, trace_id: str) -> Trace | None:
        """The whole trace, 32 hex digits, with all that is joined to it; None where it is not recorded.

        Where its request id was used again an hour later, the newest part.
        """
        return self._read(gather.read_trace, trace_id)

    def find(self, text: str) -> Found:
        """The one thing that a text names, in every form that people have in hand.

        Raises:
            IdAmbiguous: it may mean several; they are listed.
            NotRecorded: it names nothing; why, where that can be known.
        """
        return self._read(lookup.find, text)

    def search(self, query: Query, *, limit: int = 50, cursor: str | None = None) -> Page:
        """The exchanges that a query finds, newest first, from where `cursor` stopped.

        Raises:
            QueryInvalid: the cursor is not one that this query gave.
        """
        return self._read(searching.search, query, limit=limit, cursor=cursor)

    def count(self, query: Query) -> int:
        """How many exchanges a query finds."""
        return self._read(searching.count, query)

    def failures(self, query: Query, *, limit: int = 50) -> list[FailureGroup]:
        """The failures that a query finds, grouped; the group that was last seen comes first."""
        return self._read(groups.failures, query, limit=limit)

    def failed_since(self, cursor: int | None) -> Failed:
        """What failed after `cursor`, whoever saw it; with None, in the last hour."""
        now = self._clock.earliest() if cursor is None else 0  # which is what alone depends on it
        return self._read(failed_keys.since, cursor, now)

    def trace_named(self, text: str) -> str:
        """The id of the trace that a text names, itself or by an exchange of it.

        Raises:
            IdAmbiguous: it may mean several; they are listed.
            NotRecorded: it names nothing; why, where that can be known.
        """
        return self._read(pins.trace_named, text)

    def pin(self, trace_id: str, *, pinned: bool = True) -> pins.Pinned:
        """Keep a trace, 32 hex digits, with all that is joined to it, until it is unpinned.

        Raises:
            NotRecorded: there is no such trace.
        """
        with door.transaction(self._engine, writes=True) as connection:
            return pins.pin(connection, trace_id, pinned=pinned)

    def stats(self) -> Stats:
        """What is in the store, in numbers."""
        return self._read(stats.stats)

    @property
    def clock_in_doubt(self) -> bool:
        """Whether the time is more than a day from what was seen last, and has not held for an hour."""
        self._clock.stamp()
        return self._clock.in_doubt(self._clock.wall())

    def prune(self, retention: Retention = DEFAULT_RETENTION, *, now: int | None = None) -> int:
        """Erase all that is not to be kept; how many exchanges went.

        Args:
            retention: what is kept.
            now: nanoseconds since the epoch, where somebody answers for it; else a time that is in
                doubt makes nothing too old.
        """
        if now is None and not self.clock_in_doubt:
            now = self._clock.wall()
        gone = sum(prune(self._engine, retention, now=now))
        with door.transaction(self._engine, writes=True) as connection:
            erase.own_lock(connection)
            erase.erase_unneeded_bodies(connection)
        return gone

    def forget(self, query: Query) -> int:
        """Erase the exchanges that a query finds, with the bodies that no other has; how many went."""
        return forget.forget(self._engine, query)

    def check(self) -> Check:
        """Read everything once, and say what is wrong."""
        return self._read(check.check)

    def secrets(self, redact: Redact) -> Iterator[secrets.Page]:
        """Look through every exchange for what redaction would have hidden, in pages by id.

        Args:
            redact: the project's own rules; they count as in a sidecar.
        """
        scan, after = Scan(redact), secrets.START
        while (found := self._read(secrets.page, after, scan)) is not None:
            yield found
            after = found.last

    def _read[**P, R](
        self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        with door.transaction(self._engine, writes=False) as connection:
            return work(connection, *args, **kwargs)

    @contextmanager
    def _writing(self, batch: Batch) -> Iterator[Connection]:
        """A transaction for a batch, beside which nothing is erased."""
        partitions.prepare(self._engine, batch.ids(), now=time.time_ns(), known=self._days)
        with door.transaction(self._engine, writes=True) as connection:
            erase.share_lock(connection)
            yield connection

    def _look_after(self) -> None:
        """Keep to the retention; what was stored is stored, also where that fails."""
        try:
            self._keeper.look_after()
        except StoreUnreachable as error:
            logger.warning("old exchanges could not be pruned: %s", error.problem)
