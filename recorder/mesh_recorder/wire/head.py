"""HTTP/1 heads, read strictly. Pure.

1. A head is read whole or not at all: where its framing leaves a doubt, nothing is read of it.
2. Nothing is normalised: what is told is where a body ends, and the bytes stay as they came.
3. This runs for every message on the event loop: two passes of a compiled pattern, no field by field.

Source: RFC 9112, stricter wherever receivers are known to differ.
"""

import re
from typing import NamedTuple

from mesh_core.model import Headers

MAX_HEAD = 512 * 1024
"""Bytes of a head that are held; a longer one passes unread."""
END = b"\r\n\r\n"
CHUNKED = -1
UNTIL_CLOSE = -2
"""Instead of a body's length."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_FIELDS = rb"((?:" + _TOKEN + rb"++:[^\0\r\n]*+\r\n)*+)"
_REQUEST = re.compile(
    rb"(" + _TOKEN + rb"{1,64}+) ([\x21-\x7e\x80-\xff]++) HTTP/1\.([01])\r\n" + _FIELDS + rb"\r\n"
)
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\0\r\n]*+)?\r\n" + _FIELDS + rb"\r\n")
_LINE_BEGUN = re.compile(
    rb"(?:" + _TOKEN + rb"{1,64}+(?: (?:[\x21-\x7e\x80-\xff]++(?: [HTP/.01]{0,8}+)?)?)?)?\r?"
)
_LINE = re.compile(_TOKEN + rb"{1,64}+ [\x21-\x7e\x80-\xff]++ HTTP/1\.[01]\r\n")
_MORE_FIELDS = re.compile(_FIELDS)
_FIELD_BEGUN = re.compile(rb"(?:" + _TOKEN + rb"++(?::[^\0\r\n]*+)?)?\r?")
_FIELD = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_TELLING = (
    b"content-length|transfer-encoding|connection|upgrade|expect|"
    b"traceparent|tracestate|b3|x-b3-traceid|x-request-id|uber-trace-id|x-datadog-trace-id|"
    b"sentry-trace|x-cloud-trace-context|x-amzn-trace-id|grpc-trace-bin"
)
_REQUEST_FIELDS = re.compile(rb"\n(" + _TELLING + rb"):[ \t]*+([^\r\n]*+)", re.IGNORECASE)
_RESPONSE_FIELDS = re.compile(
    rb"\n(content-length|transfer-encoding|connection|upgrade):[ \t]*+([^\r\n]*+)", re.IGNORECASE
)
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"})


class Doubt(Exception):
    """Two receivers could read these bytes differently; the text says why."""


class RequestHead(NamedTuple):
    """What the relay needs to know of a request."""

    method: bytes
    target: bytes
    body: int
    """Its length, or `CHUNKED`."""
    last: bool
    """Whether no other request follows on this connection."""
    upgrade: bytes
    """The protocol that the client wants to change to, in lower case."""
    expects: bool
    """Whether the body may wait for a 100."""
    trace: list[tuple[bytes, bytes]]
    """Fields of trace context, names in lower case."""


class ResponseHead(NamedTuple):
    """What the relay needs to know of a response."""

    status: int
    body: int
    """Its length, `CHUNKED`, or `UNTIL_CLOSE`."""
    last: bool
    """Whether the server closes after it."""
    upgrade: bytes


class _Framing(NamedTuple):
    length: int | None
    chunked: bool
    last: bool
    upgrade: bytes
    expects: bool


_PLAIN = _Framing(None, False, False, b"", False)


def read_request(head: bytes) -> RequestHead:
    """What a whole request head says.

    Raises:
        Doubt: about its form or its framing.
    """
    match = _REQUEST.fullmatch(head)
    if match is None:
        raise Doubt("the request's head is malformed")
    method, target, minor, _ = match.groups()
    framing = _PLAIN
    framed: list[tuple[bytes, bytes]] = []
    trace: list[tuple[bytes, bytes]] = []
    for name, value in _REQUEST_FIELDS.findall(head):
        kind = name.lower()
        (framed if kind in _FRAMING else trace).append((kind, value))
    if framed or minor == b"0":
        framing = _framing(framed, minor == b"1", "request")
    body = CHUNKED if framing.chunked else framing.length or 0
    return RequestHead(method, target, body, framing.last, framing.upgrade, framing.expects, trace)


def read_response(head: bytes, method: bytes) -> ResponseHead:
    """What a whole response head says, as the answer to a request of that method.

    Raises:
        Doubt: about its form or its framing.
    """
    match = _RESPONSE.fullmatch(head)
    if match is None:
        raise Doubt("the response's head is malformed")
    minor, digits, _ = match.groups()
    fields = [(name.lower(), value) for name, value in _RESPONSE_FIELDS.findall(head)]
    framing = _framing(fields, minor == b"1", "response")
    status = int(digits)
    if status < 200 or status in (204, 304) or method == b"HEAD":
        body = 0
    elif framing.chunked:
        body = CHUNKED
    else:
        body = UNTIL_CLOSE if framing.length is None else framing.length
    return ResponseHead(status, body, framing.last, framing.upgrade)


def _framing(fields: list[tuple[bytes, bytes]], http11: bool, which: str) -> _Framing:
    length: int | None = None
    chunked, upgrade, expects, options = False, b"", False, b""
    for kind, value in fields:
        if kind == b"content-length":
            if length is not None:
                raise Doubt(f"the {which} names its length twice")
            length = _length(value, which)
        elif kind == b"transfer-encoding":
            if chunked or not http11 or value.rstrip(b" \t").lower() != b"chunked":
                raise Doubt(f"the {which} has a transfer encoding other than chunked")
            chunked = True
        elif kind == b"connection":
            options += b"," + value.lower()
        elif kind == b"upgrade":
            upgrade = value.strip(b" \t").lower()
        else:
            expects = True
    if chunked and length is not None:
        raise Doubt(f"the {which} has a length and a transfer encoding")
    return _Framing(length, chunked, _is_last(options, http11), upgrade, expects)


def _length(value: bytes, which: str) -> int:
    digits = value.rstrip(b" \t")
    if _LENGTH.fullmatch(digits) is None:
        raise Doubt(f"the {which}'s length is no number")
    return int(digits)


def _is_last(options: bytes, http11: bool) -> bool:
    if not options:
        return not http11
    named = [option.strip(b" \t") for option in options.split(b",")]
    return b"close" in named or (not http11 and b"keep-alive" not in named)


def check_begun(data: bytes, checked: int) -> int:
    """Look at a request head that is not whole yet, so that nothing else is held.

    Args:
        data: the head so far.
        checked: how much of it was found good before.

    Returns:
        How much of it needs no second look.

    Raises:
        Doubt: it will never be a head.
    """
    if len(data) > MAX_HEAD:
        raise Doubt(f"the request's head is longer than {MAX_HEAD} bytes")
    if not checked:
        line = _LINE.match(data)
        if line is None:
            if _LINE_BEGUN.fullmatch(data) is None:
                raise Doubt("the request line is malformed")
            return 0
        checked = line.end()
    match = _MORE_FIELDS.match(data, checked)
    end = match.end() if match else checked
    if _FIELD_BEGUN.fullmatch(data, end) is None:
        raise Doubt("the request's head is malformed")
    return end


def fields_of(head: bytes) -> Headers:
    """The fields of a whole head: order, case and duplicates as they came; values without blanks around."""
    begin = head.find(b"\r\n") + 2
    found = _FIELD.findall(head, begin)
    if b" \r\n" not in head and b"\t\r\n" not in head:
        return tuple(found)
    return tuple((name, value.rstrip(b" \t")) for name, value in found)


def lenient_fields(lines: bytes) -> Headers:
    """What looks like fields in bytes that are no proper head; for the record only."""
    found: list[tuple[bytes, bytes]] = []
    for line in lines.replace(b"\r\n", b"\n").split(b"\n"):
        if not line:
            break
        name, colon, value = line.partition(b":")
        if line[:1] in b" \t" and found:
            found[-1] = (found[-1][0], found[-1][1] + b" " + line.strip())
        elif colon:
            found.append((name.strip(), value.strip()))
    return tuple(found)
