"""The heads of nearly all messages, told by one pattern each; all others are read with care. Pure.

A request: HTTP/1.1, and no field that says anything but `Connection: keep-alive` and, once each, a valid
`traceparent`, a `tracestate` of ours alone, `x-request-id`, `Host` and what describes its body.
A response: one `Content-Length`, and no other field that says where it ends.
"""

import re

METHOD, TARGET = STATUS, REASON = 1, 2
"""Groups of a request, and of a response."""
LENGTH, TYPE, CODING = 3, 4, 5
"""Of both: the body's."""
PARENT, TRACE, SPAN, FLAGS, CLAIM, REQUEST_ID, HOST = range(6, 13)
"""Of a request: the line of its `traceparent`, what that says, and the exchange that `tracestate` claims."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_BODY = rb"c(?:ontent-(?:length|type|encoding):|onnection:)"
_TELLING = (
    rb"(?i:" + _BODY + rb"|host:|t(?:race|ransfer-encoding:)|u(?:pgrade:|ber-trace-id:)|expect:|b3:|"
    rb"x-(?:b3-|request-id:|datadog-|cloud-trace-context:|amzn-trace-id:)|sentry-trace:|grpc-trace-bin:)"
)
_FRAMING = rb"(?i:" + _BODY + rb"|transfer-encoding:|upgrade:)"
_TEXT = rb"[ \t]*+([^\0\r\n]*+)\r\n"
_PARENT = (
    rb"((?i:traceparent):[ \t]*+00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})[ \t]*+\r\n)"
)


def _other(but: bytes) -> bytes:
    """A field whose name is not one of those."""
    return rb"(?!" + but + rb")" + _TOKEN + rb"++:[^\0\r\n]*+\r\n"


def _once(group: int, field: bytes) -> bytes:
    """A field that is this group, and comes once."""
    return rb"|(?(%d)(?!)|%b)" % (group, field)


_OF_BODY = (
    _once(LENGTH, rb"(?i:content-length):[ \t]*+([0-9]{1,9})[ \t]*+\r\n")
    + _once(TYPE, rb"(?i:content-type):" + _TEXT)
    + _once(CODING, rb"(?i:content-encoding):" + _TEXT)
    + rb"|(?i:connection:[ \t]*+keep-alive)[ \t]*+\r\n"
)
REQUEST = re.compile(
    rb"(?!HEAD |CONNECT )(" + _TOKEN + rb"{1,64}+) ([\x21-\x7e\x80-\xff]++) HTTP/1\.1\r\n(?:"
    + _other(_TELLING) + _OF_BODY + _once(PARENT, _PARENT)
    + _once(CLAIM, rb"(?i:tracestate): mesh=([0-9a-f]{32})\r\n")
    + _once(REQUEST_ID, rb"(?i:x-request-id):[ \t]*+([\x21-\x7e]{1,200}+)[ \t]*+\r\n")
    + _once(HOST, rb"(?i:host):" + _TEXT)
    + rb")*+\r\n"
)  # fmt: skip
"""A request's head."""
RESPONSE = re.compile(
    rb"HTTP/1\.1 (?!204|304)([2-5][0-9]{2})(?: ([^\0\r\n]*+))?+\r\n(?:"
    + _other(_FRAMING) + _OF_BODY + rb")*+\r\n(?(%d)|(?!))" % LENGTH
)  # fmt: skip
"""A response's head."""
