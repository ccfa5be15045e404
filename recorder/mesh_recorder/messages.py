"""Server-sent events and gRPC frames, read from a body that passed, with the time each was whole. Pure."""

from collections.abc import Iterator
from itertools import accumulate

from mesh_core.model import Headers, Message, Sender, header
from mesh_recorder.tee import Tee

MOST = 10_000
"""Messages of one body; what comes after is in the body alone."""


def messages_in(sender: Sender, headers: Headers, body: Tee | None, began: int) -> list[Message]:
    """The messages that a body holds; none where its type has no messages, or it is compressed.

    Args:
        sender: who sent the body.
        headers: its headers.
        body: what was kept of it.
        began: monotonic nanoseconds at the exchange's start.
    """
    if body is None or not body.kept:
        return []
    media = (header(headers, b"content-type") or b"").partition(b";")[0].strip().lower()
    if media == b"text/event-stream" and header(headers, b"content-encoding") is None:
        kind, found = "event", _events(body.content)
    elif media.startswith(b"application/grpc"):
        kind, found = "grpc", _grpc(body.content)
    else:
        return []
    ends = list(accumulate(len(piece) for piece in body.pieces))
    messages: list[Message] = []
    at = 0
    for end, payload in found:
        if len(messages) >= MOST:
            break
        while at < len(ends) - 1 and ends[at] < end:
            at += 1
        moment = max(0, body.times[at] - began)
        messages.append(Message(sender=sender, offset=moment, type=kind, payload=payload))
    return messages


def _events(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each event with the offset behind it. Source: WHATWG HTML, "Parsing an event stream"."""
    yield from _blocks(content, b"\r\n\r\n" if b"\r\n\r\n" in content else b"\n\n")


def _blocks(content: bytes, end: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while (found := content.find(end, start)) != -1:
        block = content[start:found]
        start = found + len(end)
        if block.strip():
            yield start, block


def _grpc(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each length-prefixed message, with its prefix. Source: gRPC over HTTP/2, "Requests"."""
    start = 0
    while start + 5 <= len(content):
        end = start + 5 + int.from_bytes(content[start + 1 : start + 5])
        if end > len(content):
            return
        yield end, content[start:end]
        start = end
