"""Answers without the secrets that were sent: one that is echoed does not get into a report. Pure."""

import base64
import dataclasses
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from msgspec import structs

from mesh_core.encoding import decoded
from mesh_core.model import Headers, header_text
from mesh_replayer.reply import Received

_LEAST = 4
"""Characters of a secret that can be told from other text."""
_INSTEAD = b"mr1_secret"
_MOST = 32 * 1024 * 1024


def spellings(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """How secrets may be written in an answer, the longest first."""
    found: set[bytes] = set()
    for secret in secrets:
        if len(secret) < _LEAST:
            continue
        raw = secret.encode()
        coded = base64.b64encode(raw)
        found |= {
            raw,
            coded,
            coded.rstrip(b"="),
            quote(secret, safe="").encode(),
            quote_plus(secret).encode(),
        }
        found.add(json.dumps(secret)[1:-1].encode())
    return tuple(sorted(found, key=len, reverse=True))


def scrubbed(received: Received, hidden: tuple[bytes, ...]) -> Received:
    """What came back, with a mark in place of each secret; the same object where there was none."""

    def clean(content: bytes) -> bytes:
        for spelling in hidden:
            content = content.replace(spelling, _INSTEAD)
        return content

    def fields(headers: Headers) -> Headers:
        return tuple((clean(name), clean(value)) for name, value in headers)

    changed = dataclasses.replace(
        received,
        headers=fields(received.headers),
        trailers=fields(received.trailers),
        messages=tuple(structs.replace(each, payload=clean(each.payload)) for each in received.messages),
        reason=clean(received.reason.encode("latin-1", "replace")).decode("latin-1"),
        error=None if received.error is None else clean(received.error.encode()).decode(errors="replace"),
    )
    coding = header_text(received.headers, b"content-encoding")
    plain = decoded(received.body, coding, limit=_MOST) if coding else received.body
    if plain is None or (body := clean(plain)) == plain:
        return received if changed == received else changed
    headers = tuple(field for field in changed.headers if field[0].lower() != b"content-encoding")
    return dataclasses.replace(changed, headers=headers, body=body, body_size=len(body), body_hash=None)
