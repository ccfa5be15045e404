"""Two bodies, decoded, compared as what they are: JSON, text or bytes. Pure.

1. Equal on the wire is equal; else what is inside the content coding counts.
2. Of a body that was cut off when it was stored, only what was kept can be compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mesh_core.bodytext import charset
from mesh_core.encoding import decoded
from mesh_core.model import Bodies, BodyRef
from mesh_replayer.diff import documents
from mesh_replayer.diff.difference import Difference, Kind, Where
from mesh_replayer.diff.headers import LeftOut
from mesh_replayer.diff.lines import bytes_difference, first_difference, text_differences

MOST_DECODED = 64 * 1024 * 1024
"""Bytes of a decoded body that are looked at."""
_TEXTS = ("json", "xml", "text/", "javascript", "x-www-form-urlencoded", "yaml", "graphql", "csv")


@dataclass(frozen=True, slots=True)
class _Content:
    """A body out of its coding, as far as it is known."""

    content: bytes
    whole: bool
    type: str


def compare_bodies(
    recorded: BodyRef | None, replayed: BodyRef | None, bodies: Bodies
) -> tuple[list[Difference], list[LeftOut]]:
    """The differences between two response bodies, and what could not be compared.

    Args:
        recorded: the body then; None and empty are the same.
        replayed: the body now.
        bodies: the bytes of both.
    """
    if _full_hash(recorded) is not None and _full_hash(recorded) == _full_hash(replayed):
        return [], []
    old, new = _content(recorded, bodies), _content(replayed, bodies)
    if old is None or new is None:
        side = "recorded" if old is None else "replayed"
        return [], [LeftOut("body", f"the {side} one was not kept")]
    if old.whole and new.whole:
        return list(_whole(old, new)), []
    parts = _parts(old, new)
    if not parts[0] and _differ_for_certain(recorded, replayed):
        kept = min(len(old.content), len(new.content))
        return [Difference(where=Where.BODY, kind=Kind.BYTES, path=f"after offset {kept}")], []
    return parts


def _full_hash(ref: BodyRef | None) -> str | None:
    return None if ref is None else ref.full_hash


def _differ_for_certain(recorded: BodyRef | None, replayed: BodyRef | None) -> bool:
    """Whether the hashes of the whole bodies tell them apart, without a coding that may vary."""
    both = _full_hash(recorded), _full_hash(replayed)
    plain = not any(ref is not None and ref.content_encoding for ref in (recorded, replayed))
    return plain and None not in both and both[0] != both[1]


def _content(ref: BodyRef | None, bodies: Bodies) -> _Content | None:
    """The decoded body; None where its bytes were not kept."""
    if ref is None or ref.size == 0:
        return _Content(b"", True, "")
    stored = bodies.get(ref.hash)
    if stored is None or (not stored and ref.truncated):
        return None
    kind = (ref.content_type or "").lower()
    if ref.decoded or not ref.content_encoding:
        return _Content(stored, not ref.truncated, kind)
    content = _decoded(stored, ref.content_encoding)
    if content is None:
        return _Content(stored, not ref.truncated, "application/octet-stream")
    return _Content(content, not ref.truncated and len(content) < MOST_DECODED, kind)


def _decoded(body: bytes, encoding: str) -> bytes | None:
    if encoding.strip().lower() == "br":
        return _unbrotli(body)
    return decoded(body, encoding, limit=MOST_DECODED)


def _unbrotli(body: bytes) -> bytes | None:
    """The first bytes of a brotli body; None without the library (mitmproxy brings it)."""
    try:
        import brotli  # type: ignore[import-untyped]  # has none
    except ImportError:
        return None
    try:
        content: bytes = brotli.Decompressor().process(body, output_buffer_limit=MOST_DECODED)
    except brotli.error:
        return None
    return content


def _whole(old: _Content, new: _Content) -> Iterator[Difference]:
    if old.content == new.content:
        return
    if not old.content or not new.content:
        kind = Kind.MISSING if old.content else Kind.ADDED
        yield Difference(where=Where.BODY, kind=kind, recorded=_shown(old), replayed=_shown(new))
        return
    if _maybe_json(old) and _maybe_json(new):
        try:
            pair = documents.parse(old.content), documents.parse(new.content)
        except ValueError:
            pass
        else:
            yield from documents.differences(*pair)
            return
    texts = _text(old), _text(new)
    if texts[0] is not None and texts[1] is not None:
        yield from text_differences(texts[0], texts[1])
    else:
        yield from bytes_difference(old.content, new.content)


def _parts(old: _Content, new: _Content) -> tuple[list[Difference], list[LeftOut]]:
    """Where a side is cut off: what both have, up to the shorter one's end."""
    length = min(len(side.content) for side in (old, new) if not side.whole)
    if first_difference(old.content, new.content) >= min(length, len(old.content), len(new.content)):
        shorter = min(len(old.content), len(new.content))
        if shorter < length:  # the whole one ends before the part that was kept of the other
            return list(bytes_difference(old.content, new.content)), []
        return [], [LeftOut("body", f"only its first {length} bytes were kept, and they are the same")]
    return list(bytes_difference(old.content[:length], new.content[:length])), []


def _maybe_json(side: _Content) -> bool:
    return "json" in side.type or side.content.lstrip()[:1] in (b"{", b"[")


def _text(side: _Content) -> str | None:
    if side.type and not any(name in side.type for name in _TEXTS):
        return None
    try:
        text = side.content.decode(charset(side.type))
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _shown(side: _Content) -> str | None:
    if not side.content:
        return None
    text = _text(side)
    return text if text is not None else side.content.decode("latin-1")
