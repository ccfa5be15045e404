"""What goes into a store comes out again."""

from mesh_core.frames import Frame, encode_frame, encode_header
from mesh_store.store import Store
from support.recorded import RUN, FakeCapture, finish


def test_what_was_shipped_is_read_back_exactly(store: Store) -> None:
    exchange, bodies = finish(FakeCapture(7, failed=True, body=b"\x00\xff broken"))
    segment = encode_header(RUN) + encode_frame(Frame(seq=1, exchange=exchange, bodies=dict(bodies)))

    assert store.ingest(segment) == 1
    assert store.exchange(exchange.id) == exchange
    assert store.bodies([exchange]) == bodies
