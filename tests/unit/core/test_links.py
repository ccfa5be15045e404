"""Which exchange caused which: certain only where it is known (Cases R32, R40)."""

from typing import Any

import pytest

from mesh_core.links import LinkKind, Parent, link
from mesh_core.model import Exchange, TraceOrigin
from mesh_core.outcome import Outcome
from support.calls import inbound, name, outbound

SPAN = "5" * 16


def inbound_at(number: int, instance: str, start: int, end: int, **changes: Any) -> Exchange:
    return inbound(number, "cart", start, end, **({"instance": instance} | changes))


def found(*exchanges: Exchange) -> dict[int, tuple[int, str]]:
    """Parents by number, with their kind."""
    return {int(child, 16): (int(p.exchange_id, 16), p.kind.value) for child, p in link(exchanges).items()}


def test_a_claim_makes_a_cause_within_an_instance_and_a_hop_between_two() -> None:
    caused = outbound(2, "cart", 1, 9, claim=name(1))
    arrived = inbound(3, "payment", 2, 8, claim=name(2))

    assert found(inbound(1, "cart", 0, 10), caused, arrived) == {2: (1, "cause"), 3: (2, "hop")}


@pytest.mark.parametrize(
    "forged",
    [
        inbound(3, "payment", 20, 30, claim=name(99)),
        inbound(3, "payment", 20, 30, claim=name(2), trace_id="2" * 32),
        inbound(3, "payment", 20, 30, claim=name(3)),
        outbound(3, "cart", 20, 30, claim=name(3)),
    ],
    ids=["unknown id", "known id of another trace", "its own id", "its own id, outbound"],
)
def test_a_forged_claim_makes_no_link(forged: Exchange) -> None:
    """Case R40."""
    real = [inbound(1, "cart", 0, 10), outbound(2, "cart", 1, 9, claim=name(1))]

    assert found(*real, forged) == {2: (1, "cause")}


def test_a_claim_of_what_began_later_makes_no_link() -> None:
    late = inbound(1, "cart", 10, 20)

    assert found(late, outbound(2, "cart", 9, 30, claim=name(1))) == {}
    assert found(outbound(3, "shop", 6_000, 7_000), inbound(4, "cart", 900, 950, claim=name(3))) == {}


def test_a_hop_that_is_claimed_may_begin_earlier_by_what_clocks_differ() -> None:
    assert found(outbound(1, "shop", 100, 200), inbound(2, "cart", 50, 150, claim=name(1))) == {2: (1, "hop")}


def test_a_claim_handed_on_by_a_service_without_a_sidecar_is_inferred() -> None:
    """Case R32: payment has none; rates is called by it, with what payment got."""
    call = outbound(2, "cart", 1, 9, claim=name(1), path="/pay")

    links = link([inbound(1, "cart", 0, 10), call, inbound(3, "rates", 3, 4, claim=name(2), path="/rate")])

    assert links[name(3)] == Parent(exchange_id=name(2), kind=LinkKind.INFERRED, confidence=0.9)


def test_a_call_that_arrives_twice_has_no_certain_other_end() -> None:
    call = outbound(1, "cart", 0, 9)
    arrivals = [inbound(2, "rates", 1, 2, claim=name(1)), inbound(3, "rates", 4, 5, claim=name(1))]

    assert found(call, *arrivals) == {2: (1, "inferred"), 3: (1, "inferred")}


def test_a_claim_under_another_method_is_inferred_and_one_cause_may_have_many_calls() -> None:
    shop = inbound(1, "shop", 0, 20)
    calls = [outbound(2, "shop", 1, 9, claim=name(1)), outbound(3, "shop", 10, 19, claim=name(1))]
    other = inbound(4, "cart", 2, 3, claim=name(2), method="POST")

    assert found(shop, *calls, other) == {2: (1, "cause"), 3: (1, "cause"), 4: (2, "inferred")}


def test_a_claim_of_another_instance_is_no_cause() -> None:
    links = link(
        [inbound_at(1, "cart-1", 0, 10), outbound(2, "cart", 1, 9, instance="cart-2", claim=name(1))]
    )

    assert links[name(2)].kind is LinkKind.INFERRED


def test_without_claims_the_same_span_at_both_ends_is_a_hop() -> None:
    call = outbound(1, "cart", 0, 10, span_id=SPAN, peer="payment")

    assert found(call, inbound(2, "payment", 1, 9, span_id=SPAN)) == {2: (1, "hop")}
    assert found(call, inbound(2, "payment", 1, 9, span_id="6" * 16)) == {}
    assert found(call, inbound(2, "payment", 1, 9, span_id=SPAN, trace_id="2" * 32)) == {}


def test_a_forward_proxys_address_is_the_same_path_at_the_other_end() -> None:
    call = outbound(1, "cart", 0, 10, span_id=SPAN, path="http://payment:80/pay?x=1")

    assert found(call, inbound(2, "payment", 1, 9, span_id=SPAN, path="/pay?x=1")) == {2: (1, "hop")}


def test_the_same_span_under_another_path_is_inferred() -> None:
    call = outbound(1, "cart", 0, 10, span_id=SPAN, path="/pay")

    assert found(call, inbound(2, "rates", 1, 9, span_id=SPAN, path="/rate")) == {2: (1, "inferred")}


def test_copied_spans_are_told_apart_by_path_and_time() -> None:
    """Case R32: cart copies the headers that it got into each of its calls."""
    exchanges = [
        inbound(1, "cart", 0, 100, span_id=SPAN),
        outbound(2, "cart", 10, 30, span_id=SPAN, path="/a", peer="payment"),
        inbound(3, "payment", 11, 29, span_id=SPAN, path="/a"),
        outbound(4, "cart", 20, 40, span_id=SPAN, path="/b", peer="payment"),
        inbound(5, "payment", 21, 39, span_id=SPAN, path="/b"),
        outbound(6, "cart", 50, 60, span_id=SPAN, path="/a", peer="payment"),
        inbound(7, "payment", 51, 59, span_id=SPAN, path="/a"),
    ]

    assert found(*exchanges) == {
        2: (1, "cause"), 3: (2, "hop"), 4: (1, "cause"), 5: (4, "hop"), 6: (1, "cause"), 7: (6, "hop"),
    }  # fmt: skip


def test_two_equal_calls_at_once_are_rivals() -> None:
    """Case R32."""
    calls = [outbound(n, "cart", n, 50 + n, span_id=SPAN, peer="payment") for n in (1, 2)]
    links = link([*calls, *(inbound(n, "payment", n, 40, span_id=SPAN) for n in (3, 4))])

    assert {parent.kind for parent in links.values()} == {LinkKind.INFERRED}
    assert links[name(3)].confidence <= 0.5
    assert links[name(3)].alternatives == (name(1),)


def test_a_call_to_another_recorded_service_is_no_other_end() -> None:
    call = outbound(1, "cart", 0, 10, span_id=SPAN, peer="payment")
    payment = inbound(3, "payment", 2, 3, span_id="6" * 16)

    assert found(call, payment, inbound(2, "rates", 1, 9, span_id=SPAN)) == {}


def test_clocks_may_differ_a_little_where_nothing_else_could_be_meant() -> None:
    call = outbound(1, "cart", 100, 200, span_id=SPAN)

    assert found(call, inbound(2, "payment", 40, 130, span_id=SPAN)) == {2: (1, "hop")}
    assert found(call, inbound(2, "payment", -10, 80, span_id=SPAN)) == {}
    assert found(call, inbound(2, "payment", 40, 150, span_id=SPAN)) == {}


@pytest.mark.parametrize(("made", "kind"), [(True, "hop"), (False, "inferred")])
def test_a_request_id_makes_a_certain_hop_only_where_a_sidecar_made_it(made: bool, kind: str) -> None:
    call = outbound(1, "cart", 0, 10, request_id="r-1", request_id_made=made)

    assert found(call, inbound(2, "payment", 1, 9, request_id="r-1")) == {2: (1, kind)}


def test_an_outbound_exchange_is_under_the_only_open_one_of_its_trace() -> None:
    calls = [outbound(2, "cart", 5, 6), outbound(3, "cart", 11, 12), outbound(4, "shop", 5, 6)]

    assert found(inbound(1, "cart", 0, 10), *calls) == {2: (1, "cause")}


def test_two_requests_of_one_trace_at_once_leave_the_cause_open() -> None:
    """Case R32."""
    links = link([inbound(1, "cart", 0, 10), inbound(2, "cart", 1, 11), outbound(3, "cart", 5, 6)])

    assert links[name(3)] == Parent(
        exchange_id=name(2), kind=LinkKind.INFERRED, confidence=0.5, alternatives=(name(1),)
    )


def test_a_copied_span_id_makes_one_of_two_likelier() -> None:
    spans = {1: "6" * 16, 2: "7" * 16}
    both = [inbound(n, "cart", n, 11, span_id=span) for n, span in spans.items()]

    parent = link([*both, outbound(3, "cart", 5, 6, span_id=spans[1])])[name(3)]

    assert (parent.exchange_id, parent.kind, parent.confidence) == (name(1), LinkKind.INFERRED, 0.9)


def test_a_client_that_left_is_still_a_rival() -> None:
    left = inbound(1, "cart", 0, 3, outcome=Outcome.CLIENT_DISCONNECTED)

    assert found(left, inbound(2, "cart", 4, 10), outbound(3, "cart", 5, 6)) == {3: (2, "inferred")}


NO_CONTEXT = {
    "trace_id": "9" * 32,
    "trace_origin": TraceOrigin.REQUEST_ID,
    "request_id": "m",
    "request_id_made": True,
}


def test_a_service_that_hands_nothing_on_is_inferred_with_one_open_request_and_left_alone_with_two() -> None:
    """Case R32."""
    call = outbound(3, "cart", 5, 6, **NO_CONTEXT)

    assert found(inbound(1, "cart", 0, 10), call) == {3: (1, "inferred")}
    assert found(inbound(1, "cart", 0, 10), inbound(2, "cart", 1, 11, trace_id="2" * 32), call) == {}
    assert found(inbound_at(1, "cart-2", 0, 10), call) == {}


def test_an_sdk_that_begins_a_trace_of_its_own_does_so_only_for_a_request_without_context() -> None:
    own = {"trace_id": "8" * 32, "trace_origin": TraceOrigin.W3C, "span_id": SPAN}
    without = {"trace_origin": TraceOrigin.SYNTHETIC}

    assert found(inbound(1, "cart", 0, 10, **without), outbound(2, "cart", 5, 6, **own)) == {
        2: (1, "inferred")
    }
    assert found(inbound(1, "cart", 0, 10), outbound(2, "cart", 5, 6, **own)) == {}


def test_a_call_with_the_span_of_a_request_that_is_over_is_no_certain_cause_of_another() -> None:
    over = inbound(1, "cart", 0, 3, span_id="6" * 16)
    now = inbound(2, "cart", 4, 10, span_id="7" * 16)

    assert found(over, now, outbound(3, "cart", 5, 6, span_id="6" * 16)) == {3: (2, "inferred")}
    assert found(over, now, outbound(3, "cart", 5, 6, span_id="8" * 16)) == {3: (2, "cause")}


def test_a_late_call_of_one_trace_is_not_given_to_a_request_of_another() -> None:
    over = inbound(1, "cart", 0, 3)
    stranger = inbound(2, "cart", 4, 10, trace_id="2" * 32, trace_origin=TraceOrigin.SYNTHETIC)

    assert found(over, stranger, outbound(3, "cart", 5, 6)) == {}


def test_a_call_whose_context_was_made_up_joins_the_only_open_request() -> None:
    bare = outbound(2, "cart", 5, 6, trace_id="9" * 32, trace_origin=TraceOrigin.SYNTHETIC)

    assert found(inbound(1, "cart", 0, 10), bare) == {2: (1, "inferred")}


def test_having_no_span_is_no_likeness() -> None:
    without, with_span = inbound(1, "cart", 0, 10), inbound(2, "cart", 1, 10, span_id=SPAN)

    assert link([without, with_span, outbound(3, "cart", 5, 6)])[name(3)].confidence == 0.5


@pytest.mark.parametrize(
    ("start", "linked"), [(0, True), (-1, False), (300, True), (301, False)], ids=["early", "late"] * 2
)
def test_clocks_differ_by_a_tenth_of_a_second_at_most(start: int, linked: bool) -> None:
    call = outbound(1, "cart", 100, 200, span_id=SPAN)

    assert bool(found(call, inbound(2, "payment", start, start + 50, span_id=SPAN))) == linked


def test_a_callee_may_be_busy_as_long_as_its_caller_waits_and_no_longer() -> None:
    call = outbound(1, "cart", 100, 200, span_id=SPAN)

    assert found(call, inbound(2, "payment", 40, 140, span_id=SPAN)) == {2: (1, "hop")}
    assert found(call, inbound(2, "payment", 40, 141, span_id=SPAN)) == {}


def test_clocks_are_not_blamed_where_something_else_could_be_meant() -> None:
    calls = [outbound(n, "cart", 100 * n, 100 * n + 50, span_id=SPAN) for n in (1, 4)]
    arrivals = [inbound(n, "payment", 60, 70, span_id=SPAN) for n in (2, 3)]

    assert found(*calls, arrivals[0]) == {}
    assert found(calls[0], *arrivals) == {}


def test_a_call_whose_other_end_claimed_it_is_no_candidate_for_another() -> None:
    call = outbound(1, "cart", 0, 10, span_id=SPAN)
    claiming, other = (
        inbound(2, "payment", 1, 9, claim=name(1), span_id=SPAN),
        inbound(3, "rates", 2, 8, span_id=SPAN),
    )

    assert found(call, claiming, other) == {2: (1, "hop")}


def test_a_service_is_not_the_other_end_of_its_own_call_without_a_claim() -> None:
    call = outbound(1, "cart", 0, 10, span_id=SPAN)

    assert found(call, inbound(2, "cart", 1, 9, span_id=SPAN, trace_id="1" * 32, instance="cart-2")) == {}
    assert found(call, inbound(2, "cart", 1, 9, span_id=SPAN, instance="cart-2", claim=name(1))) == {
        2: (1, "hop")
    }


def test_clocks_that_differ_never_make_a_circle() -> None:
    circle = [
        outbound(1, "cart", 100, 900, claim=name(4)),
        inbound(2, "payment", 101, 800, claim=name(1)),
        outbound(3, "payment", 102, 700, claim=name(2)),
        inbound(4, "cart", 90, 950, claim=name(3)),
    ]

    assert found(*circle) == {1: (4, "cause"), 2: (1, "hop"), 3: (2, "cause")}


def test_ten_alternatives_are_named_at_most_and_all_are_counted() -> None:
    many = [inbound(n, "cart", n, 100) for n in range(1, 31)]
    parent = link([*many, outbound(99, "cart", 50, 60)])[name(99)]

    assert len(parent.alternatives) == 10
    assert parent.confidence == pytest.approx(1 / 30)


def test_an_exchange_that_is_given_twice_is_no_rival_of_itself() -> None:
    one = inbound(1, "cart", 0, 10)

    assert found(one, one, outbound(2, "cart", 5, 6)) == {2: (1, "cause")}
    assert link([]) == {}
