"""Server-sent events counted as they come, in parts of any size."""

from hypothesis import given
from hypothesis import strategies as st

from mesh_replayer.wire.events import EventCounter


@given(
    st.lists(st.sampled_from([b"data: a", b"id: 7\ndata: b", b": only a comment", b"data"]), max_size=6),
    st.lists(st.integers(1, 9), min_size=1),
    st.integers(1, 6),
    st.booleans(),
)
def test_however_the_stream_is_cut_the_same_bytes_are_taken(
    events: list[bytes], sizes: list[int], most: int, carriage: bool
) -> None:
    end = b"\r\n\r\n" if carriage else b"\n\n"
    whole = (
        b"".join(event.replace(b"\n", b"\r\n" if carriage else b"\n") + end for event in events) + b"data: un"
    )
    counter = EventCounter(most)
    taken, at, turn = b"", 0, 0
    while at < len(whole):
        piece = whole[at : at + sizes[turn % len(sizes)]]
        at, turn = at + len(piece), turn + 1
        taken += counter.taken(piece)
        if counter.enough:
            break

    ends = [len(part) for part in _until_each_end(whole, end)]
    expected = whole if len(events) < most else whole[: ends[most - 1]]
    assert (taken, counter.seen) == (expected, min(most, len(events)))


def _until_each_end(whole: bytes, end: bytes) -> list[bytes]:
    found, at = [], 0
    while (at := whole.find(end, at)) != -1:
        at += len(end)
        found.append(whole[:at])
    return found


def test_without_a_number_all_is_taken() -> None:
    assert EventCounter(None).taken(b"data: x\n\n") == b"data: x\n\n"


def test_an_event_longer_than_what_is_held_counts_once() -> None:
    counter = EventCounter(1)

    for _ in range(50):
        counter.taken(b"x" * 1_000)
    assert (counter.taken(b"\n"), counter.enough) == (b"\n", False)
    assert (counter.taken(b"\nmore"), counter.enough) == (b"\n", True)
