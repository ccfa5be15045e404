"""Reading responses from bytes as they come."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_replayer.wire.response import ResponseMalformed, ResponseReader, ResponseTruncated

CHUNKED = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 All is well\r\nX-A: 1\r\nx-a:  2 \r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\nbody\r\n2\r\n!!\r\n0\r\nX-End: yes\r\n\r\n"
)


def read(data: bytes, cuts: list[int]) -> ResponseReader:
    reader = ResponseReader()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        if end > start:
            reader.feed(data[start:end])
    return reader


@given(st.lists(st.integers(0, len(CHUNKED)), max_size=12))
def test_where_packets_end_means_nothing(cuts: list[int]) -> None:
    reader = read(CHUNKED, cuts)

    assert reader.complete
    assert reader.reusable
    assert reader.head is not None
    assert (reader.head.status, reader.head.reason) == (200, b"All is well")
    assert reader.head.headers == ((b"X-A", b"1"), (b"x-a", b"2"), (b"Transfer-Encoding", b"chunked"))
    assert b"".join(reader.pieces) == b"body!!"
    assert reader.trailers == [(b"X-End", b"yes")]
    assert [each.status for each in reader.informational] == [103]


@given(st.integers(0, len(CHUNKED) - 1))
def test_a_response_that_ends_early_is_never_whole(at: int) -> None:
    reader = ResponseReader()
    reader.feed(CHUNKED[:at])

    with pytest.raises(ResponseTruncated):
        reader.eof()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reader = ResponseReader()
    try:
        reader.feed(data)
        reader.eof()
    except (ResponseMalformed, ResponseTruncated):
        return
    assert reader.complete


@pytest.mark.parametrize(
    ("answer", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X, Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"HTTP/1.1 204 No\r\n\r\n", True),
        (b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxSURPLUS", False),
    ],
)
def test_a_connection_is_used_again_where_both_sides_keep_it(answer: bytes, reusable: bool) -> None:
    reader = read(answer, [])

    assert reader.complete
    assert reader.reusable is reusable
