"""Bodies as what they are, so that one walk compares them all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_replayer.diff.formats import read_document
from mesh_replayer.diff.markup import MOST_MARKUP
from support.bodies import answered, found

ORDER = (
    '<?xml version="1.0"?><o:order xmlns:o="urn:o" id="7"><item sku="a">1</item><item sku="b"/>rest</o:order>'
)


def page(csrf: str, total: int) -> str:
    return (
        "<!doctype html><title>Cart</title><script>var t = 1</script><form action=/pay>"
        f'<input type=hidden name=csrf value="{csrf}"><b>{total} EUR</b></form>'
    )


def grpc(*messages: bytes) -> bytes:
    return b"".join(b"\0" + len(message).to_bytes(4) + message for message in messages)


@pytest.mark.parametrize(
    ("kind", "then", "now", "expected"),
    [
        ("application/xml", ORDER, ORDER.replace("1<", "2<"), ("$['o:order'][0].item[0]['#text']", "value")),
        ("text/xml", ORDER, ORDER.replace('"7"', '"8"'), ("$['o:order'][0]['@id']", "value")),
        ("a/b+xml", ORDER, ORDER.replace('<item sku="b"/>', ""), ("$['o:order'][0].item[1]", "item_missing")),
        ("text/html", page("a", 5), page("a", 6), ("$['body>form>b'][0].text", "value")),
        ("text/html", page("a", 5), page("b", 5), ("$['body>form>input[csrf]'][0]['@value']", "value")),
        ("application/x-www-form-urlencoded", "a=1&b=2&b=3", "a=1&b=2&b=4", ("$.b[1]", "value")),
        ("application/x-ndjson", '{"a":1}\n{"a":2}\n', '{"a":1}\n{"a":3}\n', ("$[1].a", "value")),
        ("text/event-stream", 'data: {"n":1}\n\n', 'data: {"n":2}\r\n\r\n', ("$[0].data.n", "value")),
        ("application/grpc", grpc(b"\x08\x01"), grpc(b"\x08\x02"), ("$[0]['1'][0]", "value")),
        (
            "application/grpc+proto", grpc(b"\x1a\x04\x0a\x02hi"), grpc(b"\x1a\x04\x0a\x02ho"),
            ("$[0]['3'][0]['1'][0]", "value"),
        ),
        ("text/plain", "a\nb\nc", "a\nx\nc", ("line 2", "text")),
        ("image/png", "\x89PNG1", "\x89PNG2", ("offset 4", "bytes")),
    ],
)  # fmt: skip
def test_a_body_is_compared_as_what_it_is(kind: str, then: str, now: str, expected: tuple[str, str]) -> None:
    encoding = "latin-1" if kind in ("image/png", "application/grpc", "application/grpc+proto") else "utf-8"
    old = then if isinstance(then, bytes) else then.encode(encoding)
    new = now if isinstance(now, bytes) else now.encode(encoding)

    assert found(answered(old, kind), answered(new, kind)) == [("body", *expected)]


def test_parts_of_a_multipart_body_are_known_by_their_names() -> None:
    def body(total: int) -> bytes:
        return (
            b'--B\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n'
            b'{"total": %d}\r\n'
            b'--B\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n\xff\r\n--B--'
        ) % total

    kind = "multipart/form-data; boundary=B"

    assert found(answered(body(1), kind), answered(body(2), kind)) == [
        ("body", "$.meta.content.total", "value")
    ]


def test_what_is_not_what_it_claims_to_be_is_text() -> None:
    for kind in ("application/json", "application/xml", "text/html; charset=utf-8", "application/x-ndjson"):
        document = read_document(b"<<<{ plainly", kind)
        assert document.text == "<<<{ plainly" or document.format == "html"


def test_entities_are_not_expanded_and_nothing_is_read_from_elsewhere() -> None:
    bomb = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    document = read_document(f"{bomb}<l><m>&b;</m><m>&x;</m></l>".encode(), "application/xml")

    assert "root:" not in json.dumps(document.tree)
    assert "aaaaaaaaaa" not in json.dumps(document.tree)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[" * 100_000, "application/json"),
        (b"<a>" * 100_000, "application/xml"),
        (b"<a " + b"x" * MOST_MARKUP, "text/xml"),
        (b"<div>" * 50_000, "text/html"),
        (b"a=1&" * 100_000, "application/x-www-form-urlencoded"),
        (b"\0\xff\xff\xff\xff", "application/grpc"),
        (grpc(b"\x0a\x02" * 100_000), "application/grpc"),
        (b"\0\0\0\0\x06" + b"\x0b" * 6, "application/grpc"),
        (b"--B\r\n\r\n" * 50_000, "multipart/mixed; boundary=B"),
        (b"data: x\n\n" * 200_000, "text/event-stream"),
        (b"\x89" * 1_000, "multipart/form-data"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_hostile_bodies_are_read_within_bounds(content: bytes, kind: str) -> None:
    then, now = answered(content, kind), answered(content + b"x", kind)

    assert found(then, now)


KINDS = (
    "application/json", "text/xml", "text/html", "application/grpc", "text/event-stream", "text/plain",
    "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/x-ndjson", "",
)  # fmt: skip


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from(KINDS))
def test_any_two_bodies_can_be_compared(one: bytes, other: bytes, kind: str) -> None:
    assert found(answered(one, kind), answered(one, kind)) == []
    assert isinstance(found(answered(one, kind), answered(other, kind)), list)
