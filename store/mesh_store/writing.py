"""Bring exchanges into the store: one transaction for a batch, and a batch sent twice is stored once.

1. Whatever can be worked out before is, so that the write lock is held for writing alone.
2. (run, sequence) names a frame and the exchange id an exchange; the first that comes is kept.
3. Every frame is stored or counted: a run's exchanges, duplicates, refusals and gaps add up.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import Connection, Insert, case

from mesh_core.frames import Frame, Gap, Run
from mesh_core.model import Bodies, Exchange
from mesh_store import bodies as body_store
from mesh_store import failed_keys, runs
from mesh_store.dialect import insert_for, insert_new
from mesh_store.rows import COLUMNS, Prepared, Refused, prepare, row
from mesh_store.spans import missing_from, with_numbers
from mesh_store.tables import ROW_BYTES, exchange, failure_group, recorder_gap, searchable, trace

logger = logging.getLogger(__name__)

REFUSED = "not_storable"
"""The reason of the gap that stands for an exchange which could not be stored."""
MOST = 2**63 - 1
"""What a column of 64 bits takes."""
_GAP = ("run", "seq", "reason", "stored_at", "count", "started_at", "ended_at")
_GROUP = ("fingerprint", "version", "title", "service", "outcome", "status")


@dataclass(slots=True)
class Batch:
    """What one transaction is going to write."""

    prepared: dict[int, Prepared] = field(default_factory=dict)
    """By sequence."""
    gaps: dict[int, Gap] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    """By hash."""
    bodies_refused: dict[int, int] = field(default_factory=dict)
    """How many of a frame's bodies did not hash to their name."""
    refused: set[int] = field(default_factory=set)

    def ids(self) -> Iterator[bytes]:
        """Of the exchanges."""
        return (bytes.fromhex(each.exchange.id) for each in self.prepared.values())


def batch_of(frames: Iterable[Frame]) -> Batch:
    """Check and prepare the frames of a segment."""
    batch = Batch()
    for frame in frames:
        if frame.seq in batch.prepared or frame.seq in batch.gaps or not 0 < frame.seq <= MOST:
            continue
        if frame.exchange is not None:
            _take(batch, frame.seq, frame.exchange, frame.bodies)
        elif frame.gap is not None:
            batch.gaps[frame.seq] = frame.gap
    return batch


def import_of(recorded: Iterable[tuple[Exchange, Bodies]]) -> Batch:
    """Check and prepare exchanges that come from a file.

    Raises:
        Refused: one of them cannot be stored.
    """
    batch = Batch()
    for number, (found, bodies) in enumerate(recorded, 1):
        _take(batch, number, found, bodies)
        if number in batch.refused:
            raise Refused(f"exchange {found.id[:64]} cannot be stored")
    return batch


def write_segment(connection: Connection, of: Run, batch: Batch, now: int) -> int:
    """Write what has not come before; the highest sequence of the run that is here now."""
    opened = runs.open_run(connection, of)
    new = missing_from(opened.spans, [*batch.prepared, *batch.gaps])
    if new:
        account = runs.Account(
            stored_at=now,
            gaps=len(new & batch.gaps.keys()) - len(new & batch.refused),
            refused=len(new & batch.refused),
            bodies_refused=sum(count for seq, count in batch.bodies_refused.items() if seq in new),
        )
        fresh = [batch.prepared[seq] for seq in sorted(new & batch.prepared.keys())]
        _write_exchanges(connection, opened.id, fresh, batch.bodies, account, now)
        _write_gaps(connection, opened.id, {seq: batch.gaps[seq] for seq in new & batch.gaps.keys()}, account)
        runs.add(connection, opened.id, account)
        # Last, as writers wait for each other here.
        failed_keys.write(connection, (each.exchange for each in fresh), now)
    spans = with_numbers(opened.spans, new)
    runs.keep_spans(connection, opened, spans)
    return spans[-1][1] if spans else 0


def write_import(connection: Connection, batch: Batch, now: int) -> int:
    """Write imported exchanges; how many were new."""
    opened = runs.open_imports(connection)
    account = runs.Account(stored_at=now, bodies_refused=sum(batch.bodies_refused.values()))
    _write_exchanges(connection, opened.id, list(batch.prepared.values()), batch.bodies, account, now)
    account.first_at = account.last_at = None  # no sidecar was there for it
    runs.add(connection, opened.id, account)
    return account.exchanges - account.duplicates


def _take(batch: Batch, seq: int, found: Exchange, bodies: Bodies) -> None:
    good, refused = body_store.genuine(bodies)
    if refused:
        logger.warning("a body that does not hash to its name was not stored")
        batch.bodies_refused[seq] = refused
    try:
        batch.prepared[seq] = prepare(found, good)
    except Refused as error:
        logger.warning("an exchange was not stored: %s", error)
        batch.refused.add(seq)
        batch.gaps[seq] = Gap(reason=REFUSED, count=1, started_at=found.started_at, ended_at=found.ended_at)
        return
    batch.bodies.update(good)


def _write_exchanges(
    connection: Connection,
    run: int,
    prepared: list[Prepared],
    bodies: Mapping[str, bytes],
    account: runs.Account,
    now: int,
) -> None:
    hashes = body_store.hashes_of(each.exchange for each in prepared)
    needed = {name: content for name, content in bodies.items() if name in hashes}
    body_rows, written = body_store.store(connection, needed, hashes)
    rows = [row(each, run, now, body_rows.get) for each in prepared]
    new = insert_new(connection, exchange, COLUMNS, rows)
    account.exchanges += len(rows)
    account.duplicates += len(rows) - new
    documents = sum(len(each.document) + ROW_BYTES for each in prepared)
    account.bytes += written + documents * new // max(1, len(rows))
    for each in prepared:
        account.seen(each.exchange.started_at, each.exchange.ended_at)
    _write_traces(connection, prepared)
    _write_groups(connection, prepared)


def _write_traces(connection: Connection, prepared: Iterable[Prepared]) -> None:
    found: dict[str, tuple[int, int, int]] = {}
    for each in prepared:
        one = each.exchange
        start, end, failed = found.get(one.trace_id, (one.started_at, one.ended_at, 0))
        found[one.trace_id] = (
            min(start, one.started_at),
            max(end, one.ended_at),
            max(failed, int(one.failed)),
        )
    if not found:
        return
    # In one order for all writers, so that no two of them wait for each other.
    connection.execute(
        _tracing(connection.dialect.name),
        [
            {
                "trace_id": bytes.fromhex(name),
                "low": bytes.fromhex(name[16:]),
                "started_at": start,
                "ended_at": end,
                "failed": failed,
            }
            for name, (start, end, failed) in sorted(found.items())
        ],
    )


@cache  # to put it together takes longer than to execute it
def _tracing(name: str) -> Insert:
    statement = insert_for(name, trace)
    given = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[trace.c.trace_id],
        set_={
            "started_at": case(
                (given.started_at < trace.c.started_at, given.started_at), else_=trace.c.started_at
            ),
            "ended_at": case((given.ended_at > trace.c.ended_at, given.ended_at), else_=trace.c.ended_at),
            "failed": case((given.failed > trace.c.failed, given.failed), else_=trace.c.failed),
        },
    )


def _write_groups(connection: Connection, prepared: Iterable[Prepared]) -> None:
    rows = {
        each.fingerprint.hash: (
            bytes.fromhex(each.fingerprint.hash),
            each.fingerprint.version,
            searchable(each.fingerprint.title),
            searchable(each.exchange.service),
            each.exchange.outcome.value,
            each.exchange.status,
        )
        for each in prepared
        if each.fingerprint is not None
    }
    insert_new(connection, failure_group, _GROUP, [rows[name] for name in sorted(rows)])


def _write_gaps(connection: Connection, run: int, gaps: Mapping[int, Gap], account: runs.Account) -> None:
    rows = [
        (
            run,
            seq,
            searchable(gap.reason),
            account.stored_at,
            *map(_number, (gap.count, gap.started_at, gap.ended_at)),
        )
        for seq, gap in sorted(gaps.items())
    ]
    insert_new(connection, recorder_gap, _GAP, rows)
    for gap in gaps.values():
        account.seen(_number(gap.started_at), _number(gap.ended_at))


def _number(number: int) -> int:
    """A number as a column takes it; nobody honest sends another."""
    return max(-MOST, min(MOST, number))
