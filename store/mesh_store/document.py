"""An exchange as the bytes that it is read back from: all of it, compact, readable for years. Pure.

1. The first byte is the form; a form, once used, is read for ever.
2. Form 1: msgpack of the exchange by field names, in zstd with the dictionary below.
"""

import threading
from functools import cache

import msgspec
import zstandard

from mesh_core.model import Exchange

FORM = b"\x01"
MOST_DOCUMENT = 64 * 1024 * 1024
"""Bytes of one exchange without its bodies; more is damage."""
_LEVEL = 1
_WORDS = (
    "authorization", "cookie", "set-cookie", "date", "server", "host", "accept", "accept-encoding",
    "user-agent", "connection", "keep-alive", "content-type", "application/json",
    "text/html; charset=utf-8", "content-length", "transfer-encoding", "chunked", "content-encoding",
    "gzip, deflate", "cache-control", "no-cache", "traceparent", "tracestate", "mesh=", "x-request-id",
    "x-forwarded-for", "python-httpx/0.28.1", "curl/8.5.0", "*/*", "POST", "PUT", "DELETE", "http_4xx",
    "http_5xx", "Internal Server Error", "Not Found", "Created", "envoy", "wire", "w3c", "b3",
    "request_id", "synthetic", "https", "HTTP/2", "outbound", "0.1.0", "rule", "count", "sender",
    "offset", "type", "payload", "Date", "Server", "Host", "Accept", "Accept-Encoding", "User-Agent",
    "Connection", "Content-Type", "Content-Length",
)  # fmt: skip
_FIELDS = (
    ("id", ""), ("trace_id", ""), ("span_id", None), ("sampled", None), ("trace_origin", "w3c"),
    ("request_id", None), ("request_id_made", False), ("claim", None), ("synthesized", "none"),
    ("service", ""), ("instance", ""), ("direction", "inbound"), ("peer", None), ("connection", None),
    ("started_at", 0),
    ("request_end", 0), ("first_byte", 0), ("ended_at", 0), ("connect_time", None), ("tls_time", None),
    ("scheme", "http"), ("http_version", "HTTP/1.1"), ("method", "GET"), ("authority", "localhost:"),
    ("path", "/"),
    ("request_headers", ()), ("request_trailers", ()),
    ("request_body", {
        "hash": "", "full_hash": None, "size": 0, "stored": 0, "truncated": False, "content_type": None,
        "content_encoding": None, "decoded": False,
    }),
    ("status", 200), ("reason", "OK"), ("response_headers", ()), ("response_trailers", ()),
    ("response_body", {
        "hash": "", "full_hash": None, "size": 0, "stored": 0, "truncated": False,
        "content_type": "application/json", "content_encoding": None, "decoded": False,
    }),
    ("grpc_status", None), ("outcome", "ok"), ("error", None), ("messages", ()), ("opaque", False),
    ("redactions", ()), ("recorder", "0.1.0"), ("lane", "mitmproxy"),
)  # fmt: skip
"""What nearly every exchange repeats. Never changed: what is stored was written with it."""


def encode(exchange: Exchange) -> bytes:
    """The bytes to keep.

    Raises:
        ValueError: the exchange holds what cannot be written: a lone surrogate, a number over 64 bits.
    """
    try:
        plain = msgspec.msgpack.encode(exchange)
    except (OverflowError, UnicodeError) as cause:
        raise ValueError(f"exchange {exchange.id} cannot be written: {cause}") from cause
    return FORM + _contexts().compressor.compress(plain)


def decode(document: bytes) -> Exchange:
    """The exchange that was kept.

    Raises:
        ValueError: the bytes are damaged, or of a newer form.
    """
    if document[:1] != FORM:
        raise ValueError("an exchange in a form that this version does not know")
    try:
        plain = _contexts().decompressor.decompress(document[1:], max_output_size=MOST_DOCUMENT)
        return msgspec.msgpack.decode(plain, type=Exchange)
    except (zstandard.ZstdError, msgspec.MsgspecError) as cause:
        raise ValueError(f"a damaged exchange: {cause}") from cause


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    content = b"".join(msgspec.msgpack.encode(word) for word in _WORDS)
    content += msgspec.msgpack.encode(dict(_FIELDS))
    return zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


class _Contexts(threading.local):
    """A context belongs to one thread at a time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=_dictionary(), write_content_size=True
        )
        self.decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary())


@cache
def _contexts() -> _Contexts:
    return _Contexts()
