"""A trace comes whole: what hangs together by links, whatever ids its parts carry."""

import pytest

from mesh_core.ids import uuid7
from mesh_core.links import LinkKind
from mesh_core.model import BodyRef, Direction, Exchange, TraceOrigin
from mesh_core.trace import Completeness
from mesh_store import gather
from mesh_store.store import Store
from support.recorded import an_exchange
from support.segments import a_gap, a_run, a_segment

MS = 1_000_000
START = 1_795_000_000_000 * MS
T1, T2, T3 = (f"{n}" * 32 for n in "123")


def exchange(name: str, direction: str, at: int, to: int, **changes: object) -> Exchange:
    fields: dict[str, object] = {
        "service": name,
        "instance": f"{name}-1",
        "direction": Direction(direction),
        "started_at": START + at * MS,
        "ended_at": START + to * MS,
        "trace_id": T1,
        "trace_origin": TraceOrigin.W3C,
        "id": uuid7(START + at * MS, f"{name}{direction}{at}".encode().ljust(8)[-8:]),
    }
    return an_exchange(**(fields | changes))


def add(store: Store, *exchanges: Exchange) -> None:
    assert store.add([(each, {}) for each in exchanges]) == len(exchanges)


def ids(store: Store, trace_id: str) -> set[str]:
    trace = store.trace(trace_id)
    assert trace is not None
    return {each.id for each in trace.exchanges}


def test_what_is_not_recorded_is_none(store: Store) -> None:
    add(store, exchange("cart", "inbound", 0, 10))

    assert store.trace(T2) is None
    assert store.trace("no id") is None
    assert store.trace("0") is None


def test_a_call_without_context_joins_the_only_request_open_in_its_instance(store: Store) -> None:
    made = {
        "trace_origin": TraceOrigin.REQUEST_ID,
        "trace_id": T1,
        "request_id": "r1",
        "request_id_made": True,
    }
    caller = exchange("cart", "inbound", 0, 100, **made)
    call = exchange("cart", "outbound", 10, 50, trace_id=T2, trace_origin=TraceOrigin.SYNTHETIC, peer="stock")
    other = exchange("cart", "inbound", 200, 300, trace_id=T3)
    add(store, caller, call, other)

    trace = store.trace(T1)

    assert trace is not None
    assert [e.id for e in trace.exchanges] == [caller.id, call.id]
    assert trace.parents[call.id].exchange_id == caller.id
    assert trace.parents[call.id].kind is LinkKind.INFERRED
    assert ids(store, T2) == {caller.id, call.id}
    assert ids(store, T3) == {other.id}


def test_joined_calls_bring_their_own_traces_hop_by_hop(store: Store) -> None:
    """Each hop has a trace of its own, and only the sidecar's request id goes over the wire."""
    chain: list[Exchange] = []
    for depth, name in enumerate(["gateway", "cart", "stock"]):
        came = {
            "request_id": f"r{depth}",
            "trace_id": f"{depth + 4}" * 32,
            "trace_origin": TraceOrigin.REQUEST_ID,
        }
        goes = {"request_id": f"r{depth + 1}", "trace_id": f"{depth + 5}" * 32, "request_id_made": True}
        chain.append(exchange(name, "inbound", depth * 10, 200 - depth * 10, **came))
        chain.append(
            exchange(
                name,
                "outbound",
                depth * 10 + 5,
                195 - depth * 10,
                **goes,
            )
        )
    add(store, *chain)

    for each in chain:
        assert ids(store, each.trace_id) == {e.id for e in chain}


def test_a_rival_of_another_trace_makes_a_link_unsure(store: Store) -> None:
    """A request that is open in the instance at the same time is read, also one that began long before."""
    made = {"trace_origin": TraceOrigin.SYNTHETIC}
    caller = exchange("cart", "inbound", 0, 100, **made)
    call = exchange("cart", "outbound", 10, 50, trace_id=T2, **made)
    long_open = exchange("cart", "inbound", -30_000, 400, trace_id=T3, **made)
    add(store, caller, call)
    trace = store.trace(T2)
    assert trace is not None
    assert trace.parents[call.id].exchange_id == caller.id
    add(store, long_open)

    trace = store.trace(T2)

    assert trace is not None
    assert trace.parents == {}


def test_where_an_instance_is_too_busy_rivals_are_known_still(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"trace_origin": TraceOrigin.SYNTHETIC}
    caller = exchange("cart", "inbound", 0, 100, **made)
    call = exchange("cart", "outbound", 10, 50, trace_id=T2, **made)
    rivals = [exchange("cart", "inbound", n, 90, trace_id=f"{n:032x}", **made) for n in range(1, 9)]
    add(store, caller, call, *rivals)
    monkeypatch.setattr(gather, "MOST_AROUND", 3)

    trace = store.trace(T2)

    assert trace is not None
    assert trace.parents == {}


def test_a_gap_at_that_time_makes_a_trace_lossy(store: Store) -> None:
    add(store, exchange("cart", "inbound", 0, 100, peer="gateway"))
    trace = store.trace(T1)
    assert trace is not None
    assert trace.completeness is Completeness.COMPLETE
    before = a_gap(started_at=START - 10 * MS, ended_at=START - 5 * MS)
    elsewhere = a_gap(started_at=START, ended_at=START + MS)
    store.ingest(a_segment([before], run=a_run(1)))
    store.ingest(a_segment([elsewhere], run=a_run(2, service="stock")))
    trace = store.trace(T1)
    assert trace is not None
    assert trace.completeness is Completeness.COMPLETE

    store.ingest(a_segment([elsewhere], run=a_run(3, service="gateway")))

    trace = store.trace(T1)
    assert trace is not None
    assert trace.completeness is Completeness.LOSSY


def test_a_body_that_is_cut_makes_a_trace_truncated(store: Store) -> None:
    cut = BodyRef(
        hash="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        size=9,
        stored=0,
        truncated=True,
    )
    add(store, exchange("cart", "inbound", 0, 100, response_body=cut))

    trace = store.trace(T1)

    assert trace is not None
    assert trace.completeness is Completeness.TRUNCATED
    assert store.check().problems == ()


def test_of_a_request_id_that_is_used_again_the_last_use_is_shown(store: Store) -> None:
    origin = {"trace_origin": TraceOrigin.REQUEST_ID, "request_id": "again"}
    uses = [
        exchange("cart", "inbound", at, at + 10, **origin) for at in (0, 20, 3_700_000, 7_500_000, 7_500_020)
    ]
    add(store, *uses)

    trace = store.trace(T1)

    assert trace is not None
    assert [e.id for e in trace.exchanges] == [uses[3].id, uses[4].id]
    assert trace.used_again == 2


def test_a_trace_that_is_too_large_is_read_in_part_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MOST_OF_ONE_ID", 5)
    add(store, *(exchange("cart", "inbound", at, at + 1) for at in range(0, 80, 10)))

    trace = store.trace(T1)

    assert trace is not None
    assert len(trace.exchanges) == 5
    assert trace.completeness is Completeness.LOSSY
