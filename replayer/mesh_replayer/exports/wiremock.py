"""Stub mappings for WireMock: recorded calls as what it answers. Pure.

The n-th of several equal calls gets the n-th answer, by a scenario of its own; the last answer stays.
Source: WireMock's documentation, "Stubbing", "Request matching", "Stateful behaviour" (version 3).
"""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from mesh_core.model import Bodies, BodyRef, Exchange, header_text

type Json = dict[str, Any]

_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"date"})
"""WireMock makes these itself."""


def wiremock_mappings(recorded: Sequence[tuple[Exchange, Bodies]]) -> str:
    """A document for `POST /__admin/mappings/import`, or for a file below `mappings/`."""
    asked = [json.dumps(_request(exchange, bodies), sort_keys=True) for exchange, bodies in recorded]
    times = Counter(asked)
    seen: Counter[str] = Counter()
    mappings: list[Json] = []
    for key, (exchange, bodies) in zip(asked, recorded, strict=True):
        if exchange.status is None and not exchange.outcome.value.startswith("upstream_"):
            continue  # nothing was ever answered, and nothing was broken off either
        seen[key] += 1
        mapping: Json = {
            "name": f"{exchange.method} {exchange.path}",
            "request": json.loads(key),
            "response": _response(exchange, bodies),
            "metadata": {"mesh-replay": {"exchange": exchange.id, "trace": exchange.trace_id}},
        }
        mappings.append(mapping | _place(f"{exchange.method} {exchange.path}", key, seen[key], times[key]))
    return json.dumps({"mappings": mappings}, indent=2) + "\n"


def _place(name: str, key: str, number: int, of: int) -> Json:
    """Which of several equal calls this answers."""
    if of == 1:
        return {}
    state: Json = {
        "scenarioName": f"{name} {sha256(key.encode()).hexdigest()[:8]}",
        "requiredScenarioState": "Started" if number == 1 else f"call {number}",
    }
    return state if number == of else state | {"newScenarioState": f"call {number + 1}"}


def _request(exchange: Exchange, bodies: Bodies) -> Json:
    wanted: Json = {"method": exchange.method, "url": exchange.path}
    content = _stored(exchange.request_body, bodies)
    if content:
        kind = (header_text(exchange.request_headers, b"content-type") or "").lower()
        wanted["bodyPatterns"] = [_pattern(content, kind)]
    return wanted


def _pattern(content: bytes, kind: str) -> Json:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return {"binaryEqualTo": base64.b64encode(content).decode()}
    if "json" in kind:
        return {"equalToJson": text}
    return {"equalTo": text}


def _response(exchange: Exchange, bodies: Bodies) -> Json:
    if exchange.status is None:
        return {"fault": "CONNECTION_RESET_BY_PEER"}
    answer: Json = {"status": exchange.status, "headers": _headers(exchange)}
    if exchange.reason:
        answer["statusMessage"] = exchange.reason
    content = _stored(exchange.response_body, bodies)
    if content:
        try:
            answer["body"] = content.decode()
        except UnicodeDecodeError:
            answer["base64Body"] = base64.b64encode(content).decode()
    return answer


def _headers(exchange: Exchange) -> Json:
    """Values by name; several of one name as a list."""
    ref = exchange.response_body
    left_out = _FRAMING | ({b"content-encoding"} if ref is not None and ref.decoded else set())
    found: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name, value in exchange.response_headers:
        if name.lower() in left_out or name.startswith(b":"):
            continue
        text = name.decode("latin-1")
        found.setdefault(names.setdefault(text.lower(), text), []).append(value.decode("latin-1"))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _stored(ref: BodyRef | None, bodies: Bodies) -> bytes:
    return b"" if ref is None else bodies.get(ref.hash, b"")
