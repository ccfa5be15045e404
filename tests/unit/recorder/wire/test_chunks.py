import pytest

from mesh_recorder.wire.chunks import Chunks
from mesh_recorder.wire.head import Doubt

BODY = b"5\r\nhello\r\n1;name=value\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_end_is_found_however_the_bytes_come(size: int) -> None:
    kept: list[bytes] = []
    chunks = Chunks(kept.append)
    data = BODY + b"GET /"
    at = 0
    while at < len(BODY):
        end = chunks.feed(data[at : at + size])
        if end >= 0:
            assert at + end == len(BODY)
            break
        at += size

    assert b"".join(kept) == b"hello!"
    assert chunks.trailers == b"X-Sum: 1\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"0x1\r\n",
        b"1 \r\n",
        b"1\n",
        b"1;a\rb\r\n",
        b"1\r\nab",
        b"1\r\na\n",
        b"ffffffffffffffff\r\n",
        b"1" * 5000,
        b"0\r\nX : 1\r\n\r\n",
        b"0\r\n X: 1\r\n\r\n",
        b"0\r\nX: 1\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(body: bytes) -> None:
    with pytest.raises(Doubt):
        Chunks([].append).feed(body)
