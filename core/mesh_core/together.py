"""What sidecars agree on without talking: what belongs together, and which traces are kept. Pure."""

from hashlib import blake2b
from typing import NamedTuple

from mesh_core.model import Exchange

_BYTES = 8
_ALL = 1 << (8 * _BYTES)


class Failed(NamedTuple):
    """What a store tells of failures, a piece at a time."""

    keys: frozenset[int]
    """Of exchanges that failed, as `keys_of` gives them."""
    cursor: int
    """Where to go on asking."""
    more: bool
    """Whether there is more to be told at once."""


def keys_of(exchange: Exchange) -> tuple[int, int]:
    """Numbers by which the exchanges of one action know each other, wherever they were seen.

    One is of its trace, the other of its request id, as a service may begin traces of its own and still
    hand the request id on; where there is none, both are of the trace. 64 bits, signed.
    """
    trace = _key(b"t", exchange.trace_id)
    return trace, trace if exchange.request_id is None else _key(b"r", exchange.request_id)


def sampled(trace_id: str, share: float) -> bool:
    """Whether a trace is among the `share`, 0 to 1, that is kept: the same answer everywhere.

    By a hash of the id, as the bits of many formats' ids are not evenly spread; what is in a smaller share
    is in every larger one.
    """
    return int.from_bytes(_digest(b"s", trace_id)) < share * _ALL


def _key(kind: bytes, text: str) -> int:
    return int.from_bytes(_digest(kind, text), signed=True)


def _digest(kind: bytes, text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES, person=kind).digest()
