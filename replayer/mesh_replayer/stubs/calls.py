"""The recorded calls that stubs answer: those that the target's requests caused. Pure.

1. A call belongs to the inbound exchange that caused it, by certain links and inferred ones.
2. What cannot be served is kept with the reason, so that it can be said.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mesh_core.model import Bodies, Direction, Exchange, header
from mesh_core.trace import LinkKind, Trace
from mesh_replayer.plan import Plan
from mesh_replayer.stubs.fields import Fields, fields_of, route_of


class Stub(StrEnum):
    """Which dependencies of the target are stubs."""

    NONE = "none"
    REST = "rest"
    """All that no target stands for."""
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One call that the target's service made when it was recorded."""

    exchange: Exchange
    parent: Exchange
    """The inbound exchange that caused it."""
    callee: str
    fields: Fields
    inferred: bool = False
    why_not: str | None = None
    """Why it cannot be served, in words; None where it can."""

    @property
    def bucket(self) -> tuple[str, str, str]:
        """Callee, method and path template: a call is never answered from another one."""
        return (self.callee, *route_of(self.exchange))


def callee_of(call: Exchange) -> str:
    """Whom a call went to: the service's name where it is known, else host and port."""
    return call.peer or call.authority


def calls_of(traces: Iterable[Trace], plan: Plan) -> list[tuple[Exchange, Exchange, bool]]:
    """The calls that the plan's requests caused: parent, call, and whether that is inferred; by start."""
    sent = {step.exchange.id: step.exchange for step in plan.sent}
    found: dict[str, tuple[Exchange, Exchange, bool]] = {}
    for trace in traces:
        for exchange in trace.exchanges:
            link = trace.parents.get(exchange.id)
            parent = None if link is None else sent.get(link.exchange_id)
            if parent is not None and link is not None and exchange.direction is Direction.OUTBOUND:
                found[exchange.id] = parent, exchange, link.kind is LinkKind.INFERRED
    return sorted(found.values(), key=lambda call: (call[1].started_at, call[1].id))


def recorded_calls(
    calls: Iterable[tuple[Exchange, Exchange, bool]], bodies: Bodies, *, live: Sequence[str] = ()
) -> list[RecordedCall]:
    """What stubs are to answer.

    Args:
        calls: see `calls_of`.
        bodies: of all of them, by hash.
        live: callees that are not to be stubs.
    """
    return [
        RecordedCall(
            exchange=call,
            parent=parent,
            callee=callee_of(call),
            fields=fields_of(call, bodies),
            inferred=inferred,
            why_not=_why_not(call, bodies),
        )
        for parent, call, inferred in calls
        if callee_of(call) not in live
    ]


def _why_not(call: Exchange, bodies: Bodies) -> str | None:
    if call.opaque or call.method.upper() == "CONNECT":
        return "its bytes passed unread (TLS or a tunnel)"
    if call.http_version == "HTTP/2":
        return "it was made over HTTP/2, which stubs do not speak yet"
    if call.status == 101 or b"websocket" in (header(call.request_headers, b"upgrade") or b"").lower():
        return "it is a WebSocket"
    for what, ref in (("request", call.request_body), ("answer", call.response_body)):
        if ref is not None and ref.size and (ref.truncated or ref.hash not in bodies):
            return f"its {what} was not kept whole"
    return None
