"""The sidecar's own answers, where nobody else gives one."""

from mesh_recorder.failures import Reply

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REASONS = {400: b"Bad Request", 502: b"Bad Gateway", 504: b"Gateway Timeout"}


def rendered(reply: Reply, method: bytes) -> bytes:
    """An answer as it goes to an HTTP/1 client."""
    lines = [b"HTTP/1.1 %d %b" % (reply.status, _REASONS.get(reply.status, b""))]
    lines += [b"%b: %b" % field for field in reply.headers]
    head = b"\r\n".join([*lines, b"", b""])
    return head if method == b"HEAD" else head + reply.body
