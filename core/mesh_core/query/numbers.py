"""Terms over numbers: status, time, duration, size. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mesh_core.query.lexer import refuse
from mesh_core.query.value import Field, Node, Number
from mesh_core.times import parse_rfc3339
from mesh_core.units import parse_seconds, parse_size

_MOST = 2**63 - 1
_COMPARED = re.compile(r"(>=|<=|>|<|=)?(.*)", re.DOTALL)
_CLASS = re.compile(r"([1-9])xx", re.IGNORECASE)
_DIGITS = re.compile(r"\d{1,19}", re.ASCII)
_SPAN = re.compile(r"[\d.]+\s*(ms|[smhd])", re.ASCII)
_GRPC_CODES = (
    "ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
    "permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range",
    "unimplemented", "internal", "unavailable", "data_loss", "unauthenticated",
)  # fmt: skip
"""Source: gRPC, doc/statuscodes.md; each stands at its number."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one field's numbers are written."""

    field: Field
    read: Callable[[str], int]
    example: str


def _count(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _grpc(text: str) -> int:
    return _GRPC_CODES.index(text.lower()) if text.lower() in _GRPC_CODES else _count(text)


def _nanoseconds(text: str) -> int:
    if not _SPAN.fullmatch(text):
        raise ValueError(text)
    return round(parse_seconds(text) * 1_000_000_000)


NUMBERS = {
    "status": _Kind(Field.STATUS, _count, "status:500, status:5xx or status:>=500"),
    "grpc_status": _Kind(Field.GRPC_STATUS, _grpc, "grpc_status:14 or grpc_status:unavailable"),
    "duration": _Kind(Field.DURATION, _nanoseconds, "duration:>500ms"),
    "size": _Kind(Field.SIZE, parse_size, "size:>64KiB"),
    "since": _Kind(Field.STARTED, _nanoseconds, "since:2h or since:2026-11-24T10:00:00Z"),
    "until": _Kind(Field.STARTED, _nanoseconds, "until:10m or until:2026-11-24T10:00:00Z"),
}
"""By the name that the language has for them."""


def number(name: str, text: str, at: int, now: int) -> Node:
    """The node of one value of a field in `NUMBERS`."""
    kind = NUMBERS[name]
    try:
        low, high = _time(name, text, now) if kind.field is Field.STARTED else _bounds(name, text)
    except (ValueError, OverflowError):
        raise refuse(f"{text[:40]!r} is no value for {name}", at, hint=f"use {kind.example}") from None
    if any(bound is not None and abs(bound) > _MOST for bound in (low, high)):
        raise refuse(f"{text[:40]!r} is too large", at, hint=f"use {kind.example}")
    return Number(kind.field, low, high)


def _time(name: str, text: str, now: int) -> tuple[int | None, int | None]:
    moment = max(0, now - _nanoseconds(text)) if _SPAN.fullmatch(text) else parse_rfc3339(text)
    return (moment, None) if name == "since" else (None, moment)


def _bounds(name: str, text: str) -> tuple[int | None, int | None]:
    hundreds = _CLASS.fullmatch(text)
    if hundreds and name == "status":
        return int(hundreds[1]) * 100, int(hundreds[1]) * 100 + 99
    match = _COMPARED.fullmatch(text)
    operator, rest = match.groups() if match else (None, text)
    value = NUMBERS[name].read(rest)
    if operator in (None, "="):
        if name == "duration":
            raise ValueError("nothing takes exactly so long")
        return value, value
    if operator[0] == ">":
        return value + (operator == ">"), None
    return None, value - (operator == "<")
