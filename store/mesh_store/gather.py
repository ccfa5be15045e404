"""A whole trace out of the store: its exchanges, and all that `mesh_core.links` wants around them.

1. What is joined to the trace by a link belongs to it, so its trace, request id and instance are
   looked at too, round by round, until nothing new is joined.
2. All of it is bounded: a trace that is larger, or too busy around it, is told to be lossy.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, and_, literal_column, select, true

from mesh_core.links.parent import place
from mesh_core.model import Direction, Exchange
from mesh_core.query.terms import ascii_lower
from mesh_core.trace import Completeness, Hole, Trace, build_trace, split_reused
from mesh_store import reading
from mesh_store.conditions import same_request
from mesh_store.tables import EARLIEST, SHORT, exchange, recorder_gap, run, searchable

MOST_OF_ONE_ID = 20_000
"""Exchanges with one trace id that are read: the newest."""
MOST_AROUND = 5_000
"""Exchanges around a trace that are read at once."""
MOST_ROUNDS = 12
"""How often what was joined is looked at in turn: hops without a common trace id."""
SLACK = 5_000_000_000
"""Nanoseconds by which clocks may differ."""
_RIVALS = 20
"""Open inbound exchanges that are read where an instance is too busy for all."""


def read_trace(connection: Connection, trace_id: str) -> Trace | None:
    """The trace; where its request id was used again, the newest part. None where there is none."""
    key = reading.bytes_of(trace_id)
    own = [] if key is None else reading.newest(connection, exchange.c.trace_id == key, limit=MOST_OF_ONE_ID)
    if not own:
        return None
    parts = split_reused(own)
    gathered = _Gathered(connection, trace_id, {e.id: e for e in parts[-1]}, asked_traces={trace_id})
    gathered.all_around()
    found = list(gathered.known.values())
    trace = build_trace(trace_id, found, holes=_holes(connection, parts[-1]), used_again=len(parts) - 1)
    if len(own) == MOST_OF_ONE_ID:
        return replace(trace, completeness=Completeness.LOSSY)
    return trace


@dataclass(slots=True)
class _Gathered:
    """What has been read so far."""

    connection: Connection
    trace_id: str
    known: dict[str, Exchange]
    asked_traces: set[str]
    asked_requests: set[str] = field(default_factory=set)
    asked_around: set[str] = field(default_factory=set)
    """Ids of the exchanges around which was looked."""
    magnitudes: dict[str, list[int]] = field(default_factory=dict)
    """By service, how long its exchanges last."""

    def all_around(self) -> None:
        """Read until nothing new is joined to the trace."""
        for _ in range(MOST_ROUNDS):
            members = build_trace(self.trace_id, self.known.values()).exchanges
            new = [e for e in members if e.id not in self.asked_around]
            if not new or len(self.known) > MOST_OF_ONE_ID:
                return
            self.asked_around.update(e.id for e in new)
            self._same_ids(new)
            for where, those in _by_place(new).items():
                self._open_meanwhile(where, those)

    def _same_ids(self, new: list[Exchange]) -> None:
        """Exchanges of the same traces, and those with the same request ids at that time."""
        first, last = min(e.started_at for e in new) - SLACK, max(e.ended_at for e in new) + SLACK
        meanwhile = and_(exchange.c.started_at <= last, exchange.c.ended_at >= first)
        for trace_id in {e.trace_id for e in new} - self.asked_traces:
            self.asked_traces.add(trace_id)
            self._take(
                reading.newest(
                    self.connection,
                    exchange.c.trace_id == bytes.fromhex(trace_id),
                    meanwhile,
                    limit=MOST_AROUND,
                )
            )
        for request_id in {e.request_id for e in new if e.request_id} - self.asked_requests:
            self.asked_requests.add(request_id)
            self._take(
                reading.newest(self.connection, same_request(request_id), meanwhile, limit=MOST_AROUND)
            )

    def _open_meanwhile(self, where: tuple[str, str], those: list[Exchange]) -> None:
        """What was open in an instance while these were: rivals, and calls without context."""
        for first, last in _windows(those):
            found = self._open_in(where, first, last, limit=MOST_AROUND + 1)
            if len(found) <= MOST_AROUND:
                self._take(found)
                continue
            # Too busy to tell what belongs where: enough to know that there are rivals.
            for each in those:
                if first <= each.started_at <= last and each.direction is Direction.OUTBOUND:
                    self._take(self._open_in(where, each.started_at, each.started_at, limit=_RIVALS))

    def _open_in(self, where: tuple[str, str], first: int, last: int, *, limit: int) -> list[Exchange]:
        service, instance = where
        here = and_(
            exchange.c.service == searchable(ascii_lower(service)),
            exchange.c.instance == searchable(instance),
            exchange.c.started_at <= last,
            exchange.c.ended_at >= first,
        )
        # The longer they last, the further back they may have begun: each order of magnitude is a range.
        found: list[Exchange] = []
        for magnitude in self._magnitudes(service):
            earliest = max(EARLIEST, first - SHORT * 10**magnitude)
            long = exchange.c.lasted > literal_column("0") if magnitude else true()  # as their index says
            found += reading.newest(
                self.connection,
                here,
                long,
                exchange.c.lasted == magnitude,
                exchange.c.started_at >= earliest,
                limit=limit,
            )
        return found

    def _magnitudes(self, service: str) -> list[int]:
        """How long the exchanges of a service last, one look at the index for each."""
        if service not in self.magnitudes:
            known = self.magnitudes[service] = [0]
            while True:
                longer = select(exchange.c.lasted).where(
                    exchange.c.service == searchable(ascii_lower(service)),
                    exchange.c.lasted > literal_column("0"),
                    exchange.c.lasted > known[-1],
                )
                found = self.connection.execute(longer.order_by(exchange.c.lasted).limit(1)).scalar()
                if found is None:
                    break
                known.append(found)
        return self.magnitudes[service]

    def _take(self, found: Iterable[Exchange]) -> None:
        """Keep what was read, but for the trace's own exchanges of other times."""
        for each in found:
            if each.trace_id != self.trace_id:
                self.known.setdefault(each.id, each)


def _by_place(exchanges: Iterable[Exchange]) -> dict[tuple[str, str], list[Exchange]]:
    found: defaultdict[tuple[str, str], list[Exchange]] = defaultdict(list)
    for each in exchanges:
        found[place(each)].append(each)
    return found


def _windows(exchanges: Iterable[Exchange]) -> list[tuple[int, int]]:
    """The times at which any of them was open, without overlaps."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted((e.started_at, e.ended_at) for e in exchanges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _holes(connection: Connection, exchanges: list[Exchange]) -> list[Hole]:
    """Where recorders dropped exchanges while these happened."""
    first, last = min(e.started_at for e in exchanges), max(e.ended_at for e in exchanges)
    rows = connection.execute(
        select(run.c.service, recorder_gap.c.started_at, recorder_gap.c.ended_at)
        .join(run, run.c.id == recorder_gap.c.run)
        .where(recorder_gap.c.ended_at >= first, recorder_gap.c.started_at <= last)
    )
    return [Hole(*row) for row in rows]
