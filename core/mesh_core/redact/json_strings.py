"""What a string of a JSON document says, and how something else is put in its place. Pure."""

import json

from mesh_core.redact.sweep import Unreadable

TELLING = frozenset({b"grant_type", b"grantType"})
"""Beside one of these, a `code` is a secret."""


def read(text: bytes) -> bytes:
    """What stands between two quotes, without its escapes.

    Raises:
        Unreadable: it is no JSON.
    """
    if b"\\" not in text:
        return text
    try:
        plain: str = json.loads(f'"{text.decode("utf-8", "replace")}"', strict=False)
    except ValueError as cause:
        raise Unreadable("json") from cause
    return plain.encode("utf-8", "surrogatepass")


def written(before: bytes, after: bytes, text: bytes) -> bytes:
    """What stands between the quotes for `after`; `text`, as it was, where `before` did not change."""
    if after == before:
        return text
    return json.dumps(after.decode("utf-8", "replace"), ensure_ascii=False)[1:-1].encode("utf-8", "replace")
