"""One place where two responses are not the same. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Where(StrEnum):
    """The part of the exchange; of a replay, only the response's parts come up."""

    METHOD = "method"
    PATH = "path"
    REQUEST_HEADER = "request_header"
    REQUEST_TRAILER = "request_trailer"
    REQUEST_BODY = "request_body"

    STATUS = "status"
    GRPC_STATUS = "grpc_status"
    HEADER = "header"
    TRAILER = "trailer"
    BODY = "body"


class Kind(StrEnum):
    """How the two sides are not the same."""

    VALUE = "value"
    TYPE = "type"
    """Another JSON type; `null` is one."""
    MISSING = "missing"
    """There then, not there now."""
    ADDED = "added"
    ITEM_MISSING = "item_missing"
    """Of an array."""
    ITEM_ADDED = "item_added"
    ORDER = "order"
    """The same items, in another order."""
    TEXT = "text"
    """Lines."""
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where the replayed response is not as recorded."""

    where: Where
    kind: Kind
    path: str | None = None
    """Where exactly: a header's name, a JSONPath (RFC 9535), `line 3`, `offset 120`."""
    recorded: Any = None
    """What was there, a JSON value; bytes as latin-1. None where nothing was."""
    replayed: Any = None
    noise: str | None = None
    """Why this means nothing; None where that is not known."""
    segments: tuple[str | int, ...] = ()
    """The JSONPath as names and indices."""
