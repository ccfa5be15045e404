"""When two failures are the same failure: a hash over what does not change from one to the next. Pure.

1. The same failure has the same fingerprint where it was recorded and where it is replayed.
2. So nothing goes in that a replay cannot know: no learned route, no caller, no time, no id.
3. Stored fingerprints are compared for years: whoever changes what goes in raises `VERSION`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from mesh_core.masks import path_template
from mesh_core.model import Bodies, Direction, Exchange
from mesh_core.outcome import Outcome
from mesh_core.signature import error_signature

__all__ = ["VERSION", "FailureGroup", "Fingerprint", "fingerprint", "path_template"]

VERSION = 1
_ANSWERED = frozenset({Outcome.OK, Outcome.HTTP_4XX, Outcome.HTTP_5XX, Outcome.GRPC_ERROR})
"""The service itself answered; in all else the outcome alone says what happened."""
_MOST_TITLE = 120
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What makes a failure the same as another."""

    hash: str
    """16 hex digits over version and parts."""
    version: int
    title: str
    """A line for people, such as `payment: POST /charge 500 currency not supported`."""
    parts: Mapping[str, str]
    """What went in, by name: to show why two failures differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failures with one fingerprint."""

    fingerprint: str
    title: str
    service: str
    outcome: Outcome
    status: int | None
    count: int
    first_seen: int
    """Nanoseconds since the Unix epoch, the start of the first one."""
    last_seen: int
    """The start of the last one."""
    traces: tuple[str, ...]
    """Trace ids, newest first; not necessarily all."""


def fingerprint(exchange: Exchange, bodies: Bodies) -> Fingerprint:
    """The fingerprint of an exchange; its outcome need not be a failure.

    Service, direction, method, path template, outcome, status, the peer of an outbound exchange,
    and what the body says (`error_signature`). Where the service never answered, a status can
    only be a proxy's, so the outcome stands alone.

    Args:
        exchange: recorded or replayed.
        bodies: the response's body by its hash; without it the error's text is unknown, and the
            fingerprint another one.
    """
    answered = exchange.outcome in _ANSWERED
    error = error_signature(exchange, bodies) if answered else {}
    status = _status(exchange) if answered else ""
    parts = {
        "service": exchange.service,
        "direction": exchange.direction.value,
        "method": exchange.method,
        "path": path_template(exchange.path),
        "outcome": exchange.outcome.value,
        "status": status,
    }
    if exchange.direction is Direction.OUTBOUND:
        parts["peer"] = exchange.peer or ""
    parts |= {f"error.{name}": value for name, value in error.items()}
    return Fingerprint(hash=_hash(parts), version=VERSION, title=_title(parts, error), parts=parts)


def _status(exchange: Exchange) -> str:
    if exchange.grpc_status:
        return f"grpc {exchange.grpc_status}"
    return "" if exchange.status is None else str(exchange.status)


def _hash(parts: Mapping[str, str]) -> str:
    """Over names and values with their lengths, so that no two sets of parts look alike."""
    digest = sha256(b"mesh-replay fingerprint %d" % VERSION)
    for name in sorted(parts):
        for text in (name, parts[name]):
            content = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(content) + content)
    return digest.hexdigest()[:16]


def _title(parts: Mapping[str, str], error: Mapping[str, str]) -> str:
    where = f"{parts['service']} -> {parts['peer']}" if parts.get("peer") else parts["service"]
    what = parts["status"] or parts["outcome"].replace("_", " ")
    said = next(
        (error[name] for name in ("message", "error", "title", "detail", "code", "type") if error.get(name)),
        "",
    )
    if not said:
        said = next((value for name, value in error.items() if name != "keys"), "")
    return _printable(f"{where}: {parts['method']} {parts['path']} {what} {said}").strip()[:_MOST_TITLE]


def _printable(text: str) -> str:
    """Text from the wire without control characters; a title is one line."""
    return "".join(character if character.isprintable() else "?" for character in text)
