"""Bodies: decoded, read by their content type, and kept only where they could be looked through. Pure.

1. What should be readable and is not (an unknown or damaged encoding, JSON that is none) is dropped and
   marked: `Redaction("dropped:WHY")`, nothing stored, `truncated`. Nothing is kept raw on a hunch.
2. Images, audio, video and fonts are kept as they are, unless a credential stands in their bytes.
3. Other binary content (archives, documents, unknown bytes) is dropped, unless its type is in `keep_types`.
4. Where nothing changed, the bytes stay as on the wire, still compressed; else they are stored decoded.
"""

import dataclasses
import hashlib
import re
from email.message import Message as _Fields

from mesh_core.model import BodyRef, Headers, header
from mesh_core.redact import fields, forms, grpc, layers, markup, streams
from mesh_core.redact.coding import plain
from mesh_core.redact.json_text import hide_json, hide_lines
from mesh_core.redact.jwt import jwts
from mesh_core.redact.protobuf import hide_message, is_text
from mesh_core.redact.sweep import MOST_INFLATED, Sweep, Unreadable

_MEDIA = re.compile(
    r"(?:image/(?!svg)|audio/|video/|font/|model/|application/(?:wasm|font-|x-font|vnd\.ms-fontobject)).*"
)
_MAGIC = (
    b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"wOFF", b"wOF2", b"\0asm", b"OggS", b"fLaC",
    b"ID3", b"\x1aE\xdf\xa3",
)  # fmt: skip
_JSON = re.compile(
    r".*[/+]json|application/(?:x-amz-json-1\.[01]|csp-report|manifest|importmap|x-json)|text/x-json|application/problem"
)
_LINES = re.compile(
    r"application/(?:x-)?(?:nd-?json|jsonl|jsonlines|ldjson|stream\+json|json-seq)|.*\+json-seq|text/(?:x-)?(?:ndjson|jsonl)"
)
_MARKUP = re.compile(r".*[/+]xml|text/html|application/xhtml|application/soap|.*xml-dtd")
_PROTOBUF = re.compile(r"application/(?:x-|vnd\.google\.)?protobuf|.*[+/](?:x-)?proto(?:buf)?")
_TEXT = re.compile(
    r"text/.*|application/(?:(?:x-)?(?:javascript|ecmascript|yaml|toml|sh|sql|httpd-php|perl|latex|pem-file)|graphql|yaml"
    r"|jwt|jose|sdp|pgp-.*|x-pem-file|secevent\+jwt|.*\+jwt|dns-json|x-www-form|.*\+yaml|xquery|rtf)"
)
_ONE_BYTE = re.compile(
    r"utf-?8|us-ascii|ascii|iso-?8859-?\d{1,2}|latin-?[1-9]|windows-?125\d|cp-?125\d|koi8-[ru]|macintosh|binary|unicode"
)
"""Text in these is read as it stands: ASCII is ASCII in them."""
_WIDE = re.compile(
    r"utf-?16(?:le|be|-le|-be)?|utf-?32(?:le|be|-le|-be)?|utf-?7|shift[_-]?jis|sjis|windows-31j|euc-(?:jp|kr)|gb2312|gbk|gb18030"
    r"|big5(?:-hkscs)?|iso-2022-(?:jp|kr)"
)
"""Text in these is decoded first."""


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
    encoding = None if ref.decoded else ref.content_encoding or _text_of(headers, b"content-encoding")
    try:
        content, short = plain(raw, encoding, limit=MOST_INFLATED)
        kind = ref.content_type or _text_of(headers, b"content-type")
        before = dict(sweep.counts)
        after = hide_content(sweep, content, kind, short or ref.truncated, headers)
    except Unreadable as why:
        sweep.counts[f"dropped:{why}"] += 1
        return _renewed(ref, b"", dropped=True, encoded=False), b""
    if after == content and not short:
        return ref, raw
    changed = before != dict(sweep.counts)
    if not changed:
        after_ref = _renewed(ref, after, dropped=False, encoded=bool(encoding))
        return dataclasses.replace(after_ref, full_hash=ref.full_hash, truncated=True), after
    return dataclasses.replace(
        _renewed(ref, after, dropped=False, encoded=bool(encoding)), truncated=ref.truncated or short
    ), after


def _renewed(ref: BodyRef, after: bytes, *, dropped: bool, encoded: bool) -> BodyRef:
    return dataclasses.replace(
        ref,
        hash=hashlib.sha256(after).hexdigest(),
        full_hash=None,
        stored=len(after),
        truncated=ref.truncated or dropped,
        decoded=ref.decoded or encoded,
    )


def _text_of(headers: Headers, name: bytes) -> str | None:
    value = header(headers, name)
    return None if value is None else value.decode("latin-1")


def hide_content(
    sweep: Sweep, content: bytes, content_type: str | None, cut: bool, headers: Headers = ()
) -> bytes:
    """Decoded content of a type, without secrets.

    Raises:
        Unreadable: it cannot be looked through.
    """
    kind, parameters = _parsed(content_type)
    if kind in sweep.rules.keep_types:
        return content
    if kind.startswith("application/grpc"):
        encoding = _text_of(headers, b"grpc-encoding")
        return grpc.hide_frames(sweep, content, kind=kind, encoding=encoding, cut=cut)
    if _PROTOBUF.fullmatch(kind):
        return _needed(None if sweep.rules.only_named else hide_message(sweep, content, cut=cut), "protobuf")
    if _MEDIA.fullmatch(kind) or (_unknown(kind) and content.startswith(_MAGIC)):
        return _media(sweep, content)
    if kind.startswith("multipart/"):
        return fields.hide_multipart(sweep, content, parameters.get("boundary", ""), hide_content, cut=cut)
    codec = layers.utf16_of(content) or _codec(parameters.get("charset", ""))
    if codec is None:
        return _text(sweep, content, kind, cut)
    return layers.through_text(content, codec, lambda text: _text(sweep, text, kind, cut))


def _text(sweep: Sweep, content: bytes, kind: str, cut: bool) -> bytes:
    """Content that is text of some kind, in an encoding that holds ASCII."""
    if _LINES.fullmatch(kind):
        return _needed(hide_lines(sweep, content, cut=cut), "json")
    if _JSON.fullmatch(kind):
        return _json(sweep, content, cut)
    if kind == "application/x-www-form-urlencoded":
        return fields.hide_form(sweep, content, cut=cut)
    if kind == "text/event-stream":
        return streams.hide_events(sweep, content, cut=cut)
    if _MARKUP.fullmatch(kind):
        return markup.hide_markup(sweep, content, cut=cut)
    if _TEXT.fullmatch(kind):
        if b"\0" in content:
            raise Unreadable("binary")
        return streams.hide_text(sweep, content, cut=cut)
    return _sniffed(sweep, content, cut)


def _json(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    after = hide_json(sweep, content, cut=cut)
    if after is None and not cut:
        after = hide_lines(sweep, content)
    return _needed(after, "json") if content.strip() else content


def _sniffed(sweep: Sweep, content: bytes, cut: bool) -> bytes:
    """No type, or one that says nothing: text is read as such, all else goes."""
    text = content[:-4] if cut else content  # the last letter may be cut off
    if not is_text(text) and not is_text(text[:-3]):
        raise Unreadable("binary")
    head = content.lstrip()[:1]
    if head in (b"{", b"[") and cut:
        try:
            return _needed(hide_json(sweep, content, cut=True), "json")
        except Unreadable:
            return streams.hide_text(sweep, content, cut=True)
    if head == b"<":
        return markup.hide_markup(sweep, content, cut=cut)
    return streams.hide_text(sweep, content, cut=cut)


def _media(sweep: Sweep, content: bytes) -> bytes:
    """Kept whole, or not at all: bytes of an image cannot be replaced."""
    seen = forms.pem(sweep, jwts(sweep, forms.PROVIDER.sub(b"", content)))
    if seen != content:
        raise Unreadable("credential")
    return content


def _unknown(kind: str) -> bool:
    return kind in ("", "application/octet-stream", "binary/octet-stream")


def _needed(after: bytes | None, why: str) -> bytes:
    if after is None:
        raise Unreadable(why)
    return after


def _parsed(content_type: str | None) -> tuple[str, dict[str, str]]:
    """Media type and parameters, in lower case but for values."""
    if not content_type:
        return "", {}
    kind, semicolon, rest = content_type.partition(";")
    if not semicolon:
        return kind.strip().lower(), {}
    fields_ = _Fields()
    fields_["content-type"] = "a/b;" + rest.replace("\r", " ").replace("\n", " ")
    found = fields_.get_params(failobj=[], unquote=True)
    return kind.strip().lower(), {name.lower(): value for name, value in found}


def _codec(charset: str) -> str | None:
    """The codec to decode with; None where ASCII can be read as it stands.

    Raises:
        Unreadable: a character set that nobody here knows: its text may say anything.
    """
    name = charset.strip().lower()
    if not name or _ONE_BYTE.fullmatch(name):
        return None
    if _WIDE.fullmatch(name):
        return name
    raise Unreadable("charset")
