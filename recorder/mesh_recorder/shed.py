"""What gives way when the spool fills up: the recording, never the traffic. Pure.

In this order: bodies of successes, then successes, then failures.
"""

from enum import Enum

from msgspec import structs

from mesh_core.model import BodyRef, Exchange

BODIES_FROM = 0.8
"""Share of the spool's cap from which bodies of successes are left out."""
SUCCESSES_FROM = 0.9


class Shed(Enum):
    """What to keep of an exchange."""

    NOTHING = "everything is kept"
    BODIES = "without its bodies"
    ALL = "dropped"


def shed(*, failed: bool, used: int, cap: int) -> Shed:
    """What has to give, with `used` of `cap` bytes taken."""
    if used >= cap:
        return Shed.ALL
    if failed or used < BODIES_FROM * cap:
        return Shed.NOTHING
    return Shed.ALL if used >= SUCCESSES_FROM * cap else Shed.BODIES


def without_bodies(exchange: Exchange) -> Exchange:
    """The exchange with its bodies marked as not kept; their sizes and full hashes stay."""
    return structs.replace(
        exchange,
        request_body=_not_kept(exchange.request_body),
        response_body=_not_kept(exchange.response_body),
    )


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of no bytes."""


def _not_kept(body: BodyRef | None) -> BodyRef | None:
    if body is None or body.stored == 0:
        return body
    return structs.replace(body, hash=_EMPTY, stored=0, truncated=True)
