"""The heads of nearly all messages, told by one pattern each; all others are read with care. Pure.

A request: HTTP/1.1, no body, no field that says anything but, if any, one valid `traceparent`.
A response: one `Content-Length`, and no other field that says where it ends.
"""

import re

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_VALUE = rb":[^\0\r\n]*+\r\n"
_TELLING = (
    rb"(?i:c(?:ontent-length:|onnection:)|t(?:race|ransfer-encoding:)|u(?:pgrade:|ber-trace-id:)|expect:|b3:|"
    rb"x-(?:b3-|request-id:|datadog-|cloud-trace-context:|amzn-trace-id:)|sentry-trace:|grpc-trace-bin:)"
)
_FRAMING = rb"(?i:c(?:ontent-length:|onnection:)|transfer-encoding:|upgrade:)"
_PARENT = (
    rb"(?i:traceparent):[ \t]*+00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})[ \t]*+\r\n"
)


def _others(but: bytes) -> bytes:
    """Any number of fields whose names are not those."""
    return rb"(?:(?!" + but + rb")" + _TOKEN + rb"++" + _VALUE + rb")*+"


REQUEST = re.compile(
    rb"(?!HEAD |CONNECT )(" + _TOKEN + rb"{1,64}+) ([\x21-\x7e\x80-\xff]++) HTTP/1\.1\r\n"
    + _others(_TELLING) + rb"(" + _PARENT + rb")?+" + _others(_TELLING) + rb"\r\n"
)  # fmt: skip
"""A whole request: method, target, the line of its `traceparent`, and of that trace id, span id, flags."""
RESPONSE = re.compile(
    rb"HTTP/1\.1 (?!204|304)([2-5][0-9]{2})(?: [^\0\r\n]*+)?+\r\n" + _others(_FRAMING)
    + rb"(?i:content-length):[ \t]*+([0-9]{1,9})[ \t]*+\r\n" + _others(_FRAMING) + rb"\r\n"
)  # fmt: skip
"""A response's head: its status, and its body's length."""
