"""The wire lane, whatever passes: no byte lost, changed or moved, and nothing that stops it. No socket."""

from hypothesis import given
from hypothesis import strategies as st

from mesh_recorder.settings import TraceHeaders
from support.wire_bytes import Relay, damaged, pieces, requests, responses, without_added
from support.wire_rig import ADDED

CONVERSATIONS = st.lists(st.tuples(requests(), responses()), min_size=1, max_size=4)


@given(CONVERSATIONS, st.data())
def test_a_conversation_passes_whole_and_is_read_right(
    talk: list[tuple[tuple[bytes, bytes], tuple[bytes, bytes]]], data: st.DataObject
) -> None:
    """Case R1: one after the other, in any pieces."""
    relay = Relay(TraceHeaders.LINK)
    for (asked, _), (answered, _) in talk:
        for piece in data.draw(pieces(asked)):
            relay.asks(piece)
        for piece in data.draw(pieces(answered)):
            relay.answers(piece)
    exchanges = relay.over()

    assert len(exchanges) == len(talk)
    for (exchange, kept), ((_, asked), (_, answered)) in zip(exchanges, talk, strict=True):
        assert exchange.error is None
        assert (kept[exchange.request_body.hash] if exchange.request_body else b"") == asked
        assert (kept[exchange.response_body.hash] if exchange.response_body else b"") == answered
    assert bytes(relay.client.written) == b"".join(answered for _, (answered, _) in talk)
    assert without_added(bytes(relay.server.written), b"".join(asked for (asked, _), _ in talk))


@given(CONVERSATIONS, st.data())
def test_pipelined_requests_are_matched_with_their_answers(
    talk: list[tuple[tuple[bytes, bytes], tuple[bytes, bytes]]], data: st.DataObject
) -> None:
    """Case R1: all requests first, in any pieces."""
    relay = Relay(TraceHeaders.LINK)
    for piece in data.draw(pieces(b"".join(asked for (asked, _), _ in talk))):
        relay.asks(piece)
    for piece in data.draw(pieces(b"".join(answered for _, (answered, _) in talk))):
        relay.answers(piece)
    exchanges = [exchange for exchange, _ in relay.over()]

    assert [exchange.error for exchange in exchanges] == [None] * len(talk)
    assert [str(exchange.status).encode() for exchange in exchanges] == [
        answered[9:12] for _, (answered, _) in talk
    ]


@given(CONVERSATIONS, st.data())
def test_whatever_is_sent_reaches_the_other_side_as_it_was(
    talk: list[tuple[tuple[bytes, bytes], tuple[bytes, bytes]]], data: st.DataObject
) -> None:
    """Cases R5, R35: damaged on both sides, in any pieces and any order; every request ends once."""
    up = data.draw(pieces(data.draw(damaged(b"".join(asked for (asked, _), _ in talk)))))
    down = data.draw(pieces(data.draw(damaged(b"".join(answered for _, (answered, _) in talk)))))
    relay = Relay(TraceHeaders.NEVER)
    sent_up = sent_down = b""
    for by_client in data.draw(st.permutations([True] * len(up) + [False] * len(down))):
        piece = (up if by_client else down).pop(0)
        if relay.client.closed or relay.server.closed:
            break
        if by_client:
            relay.asks(piece)
            sent_up += piece
        else:
            relay.answers(piece)
            sent_down += piece
    closed = relay.server.closed
    relay.over()

    assert bytes(relay.client.written) == sent_down
    assert closed or bytes(relay.server.written) == sent_up


@given(CONVERSATIONS, st.data())
def test_nothing_but_one_header_is_added_to_a_request(
    talk: list[tuple[tuple[bytes, bytes], tuple[bytes, bytes]]], data: st.DataObject
) -> None:
    """Cases R5, R35: what goes on is what came, and one of our fields for each request that was read."""
    sent = data.draw(damaged(b"".join(asked for (asked, _), _ in talk)))
    relay = Relay(TraceHeaders.LINK)
    for piece in data.draw(pieces(sent)):
        relay.asks(piece)
    closed = relay.server.closed
    relay.over()
    got = bytes(relay.server.written)

    assert closed or without_added(got, sent)
    assert len(ADDED.findall(got)) <= relay.desk.seen
