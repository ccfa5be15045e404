"""Secrets in what is stored already: for `mesh-store check --secrets`. Pure."""

from dataclasses import dataclass
from typing import Any

from msgspec import structs

from mesh_core.config import Redact, RedactMode
from mesh_core.model import Bodies, Exchange
from mesh_core.redact.redactor import Redactor

_PLACES = (
    "request_headers", "response_headers", "request_trailers", "response_trailers", "method", "path",
    "authority", "reason", "peer",
    "error", "messages", "request_body", "response_body",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leak:
    """Values of one place that redaction would have hidden, or content that it would have dropped.

    The value itself is not told: a report must not leak it again.
    """

    exchange_id: str
    place: str
    """A field of the exchange: `request_headers`, `path`, `response_body`, …"""
    rule: str
    """`header`, `json`, `card`, …, or `dropped:WHY`."""
    count: int


class Scan:
    """Looks for secrets in exchanges as they are stored.

    Needs no key: tokens are told by their form.
    """

    def __init__(self, redact: Redact | None = None) -> None:
        """Make one with the project's own rules; its mode `off` is looked through as `default`."""
        rules = redact or Redact()
        mode = RedactMode.DEFAULT if rules.mode is RedactMode.OFF else rules.mode
        self._redactor = Redactor(None, mode, rules)

    def leaks(self, exchange: Exchange, bodies: Bodies) -> tuple[Leak, ...]:
        """What an exchange still holds of secrets; empty where it was redacted as it should be.

        Args:
            exchange: as stored.
            bodies: its stored bodies by hash; one that is missing is not looked at.
        """
        if self._redactor.apply(exchange, bodies)[0] is exchange:
            return ()
        bare = _without_places(exchange)
        leaks: list[Leak] = []
        for place in _PLACES:
            value = getattr(exchange, place)
            if not value:
                continue
            changes: dict[str, Any] = {place: value, **_needed(exchange, place)}
            after, _ = self._redactor.apply(structs.replace(bare, **changes), bodies)
            found = {redaction.rule: redaction.count for redaction in after.redactions}
            leaks.extend(Leak(exchange.id, place, rule, count) for rule, count in sorted(found.items()))
        return tuple(leaks)


def find_secrets(exchange: Exchange, bodies: Bodies, redact: Redact | None = None) -> tuple[Leak, ...]:
    """As `Scan.leaks`, for one exchange alone."""
    return Scan(redact).leaks(exchange, bodies)


def _without_places(exchange: Exchange) -> Exchange:
    return structs.replace(
        exchange, request_headers=(), response_headers=(), request_trailers=(), response_trailers=(),
        method="GET", path="/", authority="", reason="", peer=None, error=None, messages=(),
        request_body=None, response_body=None, redactions=(),
    )  # fmt: skip


def _needed(exchange: Exchange, place: str) -> dict[str, object]:
    """The headers that say how a body is to be read, without their secrets."""
    wanted = {
        "request_body": ("request_headers",),
        "response_body": ("response_headers",),
        "messages": ("request_headers", "response_headers"),
    }
    telling = {b"content-type", b"content-encoding", b"grpc-encoding"}
    return {
        name: tuple(field for field in getattr(exchange, name) if field[0].lower() in telling)
        for name in wanted.get(place, ())
    }
