"""What sidecars hear of failures through the store."""

from mesh_core.together import keys_of
from mesh_store import failed_keys
from mesh_store.store import Store
from support.segments import a_run, a_segment, captured


def test_who_asks_hears_of_each_failure_once(store: Store) -> None:
    first = store.failed_since(None)
    store.ingest(a_segment(captured(1) + captured(2, failed=True)))
    second = store.failed_since(first.cursor)
    again = store.failed_since(second.cursor)

    assert (first.keys, first.more, again.keys) == (frozenset(), False, frozenset())
    assert second.keys == set(keys_of(captured(2)[0][0]))
    assert again.cursor == second.cursor
    assert store.failed_since(None) == second


def test_a_segment_sent_twice_is_told_once_and_the_newest_rows_alone_are_kept(store: Store) -> None:
    most = failed_keys.MOST_KEPT
    failed_keys.MOST_KEPT = 3
    try:
        for number in range(1, 4):
            segment = a_segment(captured(number, failed=True), run=a_run(number))
            store.ingest(segment)
            cursor = store.failed_since(None).cursor
            store.ingest(segment)
            assert store.failed_since(None).cursor == cursor
        with store._engine.connect() as connection:
            rows = connection.execute(failed_keys.failed_key.select()).all()
    finally:
        failed_keys.MOST_KEPT = most

    assert len(rows) <= 3
    assert rows[-1].id == cursor


def test_a_long_list_is_told_in_pieces(store: Store) -> None:
    told = failed_keys.MOST_TOLD
    failed_keys.MOST_TOLD = 2
    try:
        store.ingest(a_segment(captured(*range(1, 6), failed=True)))
        pieces = [store.failed_since(None)]
        while pieces[-1].more:
            pieces.append(store.failed_since(pieces[-1].cursor))
    finally:
        failed_keys.MOST_TOLD = told

    heard = {key for piece in pieces for key in piece.keys}
    assert heard == {key for each, _ in captured(*range(1, 6), failed=True) for key in keys_of(each)}
