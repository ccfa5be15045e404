"""JSON documents: values hidden by key, by path and by form; all other bytes stay as they are. Pure.

A document is never written anew: single strings and numbers in it are replaced. `json_flat` is the quick
way, `json_walk` the one that knows places.
"""

import json
import re

import msgspec

from mesh_core.redact.json_flat import hide_flat, hide_places
from mesh_core.redact.json_walk import Walk
from mesh_core.redact.sweep import LOOKING, Sweep, Unreadable

_GUARD = re.compile(rb"\)\]\}'?,?\s*|(?:for|while)\s*\([^)]{0,9}\)\s*;?\s*|\xef\xbb\xbf|\x1e")
"""What is put before JSON so that it is no script, marks UTF-8, or opens a record (RFC 7464)."""


def hide_json(sweep: Sweep, raw: bytes, depth: int = 0, *, cut: bool = False) -> bytes | None:
    """A document without secrets; None where `raw` is no JSON.

    Args:
        sweep: what the pass carries along.
        raw: UTF-8.
        depth: of encodings that it was found in.
        cut: its end may be missing; then its last value goes, as it may be half a secret.

    Raises:
        Unreadable: a value was hidden, and the rest did not stay a document.
    """
    if cut:
        return Walk(sweep, raw, depth, cut=True).done()
    guard = _GUARD.match(raw)
    if guard is not None:
        raw = raw[guard.end() :]
    sweep.spend(1)
    if not _valid(raw):
        return None
    if b"&#" in raw:
        after = None
    elif sweep.rules.places_matter(raw):
        after = hide_places(sweep, raw, depth)
    else:
        after = hide_flat(sweep, raw, depth)
    if after is None:
        after = Walk(sweep, raw, depth, cut=False).done()
    if after is not raw and after != raw and not _valid(after):
        raise Unreadable("json")
    return guard[0] + after if guard is not None else after


def _valid(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return _loose(raw)
    return True


def _loose(raw: bytes) -> bool:
    """Whether Python's reader takes it: with `NaN`, as some servers write."""
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True


def hide_lines(sweep: Sweep, raw: bytes, *, cut: bool = False) -> bytes | None:
    """Documents one by one, on lines of their own or as a sequence (RFC 7464); None where one is none.

    Of a stream that was cut off, the last line goes.
    """
    lines = raw.splitlines(keepends=True)
    if cut and lines and not lines[-1].endswith((b"\n", b"\r")):
        lines.pop()
    sweep.spend(LOOKING * len(lines))
    after = [line if not line.strip(b" \t\r\n\x1e") else hide_json(sweep, line) for line in lines]
    return None if None in after else b"".join(line for line in after if line is not None)
