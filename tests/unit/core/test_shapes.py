"""The JSON that commands print keeps its shape."""

import base64
import gzip
import hashlib
import json

import pytest

from mesh_core.bodytext import MOST_TEXT
from mesh_core.fingerprint import FailureGroup
from mesh_core.links import LinkKind, Parent
from mesh_core.model import BodyRef, Direction, Message, Redaction, Sender
from mesh_core.outcome import Outcome
from mesh_core.shapes import exchange_document, exchange_json, group_json, rfc3339, trace_json
from mesh_core.trace import build_trace
from support.recorded import an_exchange

PARENT = Parent(exchange_id="b" * 32, kind=LinkKind.INFERRED, confidence=0.5, alternatives=("c" * 32,))


def a_document(content: bytes, **changes: object) -> dict[str, object]:
    ref = BodyRef(hash=hashlib.sha256(content).hexdigest(), size=len(content), stored=len(content), **changes)  # type: ignore[arg-type]  # checked where it is read
    body = exchange_document(an_exchange(response_body=ref), {ref.hash: content})["response_body"]
    assert isinstance(body, dict)
    return body


def test_an_exchange_has_its_fields_times_as_text_and_headers_as_pairs() -> None:
    ref = BodyRef(hash="d" * 64, size=9, stored=9, content_type="text/plain")
    shape = exchange_json(
        an_exchange(
            started_at=1,
            ended_at=1_500_000_002,
            request_headers=((b"X-A", b"\xe9"), (b"x-a", b"2")),
            request_body=ref,
            redactions=(Redaction(rule="cookie", count=2),),
            messages=(Message(sender=Sender.CLIENT, offset=1, type="text", payload=b"x"),),
        ),
        parent=PARENT,
    )

    assert json.loads(json.dumps(shape)) == shape
    assert shape["started_at"] == "1970-01-01T00:00:00.000000001Z"
    assert shape["ended_at"] == "1970-01-01T00:00:01.500000002Z"
    assert (shape["duration"], shape["first_byte"]) == (1_500_000_001, None)
    assert shape["request_headers"] == [["X-A", "é"], ["x-a", "2"]]
    assert shape["redactions"] == [{"rule": "cookie", "count": 2}]
    assert shape["parent"] == {
        "exchange_id": "b" * 32,
        "kind": "inferred",
        "confidence": 0.5,
        "alternatives": ["c" * 32],
    }
    assert shape["request_body"].items() >= {
        "hash": "d" * 64, "size": 9, "stored": 9, "truncated": False, "content_type": "text/plain",
    }.items()  # fmt: skip
    assert not {"text", "base64"} & shape["request_body"].keys()
    assert "messages" not in shape


def test_no_field_is_ever_lost_or_renamed() -> None:
    assert set(exchange_json(an_exchange())) >= {
        "id", "trace_id", "span_id", "sampled", "trace_origin", "request_id", "parent", "synthesized",
        "service", "instance", "direction", "peer", "started_at", "request_end", "first_byte", "ended_at",
        "duration", "connect_time", "tls_time", "scheme", "http_version", "method", "authority", "path",
        "request_headers", "response_headers", "request_trailers", "response_trailers", "status", "reason",
        "grpc_status", "outcome", "error", "request_body", "response_body", "opaque", "redactions",
        "recorder", "lane",
    }  # fmt: skip


def test_a_document_shows_text_decoded_and_all_else_as_base64() -> None:
    assert a_document(gzip.compress("é".encode()), content_encoding="gzip")["text"] == "é"
    assert a_document(b"\xe9", content_type="text/plain; charset=latin1")["text"] == "é"
    assert a_document(b"{}", content_encoding="gzip", decoded=True)["text"] == "{}"
    assert a_document(b"")["text"] == ""
    assert base64.b64decode(str(a_document(b"\xff\x00")["base64"])) == b"\xff\x00"
    unknown = a_document(b"\x0b\x00", content_encoding="compress")
    assert (unknown["base64"], unknown["encoded"]) == ("CwA=", True)


def test_a_character_that_the_size_limit_cut_in_two_is_left_out() -> None:
    assert a_document("aé".encode()[:-1], truncated=True)["text"] == "a"
    assert "text" not in a_document("aé".encode()[:-1])


def test_a_bomb_is_cut_and_says_so() -> None:
    bomb = a_document(gzip.compress(b"a" * (MOST_TEXT + 1)), content_encoding="gzip")

    assert (len(str(bomb["text"])), bomb["cut"]) == (MOST_TEXT, True)
    assert "cut" not in a_document(b"a")


def test_a_body_that_is_not_at_hand_is_described_alone() -> None:
    ref = BodyRef(hash="d" * 64, size=9, stored=9)
    shape = exchange_document(an_exchange(request_body=ref), {})

    assert shape["request_body"] == exchange_json(an_exchange(request_body=ref))["request_body"]
    assert shape["response_body"] is None


def test_messages_are_text_where_they_are() -> None:
    messages = (
        Message(sender=Sender.CLIENT, offset=5, type="text", payload="é".encode()),
        Message(sender=Sender.SERVER, offset=6, type="binary", payload=b"\xff"),
    )

    assert exchange_document(an_exchange(messages=messages), {})["messages"] == [
        {"sender": "client", "offset": 5, "type": "text", "text": "é"},
        {"sender": "server", "offset": 6, "type": "binary", "base64": "/w=="},
    ]


def test_a_trace_names_its_culprit_and_each_parent() -> None:
    inbound = an_exchange(id="a" * 32, status=500, outcome=Outcome.HTTP_5XX, ended_at=3_000_000)
    call = an_exchange(
        id="b" * 32,
        claim="a" * 32,
        direction=Direction.OUTBOUND,
        status=500,
        outcome=Outcome.HTTP_5XX,
        started_at=2_000_000,
    )
    shape = trace_json(build_trace("1" * 32, [inbound, call], used_again=2))

    assert (shape["trace_id"], shape["complete"], shape["used_again"]) == ("1" * 32, "complete", 2)
    assert shape["culprit"] == "b" * 32
    parents = [e["parent"] for e in shape["exchanges"]]
    assert parents == [
        None,
        {"exchange_id": "a" * 32, "kind": "cause", "confidence": 1.0, "alternatives": []},
    ]
    assert trace_json(build_trace("1" * 32, [an_exchange()]))["culprit"] is None


def test_a_failure_group_has_its_times_as_text() -> None:
    group = FailureGroup(
        fingerprint="f" * 16, title="cart: GET / 500", service="cart", outcome=Outcome.HTTP_5XX, status=500,
        count=3, first_seen=0, last_seen=10**9, traces=("1" * 32,),
    )  # fmt: skip

    assert group_json(group) == {
        "fingerprint": "f" * 16,
        "title": "cart: GET / 500",
        "service": "cart",
        "outcome": "http_5xx",
        "status": 500,
        "count": 3,
        "first_seen": "1970-01-01T00:00:00.000000000Z",
        "last_seen": "1970-01-01T00:00:01.000000000Z",
        "traces": ["1" * 32],
    }


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (1_795_500_000_123_456_789, "2026-11-24T06:00:00.123456789Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_a_point_in_time_has_nine_decimals(ns: int, text: str) -> None:
    assert rfc3339(ns) == text
