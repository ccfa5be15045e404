"""Bodies out of a store when they are asked for."""

from pathlib import Path

import pytest

from mesh_replayer import stored
from mesh_replayer.stored import StoredBodies
from mesh_store.store import open_store
from support.replays import Desk, recorded


def test_bodies_are_read_when_they_are_asked_for_some_ahead_and_few_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MOST_HELD", 10_000)
    desk = Desk(tmp_path)
    made = [recorded(number, answer_body=b"%04d" % number * 250) for number in range(600)]
    desk.keep(made)
    hashes = [exchange.response_body.hash for exchange, _ in made if exchange.response_body is not None]

    with open_store(desk.store) as store:
        bodies = StoredBodies(store, [exchange for exchange, _ in made])
        first = bodies[hashes[0]]
        read_ahead = len(bodies)
        rest = [bodies[name] for name in hashes]

        assert bodies.get("0" * 64) is None

    assert first == b"0000" * 250
    assert rest == [b"%04d" % number * 250 for number in range(600)]
    assert 1 <= read_ahead <= 10
    assert sum(len(content) for content in bodies.values()) <= 10_000
