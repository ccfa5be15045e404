"""Answers with a body, and what of two of them is found to differ."""

import hashlib
from typing import Any

from mesh_core.model import Bodies, BodyRef, Exchange, Headers
from mesh_replayer.diff import compare
from support.recorded import an_exchange


def answered(
    body: bytes = b"",
    content_type: str = "application/json",
    *,
    headers: Headers = (),
    encoding: str | None = None,
    kept: int | None = None,
    **changes: Any,
) -> tuple[Exchange, Bodies]:
    stored = body if kept is None else body[:kept]
    ref = BodyRef(
        hash=hashlib.sha256(stored).hexdigest(),
        full_hash=hashlib.sha256(body).hexdigest(),
        size=len(body),
        stored=len(stored),
        truncated=len(stored) < len(body),
        content_type=content_type,
        content_encoding=encoding,
    )
    exchange = an_exchange(response_headers=headers, response_body=ref if body else None, **changes)
    return exchange, {ref.hash: stored}


def found(then: tuple[Exchange, Bodies], now: tuple[Exchange, Bodies]) -> list[tuple[str, str | None, str]]:
    comparison = compare(then[0], now[0], {**then[1], **now[1]})
    return [(each.where.value, each.path, each.kind.value) for each in comparison.differences]
