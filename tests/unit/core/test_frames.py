"""Segments of other versions, of strangers, and what a frame may hold."""

import msgspec
import pytest
import zstandard

from mesh_core import frames
from mesh_core.frames import (
    MAGIC,
    Damage,
    Frame,
    Gap,
    SegmentUnreadable,
    decode_segment,
    encode_frame,
    encode_header,
)
from support.recorded import RUN, an_exchange

GAP = Gap(reason="queue_full", count=2, started_at=1, ended_at=2)
FIRST, LAST = Frame(seq=1, exchange=an_exchange(), bodies={"a" * 64: b"x"}), Frame(seq=3, gap=GAP)


def framed(payload: bytes, seq: int = 2) -> bytes:
    """A frame with a right checksum, whatever it holds."""
    return frames._framed(seq, payload)


def compressed(**fields: object) -> bytes:
    return framed(zstandard.compress(msgspec.msgpack.encode(fields)))


def read_between(strange: bytes) -> tuple[list[Frame], tuple[Damage, ...]]:
    segment = decode_segment(encode_header(RUN) + encode_frame(FIRST) + strange + encode_frame(LAST))
    return list(segment.frames), segment.damage


def damage_of(strange: bytes) -> tuple[Damage, ...]:
    at = len(encode_header(RUN) + encode_frame(FIRST))
    return (Damage(offset=at, length=len(strange), torn=False),)


def test_a_frame_holds_an_exchange_or_a_gap() -> None:
    for fields in ({}, {"exchange": an_exchange(), "gap": GAP}):
        with pytest.raises(ValueError, match="never both"):
            Frame(seq=1, **fields)


def test_a_field_that_a_later_version_added_is_passed_over() -> None:
    """Case R27."""
    known = msgspec.to_builtins(FIRST, builtin_types=(bytes,)) | {"seq": 2, "mood": "good"}

    found, damage = read_between(compressed(**known))

    assert [frame.seq for frame in found] == [1, 2, 3]
    assert damage == ()


@pytest.mark.parametrize(
    "strange",
    [
        compressed(seq=2),
        compressed(seq=2, exchange={"id": "x"}),
        compressed(seq=2, gap={"reason": 5}),
        compressed(seq=9, gap=msgspec.to_builtins(GAP)),
        framed(zstandard.compress(b"\xc1 no msgpack")),
        framed(b"no zstd"),
        framed(b""),
    ],
    ids=[
        "empty",
        "other fields",
        "other types",
        "another number inside",
        "no msgpack",
        "no zstd",
        "no payload",
    ],
)
def test_a_frame_that_cannot_be_understood_costs_itself_alone(strange: bytes) -> None:
    """Case R27: frames of a future version."""
    assert read_between(strange) == ([FIRST, LAST], damage_of(strange))


def test_a_bomb_is_not_blown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case W8: what a frame says of its size is not believed."""
    bomb = encode_frame(Frame(seq=2, exchange=an_exchange(), bodies={"b" * 64: bytes(200_000)}))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(200_000))
    monkeypatch.setattr(frames, "MAX_FRAME", 100_000)

    for strange in (bomb, framed(unsized)):
        assert read_between(strange) == ([FIRST, LAST], damage_of(strange))


def test_a_length_beyond_all_bounds_is_damage() -> None:
    strange = b"\xff\xff\xff\xff" + bytes(12)

    assert read_between(strange) == ([FIRST, LAST], damage_of(strange))


def test_the_search_for_the_next_frame_reads_a_bounded_number_of_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Content made for it claims a length up to the end at each of its bytes."""
    trap = b"".join(
        (n * 20).to_bytes(4, "big") + bytes(12) + zstandard.FRAME_HEADER for n in range(20, 0, -1)
    )
    assert read_between(trap) == ([FIRST, LAST], damage_of(trap))

    monkeypatch.setattr(frames, "_MOST_SEARCHED", 1)

    found, damage = read_between(trap)
    assert found == [FIRST]
    assert damage[0].torn


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a spool segment"),
        (b"MESHSEG2" + encode_header(RUN)[8:], "a newer version"),
        (MAGIC, "header is damaged"),
        (encode_header(RUN)[:-1], "header is damaged"),
        (MAGIC + framed(msgspec.msgpack.encode({"run": 1}), seq=0), "unknown version"),
    ],
)
def test_without_a_header_nothing_is_known_of_a_segment(data: bytes, why: str) -> None:
    with pytest.raises(SegmentUnreadable, match=why):
        decode_segment(data)


def test_a_segment_without_frames_is_whole() -> None:
    assert decode_segment(encode_header(RUN)).frames == ()
    assert decode_segment(encode_header(RUN)).damage == ()
