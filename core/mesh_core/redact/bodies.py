"""Bodies: decoded, read by their content type, and kept only where they could be looked through. Pure.

1. What should be readable and is not (an unknown or damaged encoding, JSON that is none) is dropped and
   marked: `Redaction("dropped:WHY")`, nothing stored, `truncated`. Nothing is kept raw on a hunch.
2. Images, audio, video and fonts are kept as they are, unless a credential stands in their bytes.
3. Other binary content (archives, documents, unknown bytes) is dropped, unless its type is in `keep_types`.
4. Where nothing changed, the bytes stay as on the wire, still compressed; else they are stored decoded.
"""

import hashlib
from collections.abc import Callable

from msgspec import structs

from mesh_core.encoding import Undecodable, unpacked
from mesh_core.model import BodyRef, Headers, header_text
from mesh_core.redact import fields, grpc, layers, markup, streams
from mesh_core.redact.forms import PROVIDER
from mesh_core.redact.json_text import hide_json, hide_lines
from mesh_core.redact.jwt import jwts
from mesh_core.redact.kinds import MAGIC, Form, kind_of
from mesh_core.redact.memory import remember
from mesh_core.redact.protobuf import hide_message, is_text
from mesh_core.redact.sweep import MOST_INFLATED, Sweep, Unreadable
from mesh_core.redact.values import look_through


def hide_body(sweep: Sweep, ref: BodyRef, raw: bytes, headers: Headers) -> tuple[BodyRef, bytes]:
    """A body without secrets, and its reference; both the same objects where nothing changed.

    Args:
        sweep: what the pass carries along.
        ref: as the sidecar made it.
        raw: what is stored under its hash.
        headers: of the message that it belongs to.
    """
    if not raw:
        return ref, raw
    encoding = None if ref.decoded else ref.content_encoding or header_text(headers, b"content-encoding")
    kind = ref.content_type or header_text(headers, b"content-type")
    known = (ref.hash, kind, encoding, ref.truncated)
    if known in sweep.rules.memory.bodies:
        return ref, raw
    before = dict(sweep.counts)
    try:
        content, short = unpacked(raw, encoding, limit=MOST_INFLATED)
        after = hide_content(sweep, content, kind, short or ref.truncated, headers)
    except (Unreadable, Undecodable) as why:
        sweep.counts.clear()  # what was hidden in what is not kept
        sweep.counts.update({**before, f"dropped:{why}": before.get(f"dropped:{why}", 0) + 1})
        return _renewed(ref, b"", dropped=True, encoded=False), b""
    if after == content and not short:
        if kind is None or not kind.startswith("application/grpc"):  # those are read by a header more
            remember(sweep.rules.memory.bodies, known)
        return ref, raw
    changed = before != dict(sweep.counts)
    if not changed:
        after_ref = _renewed(ref, after, dropped=False, encoded=bool(encoding))
        return structs.replace(after_ref, full_hash=ref.full_hash, truncated=True), after
    return structs.replace(
        _renewed(ref, after, dropped=False, encoded=bool(encoding)), truncated=ref.truncated or short
    ), after


def _renewed(ref: BodyRef, after: bytes, *, dropped: bool, encoded: bool) -> BodyRef:
    return structs.replace(
        ref,
        hash=hashlib.sha256(after).hexdigest(),
        full_hash=None,
        stored=len(after),
        truncated=ref.truncated or dropped,
        decoded=ref.decoded or encoded,
    )


def hide_content(
    sweep: Sweep, content: bytes, content_type: str | None, cut: bool, headers: Headers = ()
) -> bytes:
    """Decoded content of a type, without secrets.

    Raises:
        Unreadable: it cannot be looked through.
    """
    kind = kind_of(content_type)
    if kind.media_type in sweep.rules.keep_types:
        return content
    if kind.form is Form.GRPC:
        encoding = header_text(headers, b"grpc-encoding")
        return grpc.hide_frames(sweep, content, kind=kind.media_type, encoding=encoding, cut=cut)
    if kind.form is Form.PROTOBUF:
        return _needed(None if sweep.rules.only_named else hide_message(sweep, content, cut=cut), "protobuf")
    if kind.form is Form.MEDIA or (kind.form is Form.UNKNOWN and content.startswith(MAGIC)):
        return _media(sweep, content)
    if kind.form is Form.MULTIPART:
        return fields.hide_multipart(sweep, content, kind.boundary, hide_content, cut=cut)
    codec = layers.utf16_of(content) or kind.codec
    if codec is None:
        return _text(sweep, content, kind.form, cut)
    return _wide(sweep, content, codec, kind.form, cut)


def _wide(sweep: Sweep, content: bytes, codec: str, form: Form, cut: bool) -> bytes:
    """Text that has to be decoded, and must not say something else where it is read as ASCII."""
    try:
        text = content.decode(codec, "ignore" if cut else "strict").encode("utf-8", "surrogatepass")
    except UnicodeError as cause:
        raise Unreadable("charset") from cause
    after = _text(sweep, text, form, cut)
    if after != text:
        return after.decode("utf-8", "replace").encode(codec)
    if look_through(sweep, content) != content:
        raise Unreadable("charset")
    return content


def _text(sweep: Sweep, content: bytes, form: Form, cut: bool) -> bytes:
    """Content that is text of some kind, in an encoding that holds ASCII."""
    if b"\0" in content and form is not Form.JSON:
        raise Unreadable("binary")
    return _READERS[form](sweep, content, cut)


def _lines(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    return _needed(hide_lines(sweep, content, cut=cut), "json")


def _json(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    after = hide_json(sweep, content, cut=cut)
    if after is None:
        after = hide_lines(sweep, content)
    return _needed(after, "json") if content.strip() else content


def _form(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    return fields.hide_form(sweep, content, cut=cut)


def _events(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    return streams.hide_events(sweep, content, cut=cut)


def _markup(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    return markup.hide_markup(sweep, content, cut=cut)


def _plain(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    return streams.hide_text(sweep, content, cut=cut)


def _sniffed(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    """No type, or one that says nothing: text is read as such, all else goes."""
    if not is_text(content) and not (cut and any(is_text(content[:-end]) for end in (1, 2, 3))):
        raise Unreadable("binary")
    head = content.lstrip()[:1]
    if head in (b"{", b"[") and cut:
        try:
            return _json(sweep, content, cut)
        except Unreadable:
            return _plain(sweep, content, cut)
    return _markup(sweep, content, cut) if head == b"<" else _plain(sweep, content, cut)


_READERS: dict[Form, Callable[[Sweep, bytes, bool], bytes]] = {
    Form.LINES: _lines,
    Form.JSON: _json,
    Form.FORM: _form,
    Form.EVENTS: _events,
    Form.MARKUP: _markup,
    Form.TEXT: _plain,
    Form.UNKNOWN: _sniffed,
}


def _media(sweep: Sweep, content: bytes) -> bytes:
    """Kept whole, or not at all: bytes of an image cannot be replaced."""
    if (
        b"PRIVATE KEY-----" in content
        or PROVIDER.search(content)
        or (b"eyJ" in content and jwts(sweep, content) != content)
    ):
        raise Unreadable("credential")
    return content


def _needed(after: bytes | None, why: str) -> bytes:
    if after is None:
        raise Unreadable(why)
    return after
