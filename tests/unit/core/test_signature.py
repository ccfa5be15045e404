"""What an error's body says went wrong, the same each time."""

import gzip
import hashlib
import json
from typing import Any

import pytest

from mesh_core.model import BodyRef
from mesh_core.signature import error_signature
from support.recorded import an_exchange


def said(content: bytes, *, kind: str | None = "application/json", **changes: Any) -> dict[str, str]:
    digest = hashlib.sha256(content).hexdigest()
    ref = BodyRef(hash=digest, size=len(content), stored=len(content), content_type=kind, **changes)
    return dict(error_signature(an_exchange(status=500, response_body=ref), {digest: content}))


def said_json(document: Any) -> dict[str, str]:
    return said(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("document", "signature"),
    [
        ({"error": "no rate for JPY"}, {"error": "no rate for JPY"}),
        ({"message": "order 7 is gone", "at": 5}, {"message": "order # is gone"}),
        ({"error": {"code": 4711, "message": "no"}}, {"code": "4711", "message": "no"}),
        ({"error": {"message": "inner"}, "message": "outer"}, {"message": "inner"}),
        ({"errors": [{"code": "E1", "detail": "x"}]}, {"code": "E1"}),
        ({"type": "about:blank", "title": "Gone", "status": 410}, {"type": "about:blank", "title": "Gone"}),
        ({"detail": "not so"}, {"detail": "not so"}),
        ({"detail": "not so", "message": "but so"}, {"message": "but so"}),
        ({"Message": "as .NET writes it"}, {"message": "as .NET writes it"}),
        ([{"message": "in a list"}], {"message": "in a list"}),
        ("just a text 5", {"message": "just a text #"}),
        ({"ok": False, "at_12345678": 1}, {"keys": "at_#,ok"}),
        ({"error": True, "message": None}, {"keys": "error,message"}),
        ({"error": {}, "x": 1}, {"keys": "error,x"}),
        ([], {}),
        (5, {}),
        ({}, {}),
    ],
)
def test_json_is_told_by_type_code_and_message(document: Any, signature: dict[str, str]) -> None:
    assert said_json(document) == signature


def test_two_occurrences_of_one_error_say_the_same() -> None:
    first = {
        "error": {"code": "E1", "message": "cart 8f14e45f-ceea-467f-9d6a-000000000001 of ann@a.test: 5 left"}
    }
    second = {
        "error": {"code": "E1", "message": "cart 9c9d4f4c-ceea-467f-9d6a-000000000002 of bob@b.test: 9 left"}
    }

    assert said_json(first) == said_json(second)
    assert said_json({"error": {"code": "E2"}}) != said_json({"error": {"code": "E1"}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Internal Server Error", "Internal Server Error"),
        (b"\n\n  Traceback (most recent call last):\n  x", "Traceback (most recent call last):"),
        (b"<html><head><title>502 Bad Gateway</title></head><body><h1>Oops 7</h1>", "# Bad Gateway: Oops #"),
        (b"<p>nothing telling</p>", "<p>nothing telling</p>"),
        (b'{"broken": ', '{"broken":'),
        (b"[" * 100_000, "[" * 200),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_other_texts_are_told_by_their_first_line_or_title(content: bytes, message: str) -> None:
    assert said(content, kind="text/html") == {"message": message}


def test_a_body_is_read_out_of_its_encoding() -> None:
    content = b'{"error": "no"}'

    assert said(gzip.compress(content), content_encoding="gzip") == {"error": "no"}
    assert said(content, content_encoding="gzip", decoded=True) == {"error": "no"}
    assert said(content, content_encoding="br") == {}
    assert said(content, kind=None) == {"error": "no"}


def test_without_a_body_nothing_is_said() -> None:
    ref = BodyRef(hash="a" * 64, size=3, stored=3)

    assert said(b"") == said(b" \n") == {}
    assert error_signature(an_exchange(response_body=ref), {}) == {}
    assert error_signature(an_exchange(), {}) == {}


@pytest.mark.parametrize("place", ["response_trailers", "response_headers"])
def test_grpc_says_it_in_its_message(place: str) -> None:
    fields = ((b"Grpc-Message", b"no%20cart%2042%20%E2%82%AC"),)

    assert error_signature(an_exchange(grpc_status=13, **{place: fields}), {}) == {"message": "no cart # €"}
    assert error_signature(an_exchange(grpc_status=None, **{place: fields}), {}) == {}


def test_long_values_are_cut() -> None:
    assert said_json({"message": "a" * 500}) == {"message": "a" * 200}
