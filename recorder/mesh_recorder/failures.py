"""What an ending without a whole response means, and what the client is told. Pure.

1. The text of an error is all that mitmproxy's layers hand on, so that it decides; ours are written here.
2. Texts that mitmproxy alone writes are known by how they begin.
"""

from dataclasses import dataclass

from mesh_core.outcome import Outcome
from mesh_core.replay_mark import MARK, REFUSAL, REFUSAL_STATUS

CLIENT_GONE = "the client closed the connection"
CLIENT_CUT = "the client closed the connection in the middle of its request"
CLIENT_RESET = "the client cancelled the request"
UPSTREAM_CLOSED = "closed the connection before it answered"
STALE = "closed its kept-alive connection as the request was sent"
UPSTREAM_CUT = "closed the connection in the middle of its response"
UPSTREAM_RESET = "cancelled the request"
NO_HEAD = "did not answer within"
SLOW_CONNECT = "did not accept a connection within"
REFUSED = "refused the connection; is it running?"
UNKNOWN_NAME = "is a name that cannot be resolved"
UNREACHABLE = "cannot be reached"
LOOP = "is this sidecar itself: the request would go round in circles"
DISTRUST = "the client does not trust the project's certificate authority"
STOPPED = "the sidecar was stopped before the response was whole"
CRASHED = "the sidecar failed over this connection; it was closed"
CLIENT_BODY = "the client sent an invalid request body"
BAD_LINE = "the request line is malformed"
BAD_FIELDS = "the request's header fields are malformed"
BIG_HEAD = "the request's head is larger than 1 MiB"
BAD_HTTP2 = "the client broke the rules of HTTP/2"
BAD_RESPONSE = "sent a malformed response head"
HALF_HEAD = "the client closed the connection in the middle of its request's head"
REPLAY = "replays are refused here, by the sidecar of this service"
NO_HOST = "the request names no host, so that its destination is unknown"

_BY_BEGINNING: tuple[tuple[str, Outcome], ...] = (
    (CLIENT_GONE, Outcome.CLIENT_DISCONNECTED),
    (CLIENT_RESET, Outcome.CLIENT_DISCONNECTED),
    ("Client disconnected", Outcome.CLIENT_DISCONNECTED),
    ("stream reset by client", Outcome.CLIENT_DISCONNECTED),
    ("peer closed connection", Outcome.CLIENT_DISCONNECTED),
    (DISTRUST, Outcome.TLS_FAILED),
    (STOPPED, Outcome.REJECTED),
    (REPLAY, Outcome.REJECTED),
    (CRASHED, Outcome.PROTOCOL_ERROR),
    ("server closed connection", Outcome.UPSTREAM_RESET),
    ("HTTP/2 connection closed", Outcome.UPSTREAM_RESET),
    ("HTTP/1 protocol error: peer closed connection", Outcome.UPSTREAM_RESET),
    ("HTTP/1 protocol error: incomplete chunked read", Outcome.UPSTREAM_RESET),
    ("HTTP/", Outcome.PROTOCOL_ERROR),
    ("Received ", Outcome.PROTOCOL_ERROR),
    ("Cannot parse", Outcome.PROTOCOL_ERROR),
    ("unexpected server response", Outcome.PROTOCOL_ERROR),
    ("Invalid ", Outcome.PROTOCOL_ERROR),
    ("mitmproxy received an HTTP CONNECT", Outcome.PROTOCOL_ERROR),
    ("[Errno -", Outcome.DNS_FAILED),
    ("[Errno ", Outcome.CONNECT_FAILED),
    ("Multiple exceptions", Outcome.CONNECT_FAILED),
    ("connection cancelled", Outcome.CLIENT_DISCONNECTED),
    ("Certificate verify failed", Outcome.TLS_FAILED),
    ("The remote server", Outcome.TLS_FAILED),
    ("OpenSSL", Outcome.TLS_FAILED),
    ("tlsv1 alert", Outcome.TLS_FAILED),
    ("sslv3 alert", Outcome.TLS_FAILED),
    ("ssl/tls alert", Outcome.TLS_FAILED),
    ("connection closed", Outcome.TLS_FAILED),
    ("Connection killed", Outcome.REJECTED),
    ("Request destination unknown", Outcome.CONNECT_FAILED),
)
_BY_PART: tuple[tuple[str, Outcome], ...] = (
    (UPSTREAM_CLOSED, Outcome.UPSTREAM_RESET),
    (STALE, Outcome.UPSTREAM_RESET),
    (UPSTREAM_CUT, Outcome.UPSTREAM_RESET),
    (UPSTREAM_RESET, Outcome.UPSTREAM_RESET),
    (NO_HEAD, Outcome.UPSTREAM_TIMEOUT),
    (SLOW_CONNECT, Outcome.UPSTREAM_TIMEOUT),
    (REFUSED, Outcome.CONNECT_FAILED),
    (UNREACHABLE, Outcome.CONNECT_FAILED),
    (UNKNOWN_NAME, Outcome.DNS_FAILED),
    (LOOP, Outcome.CONNECT_FAILED),
    (BAD_RESPONSE, Outcome.PROTOCOL_ERROR),
)
"""Sentences of ours that begin with an address."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The sidecar's own answer, where nobody else gives one."""

    status: int
    body: bytes
    also: tuple[tuple[bytes, bytes], ...] = ()
    """Further headers."""

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """What it is sent with over HTTP/1."""
        return (
            (b"Server", b"mesh-record"),
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Content-Length", b"%d" % len(self.body)),
            (b"Connection", b"close"),
            *self.also,
        )


def classify(error: str) -> Outcome:
    """The outcome that an error's text stands for; an unknown text blames the exchange, never the client."""
    for beginning, outcome in _BY_BEGINNING:
        if error.startswith(beginning):
            return outcome
    for part, outcome in _BY_PART:
        if part in error:
            return outcome
    return Outcome.PROTOCOL_ERROR


def is_answered(error: str) -> bool:
    """Whether a client that waits is told of this error; else its connection or stream just ends."""
    if error.startswith((CLIENT_BODY, "Connection killed", CRASHED, STOPPED)) or error.endswith(
        ("(CANCEL)", STALE)
    ):
        return False
    return classify(error) is not Outcome.CLIENT_DISCONNECTED


def reply_to(error: str, *, client_at_fault: bool) -> Reply:
    """What a client is told that waits for a response which will not come.

    Args:
        error: the error's text.
        client_at_fault: whether its request is what was wrong.
    """
    timed_out = classify(error) is Outcome.UPSTREAM_TIMEOUT
    status = 400 if client_at_fault else 504 if timed_out else 502
    return Reply(status, f"mesh-record: {sentence(error)}\n".encode("utf-8", "replace"))


def refusal() -> Reply:
    """What a replay is told at a service whose sidecar lets none through."""
    return Reply(REFUSAL_STATUS, f"mesh-record: {REPLAY}\n".encode(), ((MARK, REFUSAL),))


def sentence(error: str) -> str:
    """The error for people: what mitmproxy says of its own options and of itself is left out."""
    text = error.partition(", refusing to prevent request smuggling")[0]
    if text.startswith("mitmproxy received an HTTP CONNECT"):
        return "a CONNECT request came to a listener that is no proxy"
    return text
