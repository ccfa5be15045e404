"""`grpc-trace-bin`. Pure. Source: OpenCensus, "BinaryEncoding"; gRPC over HTTP/2, "-bin" headers."""

import binascii
import re

from mesh_core.model import TraceOrigin
from mesh_core.tracecontext.context import TraceContext, span_id_of, trace_id_of

GRPC_TRACE_BIN = b"grpc-trace-bin"

_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_LONGEST = 256
"""Characters; a context is 40, and later versions may add fields."""
_SIZES = {0: 16, 1: 8, 2: 1}
"""Bytes of each field: trace id, span id, options."""


def parse_grpc_trace_bin(value: bytes) -> TraceContext | None:
    """The context in a `grpc-trace-bin`, base64 with or without padding; None where malformed.

    An unknown field ends the reading: what comes after it cannot be measured.
    """
    text = value.strip(b" \t")
    if len(text) > _LONGEST or not _BASE64.fullmatch(text):
        return None
    bare = text.rstrip(b"=")
    try:
        content = binascii.a2b_base64(bare + b"=" * (-len(bare) % 4))
    except binascii.Error:
        return None
    fields = _fields(content)
    if fields is None or 0 not in fields:
        return None
    trace_id = trace_id_of(fields[0].hex().encode())
    span_id = span_id_of(fields[1].hex().encode()) if 1 in fields else None
    if trace_id is None or (1 in fields and span_id is None):
        return None
    sampled = bool(fields[2][0] & 1) if 2 in fields else None
    return TraceContext(trace_id, span_id, sampled, TraceOrigin.GRPC)


def format_grpc_trace_bin(context: TraceContext) -> bytes:
    """A `grpc-trace-bin` in base64 without padding, as gRPC asks of senders."""
    content = b"\x00\x00" + bytes.fromhex(context.trace_id)
    if context.span_id is not None:
        content += b"\x01" + bytes.fromhex(context.span_id)
    if context.sampled is not None:
        content += b"\x02" + bytes([context.sampled])
    return binascii.b2a_base64(content, newline=False).rstrip(b"=")


def _fields(content: bytes) -> dict[int, bytes] | None:
    """The known fields by number; None where the version is not 0 or a field is cut off."""
    if not content or content[0] != 0:
        return None
    fields: dict[int, bytes] = {}
    at = 1
    while at < len(content):
        size = _SIZES.get(content[at])
        if size is None:
            break
        field = content[at + 1 : at + 1 + size]
        if len(field) != size or content[at] in fields:
            return None
        fields[content[at]] = field
        at += 1 + size
    return fields
