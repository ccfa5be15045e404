"""gRPC bodies: messages behind five bytes of length, each looked through. Pure.

Source: gRPC over HTTP/2, "Length-Prefixed-Message"; gRPC-Web, "Protocol differences".
"""

import base64
import binascii
from struct import Struct

from mesh_core.encoding import Undecodable, unpacked
from mesh_core.redact.json_text import hide_json
from mesh_core.redact.protobuf import hide_message
from mesh_core.redact.sweep import MOST_INFLATED, Sweep, Unreadable
from mesh_core.redact.values import look_through

_HEAD = Struct(">BI")
_TRAILERS = 0x80


def hide_frames(sweep: Sweep, raw: bytes, *, kind: str, encoding: str | None, cut: bool) -> bytes:
    """A body of frames without secrets; of one that was cut off, the last frame goes.

    Raises:
        Unreadable: what is in there is no message, or cannot be decompressed.
    """
    if kind.startswith("application/grpc-web-text"):
        return _as_base64(sweep, raw, kind, encoding, cut)
    out: list[bytes] = []
    at = 0
    while at < len(raw):
        end = at + _HEAD.size
        flags, length = _HEAD.unpack_from(raw, at) if end <= len(raw) else (0, len(raw))
        if end + length > len(raw):
            if not cut:
                raise Unreadable("grpc")
            break
        sweep.spend(1)
        out.append(_frame(sweep, raw[at : end + length], flags, kind, encoding))
        at = end + length
    return b"".join(out)


def hide_payload(sweep: Sweep, raw: bytes, *, kind: str, encoding: str | None) -> bytes:
    """One message as a sidecar hands it over: with its five bytes or without."""
    if len(raw) >= _HEAD.size and raw[0] in (0, 1) and _HEAD.unpack_from(raw)[1] == len(raw) - _HEAD.size:
        return hide_frames(sweep, raw, kind=kind, encoding=encoding, cut=False)
    return _message(sweep, raw, kind)


def _frame(sweep: Sweep, frame: bytes, flags: int, kind: str, encoding: str | None) -> bytes:
    before = frame[_HEAD.size :]
    if flags & _TRAILERS:
        after = look_through(sweep, before)
        return frame if after == before else _HEAD.pack(flags, len(after)) + after
    if flags & 1:
        try:
            before, short = unpacked(before, encoding, limit=min(MOST_INFLATED, sweep.inflatable + 1))
        except Undecodable as cause:
            raise Unreadable("encoding") from cause
        sweep.inflatable -= len(before)
        if short or sweep.inflatable < 0:
            raise Unreadable("encoding")
    after = _message(sweep, before, kind)
    return frame if after == before else _HEAD.pack(flags & ~1, len(after)) + after


def _message(sweep: Sweep, raw: bytes, kind: str) -> bytes:
    if sweep.rules.only_named and not kind.endswith("+json"):
        raise Unreadable("unnamed")
    after = hide_json(sweep, raw) if kind.endswith("+json") else hide_message(sweep, raw)
    if after is None:
        raise Unreadable("grpc")
    return after


def _as_base64(sweep: Sweep, raw: bytes, kind: str, encoding: str | None, cut: bool) -> bytes:
    whole = raw[: len(raw) // 4 * 4] if cut else raw
    try:
        before = b"".join(binascii.a2b_base64(piece + b"==") for piece in whole.split(b"="))
    except binascii.Error as cause:
        raise Unreadable("grpc") from cause
    binary = kind.replace("grpc-web-text", "grpc-web")
    after = hide_frames(sweep, before, kind=binary, encoding=encoding, cut=cut)
    return raw if after == before else base64.b64encode(after)
