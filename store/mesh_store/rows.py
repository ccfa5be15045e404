"""An exchange as a row of its table. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from struct import error as StructError
from typing import Any

from mesh_core.fingerprint import Fingerprint, fingerprint
from mesh_core.model import Bodies, BodyRef, Exchange
from mesh_core.query.terms import ascii_lower
from mesh_store import document
from mesh_store.tables import exchange as table
from mesh_store.tables import magnitude, searchable

COLUMNS = tuple(column.name for column in table.columns)
MOST_NAME = 255
"""Characters of a service's name: it is indexed."""
_ID = re.compile(r"[0-9a-f]{32}")
_SPAN = re.compile(r"[0-9a-f]{16}")
_NUMBERS = Struct(">4q")
"""What a column of 64 bits takes."""


class Refused(ValueError):
    """An exchange that cannot be stored: ids that are none, or numbers over 64 bits."""


@dataclass(slots=True, kw_only=True)
class Prepared:
    """One exchange, ready to be written."""

    exchange: Exchange
    document: bytes
    fingerprint: Fingerprint | None


def prepare(exchange: Exchange, bodies: Bodies) -> Prepared:
    """Check an exchange, and work out all that costs time.

    Raises:
        Refused: it cannot be stored.
    """
    if not (_ID.fullmatch(exchange.id) and _ID.fullmatch(exchange.trace_id)):
        raise Refused("its ids are not 32 hex digits")
    if exchange.span_id is not None and not _SPAN.fullmatch(exchange.span_id):
        raise Refused("its span id is not 16 hex digits")
    if len(exchange.service) > MOST_NAME:
        raise Refused(f"its service's name is longer than {MOST_NAME} characters")
    try:
        sizes = _size(exchange.request_body) or 0, _size(exchange.response_body) or 0
        _NUMBERS.pack(exchange.started_at, exchange.ended_at, *sizes)
        _NUMBERS.pack(exchange.status or 0, exchange.grpc_status or 0, 0, 0)
        written = document.encode(exchange)
    except (StructError, ValueError) as cause:
        raise Refused("it holds a number or a character that cannot be stored") from cause
    found = fingerprint(exchange, bodies) if exchange.failed else None
    return Prepared(exchange=exchange, document=written, fingerprint=found)


def row(
    prepared: Prepared, run: int, stored_at: int, body_id: Callable[[str], int | None]
) -> tuple[Any, ...]:
    """The values of `COLUMNS`."""
    exchange, found = prepared.exchange, prepared.fingerprint
    request, response = exchange.request_body, exchange.response_body
    return (
        bytes.fromhex(exchange.id),
        run,
        stored_at,
        bytes.fromhex(exchange.trace_id),
        None if exchange.span_id is None else bytes.fromhex(exchange.span_id),
        None if exchange.request_id is None else request_key(exchange.request_id),
        None if exchange.request_id is None else searchable(exchange.request_id),
        _folded(exchange.service),
        searchable(exchange.instance),
        exchange.direction.value,
        None if exchange.peer is None else searchable(exchange.peer),
        exchange.started_at,
        exchange.ended_at,
        magnitude(exchange.duration),
        searchable(exchange.scheme),
        _folded(exchange.method),
        searchable(exchange.authority),
        searchable(exchange.path),
        exchange.status,
        exchange.grpc_status,
        exchange.outcome.value,
        int(exchange.failed),
        None if exchange.error is None else searchable(exchange.error),
        exchange.lane.value,
        None if found is None else bytes.fromhex(found.hash),
        _size(request),
        _size(response),
        None if request is None else body_id(request.hash),
        None if response is None else body_id(response.hash),
        prepared.document,
    )


@lru_cache(1024)
def _folded(text: str) -> str:
    """A name that is compared without regard to case, as its column holds it."""
    return searchable(ascii_lower(text))


def request_key(request_id: str) -> int:
    """What a request id is indexed by; others may have the same."""
    digest = sha256(request_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], signed=True)


def _size(body: BodyRef | None) -> int | None:
    return None if body is None else body.size
