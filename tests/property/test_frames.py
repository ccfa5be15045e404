"""No damage to a segment makes a wrong payload readable, or the reader fail."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mesh_core.frames import (
    FIRST_MAGIC,
    MAGIC,
    Frame,
    Gap,
    SegmentUnreadable,
    decode_segment,
    encode_block,
    encode_frame,
    encode_header,
    is_whole,
    pack_frame,
)
from support.recorded import RUN, FakeCapture, finish

FRAMES = [
    Frame(seq=number, exchange=exchange, bodies=dict(bodies))
    for number in range(1, 6)
    for exchange, bodies in [finish(FakeCapture(number, body=b"%d" % number * 50))]
] + [Frame(seq=6, gap=Gap(reason="queue_full", count=2, started_at=1, ended_at=2))]
SEGMENT = encode_header(RUN) + b"".join(encode_frame(frame) for frame in FRAMES)
HEADER = len(encode_header(RUN))


def test_a_whole_segment_reads_as_it_was_written() -> None:
    segment = decode_segment(SEGMENT)

    assert (segment.run, list(segment.frames), segment.damage) == (RUN, FRAMES, ())
    assert is_whole(SEGMENT)


def test_a_cut_anywhere_in_the_last_three_frames_leaves_the_earlier_ones() -> None:
    """Case R27: cut at every byte of the last three frames."""
    sizes = [len(encode_frame(frame)) for frame in FRAMES]
    for cut in range(1, sum(sizes[3:]) + 1):
        segment = decode_segment(SEGMENT[:-cut])

        kept = sum(1 for n in range(len(FRAMES)) if HEADER + sum(sizes[: n + 1]) <= len(SEGMENT) - cut)
        assert list(segment.frames) == FRAMES[:kept]
        assert all(damage.torn for damage in segment.damage)


@given(at=st.integers(0, len(SEGMENT) * 8 - 1))
def test_a_flipped_bit_costs_at_most_the_frame_that_it_hits(at: int) -> None:
    """Case R27: bit flips."""
    content = bytearray(SEGMENT)
    content[at // 8] ^= 1 << (at % 8)
    assert not is_whole(bytes(content))
    try:
        segment = decode_segment(bytes(content))
    except SegmentUnreadable:
        assert at // 8 < HEADER
        return

    assert all(frame in FRAMES for frame in segment.frames)
    assert len(segment.frames) >= len(FRAMES) - 1
    assert bool(segment.damage) == (len(segment.frames) < len(FRAMES))


@given(noise=st.binary(min_size=1, max_size=300), after=st.integers(0, len(FRAMES)))
def test_what_follows_foreign_bytes_is_read_again(noise: bytes, after: int) -> None:
    head = encode_header(RUN) + b"".join(encode_frame(frame) for frame in FRAMES[:after])
    segment = decode_segment(head + noise + b"".join(encode_frame(frame) for frame in FRAMES[after:]))

    assert list(segment.frames) == FRAMES
    assert sum(damage.length for damage in segment.damage) == len(noise)


@given(cuts=st.sets(st.integers(1, len(FRAMES) - 1)))
def test_frames_read_the_same_in_whatever_blocks_they_were_written(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(FRAMES)]
    blocks = [FRAMES[begin:end] for begin, end in pairwise(edges)]
    written = [encode_block(block[0].seq, [pack_frame(frame) for frame in block]) for block in blocks]

    segment = decode_segment(encode_header(RUN) + b"".join(written))

    assert (list(segment.frames), segment.damage) == (FRAMES, ())


@given(content=st.binary(max_size=200))
def test_no_content_makes_the_reader_fail_otherwise_than_unreadable(content: bytes) -> None:
    for data in (content, MAGIC + content, FIRST_MAGIC + content):
        try:
            assert decode_segment(data).frames == ()
        except SegmentUnreadable:
            continue


def test_flipped_bits_by_the_thousand_cost_at_most_the_block_that_they_hit(long_run: bool) -> None:
    """Case R27: 10,000 flips in the long run; blocks of several frames, as a busy sidecar writes them."""
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)  # noqa: T201  # to play it again
    chance = random.Random(seed)
    blocks = [FRAMES[:2], FRAMES[2:5], FRAMES[5:]]
    whole = encode_header(RUN) + b"".join(
        encode_block(block[0].seq, [pack_frame(frame) for frame in block]) for block in blocks
    )
    for _ in range(10_000 if long_run else 500):
        content = bytearray(whole)
        at = chance.randrange(len(whole) * 8)
        content[at // 8] ^= 1 << (at % 8)
        try:
            segment = decode_segment(bytes(content))
        except SegmentUnreadable:
            assert at // 8 < HEADER
            continue
        kept = [block for block in blocks if block[0] in segment.frames]
        assert list(segment.frames) == [frame for block in kept for frame in block]
        assert len(kept) >= len(blocks) - 1
        assert bool(segment.damage) == (len(kept) < len(blocks))
