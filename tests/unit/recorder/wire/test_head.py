import pytest

from mesh_recorder.wire.head import (
    CHUNKED,
    UNTIL_CLOSE,
    Doubt,
    check_begun,
    fields_of,
    lenient_fields,
    read_request,
    read_response,
)


def head(*fields: bytes, line: bytes = b"GET /a?b HTTP/1.1") -> bytes:
    return b"\r\n".join([line, *fields, b"", b""])


def test_a_request_says_where_its_body_ends() -> None:
    assert read_request(head()).body == 0
    assert read_request(head(b"content-LENGTH: 12 ")).body == 12
    assert read_request(head(b"Transfer-Encoding: Chunked")).body == CHUNKED


def test_a_request_says_whether_it_is_the_last() -> None:
    assert not read_request(head()).last
    assert read_request(head(b"Connection: keep-alive, Close")).last
    assert read_request(head(line=b"GET / HTTP/1.0")).last
    assert not read_request(head(b"Connection: Keep-Alive", line=b"GET / HTTP/1.0")).last


def test_a_request_says_what_else_it_wants() -> None:
    read = read_request(head(b"Upgrade: WebSocket", b"Connection: upgrade", b"Expect: 100-continue"))

    assert (read.upgrade, read.expects) == (b"websocket", True)


def test_trace_context_is_told_apart() -> None:
    read = read_request(head(b"Traceparent: 00-1", b"X-Other: 1", b"b3: 0", b"X-Request-ID:"))

    assert read.trace == [(b"traceparent", b"00-1"), (b"b3", b"0"), (b"x-request-id", b"")]


def test_a_value_that_looks_like_a_field_is_none() -> None:
    assert read_request(head(b"X-Note: content-length: 5")).body == 0


@pytest.mark.parametrize(
    ("method", "line", "fields", "body"),
    [
        (b"GET", b"HTTP/1.1 200 OK", (b"Content-Length: 3",), 3),
        (b"GET", b"HTTP/1.1 200", (b"Content-Length: 3",), 3),
        (b"HEAD", b"HTTP/1.1 200 OK", (b"Content-Length: 3",), 0),
        (b"GET", b"HTTP/1.1 204 No Content", (), 0),
        (b"GET", b"HTTP/1.1 304 Not Modified", (b"Content-Length: 3",), 0),
        (b"GET", b"HTTP/1.1 103 Early Hints", (), 0),
        (b"GET", b"HTTP/1.1 200 OK", (b"Transfer-Encoding: chunked",), CHUNKED),
        (b"GET", b"HTTP/1.1 200 OK", (), UNTIL_CLOSE),
    ],
)
def test_a_response_says_where_its_body_ends(
    method: bytes, line: bytes, fields: tuple[bytes, ...], body: int
) -> None:
    assert read_response(head(*fields, line=line), method).body == body


@pytest.mark.parametrize(
    "begun",
    [b"G", b"GET", b"GET ", b"GET /a", b"GET / ", b"GET / HTTP/1.", b"GET / HTTP/1.1\r"]
    + [
        b"GET / HTTP/1.1\r\n" + rest
        for rest in (b"", b"Ho", b"Host:", b"Host: c\r", b"Host: c\r\n", b"A:1\r\nB:2\r\n\r")
    ],
)
def test_what_may_become_a_head_is_waited_for(begun: bytes) -> None:
    assert check_begun(begun, 0) <= len(begun)


@pytest.mark.parametrize(
    "begun",
    [
        b"\x16\x03",
        b"GET / HTTP/2",
        b"GET / HTTP/1.1\n",
        b" GET",
        b"GET  /",
        b"GET / HTTP/1.1\r\n X",
        b"GET / HTTP/1.1\r\nHost c\r\n",
        b"GET / HTTP/1.1\r\nHost: c\n",
        b"GET / HTTP/1.1\r\nHost: c\rX",
        b"M" * 65,
    ],
)
def test_what_never_becomes_a_head_is_not_held(begun: bytes) -> None:
    with pytest.raises(Doubt):
        check_begun(begun, 0)


def test_what_was_found_good_is_not_looked_at_again() -> None:
    begun = b"GET / HTTP/1.1\r\nHost: c\r\nX-"
    checked = check_begun(begun, 0)

    assert begun[checked:] == b"X-"
    assert check_begun(begun + b"A: 1\r\n", checked) == len(begun) + 6


def test_fields_keep_their_order_case_and_bytes() -> None:
    assert fields_of(head(b"b:  2 ", b"B: \xe9", b"a:")) == ((b"b", b"2"), (b"B", b"\xe9"), (b"a", b""))


def test_fields_of_what_is_no_head() -> None:
    lines = b"Host : c\nX: a\r\n  b\nnonsense\nY:1"

    assert lenient_fields(lines) == ((b"Host", b"c"), (b"X", b"a b"), (b"Y", b"1"))
