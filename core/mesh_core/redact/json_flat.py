"""JSON documents looked through as one text: the quick way, for nearly all of them. Pure.

1. Only values of telling keys, strings with escapes, and strings that may hold `key=secret` are looked
   at singly; all other bytes are looked through together.
2. Escapes are masked by bytes that no JSON has, in the same length, so that each quote left opens or
   closes a string.
"""

import re

from mesh_core.redact.json_strings import TELLING, read, written
from mesh_core.redact.memory import remember
from mesh_core.redact.named import named, number
from mesh_core.redact.names import KeyKind, key_kind
from mesh_core.redact.sweep import LOOKING, Sweep
from mesh_core.redact.values import by_form, coded, look_through, marks, may_hold_pairs, tells_nothing

type _Edit = tuple[int, int, bytes]
"""From, to, and what comes there."""

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_MASK = b"\1\1"
_SPACED = re.compile(rb'"\s+:')
_VALUE = re.compile(rb'\s*(?:"([^"]*)"|(-?[0-9][0-9.eE+-]*)|[tfn]|([{\[]))')
_MOST_KEYS = 8192
_LONGEST_KEY = 64


class _NeedsWalk(Exception):
    """Places matter in this document."""


def hide_flat(sweep: Sweep, raw: bytes, depth: int) -> bytes | None:
    """A valid document without secrets; None where it has to be walked through."""
    masked = _ESCAPE.sub(_MASK, raw) if b"\\" in raw else raw
    nothing = tells_nothing(sweep, masked)
    counted = {} if nothing else dict(sweep.counts)
    edits: list[_Edit] = []
    if not nothing:
        if _SPACED.search(masked):
            return None
        try:
            edits = _telling(sweep, raw, masked)
        except _NeedsWalk:
            _uncount(sweep, counted)
            return None
    if masked is not raw:
        edits = _escaped(sweep, raw, masked, edits, depth)
    if not nothing:
        edits = _paired(sweep, raw, masked, edits, depth)
    if not edits:
        found = coded(raw) if nothing else marks(sweep, raw)
        return by_form(sweep, raw, found, depth) if found else raw
    return _edited(sweep, raw, edits, depth, nothing=nothing)


def hide_places(sweep: Sweep, raw: bytes, depth: int) -> bytes | None:
    """A valid document in which the project's paths alone tell of secrets; None where it has to be walked."""
    keys = sweep.rules.by_key
    if keys is None or b"\\" in raw or not tells_nothing(sweep, raw):
        return None
    edits: list[_Edit] = []
    counted = dict(sweep.counts)
    try:
        for at in keys.values(raw):
            sweep.spend(1)
            edits += _value(sweep, raw, raw, at, KeyKind.SECRET)
    except _NeedsWalk:
        _uncount(sweep, counted)
        return None
    return _edited(sweep, raw, edits, depth, nothing=True)


def _uncount(sweep: Sweep, before: dict[str, int]) -> None:
    """What was hidden is hidden again by the walk."""
    sweep.counts.clear()
    sweep.counts.update(before)


def _telling(sweep: Sweep, raw: bytes, masked: bytes) -> list[_Edit]:
    """Values whose key says what they are."""
    harmless = sweep.rules.memory.keys
    pieces = masked.split(b'":')
    sweep.spend(len(pieces) // 4)
    keys = [piece[piece.rfind(b'"') + 1 :] for piece in pieces]
    keys.pop()
    if harmless.issuperset(keys):
        return []
    edits: list[_Edit] = []
    at = 0
    for key, piece in zip(keys, pieces, strict=False):
        at += len(piece) + 2
        if key not in harmless and (kind := _kind(sweep, key)) is not None:
            edits += _value(sweep, raw, masked, at, kind)
    return edits


def _kind(sweep: Sweep, key: bytes) -> KeyKind | None:
    """What a key that is not known yet tells; harmless ones are remembered, as services repeat themselves."""
    if key in TELLING or b"\1" in key:
        raise _NeedsWalk
    kind = key_kind(key)
    if kind is None and len(key) <= _LONGEST_KEY and not marks(sweep, key) and not may_hold_pairs(key):
        remember(sweep.rules.memory.keys, key, most=_MOST_KEYS)
    return kind


def _value(sweep: Sweep, raw: bytes, masked: bytes, at: int, kind: KeyKind) -> list[_Edit]:
    match = _VALUE.match(masked, at)
    if match is None or (match[3] and not (kind is KeyKind.WEAK and match[3] == b"{")):
        raise _NeedsWalk
    if match[2]:
        after = number(sweep, kind, match[2], "json")
        return [] if after is None or after == match[2] else [(match.start(2), match.end(2), after)]
    if match[1] is None:
        return []
    start, end = match.span(1)
    before = read(raw[start:end])
    hidden = named(sweep, kind, before, "json")
    return [] if hidden is None else [(start, end, written(before, hidden, raw[start:end]))]


def _escaped(sweep: Sweep, raw: bytes, masked: bytes, edits: list[_Edit], depth: int) -> list[_Edit]:
    """Strings with escapes, each by what it says."""
    taken = {start for start, _, _ in edits}
    at = masked.find(_MASK)
    while at >= 0:
        start = masked.rfind(b'"', 0, at) + 1
        end = masked.find(b'"', at)
        if start not in taken:
            sweep.spend(LOOKING)
            before = read(raw[start:end])
            edits.append((start, end, written(before, look_through(sweep, before, depth), raw[start:end])))
        at = masked.find(_MASK, end)
    return edits


def _paired(sweep: Sweep, raw: bytes, masked: bytes, edits: list[_Edit], depth: int) -> list[_Edit]:
    """Strings that may hold `password: …`."""
    harmless = sweep.rules.memory.keys
    strings = masked.split(b'"')[1::2]
    if not may_hold_pairs(b"\n".join([text for text in strings if text not in harmless])):
        return edits
    taken = {start for start, _, _ in edits}
    at = 0
    for text, gap in zip(masked.split(b'"')[1::2], masked.split(b'"')[::2], strict=False):
        start = at + len(gap) + 1
        at = start + len(text) + 1
        if start not in taken and may_hold_pairs(text):
            before = raw[start : start + len(text)]
            edits.append(
                (start, start + len(text), written(before, look_through(sweep, before, depth), before))
            )
    return edits


def _edited(sweep: Sweep, raw: bytes, edits: list[_Edit], depth: int, *, nothing: bool) -> bytes:
    """The document with its edits, and all between them looked through by form."""
    edits.sort()
    between: list[bytes] = []
    done = 0
    for start, end, _ in edits:
        between.append(raw[done:start])
        done = end
    between.append(raw[done:])
    together = b"".join(between)
    found = coded(together) if nothing else marks(sweep, together)
    if found:
        between = [by_form(sweep, text, found, depth) for text in between]
    out = [between[0]]
    for (_, _, new), text in zip(edits, between[1:], strict=True):
        out += (new, text)
    return b"".join(out)
