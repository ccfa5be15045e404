"""What an error's body says went wrong, in a form that is the same each time. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from mesh_core.encoding import decoded
from mesh_core.masks import masked
from mesh_core.model import Bodies, Exchange, header

_MOST_BODY = 256 * 1024
"""Bytes of a decoded body that are read."""
_MOST_MESSAGE = 200
"""Characters of each value."""
_NAMES = ("type", "code", "title", "error", "message")
"""What tells errors apart; `type` and `title` also as in RFC 9457, section 3.1."""
_SECOND_NAMES = ("detail", "msg", "reason", "error_description", "exception", "description")
"""Looked at where none of the first is there."""
_MARKUP = re.compile(r"<(title|h1|pre)\b[^>]{0,200}>([^<]{1,500})", re.IGNORECASE)


def error_signature(exchange: Exchange, bodies: Bodies) -> Mapping[str, str]:
    """Type, code and message of the error in a response, masked; or its first line.

    Empty where there is no body, it is not given, or it cannot be decoded.

    Args:
        exchange: one with a response.
        bodies: by hash; the response's is looked up.
    """
    message = _grpc_message(exchange)
    if message:
        return {"message": _short(message)}
    ref = exchange.response_body
    stored = None if ref is None else bodies.get(ref.hash)
    if ref is None or not stored:
        return {}
    content = decoded(stored, None if ref.decoded else ref.content_encoding, limit=_MOST_BODY)
    if not content or not content.strip():
        return {}
    if "json" in (ref.content_type or "").lower() or content.lstrip()[:1] in (b"{", b"[", b'"'):
        found = _from_json(content)
        if found is not None:
            return found
    return _from_text(content)


def _grpc_message(exchange: Exchange) -> str | None:
    """`grpc-message`, in the trailers or, where nothing else was sent, in the headers."""
    if exchange.grpc_status is None:
        return None
    for fields in (exchange.response_trailers, exchange.response_headers):
        value = header(fields, b"grpc-message")
        if value:
            return unquote(value.decode("latin-1"), errors="replace")
    return None


def _from_json(content: bytes) -> Mapping[str, str] | None:
    """The telling values at the top or inside `error`; None where the body is not such JSON."""
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, str):
        return {"message": _short(document)}
    places = [place for place in _error_places(document) if place]
    for names in (_NAMES, _SECOND_NAMES):
        found: dict[str, str] = {}
        for place in places:
            for name, value in place.items():
                key = name.lower()
                if key in names and isinstance(value, str | int) and not isinstance(value, bool):
                    # A code is a name, also where it is a number.
                    found.setdefault(key, str(value)[:_MOST_MESSAGE] if key == "code" else _short(str(value)))
        if found:
            return {name: found[name] for name in names if name in found}
    return {"keys": ",".join(sorted(masked(key) for key in places[0]))[:_MOST_MESSAGE]} if places else {}


def _error_places(document: Any) -> list[dict[str, Any]]:
    """The objects that may describe the error: the inner ones first."""
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return []
    places: list[dict[str, Any]] = []
    error = document.get("error")
    errors = document.get("errors")
    if isinstance(error, dict):
        places.append(error)
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        places.append(errors[0])
    return [*places, document]


def _from_text(content: bytes) -> Mapping[str, str]:
    text = content.decode("utf-8", "replace")
    if text.lstrip()[:1] == "<":
        said = dict.fromkeys(_short(match[2]) for match in _MARKUP.finditer(text[:20_000]))
        if said:
            return {"message": ": ".join(list(said)[:2])}
    first = next((line for line in text.splitlines() if line.strip()), "")
    return {"message": _short(first)}


def _short(text: str) -> str:
    return masked(text)[:_MOST_MESSAGE]
