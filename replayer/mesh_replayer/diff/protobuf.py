"""gRPC messages without their schema, as trees by field number. Pure.

`$[0]['3'][0]` is the first value of field 3 of the first message: what repeats cannot be told from what does
not, so every field is an array. Text is told by its form, then a message, else bytes (in hex).

Source: gRPC over HTTP/2, "Length-Prefixed-Message"; Protocol Buffers, "Encoding".
"""

from typing import Any

from mesh_core.redact.protobuf import is_text

_DEEPEST = 32
_MOST_FIELDS = 200_000


def grpc_tree(content: bytes) -> Any:
    """The messages of a gRPC body.

    Raises:
        ValueError: it is no sequence of whole, uncompressed messages.
    """
    messages: list[Any] = []
    at = 0
    left = [_MOST_FIELDS]
    while at < len(content):
        size = int.from_bytes(content[at + 1 : at + 5])
        end = at + 5 + size
        if content[at] != 0 or end > len(content) or at + 5 > len(content):
            raise ValueError("no whole messages")
        messages.append(_message(content[at + 5 : end], 0, left))
        at = end
    return messages


def _message(raw: bytes, depth: int, left: list[int]) -> dict[str, list[Any]]:
    fields: dict[str, list[Any]] = {}
    at = 0
    while at < len(raw):
        left[0] -= 1
        if left[0] < 0:
            raise ValueError("too many fields")
        key, at = _varint(raw, at)
        value, at = _value(raw, at, key & 7, depth, left)
        if not key >> 3:
            raise ValueError("no field has the number 0")
        fields.setdefault(str(key >> 3), []).append(value)
    return fields


def _value(raw: bytes, at: int, wire: int, depth: int, left: list[int]) -> tuple[Any, int]:
    if wire == 0:
        return _varint(raw, at)
    if wire in (1, 5):
        end = at + (8 if wire == 1 else 4)
    elif wire == 2:
        size, at = _varint(raw, at)
        end = at + size
    else:
        raise ValueError("an unknown wire type")
    if end > len(raw):
        raise ValueError("cut off")
    content = raw[at:end]
    return (_delimited(content, depth, left) if wire == 2 else int.from_bytes(content, "little")), end


def _delimited(content: bytes, depth: int, left: list[int]) -> Any:
    if is_text(content):
        return content.decode()
    if depth < _DEEPEST:
        try:
            return _message(content, depth + 1, left)
        except ValueError:
            pass
    return content.hex()


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 70:
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("no varint")
