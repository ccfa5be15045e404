"""Bodies out of their content encoding, within a bound."""

import gzip
import zlib

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.encoding import Undecodable, decoded, unpacked

PLAIN = b'{"sku": "sku-9"}' * 20
RAW_DEFLATE = zlib.compress(PLAIN)[2:-4]
BOMB = b"\0" * 50_000_000


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (PLAIN, None),
        (PLAIN, ""),
        (PLAIN, "identity"),
        (gzip.compress(PLAIN), "gzip"),
        (gzip.compress(PLAIN), " X-GZIP "),
        (zlib.compress(PLAIN), "deflate"),
        (RAW_DEFLATE, "deflate"),
        (zstandard.compress(PLAIN), "zstd"),
        (brotli.compress(PLAIN), "br"),
        (gzip.compress(zstandard.compress(PLAIN)), "zstd, gzip"),
        (gzip.compress(PLAIN[:9]) + gzip.compress(PLAIN[9:]), "gzip"),
        (zstandard.compress(PLAIN[:9]) + zstandard.compress(PLAIN[9:]), "zstd"),
        (gzip.compress(PLAIN) + b"trailing rubbish", "gzip"),
    ],
)
def test_every_encoding_in_use_is_undone(body: bytes, encoding: str | None) -> None:
    assert decoded(body, encoding, limit=10_000) == PLAIN


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, compress", "gzip," * 5 + "gzip", "rot13"])
def test_what_cannot_be_undone_is_none(encoding: str) -> None:
    assert decoded(gzip.compress(PLAIN), encoding, limit=10_000) is None


def test_more_than_four_encodings_are_not_undone() -> None:
    body = PLAIN
    for _ in range(5):
        body = gzip.compress(body)

    assert decoded(body, "gzip, gzip, gzip, gzip, gzip", limit=10_000) is None
    assert decoded(gzip.decompress(body), "gzip, gzip, gzip, gzip", limit=10_000) == PLAIN


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "br"])
def test_what_is_not_encoded_as_it_says_is_none(encoding: str) -> None:
    assert decoded(b"\xff plain text", encoding, limit=10_000) is None


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(PLAIN), "gzip"),
        (zlib.compress(PLAIN), "deflate"),
        (zstandard.compress(PLAIN), "zstd"),
        (brotli.compress(PLAIN), "br"),
    ],
)
def test_a_body_that_was_cut_off_gives_what_can_be_read(body: bytes, encoding: str) -> None:
    content = decoded(body[:-6], encoding, limit=10_000)

    assert content is None or PLAIN.startswith(content)
    assert decoded(gzip.compress(PLAIN)[:-8], "gzip", limit=10_000) == PLAIN


@pytest.mark.parametrize(
    ("bomb", "encoding"),
    [
        (gzip.compress(BOMB), "gzip"),
        (zlib.compress(BOMB), "deflate"),
        (zstandard.compress(BOMB), "zstd"),
        (brotli.compress(BOMB, quality=1), "br"),
        (gzip.compress(gzip.compress(BOMB)), "gzip, gzip"),
        (gzip.compress(b"x" * 600) * 100, "gzip"),
        (BOMB, None),
    ],
)
def test_no_bomb_gives_more_than_the_limit(bomb: bytes, encoding: str | None) -> None:
    """Case W4."""
    assert len(decoded(bomb, encoding, limit=1000) or b"") <= 1000
    assert decoded(bomb, encoding, limit=0) == b""


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "zstd", "gzip, zstd", "br"]))
def test_no_body_makes_it_fail(body: bytes, encoding: str) -> None:
    for content in (body, b"\x1f\x8b\x08" + body, b"\x28\xb5\x2f\xfd" + body):
        got = decoded(content, encoding, limit=100)
        assert got is None or len(got) <= 100


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "br"])
def test_what_has_to_be_whole_is_read_to_its_last_byte_or_not_at_all(encoding: str) -> None:
    encode = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstandard.compress,
        "br": brotli.compress,
    }[encoding]
    body = encode(PLAIN)

    assert unpacked(body, encoding, limit=10_000) == (PLAIN, False)
    assert unpacked(body, encoding, limit=100) == (PLAIN[:100], True)
    assert unpacked(body[:-1], encoding, limit=10_000)[1]
    with pytest.raises(Undecodable):
        unpacked(b"\xff\xff" + body, encoding, limit=10_000)
    with pytest.raises(Undecodable):
        unpacked(body + b"password", encoding, limit=10_000)
