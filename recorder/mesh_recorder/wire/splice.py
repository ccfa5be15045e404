"""The header that a request goes on with, put into its head without touching another byte. Pure."""

import re
from collections.abc import Callable

from mesh_core.tracecontext.w3c import TRACEPARENT, parse_traceparent
from mesh_recorder.marking import mark
from mesh_recorder.settings import TraceHeaders
from mesh_recorder.wire.head import RequestHead, fields_of
from mesh_recorder.wire.quick import CLAIM, PARENT, REQUEST_ID

_FIELD = b"\r\ntraceparent:"


def spliced(
    head: bytes,
    read: RequestHead,
    exchange_id: str,
    *,
    mode: TraceHeaders,
    strangers: bool,
    fresh_id: Callable[[], str],
) -> tuple[bytes, str | None]:
    """The head as it goes on, and the request id where one was made.

    What is added is what `mesh_recorder.marking` says; see there for the arguments. The two
    cases of nearly every request are read from the bytes alone.
    """
    if mode is TraceHeaders.NEVER:
        return head, None
    if mode is TraceHeaders.LINK:  # without a `tracestate` no stranger claims anything
        trace = read.trace
        if not trace:
            made = fresh_id()
            return b"%bx-request-id: %b\r\n\r\n" % (head[:-2], made.encode()), made
        if len(trace) == 1 and trace[0][0] == TRACEPARENT and parse_traceparent(trace[0][1]) is not None:
            end = head.find(b"\r\n", head.lower().find(_FIELD) + 2) + 2
            return b"%btracestate: mesh=%b\r\n%b" % (head[:end], exchange_id.encode(), head[end:]), None
    return _marked(head, exchange_id, mode=mode, strangers=strangers, fresh_id=fresh_id)


def spliced_quickly(
    data: bytes, asked: re.Match[bytes], exchange_id: str, fresh_id: Callable[[], str]
) -> tuple[bytes, str | None]:
    """The same in mode `link` for a head that one pattern told all of; what follows it stays."""
    begin, end = asked.span(CLAIM)
    if end >= 0:
        return b"%b%b%b" % (data[:begin], exchange_id.encode(), data[end:]), None
    end = asked.end(PARENT)
    if end >= 0:
        return b"%btracestate: mesh=%b\r\n%b" % (data[:end], exchange_id.encode(), data[end:]), None
    if asked[REQUEST_ID]:
        return data, None
    made, end = fresh_id(), asked.end() - 2
    return b"%bx-request-id: %b\r\n%b" % (data[:end], made.encode(), data[end:]), made


def _marked(
    head: bytes, exchange_id: str, *, mode: TraceHeaders, strangers: bool, fresh_id: Callable[[], str]
) -> tuple[bytes, str | None]:
    received = fields_of(head)
    marked = mark(received, exchange_id, mode=mode, strangers=strangers, fresh_id=fresh_id)
    if marked.forwarded is received:
        return head, marked.made
    line, *lines = head[:-4].split(b"\r\n")
    # A field that stays is the same object, and goes on as the bytes that it came in.
    raw = {id(field): bytes_of for field, bytes_of in zip(received, lines, strict=True)}
    kept = [raw.get(id(field)) or b"%b: %b" % field for field in marked.forwarded]
    return b"\r\n".join([line, *kept, b"", b""]), marked.made
