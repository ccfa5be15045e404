"""A trace as a tree: what belongs to it, how complete it is, where a request id is used again."""

import pytest

from mesh_core.links import LinkKind, Parent
from mesh_core.model import BodyRef, TraceOrigin
from mesh_core.outcome import Outcome
from mesh_core.trace import MOST_EXCHANGES, REUSE_AFTER, Completeness, Hole, Trace, build_trace, split_reused
from support.calls import MS, call, inbound, name, outbound

TRACE = "1" * 32
SHOP = [
    inbound(1, "shop", 0, 100),
    *call(2, "shop", "cart", 10, 90, 1),
    *call(4, "cart", "payment", 20, 80, 3),
]


def test_parents_come_first_and_siblings_by_start() -> None:
    later = call(6, "shop", "stock", 95, 99, 1)
    trace = build_trace(TRACE, [*reversed(SHOP), *later])

    assert [(depth, int(e.id, 16)) for depth, e in trace.walk()] == [
        (0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (1, 6), (2, 7),
    ]  # fmt: skip
    assert [e.id for e in trace.children(name(1))] == [name(2), name(6)]
    assert trace.children(name(5)) == ()
    assert [int(e.id, 16) for e in trace.exchanges] == [1, 2, 3, 4, 5, 6, 7]


def test_what_a_trace_says_of_itself() -> None:
    failed = inbound(9, "mail", 50, 120, outcome=Outcome.HTTP_5XX, status=500)
    trace = build_trace(TRACE, [*SHOP, failed])

    assert trace.services == ("shop", "cart", "payment", "mail")
    assert (trace.started_at, trace.ended_at) == (0, 120 * MS)
    assert trace.roots == (SHOP[0], failed)
    assert (trace.entry, trace.failures, trace.failed) == (SHOP[0], (failed,), True)
    assert not build_trace(TRACE, SHOP).failed


def test_the_entry_is_an_inbound_root_where_there_is_one() -> None:
    early = outbound(1, "cron", 0, 100)
    later = inbound(2, "mail", 50, 60)

    assert build_trace(TRACE, [early, later]).entry == later
    assert build_trace(TRACE, [early]).entry == early


def test_what_only_happened_at_the_same_time_is_left_out() -> None:
    stranger = inbound(9, "cart", 30, 70, trace_id="2" * 32)

    assert name(9) not in {e.id for e in build_trace(TRACE, [*SHOP, stranger]).exchanges}
    assert [e.id for e in build_trace("2" * 32, [*SHOP, stranger]).exchanges] == [name(9)]


def test_what_a_link_joins_belongs_to_it_upwards_and_downwards() -> None:
    bare = {"trace_origin": TraceOrigin.REQUEST_ID, "request_id_made": True}
    cart = inbound(1, "cart", 0, 100)
    lost = outbound(2, "cart", 10, 90, trace_id="2" * 32, request_id="r", **bare)
    reached = inbound(
        3, "payment", 20, 80, trace_id="2" * 32, request_id="r", trace_origin=TraceOrigin.REQUEST_ID
    )

    for trace_id in (TRACE, "2" * 32):
        trace = build_trace(trace_id, [cart, lost, reached])
        assert [int(e.id, 16) for e in trace.exchanges] == [1, 2, 3]
        assert trace.parents[name(2)].kind is LinkKind.INFERRED
        assert trace.parents[name(3)].kind is LinkKind.HOP


def test_a_trace_is_lossy_where_a_sidecar_of_it_dropped_something_in_its_time() -> None:
    def completeness(service: str, start: int, end: int) -> Completeness:
        return build_trace(TRACE, SHOP, holes=[Hole(service, start * MS, end * MS)]).completeness

    assert build_trace(TRACE, SHOP).completeness is Completeness.COMPLETE
    assert completeness("payment", 100, 200) is completeness("payment", -5, 0) is Completeness.LOSSY
    assert completeness("payment", 101, 200) is completeness("payment", -5, -1) is Completeness.COMPLETE
    assert completeness("elsewhere", 0, 100) is Completeness.COMPLETE


def test_a_callee_that_is_missing_whole_can_be_the_one_that_dropped() -> None:
    trace = build_trace(TRACE, SHOP[:4], holes=[Hole("payment", 0, 100 * MS)])

    assert trace.completeness is Completeness.LOSSY


@pytest.mark.parametrize("side", ["request_body", "response_body"])
def test_a_body_that_is_not_whole_makes_it_truncated_and_a_hole_counts_more(side: str) -> None:
    cut = BodyRef(hash="a" * 64, size=9, stored=1, truncated=True)
    one = inbound(1, "cart", 0, 10, **{side: cut})

    assert build_trace(TRACE, [one]).completeness is Completeness.TRUNCATED
    assert build_trace(TRACE, [one], holes=[Hole("cart", 0, 1)]).completeness is Completeness.LOSSY


def test_a_request_id_that_is_used_again_an_hour_later_is_another_trace() -> None:
    """Case R40."""
    by_id = {"trace_origin": TraceOrigin.REQUEST_ID, "request_id": "r"}
    first, inside, again = (
        inbound(n, "cart", 0, 1, started_at=at, ended_at=at + 1, **by_id)
        for n, at in ((1, 0), (2, REUSE_AFTER), (3, REUSE_AFTER + 1))
    )

    assert split_reused([again, inside, first]) == [[first, inside], [again]]


def test_a_trace_with_a_real_context_is_never_split() -> None:
    exchanges = [inbound(n, "cart", 0, 1, started_at=n * 10**15, ended_at=n * 10**15) for n in (1, 2)]

    assert split_reused(exchanges) == [exchanges]
    assert split_reused([]) == []


def test_a_request_id_that_everybody_uses_is_split_by_number() -> None:
    by_id = {"trace_origin": TraceOrigin.REQUEST_ID, "request_id": "r"}
    many = [inbound(n, "cart", n, n, **by_id) for n in range(MOST_EXCHANGES + 1)]

    assert [len(part) for part in split_reused(many)] == [MOST_EXCHANGES, 1]


def test_a_parent_that_is_not_given_is_no_parent() -> None:
    trace = build_trace(TRACE, SHOP[2:])

    assert trace.entry.id == name(3)
    assert set(trace.parents) == {name(4), name(5)}


def test_a_trace_is_never_empty() -> None:
    with pytest.raises(ValueError, match="at least one"):
        build_trace(TRACE, [])


def test_a_trace_is_made_of_its_links_alone() -> None:
    one, two = inbound(1, "cart", 0, 10), outbound(2, "cart", 1, 2)
    parent = Parent(exchange_id=name(1), kind=LinkKind.CAUSE)

    assert Trace(trace_id=TRACE, exchanges=(one, two), parents={name(2): parent}).roots == (one,)
