"""One place where two responses are not the same. Pure."""

from enum import StrEnum
from typing import Any

from msgspec import Struct


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
    ID_MISMATCH = "id_mismatch"
    """An id that was equal to another one, and is not any more; or the other way round."""
    STALE_ID = "stale_id"
    """The recorded id again, where elsewhere a new one stands for it."""
    TEXT = "text"
    """Lines."""
    BYTES = "bytes"


class Difference(Struct, frozen=True, kw_only=True):
    """One place where the replayed response is not as recorded.

    A struct, as a megabyte may have tens of thousands, and each costs a fifth of a dataclass.
    """

    where: Where
    kind: Kind
    path: str | None = None
    """Where exactly: a header's name, a JSONPath (RFC 9535), `line 3`, `offset 120`."""
    recorded: Any = None
    """What was there, a JSON value; bytes as latin-1. None where nothing was."""
    replayed: Any = None
    noise: str | None = None
    """Why this means nothing; None where that is not known."""
    unsure: str | None = None
    """Why it may mean nothing, with too little evidence; None where that is no question."""
    detail: str | None = None
    """What there is to say of it besides, such as why it is no noise."""
    template: str | None = None
    """The place in any response of the route: `$.items[*].id`, a header's name; None where there is none."""
    lengths: tuple[int, int] | None = None
    """Of an array that lost or gained items: how many there were, and are."""

    @property
    def counts(self) -> bool:
        """Whether it is certain that this means something."""
        return self.noise is None and self.unsure is None
