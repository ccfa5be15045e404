"""Exchanges as both sides of calls see them, by number; times are milliseconds."""

from typing import Any

from mesh_core.model import Direction, Exchange, TraceOrigin
from support.recorded import an_exchange

MS = 1_000_000


def name(number: int) -> str:
    """The id of the exchange with this number."""
    return f"{number:032x}"


def inbound(number: int, service: str, start: int, end: int, **changes: Any) -> Exchange:
    fields = {
        "id": name(number),
        "service": service,
        "instance": f"{service}-1",
        "direction": Direction.INBOUND,
        "trace_origin": TraceOrigin.W3C,
        "started_at": start * MS,
        "ended_at": end * MS,
    }
    return an_exchange(**(fields | changes))


def outbound(number: int, service: str, start: int, end: int, **changes: Any) -> Exchange:
    return inbound(number, service, start, end, **({"direction": Direction.OUTBOUND} | changes))


def call(
    number: int, caller: str, callee: str, start: int, end: int, cause: int, **changes: Any
) -> list[Exchange]:
    """Both sides of a call: `number` at the caller, under `cause`, and the next number at the callee."""
    return [
        outbound(number, caller, start, end, claim=name(cause), peer=callee, **changes),
        inbound(number + 1, callee, start, end, claim=name(number), **changes),
    ]
