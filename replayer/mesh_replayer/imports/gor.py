"""GoReplay's files: each message with a line before it and a line of three monkeys after it. Pure.

A message's line is its type (1 request, 2 the answer to it, 3 the answer that a replay got), an id that pairs
them, and nanoseconds since the epoch. Source: GoReplay's documentation, "Saving and Replaying from file".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httptools

from mesh_core.errors import CaptureInvalid
from mesh_core.har import MOST_ENTRIES
from mesh_core.imported import Seen, imported_exchange
from mesh_core.model import Bodies, Exchange, header_text
from mesh_core.outcome import Outcome
from mesh_replayer.wire.response import ResponseMalformed, ResponseReader, ResponseTruncated

CREATOR = "GoReplay"
SEPARATOR = "\n🐵🙈🙉\n".encode()
_REQUEST, _RESPONSE = b"1", b"2"


@dataclass(slots=True)
class _Request:
    """A request out of its bytes."""

    method: bytes = b""
    target: bytes = b""
    version: str = "HTTP/1.1"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    _headed: bool = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.trailers if self._headed else self.headers).append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self._headed = True

    def on_body(self, piece: bytes) -> None:
        self.body += piece


def read_gor(content: bytes, *, where: str) -> list[tuple[Exchange, Bodies]]:
    """The requests of a file, with their answers where those were recorded too (`--output-file` with
    `--input-raw-track-response`).

    Raises:
        CaptureInvalid: it is damaged, or has too many requests.
    """
    requests: dict[bytes, tuple[int, bytes]] = {}
    responses: dict[bytes, tuple[int, bytes]] = {}
    for number, (kind, name, at, payload) in enumerate(_messages(content, where), start=1):
        if kind == _REQUEST:
            requests[name] = (at, payload)
        elif kind == _RESPONSE:
            responses.setdefault(name, (at, payload))
        if number > 2 * MOST_ENTRIES:
            raise CaptureInvalid(f"{where} has more than {MOST_ENTRIES:,} requests", hint="split it")
    if not requests:
        raise CaptureInvalid(f"{where} has no request in it", hint="record it with `gor --output-file`")
    return [
        imported_exchange(_seen(name, at, payload, responses.get(name), where), creator=CREATOR)
        for name, (at, payload) in requests.items()
    ]


def _messages(content: bytes, where: str) -> Iterator[tuple[bytes, bytes, int, bytes]]:
    for number, message in enumerate(content.split(SEPARATOR), start=1):
        if not message.strip():
            continue
        line, found, payload = message.lstrip(b"\n").partition(b"\n")
        words = line.split()
        if not found or len(words) < 3 or not words[2].isdigit() or len(words[2]) > 19:
            raise _damaged(where, number, "it does not begin with type, id and time")
        yield words[0], words[1], int(words[2]), payload


def _seen(name: bytes, at: int, payload: bytes, response: tuple[int, bytes] | None, where: str) -> Seen:
    request = _request(payload, where)
    headers = tuple(request.headers)
    answered_at = at if response is None else max(at, response[0])
    return Seen(
        key=name.decode("latin-1"),
        started_at=at,
        first_byte=None if response is None else answered_at,
        ended_at=answered_at,
        scheme="http",
        authority=header_text(headers, b"host") or "unknown",
        method=request.method.decode("latin-1"),
        path=request.target.decode("latin-1"),
        http_version=request.version,
        request_headers=headers,
        request_body=bytes(request.body),
        request_trailers=tuple(request.trailers),
        **_answer(request.method, response),
    )


def _request(payload: bytes, where: str) -> _Request:
    request = _Request()
    parser = httptools.HttpRequestParser(request)
    try:
        parser.feed_data(payload)
    except httptools.HttpParserUpgrade:
        pass  # its head is whole
    except httptools.HttpParserError as cause:
        raise _damaged(where, 0, f"a request is no HTTP ({cause})") from cause
    request.method, request.version = parser.get_method(), f"HTTP/{parser.get_http_version()}"
    return request


def _answer(method: bytes, response: tuple[int, bytes] | None) -> dict[str, Any]:
    if response is None:
        return {"outcome": Outcome.CLIENT_DISCONNECTED, "error": "no response is in the file"}
    reader = ResponseReader(to_head=method == b"HEAD")
    broken: dict[str, Any] = {}
    try:
        reader.feed(response[1])
        reader.eof()
    except ResponseMalformed as cause:
        broken = {"outcome": Outcome.PROTOCOL_ERROR, "error": str(cause)}
    except ResponseTruncated as cause:
        broken = {"outcome": Outcome.UPSTREAM_RESET, "error": str(cause)}
    if reader.head is None:
        return broken
    return broken | {
        "status": reader.head.status,
        "reason": reader.head.reason.decode("latin-1"),
        "response_headers": reader.head.headers,
        "response_body": b"".join(reader.pieces),
        "response_trailers": tuple(reader.trailers),
    }


def _damaged(where: str, number: int, why: str) -> CaptureInvalid:
    at = f" at message {number}" if number else ""
    return CaptureInvalid(f"{where} is damaged{at}: {why}", hint="record it again with `gor --output-file`")
