"""Segments of other versions, of strangers, and what blocks and frames may hold."""

import msgspec
import pytest
import zstandard

from mesh_core import frames
from mesh_core.frames import (
    FIRST_MAGIC,
    MAGIC,
    Damage,
    Frame,
    Gap,
    SegmentUnreadable,
    decode_segment,
    encode_block,
    encode_frame,
    encode_header,
    pack_frame,
)
from support.recorded import RUN, an_exchange

GAP = Gap(reason="queue_full", count=2, started_at=1, ended_at=2)
FIRST, LAST = Frame(seq=1, exchange=an_exchange(), bodies={"a" * 64: b"x"}), Frame(seq=3, gap=GAP)


def framed(payload: bytes, count: int = 1) -> bytes:
    """A block with a right checksum, whatever it holds."""
    return frames._framed(payload, frames._HEAD, 2, count)


def packed(content: object, count: int = 1) -> bytes:
    return framed(zstandard.compress(msgspec.msgpack.encode(content)), count)


def compressed(**fields: object) -> bytes:
    """A block of one frame."""
    return packed([fields])


def read_between(strange: bytes) -> tuple[list[Frame], tuple[Damage, ...]]:
    segment = decode_segment(encode_header(RUN) + encode_frame(FIRST) + strange + encode_frame(LAST))
    return list(segment.frames), segment.damage


def damage_of(strange: bytes, frames: int | None = 1) -> tuple[Damage, ...]:
    at = len(encode_header(RUN) + encode_frame(FIRST))
    return (Damage(offset=at, length=len(strange), torn=False, between=True, frames=frames),)


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
        packed([], 0),
        packed([{"seq": 2, "gap": msgspec.to_builtins(GAP)}], 2),
        packed({"seq": 2, "gap": msgspec.to_builtins(GAP)}),
        packed([{"seq": number, "gap": msgspec.to_builtins(GAP)} for number in (2, 4)], 2),
        framed(zstandard.compress(b"\xc1 no msgpack")),
        framed(b"no zstd"),
        framed(b""),
    ],
    ids=[
        "empty",
        "other fields",
        "other types",
        "another number inside",
        "no frames",
        "another count",
        "a frame without its block",
        "a hole in the numbers",
        "no msgpack",
        "no zstd",
        "no payload",
    ],
)
def test_a_block_that_cannot_be_understood_costs_itself_alone(strange: bytes) -> None:
    """Case R27: frames of a future version."""
    told = int.from_bytes(strange[16:20]) or None
    assert read_between(strange) == ([FIRST, LAST], damage_of(strange, told))


def test_a_bomb_is_not_blown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case W8: what a frame says of its size is not believed."""
    bomb = encode_frame(Frame(seq=2, exchange=an_exchange(), bodies={"b" * 64: bytes(200_000)}))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(200_000))
    monkeypatch.setattr(frames, "MAX_BLOCK", 100_000)

    for strange in (bomb, framed(unsized)):
        assert read_between(strange) == ([FIRST, LAST], damage_of(strange))


def test_a_length_beyond_all_bounds_is_damage() -> None:
    strange = b"\xff\xff\xff\xff" + bytes(12)

    assert read_between(strange) == ([FIRST, LAST], damage_of(strange, None))


def test_the_search_for_the_next_frame_reads_a_bounded_number_of_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Content made for it claims a length up to the end at each of its bytes."""
    trap = b"".join(
        (n * 24).to_bytes(4, "big") + bytes(16) + zstandard.FRAME_HEADER for n in range(20, 0, -1)
    )
    assert read_between(trap) == ([FIRST, LAST], damage_of(trap, None))

    monkeypatch.setattr(frames, "_MOST_SEARCHED", 1)

    found, damage = read_between(trap)
    assert found == [FIRST]
    assert damage[0].torn


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a spool segment"),
        (b"MESHSEG3" + encode_header(RUN)[8:], "a newer version"),
        (MAGIC, "header is damaged"),
        (encode_header(RUN)[:-1], "header is damaged"),
        (
            MAGIC + frames._framed(msgspec.msgpack.encode({"run": 1}), frames._FIRST_HEAD, 0),
            "unknown version",
        ),
    ],
)
def test_without_a_header_nothing_is_known_of_a_segment(data: bytes, why: str) -> None:
    with pytest.raises(SegmentUnreadable, match=why):
        decode_segment(data)


def test_a_block_holds_many_frames_and_is_read_whole_or_not_at_all() -> None:
    """Case R27."""
    several = [
        Frame(seq=number, exchange=an_exchange(), bodies={"a" * 64: b"x" * 99}) for number in (2, 3, 4)
    ]
    block = encode_block(2, [pack_frame(frame) for frame in several])

    assert list(decode_segment(encode_header(RUN) + encode_frame(FIRST) + block).frames) == [FIRST, *several]
    assert len(block) < sum(len(encode_frame(frame)) for frame in several) / 2
    for cut in range(1, len(block)):
        segment = decode_segment(encode_header(RUN) + encode_frame(FIRST) + block[:-cut])
        assert list(segment.frames) == [FIRST]
        assert [damage.torn for damage in segment.damage] == [True]
        assert [damage.frames for damage in segment.damage] == [3 if cut <= len(block) - 20 else None]


def test_a_segment_of_the_first_version_is_read() -> None:
    """Case R27: one that waited in the spool while the recorder was renewed."""
    old = FIRST_MAGIC + encode_header(RUN)[len(MAGIC) :]
    blocks = [
        frames._framed(zstandard.compress(pack_frame(frame)), frames._FIRST_HEAD, frame.seq)
        for frame in (FIRST, LAST)
    ]

    assert decode_segment(old + b"".join(blocks)).frames == (FIRST, LAST)
    torn = decode_segment(old + b"".join(blocks)[:-1])
    assert torn.frames == (FIRST,)
    assert torn.damage[0].torn


def test_a_segment_without_frames_is_whole() -> None:
    assert decode_segment(encode_header(RUN)).frames == ()
    assert decode_segment(encode_header(RUN)).damage == ()
