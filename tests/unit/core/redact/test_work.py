"""Case W4: what a body unpacks to is read within bounds, and what is too much work is not kept."""

import json
import sys
from types import FrameType
from typing import Any

import pytest

from mesh_core.model import Message, Redaction, Sender
from mesh_core.redact import Redactor
from mesh_core.redact.sweep import MOST_INFLATED
from support.canaries import BODY, Body, Recorded, recorded
from support.recorded import an_exchange

BOMBS: dict[str, tuple[bytes, str]] = {
    "passwords": (b"password=hunter2hunter ", "text/plain"),
    "cards": (b"4111111111111111 ", "text/plain"),
    "IBANs": (b"DE89370400440532013000 ", "text/plain"),
    "tokens": (b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxNyJ9.c2lnbmF0dXJl ", "text/plain"),
    "base64": (b"Ym9iQHNob3Aub3JnIGhlbGxv ", "text/plain"),
    "pairs in JSON": (b'"token: abcdefghi",', "application/json"),
    "escapes in JSON": (b'"\\u0041bc",', "application/json"),
    "JSON in JSON": (b'"{\\"a\\":1}",', "application/json"),
    "secrets in objects": (b'{"credentials":{"x":"y"}},', "application/json"),
    "lines": (b'{"a":"bob@shop.org"}\n', "application/x-ndjson"),
    "events": (b"data: a\n\n", "text/event-stream"),
    "elements": (b'<a b="c">d</a>', "application/xml"),
    "fields": (b"password=b&", "application/x-www-form-urlencoded"),
    "parts": (b"--X\r\n\r\na\r\n", "multipart/form-data; boundary=X"),
    "messages": (b"\x0a\x06\x0a\x04abcd", "application/x-protobuf"),
}


BOUND = 20_000
"""Steps, in place of a twentieth of a second's worth for each test."""
MOST_CALLS = 12 * BOUND


@pytest.fixture
def low(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that is soon reached."""
    monkeypatch.setattr("mesh_core.redact.redactor.MOST_WORK", BOUND)


def bomb(name: str, size: int) -> Recorded:
    piece, content_type = BOMBS[name]
    content = piece * (size // len(piece))
    if content_type == "application/json":
        content = b"[" + content.rstrip(b",") + b"]"
    return recorded(Body(content, content_type), encoding="gzip")


def steps(before: Recorded) -> tuple[int, Recorded]:
    """How many functions were called, and the outcome: a measure of work that no clock disturbs."""
    count = 0

    def called(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    redactor = Redactor(b"k" * 32)
    sys.setprofile(called)
    try:
        after = redactor.apply(*before)
    finally:
        sys.setprofile(None)
    return count, after


@pytest.mark.usefixtures("low")
@pytest.mark.parametrize("name", BOMBS)
def test_what_is_too_much_work_is_dropped_and_counted_and_costs_no_more_than_the_bound(name: str) -> None:
    before = bomb(name, MOST_INFLATED - 1024)
    count, (exchange, bodies) = steps(before)

    assert exchange.redactions == (Redaction(rule="dropped:work", count=1),)
    assert exchange.response_body is not None
    assert exchange.response_body.truncated
    assert not any(bodies.values())
    assert count <= MOST_CALLS


def test_a_large_body_with_many_secrets_is_kept() -> None:
    users = [{"id": n, "email": f"u{n}@shop.example.org", "phone": f"+4917012{n:05d}"} for n in range(9000)]
    content = json.dumps(users).encode()

    exchange, _ = Redactor(b"k" * 32).apply(*recorded(Body(content, "application/json")))

    assert {each.rule: each.count for each in exchange.redactions} == {"email": 9000, "phone": 9000}


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip in br"])
def test_a_body_that_unpacks_to_more_than_is_read_is_cut_off(encoding: str) -> None:
    content = b"order basket widget " * (MOST_INFLATED // 12)
    assert len(BODY[encoding][1](content)) < MOST_INFLATED // 40

    exchange, bodies = Redactor(b"k" * 32).apply(*recorded(Body(content, "text/plain"), encoding=encoding))

    ref = exchange.response_body
    assert ref is not None
    assert ref.truncated
    assert len(bodies[ref.hash]) <= MOST_INFLATED


@pytest.mark.usefixtures("low")
def test_messages_share_what_may_be_spent() -> None:
    """A hundred messages cost no more than one body."""
    payload = b"password=hunter2hunter " * 4000
    messages = tuple(
        Message(sender=Sender.CLIENT, offset=n, type="text", payload=payload) for n in range(100)
    )
    count, (after, _) = steps((an_exchange(messages=messages), {}))

    assert count <= MOST_CALLS
    assert [each for each in after.redactions if each.rule == "dropped:work"]
    assert not any(b"hunter2" in message.payload for message in after.messages)
