"""Redacted values without their digest: equal wherever one rule hid them. Pure.

Without the project's key, a token made now cannot be compared with one made then.
"""

import json
import re
from typing import Any

from msgspec import structs

from mesh_core.model import Bodies, Exchange, Headers
from mesh_core.redact import token_class
from mesh_replayer.diff.documents import parse

_DIGEST = re.compile(rb"(mr1_[a-z]+)_[a-z2-7]{20}")


def by_class(exchange: Exchange, bodies: Bodies) -> tuple[Exchange, Bodies]:
    """The exchange with tokens that tell their class alone, in what is compared: the response."""
    changed = structs.replace(
        exchange,
        response_headers=_fields(exchange.response_headers),
        response_trailers=_fields(exchange.response_trailers),
    )
    ref = exchange.response_body
    stored = None if ref is None else bodies.get(ref.hash)
    if ref is None or not stored or (ref.content_encoding and not ref.decoded):
        return changed, bodies  # nothing was hidden in a body that is still encoded
    shorter = _in_json(_DIGEST.sub(rb"\1", stored))
    if shorter == stored:
        return changed, bodies
    # The reference keeps its hash: it only has to find the bytes.
    body = structs.replace(ref, full_hash=None)
    return structs.replace(changed, response_body=body), {**bodies, ref.hash: shorter}


def _fields(fields: Headers) -> Headers:
    return tuple((name, _DIGEST.sub(rb"\1", value)) for name, value in fields)


def _in_json(content: bytes) -> bytes:
    """JSON with the class in place of each token that is made of digits alone, such as a card's."""
    if content.lstrip()[:1] not in (b"{", b"["):
        return content
    try:
        document = parse(content)
    except ValueError:
        return content
    told = _told(document)
    return content if told == document else json.dumps(told).encode()


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _told(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_told(item) for item in value]
    if isinstance(value, str) or type(value) is int:
        kind = token_class(str(value))
        return value if kind is None else f"mr1_{kind}"
    return value
