"""Protobuf without its schema, by a walk over the wire format; and bytes of which nothing is known. Pure.

Names are not on the wire, so only what is told by its form is found here.

Source: Protocol Buffers, "Encoding".
"""

from mesh_core.redact import forms, layers
from mesh_core.redact.sweep import Sweep
from mesh_core.redact.values import look_through

_DEEPEST = 32
_LEAST_CARD = 10**11
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r")) + b"\x7f"


class _Wrong(ValueError):
    """The bytes are no message."""


def hide_message(sweep: Sweep, raw: bytes, *, cut: bool = False, depth: int = 0) -> bytes | None:
    """A message without secrets; None where `raw` is none.

    Of a message that was cut off, the last field goes.
    """
    out: list[bytes] = []
    at = 0
    try:
        while at < len(raw):
            try:
                after, at = _field(sweep, raw, at, depth)
            except IndexError:
                if not cut:
                    raise _Wrong from None
                break
            out.append(after)
    except _Wrong:
        return None
    return b"".join(out)


def _field(sweep: Sweep, raw: bytes, start: int, depth: int) -> tuple[bytes, int]:
    """The field at `start` without secrets, and where the next one starts."""
    sweep.spend(2)
    key, at = _varint(raw, start)
    wire = key & 7
    if key >> 3 == 0 or key >> 3 > 536_870_911:
        raise _Wrong
    if wire == 2:
        return _bytes(sweep, raw, start, at, depth)
    if wire == 0:
        value, end = _varint(raw, at)
        after = _number(sweep, value) if value >= _LEAST_CARD else value
        return (raw[start:end] if after == value else raw[start:at] + _encoded(after)), end
    end = at + {1: 8, 5: 4, 3: 0, 4: 0}.get(wire, -1)
    if end < at:
        raise _Wrong
    if end > len(raw):
        raise IndexError
    return raw[start:end], end


def _bytes(sweep: Sweep, raw: bytes, start: int, at: int, depth: int) -> tuple[bytes, int]:
    length, begin = _varint(raw, at)
    end = begin + length
    if end > len(raw):
        raise IndexError
    before = raw[begin:end]
    after = any_bytes(sweep, before, depth=depth + 1) if length > 3 else before
    return (raw[start:end] if after == before else raw[start:at] + _encoded(len(after)) + after), end


def _number(sweep: Sweep, value: int) -> int:
    digits = b"%d" % value
    return int(forms.cards(sweep, digits)) if len(digits) <= 19 else value


def any_bytes(sweep: Sweep, raw: bytes, *, depth: int = 0) -> bytes:
    """Text, a message, or bytes: what fits first, without secrets.

    Text may read as a message too, and the other way round: the message is taken where nothing
    is left to be found in it as text.
    """
    if (codec := layers.utf16_of(raw)) is not None:
        return layers.through_text(raw, codec, lambda text: look_through(sweep, text))
    if depth < _DEEPEST:
        message = hide_message(sweep, raw, depth=depth)
        if message is not None and (message != raw or not is_text(raw)):
            return message if _nothing_left(sweep, message) else look_through(sweep, message)
    return look_through(sweep, raw)


def _nothing_left(sweep: Sweep, message: bytes) -> bool:
    return not is_text(message) or look_through(sweep, message) == message


def is_text(raw: bytes) -> bool:
    """Whether the bytes are UTF-8 without control characters."""
    if len(raw.translate(None, _CONTROLS)) != len(raw):
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_binary(raw: bytes) -> bool:
    """Whether nothing is known of the bytes: no text, no message."""
    return not is_text(raw) and layers.utf16_of(raw) is None and not _is_message(raw)


def _is_message(raw: bytes) -> bool:
    at = 0
    try:
        while at < len(raw):
            key, at = _varint(raw, at)
            wire = key & 7
            if key >> 3 == 0 or wire not in (0, 1, 2, 5):
                return False
            size, at = _varint(raw, at) if wire in (0, 2) else (0, at)
            at += {0: 0, 1: 8, 2: size, 5: 4}[wire]
    except (_Wrong, IndexError):
        return False
    return at == len(raw)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    byte = raw[at]
    if byte < 128:
        return byte, at + 1
    value, shift = byte & 127, 7
    while True:
        at += 1
        byte = raw[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + 1
        shift += 7
        if shift > 63:
            raise _Wrong


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
