"""A request as the bytes that go out: nothing is added, reordered or tidied. Pure."""

import re
from dataclasses import dataclass

from mesh_core.model import Headers, Message

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")
_NO_VALUE = re.compile(rb"[\x00\r\n]")
_VERSION = re.compile(rb"HTTP/(?:1\.[01]|2)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """One request."""

    method: bytes
    target: bytes
    """Raw request target, with its query."""
    version: bytes = b"HTTP/1.1"
    headers: Headers = ()
    body: bytes = b""
    trailers: Headers = ()
    scheme: bytes = b"http"
    """Of HTTP/2 alone, as is `authority`."""
    authority: bytes = b""
    conversation: tuple[Message, ...] | None = None
    """What was said once it had become a WebSocket; None where it is to become none."""
    events: int | None = None
    """After how many events of a stream enough has come; None where the server ends it."""

    @property
    def http2(self) -> bool:
        """Whether it goes out over HTTP/2."""
        return self.version == b"HTTP/2"

    @property
    def chunked(self) -> bool:
        """Whether the headers announce a chunked body."""
        return is_chunked(self.headers)


def is_chunked(headers: Headers) -> bool:
    """Whether the last transfer coding of a message is `chunked`; RFC 9112, section 6.1."""
    codings = [
        coding.strip().lower()
        for name, value in headers
        if name.lower() == b"transfer-encoding"
        for coding in value.split(b",")
    ]
    return bool(codings) and codings[-1] == b"chunked"


def unsendable(request: WireRequest) -> str | None:
    """Why the request would not be one message on the wire, in words; None where it is.

    A capture file can hold anything: a line break in a value would smuggle a second request.
    """
    if not _TOKEN.fullmatch(request.method):
        return "its method is no HTTP method"
    if not _TARGET.fullmatch(request.target):
        return "its path has blanks or control characters"
    if not _VERSION.fullmatch(request.version):
        return "its HTTP version is not 1.0, 1.1 or 2"
    for name, value in (*request.headers, *request.trailers):
        if not name or re.search(rb"[\x00-\x20\x7f:]", name) or _NO_VALUE.search(value):
            return f"its header {name.decode('latin-1')[:40]!r} cannot be written on one line"
    if request.http2:
        return None
    codings = any(name.lower() == b"transfer-encoding" for name, _ in request.headers)
    if codings and (
        not request.chunked or any(name.lower() == b"content-length" for name, _ in request.headers)
    ):
        return "its Transfer-Encoding leaves open where its body ends"
    lengths = {value for name, value in request.headers if name.lower() == b"content-length"}
    if not request.chunked and lengths not in (set(), {b"%d" % len(request.body)}):
        return "its Content-Length is not the length of its body"
    return None


def head(method: bytes, target: bytes, version: bytes, headers: Headers) -> bytes:
    """Request line and header section, with the empty line."""
    lines = [b"%s %s %s\r\n" % (method, target, version)]
    lines += [b"%s: %s\r\n" % field for field in headers]
    return b"".join([*lines, b"\r\n"])


def chunk(piece: bytes) -> bytes:
    """One chunk; nothing for an empty piece, which would end the body."""
    return b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""


def last_chunk(trailers: Headers) -> bytes:
    """The end of a chunked body."""
    return b"".join([b"0\r\n", *(b"%s: %s\r\n" % field for field in trailers), b"\r\n"])
