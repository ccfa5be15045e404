"""A trace as a tree: all exchanges of one user action, each under the one that caused it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from mesh_core.links import LinkKind, Parent, link
from mesh_core.model import Direction, Exchange, TraceOrigin

__all__ = [
    "Completeness",
    "Hole",
    "LinkKind",
    "Parent",
    "Trace",
    "build_trace",
    "link",
    "split_reused",
]

REUSE_AFTER = 3_600_000_000_000
"""Nanoseconds from a trace's first exchange after which its request id is taken to be used again."""
MOST_EXCHANGES = 10_000
"""Of one trace that hangs together by request id alone."""


class Completeness(StrEnum):
    """Whether a trace is all that happened."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    """Every exchange is there, but a body is not whole."""
    LOSSY = "lossy"
    """Exchanges may be missing: a sidecar of the trace dropped some at that time."""


class Hole(NamedTuple):
    """A time in which a service's sidecar did not record everything."""

    service: str
    started_at: int
    """Nanoseconds since the Unix epoch."""
    ended_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All exchanges with one trace id, and those joined to them by inference."""

    trace_id: str
    exchanges: tuple[Exchange, ...]
    """By start; never empty."""
    parents: Mapping[str, Parent]
    """By the child's id; only of exchanges that are in `exchanges`, parent and child."""
    completeness: Completeness = Completeness.COMPLETE
    used_again: int = 0
    """How many further traces share the id, as a request id was used again later."""
    _children: dict[str, list[Exchange]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.exchanges:
            raise ValueError("a trace has at least one exchange")
        children: dict[str, list[Exchange]] = {}
        for exchange in self.exchanges:
            parent = self.parents.get(exchange.id)
            if parent is not None:
                children.setdefault(parent.exchange_id, []).append(exchange)
        object.__setattr__(self, "_children", children)

    @property
    def roots(self) -> tuple[Exchange, ...]:
        """The exchanges without a parent, by start."""
        return tuple(e for e in self.exchanges if e.id not in self.parents)

    @property
    def entry(self) -> Exchange:
        """Where the action began: the first inbound root, else the first root."""
        roots = self.roots
        return next((e for e in roots if e.direction is Direction.INBOUND), roots[0])

    @property
    def failures(self) -> tuple[Exchange, ...]:
        """The exchanges that failed, by start."""
        return tuple(e for e in self.exchanges if e.failed)

    @property
    def failed(self) -> bool:
        """Whether any exchange failed."""
        return any(e.failed for e in self.exchanges)

    @property
    def started_at(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self.exchanges[0].started_at

    @property
    def ended_at(self) -> int:
        """When the last exchange ended."""
        return max(e.ended_at for e in self.exchanges)

    @property
    def services(self) -> tuple[str, ...]:
        """The recorded services, in the order of their first exchange."""
        return tuple(dict.fromkeys(e.service for e in self.exchanges))

    def children(self, exchange_id: str) -> tuple[Exchange, ...]:
        """The exchanges caused by this one, by start."""
        return tuple(self._children.get(exchange_id, ()))

    def walk(self) -> Iterator[tuple[int, Exchange]]:
        """Every exchange with its depth, parents first, siblings by start."""
        waiting = [(0, root) for root in reversed(self.roots)]
        while waiting:
            depth, exchange = waiting.pop()
            yield depth, exchange
            waiting += [(depth + 1, child) for child in reversed(self._children.get(exchange.id, ()))]


def build_trace(
    trace_id: str, exchanges: Iterable[Exchange], *, holes: Iterable[Hole] = (), used_again: int = 0
) -> Trace:
    """The trace of `trace_id` out of everything that could belong to it.

    Args:
        trace_id: 32 hex digits.
        exchanges: as for `link`: those of the trace, and whatever else was open around them;
            what does not hang together with the trace is left out. At least one is of the trace.
        holes: where recorders dropped exchanges, at any service and time.
        used_again: how many other parts `split_reused` found.
    """
    given = {exchange.id: exchange for exchange in exchanges}
    links = {child: parent for child, parent in link(given.values()).items() if parent.exchange_id in given}
    members = _hanging_together(trace_id, given, links)
    found = tuple(sorted(members.values(), key=lambda e: (e.started_at, e.id)))
    return Trace(
        trace_id=trace_id,
        exchanges=found,
        parents={child: parent for child, parent in links.items() if child in members},
        completeness=_completeness(found, holes),
        used_again=used_again,
    )


def split_reused(exchanges: Iterable[Exchange]) -> list[list[Exchange]]:
    """The exchanges of one trace id, apart where its request id was used again; oldest part first.

    A trace that hangs together by request id alone ends an hour after its first exchange, or
    after 10,000 exchanges; what comes later is another one. Other traces stay whole.
    """
    ordered = sorted(exchanges, key=lambda e: (e.started_at, e.id))
    if not any(e.trace_origin is TraceOrigin.REQUEST_ID for e in ordered):
        return [ordered] if ordered else []
    parts: list[list[Exchange]] = []
    for exchange in ordered:
        last = parts[-1] if parts else None
        if (
            last is None
            or len(last) >= MOST_EXCHANGES
            or exchange.started_at - last[0].started_at > REUSE_AFTER
        ):
            parts.append([exchange])
        else:
            last.append(exchange)
    return parts


def _hanging_together(
    trace_id: str, given: Mapping[str, Exchange], links: Mapping[str, Parent]
) -> dict[str, Exchange]:
    """The exchanges of the trace, and all that a link joins to them, upwards and downwards."""
    joined: dict[str, list[str]] = {}
    for child, parent in links.items():
        joined.setdefault(child, []).append(parent.exchange_id)
        joined.setdefault(parent.exchange_id, []).append(child)
    waiting = [e.id for e in given.values() if e.trace_id == trace_id]
    members: dict[str, Exchange] = {}
    while waiting:
        at = waiting.pop()
        if at not in members:
            members[at] = given[at]
            waiting += joined.get(at, ())
    return members


def _completeness(exchanges: tuple[Exchange, ...], holes: Iterable[Hole]) -> Completeness:
    if not exchanges:
        return Completeness.COMPLETE
    first, last = exchanges[0].started_at, max(e.ended_at for e in exchanges)
    # A peer counts too: a callee may be missing whole.
    names = {e.service for e in exchanges} | {e.peer for e in exchanges}
    if any(hole.service in names and hole.started_at <= last and hole.ended_at >= first for hole in holes):
        return Completeness.LOSSY
    bodies = (body for e in exchanges for body in (e.request_body, e.response_body))
    if any(body is not None and body.truncated for body in bodies):
        return Completeness.TRUNCATED
    return Completeness.COMPLETE
