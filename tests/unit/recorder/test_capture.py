"""From what traffic hands over to an exchange: bodies, statuses, messages, outcomes."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.model import Direction, Headers, Sender, Synthesized, TraceOrigin
from mesh_core.outcome import Outcome
from mesh_recorder import failures
from mesh_recorder.capture import Captured, Place, finish
from mesh_recorder.messages import messages_in
from mesh_recorder.tee import MOST_PIECES, Room, Tee

PLACE = Place(
    service="cart",
    instance="cart-1",
    direction=Direction.OUTBOUND,
    peers={"127.0.0.1:80": "stock"},
    recorder="1",
)


def captured() -> Captured:
    seen = Captured(PLACE, "0" * 32, "1", began=1_000, started_at=1_000_000)
    seen.method, seen.path, seen.status, seen.request_end = b"GET", b"/", 200, 1_100
    return seen


def tee(*pieces: bytes, limit: int = 100) -> Tee:
    made = Tee(limit, Room(1_000_000))
    for piece in pieces:
        assert made.feed(piece) == piece
    return made


def test_times_are_the_start_and_what_went_by() -> None:
    seen = captured()
    seen.first_byte = 1_200
    seen.close(1_500)

    exchange, _ = finish(seen)

    moments = (exchange.started_at, exchange.request_end, exchange.first_byte, exchange.ended_at)
    assert moments == (1_000_000, 1_000_100, 1_000_200, 1_000_500)


def test_a_clock_that_steps_back_makes_nothing_negative() -> None:
    seen = captured()
    seen.close(10)

    exchange, _ = finish(seen)

    assert exchange.duration == 0


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=12), st.integers(0, 200))
def test_a_body_is_kept_up_to_the_limit_and_measured_whole(pieces: list[bytes], limit: int) -> None:
    body = b"".join(pieces)
    seen = captured()
    seen.response_body = tee(*pieces, limit=limit)
    seen.close(2_000)

    exchange, bodies = finish(seen)

    if not body:
        assert exchange.response_body is None
        return
    ref = exchange.response_body
    assert ref is not None
    assert bodies[ref.hash] == body[:limit]
    assert (ref.size, ref.stored) == (len(body), min(len(body), limit))
    assert ref.truncated == (limit < len(body))
    assert ref.full_hash == (None if ref.truncated else sha256(body).hexdigest())


def test_open_bodies_share_a_room_and_give_it_back() -> None:
    room = Room(10)
    one, two = Tee(100, room), Tee(100, room)
    one.feed(b"12345678")
    two.feed(b"12345678")

    assert (one.kept, two.kept, room.free) == (8, 2, 0)
    one.release()
    assert room.free == 8


def test_a_body_in_many_pieces_is_kept_without_their_times() -> None:
    made = tee(*[b"x"] * (MOST_PIECES + 5), limit=1_000_000)

    assert len(made.times) == MOST_PIECES
    assert made.content == b"x" * (MOST_PIECES + 5)


class Unfit(bytes):
    def __len__(self) -> int:
        raise RuntimeError


def test_a_tee_hands_on_even_what_it_fails_over() -> None:
    made = Tee(100, Room(100))
    piece = Unfit(b"abc")

    assert made.feed(piece) is piece
    assert made.broken


GRPC: Headers = ((b"content-type", b"application/grpc+proto"),)


@pytest.mark.parametrize(
    ("trailers", "status", "outcome"),
    [
        (((b"grpc-status", b"0"),), 0, Outcome.OK),
        (((b"grpc-status", b"13"),), 13, Outcome.GRPC_ERROR),
        (((b"grpc-status", b"5"),), 5, Outcome.HTTP_4XX),
        (((b"grpc-status", b"many"),), None, Outcome.OK),
        ((), None, Outcome.OK),
    ],
)
def test_a_grpc_status_decides(trailers: Headers, status: int | None, outcome: Outcome) -> None:
    seen = captured()
    seen.response_headers, seen.response_trailers = GRPC, trailers
    seen.close(2_000)

    exchange, _ = finish(seen)

    assert (exchange.grpc_status, exchange.outcome) == (status, outcome)


def test_the_sidecars_own_reply_is_marked() -> None:
    seen = captured()
    seen.status, seen.error = None, f"127.0.0.1:80 {failures.REFUSED}"
    seen.reply = failures.reply_to(seen.error, client_at_fault=False)
    seen.close(2_000)

    exchange, bodies = finish(seen)

    assert exchange.synthesized is Synthesized.PROXY
    assert (exchange.status, exchange.outcome) == (502, Outcome.CONNECT_FAILED)
    assert exchange.response_body is not None
    assert bodies[exchange.response_body.hash].startswith(b"mesh-record: ")


def test_an_address_is_named_where_it_is_known() -> None:
    seen = captured()
    seen.target = ("localhost", 80)
    other = captured()
    other.target = ("elsewhere", 81)
    for one in (seen, other):
        one.close(2_000)

    assert finish(seen)[0].peer == "stock"
    assert finish(other)[0].peer == "elsewhere:81"


def test_without_context_a_trace_is_made_up_each_time() -> None:
    seen = captured()
    seen.close(2_000)

    first, second = finish(seen)[0], finish(seen)[0]

    assert first.trace_origin is TraceOrigin.SYNTHETIC
    assert first.trace_id != second.trace_id


EVENTS: Headers = ((b"Content-Type", b"text/event-stream; charset=utf-8"),)


def test_events_and_their_times_survive_any_cut() -> None:
    body = tee(b"data: o", b"ne\n\ndata: two\n", b"\n", b"data: never whole")

    messages = messages_in(Sender.SERVER, EVENTS, body, began=0)

    assert [message.payload for message in messages] == [b"data: one", b"data: two"]
    assert [message.offset for message in messages] == [body.times[1], body.times[2]]


@given(st.lists(st.binary(max_size=30), max_size=8), st.integers(1, 17))
def test_grpc_frames_are_read_however_they_were_cut(messages: list[bytes], step: int) -> None:
    content = b"".join(b"\0" + len(message).to_bytes(4) + message for message in messages)
    body = tee(*[content[at : at + step] for at in range(0, len(content), step)], limit=10_000)

    found = messages_in(Sender.CLIENT, GRPC, body, began=0)

    assert [message.payload[5:] for message in found] == messages


def test_a_compressed_event_stream_is_a_body_alone() -> None:
    compressed = (*EVENTS, (b"content-encoding", b"gzip"))

    assert messages_in(Sender.SERVER, compressed, tee(b"data: x\n\n"), began=0) == []
