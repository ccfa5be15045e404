"""Two bodies, decoded, compared as what they are. Pure.

1. Equal on the wire is equal; else what is inside the content coding counts.
2. Of a body that was cut off when it was stored, only what was kept can be compared.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from mesh_core.encoding import decoded
from mesh_core.model import Bodies, BodyRef
from mesh_replayer.diff import documents
from mesh_replayer.diff.difference import Difference, Kind, Where
from mesh_replayer.diff.formats import Document, read_document, text_of
from mesh_replayer.diff.headers import LeftOut
from mesh_replayer.diff.lines import bytes_difference, first_difference, text_differences

MOST_DECODED = 64 * 1024 * 1024
"""Bytes of a decoded body that are looked at."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body out of its coding, as far as it is known."""

    ref: BodyRef | None
    document: Document | None
    """None where its bytes were not kept."""
    whole: bool


def read_body(ref: BodyRef | None, bodies: Bodies) -> Body:
    """Decode and read a body; None and empty are the same."""
    if ref is None or ref.size == 0:
        return Body(ref, Document(b""), True)
    stored = bodies.get(ref.hash)
    if stored is None or (not stored and ref.truncated):
        return Body(ref, None, False)
    kind = ref.content_type or ""
    content, whole = stored, not ref.truncated
    if ref.content_encoding and not ref.decoded:
        inner = decoded(stored, ref.content_encoding, limit=MOST_DECODED)
        if inner is None:
            kind = "application/octet-stream"
        else:
            content, whole = inner, whole and len(inner) < MOST_DECODED
    return Body(ref, read_document(content, kind) if whole else Document(content, kind), whole)


def compare_bodies(
    recorded: Body, replayed: Body, noisy: Collection[str] = ()
) -> tuple[list[Difference], list[LeftOut]]:
    """The differences between two response bodies, and what could not be compared.

    Args:
        recorded: the body then.
        replayed: the body now.
        noisy: templates of places that are known to vary.
    """
    if _full_hash(recorded.ref) is not None and _full_hash(recorded.ref) == _full_hash(replayed.ref):
        return [], []
    old, new = recorded.document, replayed.document
    if old is None or new is None:
        side = "recorded" if old is None else "replayed"
        sizes = _sizes(recorded.ref), _sizes(replayed.ref)
        if None not in sizes and sizes[0] != sizes[1]:
            then, now = sizes
            return [
                Difference(where=Where.BODY, kind=Kind.BYTES, path="size", recorded=then, replayed=now)
            ], []
        return [], [LeftOut("body", f"the {side} one was not kept")]
    if recorded.whole and replayed.whole:
        return list(_whole(old, new, noisy)), []
    cut = [len(side.content) for side, body in ((old, recorded), (new, replayed)) if not body.whole]
    parts = _parts(old.content, new.content, min(cut))
    if not parts[0] and _differ_for_certain(recorded.ref, replayed.ref):
        kept = min(len(old.content), len(new.content))
        return [Difference(where=Where.BODY, kind=Kind.BYTES, path=f"after offset {kept}")], []
    return parts


def _full_hash(ref: BodyRef | None) -> str | None:
    return None if ref is None else ref.full_hash


def _sizes(ref: BodyRef | None) -> int | None:
    """The size of what a body holds; None where a coding hides it."""
    return 0 if ref is None else None if ref.content_encoding else ref.size


def _differ_for_certain(recorded: BodyRef | None, replayed: BodyRef | None) -> bool:
    """Whether the hashes of the whole bodies tell them apart, without a coding that may vary."""
    both = _full_hash(recorded), _full_hash(replayed)
    plain = not any(ref is not None and ref.content_encoding for ref in (recorded, replayed))
    return plain and None not in both and both[0] != both[1]


def _whole(old: Document, new: Document, noisy: Collection[str]) -> Iterator[Difference]:
    if old.content == new.content:
        return
    if not old.content or not new.content:
        kind = Kind.MISSING if old.content else Kind.ADDED
        yield Difference(where=Where.BODY, kind=kind, recorded=_shown(old), replayed=_shown(new))
        return
    if old.format == new.format and old.format not in ("text", "bytes"):
        yield from documents.differences(old.tree, new.tree, noisy)
        return
    texts = _text(old), _text(new)
    if texts[0] is not None and texts[1] is not None:
        yield from text_differences(texts[0], texts[1])
    else:
        yield from bytes_difference(old.content, new.content)


def _parts(old: bytes, new: bytes, length: int) -> tuple[list[Difference], list[LeftOut]]:
    """Where a side is cut off: what both have, up to the shorter one's end."""
    if first_difference(old, new) >= min(length, len(old), len(new)):
        shorter = min(len(old), len(new))
        if shorter < length:  # the whole one ends before the part that was kept of the other
            return list(bytes_difference(old, new)), []
        return [], [LeftOut("body", f"only its first {length} bytes were kept, and they are the same")]
    return list(bytes_difference(old[:length], new[:length])), []


def _text(side: Document) -> str | None:
    return side.text if side.format in ("text", "bytes") else text_of(side.content, side.type.lower())


def _shown(side: Document) -> str | None:
    if not side.content:
        return None
    text = _text(side)
    return text if text is not None else side.content.decode("latin-1")
