"""Bodies in a HAR: as text for people, and byte for byte. Pure."""

import base64
import binascii
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import structs

from mesh_core.bodytext import MOST_TEXT, body_content, body_text, charset
from mesh_core.har.format import Body
from mesh_core.model import Bodies, BodyRef

type Read = tuple[BodyRef | None, dict[str, bytes]]
"""A body, and its bytes by hash where they are known."""


def written(ref: BodyRef, bodies: Bodies) -> tuple[Body, str | None]:
    """Our fields of a body, and its text where it is text."""
    body = Body(**structs.asdict(ref))
    stored = bodies.get(ref.hash)
    if stored is None:
        return body, None
    text = _text(ref, stored)
    if text is None or text.encode() != stored:
        body.base64 = base64.b64encode(stored).decode()
    return body, text


def content_of(ref: BodyRef | None, bodies: Bodies) -> tuple[Body | None, dict[str, Any]]:
    """Our fields of a response's body, and HAR's `content`."""
    if ref is None:
        return None, {"size": 0, "mimeType": ""}
    body, text = written(ref, bodies)
    content: dict[str, Any] = {"size": ref.size, "mimeType": ref.content_type or ""}
    if text is not None:
        return body, content | {"size": len(text.encode()), "text": text}
    if body.base64 is not None and not _encoded(ref):
        # Viewers know binary content as base64; ours need not stand there twice.
        content |= {"text": body.base64, "encoding": "base64"}
        body.base64 = None
    return body, content


def ours(body: Body | None, text: str | None, encoding: str | None, at: str) -> Read:
    """The body that we wrote, or, where its text was edited since, the edited one.

    Args:
        body: our fields.
        text: HAR's own place for it.
        encoding: `base64`, or None.
        at: where it stands, for errors.
    """
    if body is None:
        return None, {}
    ref = BodyRef(**{name: getattr(body, name) for name in BodyRef.__struct_fields__})
    stored = None if body.base64 is None else _unbase64(body.base64, f"{at}.base64")
    if stored is not None and (text is None or encoding == "base64" or _text(ref, stored) == text):
        return _fitting(ref, stored)
    if text is None:
        return ref, {}
    return _fitting(ref, _plain(text, encoding, None, at))


def foreign(content: bytes | None, *, size: float | None, kind: str | None, encoded_as: str | None) -> Read:
    """A body that another tool wrote, which is out of its content encoding.

    Args:
        content: None where the tool did not keep it.
        size: bytes on the wire, as far as the tool says.
        kind: content type.
        encoded_as: content encoding on the wire.
    """
    claimed = min(int(size), 2**63 - 1) if size is not None and 0 < size < float("inf") else 0
    if not content and not claimed:
        return None, {}
    stored = content or b""
    digest = sha256(stored).hexdigest()
    ref = BodyRef(
        hash=digest,
        full_hash=None if encoded_as or not content else digest,
        size=claimed if claimed and (encoded_as or not content) else len(stored),
        stored=len(stored),
        truncated=not content,
        content_type=kind or None,
        content_encoding=encoded_as,
        decoded=encoded_as is not None,
    )
    return ref, {digest: stored}


def plain(text: str | None, encoding: str | None, kind: str | None, at: str) -> bytes | None:
    """The bytes of a text in a HAR; in the charset of its type where it can be."""
    return None if text is None else _plain(text, encoding, kind, at)


def _plain(text: str, encoding: str | None, kind: str | None, at: str) -> bytes:
    if (encoding or "").lower() == "base64":
        return _unbase64(text, at)
    try:
        return text.encode(charset(kind), "strict")
    except UnicodeEncodeError:
        # mitmproxy writes bytes that are no UTF-8 as lone surrogates.
        return text.encode("utf-8", "surrogateescape" if _escaped(text) else "replace")


def _escaped(text: str) -> bool:
    return all("\udc80" <= c <= "\udcff" for c in text if "\ud800" <= c <= "\udfff")


def _unbase64(text: str, at: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError) as cause:
        raise msgspec.ValidationError(f"Expected base64 ({cause}) - at `{at}`") from cause


def _fitting(ref: BodyRef, stored: bytes) -> Read:
    """The body as it says, where the bytes are the ones that it names; else as the bytes are."""
    digest = sha256(stored).hexdigest()
    if digest == ref.hash:
        return structs.replace(ref, stored=len(stored)), {digest: stored}
    edited = structs.replace(
        ref,
        hash=digest,
        full_hash=None,
        size=max(ref.size, len(stored)) if ref.truncated else len(stored),
        stored=len(stored),
        decoded=ref.decoded or ref.content_encoding is not None,
    )
    return edited, {digest: stored}


def _text(ref: BodyRef, stored: bytes) -> str | None:
    """The text of a body, whole or not at all."""
    limit = max(MOST_TEXT, len(stored) + 1)
    content = body_content(ref, {ref.hash: stored}, limit=limit)
    if content is None or len(content) >= limit:
        return None
    return body_text(ref, {ref.hash: stored}, limit=limit)


def _encoded(ref: BodyRef) -> bool:
    return bool(ref.content_encoding) and not ref.decoded
