"""Fields of forms and parts of multipart bodies: hidden by name, else looked through. Pure."""

import base64
import binascii
import quopri
import re
from collections.abc import Callable
from urllib.parse import quote_plus, unquote_to_bytes

from mesh_core.redact.headers import hide_headers
from mesh_core.redact.named import named
from mesh_core.redact.names import KeyKind, needs_state
from mesh_core.redact.sweep import LOOKING, Sweep, Unreadable
from mesh_core.redact.values import look_through

type Content = Callable[[Sweep, bytes, str | None, bool], bytes]
"""Looks through a body of a content type, maybe cut off."""

_NAME = re.compile(rb"(?i)[;\s]name\s{0,4}=\s{0,4}(?:\"((?:[^\"\\\r\n]|\\.){0,512})\"|([^;\s]{1,512}))")
DROPPED = b"mr1_dropped"
"""Stands for a part that could not be looked through."""


def hide_form(sweep: Sweep, raw: bytes, *, cut: bool = False) -> bytes:
    """`application/x-www-form-urlencoded`; of one that was cut off, the last value goes."""
    fields = raw.split(b"&")
    sweep.spend(len(fields))
    if cut:
        name, equals, _ = fields[-1].partition(b"=")
        fields[-1] = name + equals if equals else b""
    oauth = b"grant_type=" in raw or b"state=" in raw
    return b"&".join([_form_field(sweep, field, "form", oauth=oauth) for field in fields])


def hide_query(sweep: Sweep, raw: bytes) -> bytes:
    """The query of a request; `;` separates too, as it once did."""
    oauth = b"state=" in raw or b"grant_type=" in raw
    pieces = re.split(rb"([&;])", raw)
    pieces[::2] = [_form_field(sweep, piece, "query", oauth=oauth) for piece in pieces[::2]]
    return b"".join(pieces)


def _form_field(sweep: Sweep, field: bytes, place: str, *, oauth: bool) -> bytes:
    key, equals, value = field.partition(b"=")
    name = _unquoted(key)
    kind, left = sweep.rules.field_kind(place, name)
    if left or not field:
        return field
    if kind is None and oauth and needs_state(name):
        kind = KeyKind.SECRET
    before = _unquoted(value)
    after = named(sweep, kind, before, place) if kind is not None else None
    if after is None:
        after = look_through(sweep, before, 1)
        if after == before and sweep.rules.only_named:
            after = sweep.hide("unnamed", before)
    shown = name if name in sweep.rules.memory.keys else look_through(sweep, name, 1)
    if after == before and shown == name:
        return field
    return (
        (key if shown == name else _quoted(shown)) + equals + (value if after == before else _quoted(after))
    )


def _unquoted(text: bytes) -> bytes:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text


def _quoted(value: bytes) -> bytes:
    return quote_plus(value, safe="@:,").encode()


def hide_multipart(sweep: Sweep, raw: bytes, boundary: str, content: Content, *, cut: bool = False) -> bytes:
    """Each part by its field's name, else by its own content type.

    Raises:
        Unreadable: the boundary is not in there.
    """
    mark = b"--" + boundary.encode("latin-1", "replace")
    first, *parts = raw.split(mark)
    sweep.spend(LOOKING * len(parts))
    if not boundary or not parts:
        raise Unreadable("multipart")
    last = len(parts) - 1
    done = [_part(sweep, part, content, cut=cut and index == last) for index, part in enumerate(parts)]
    return mark.join((look_through(sweep, first), *done))


def _part(sweep: Sweep, part: bytes, content: Content, *, cut: bool) -> bytes:
    if part.startswith(b"--"):
        return b"--" + look_through(sweep, part[2:])
    head, blank, body = part.partition(b"\r\n\r\n")
    if not blank:
        head, blank, body = part.partition(b"\n\n")
    if cut and not blank:
        return b""
    end = b"" if cut else body[len(body.rstrip(b"\r\n")) :][-2:]
    before = body[: len(body) - len(end)]
    fields = [(name, value) for name, _, value in (line.partition(b":") for line in head.splitlines())]
    shown = hide_headers(sweep, tuple(fields))
    if shown != tuple(fields):
        head = b"\r\n".join(name + (b":" + value if value else b"") for name, value in shown)
    return (
        head
        + blank
        + _part_body(sweep, before, {n.strip().lower(): v.strip() for n, v in fields}, content, cut)
        + end
    )


def _part_body(
    sweep: Sweep, before: bytes, headers: dict[bytes, bytes], content: Content, cut: bool
) -> bytes:
    match = _NAME.search(b";" + headers.get(b"content-disposition", b""))
    name = (match[1] or match[2] or b"") if match else b""
    kind, left = sweep.rules.field_kind("form", name)
    if left:
        return before
    after = named(sweep, kind, before, "multipart") if kind is not None else None
    if after is not None:
        return after
    kind_of = headers.get(b"content-type", b"").decode("latin-1") or None
    if sweep.rules.only_named and kind_of is None:
        return sweep.hide("unnamed", before)
    try:
        decode, encode = _TRANSFER.get(headers.get(b"content-transfer-encoding", b"").lower(), _NONE)
        inner = decode(before)
        after = content(sweep, inner, kind_of, cut)
    except (Unreadable, binascii.Error) as why:
        sweep.spend(LOOKING)  # where no work is left, nothing of the body is kept
        sweep.counts[f"dropped:{why if isinstance(why, Unreadable) else 'encoding'}"] += 1
        return DROPPED
    return before if after == inner else encode(after)


def _same(data: bytes) -> bytes:
    return data


_NONE: tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]] = (_same, _same)
_TRANSFER: dict[bytes, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    b"base64": (binascii.a2b_base64, base64.encodebytes),
    b"quoted-printable": (quopri.decodestring, quopri.encodestring),
}
