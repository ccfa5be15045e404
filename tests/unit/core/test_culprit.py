"""Which exchange explains why a trace failed."""

from typing import Any

from mesh_core.culprit import culprit
from mesh_core.model import Exchange
from mesh_core.outcome import Outcome
from mesh_core.trace import build_trace
from support.calls import MS, call, inbound, name, outbound

FAILS: dict[str, Any] = {"outcome": Outcome.HTTP_5XX, "status": 500}
TIMED_OUT: dict[str, Any] = {"outcome": Outcome.UPSTREAM_TIMEOUT, "status": 504}


def found(*exchanges: Exchange) -> int | None:
    """The culprit's number."""
    exchange = culprit(build_trace("1" * 32, exchanges))
    return None if exchange is None else int(exchange.id, 16)


def test_nothing_explains_what_did_not_fail() -> None:
    assert found(inbound(1, "shop", 0, 100), *call(2, "shop", "cart", 10, 90, 1)) is None
    assert found(inbound(1, "shop", 0, 100, outcome=Outcome.HTTP_4XX, status=404)) is None


def test_the_deepest_failure_explains_those_above() -> None:
    shop = inbound(1, "shop", 0, 100, **FAILS)
    cart, payment = (
        call(2, "shop", "cart", 10, 90, 1, **FAILS),
        call(4, "cart", "payment", 20, 80, 3, **FAILS),
    )

    assert found(shop, *cart, *payment) == 5
    assert found(shop, *cart, *payment, *call(6, "payment", "rates", 30, 70, 5)) == 5
    assert found(shop, *cart) == 3


def test_a_callee_without_a_sidecar_is_explained_by_the_call_to_it() -> None:
    bank = outbound(2, "shop", 10, 90, claim=name(1), peer="bank:443", **FAILS)

    assert found(inbound(1, "shop", 0, 100, **FAILS), bank) == 2


def test_a_failure_that_was_handled_is_the_culprit_where_nothing_else_failed() -> None:
    shop = inbound(1, "shop", 0, 100)

    assert found(shop, *call(2, "shop", "cart", 10, 90, 1, **FAILS)) == 3


def test_a_call_that_was_tried_again_with_success_explains_nothing() -> None:
    shop = inbound(1, "shop", 0, 100, **FAILS)
    first, second = call(2, "shop", "cart", 10, 20, 1, **FAILS), call(4, "shop", "cart", 30, 40, 1)

    assert found(shop, *first, *second) == 1
    assert found(shop, *first, *call(4, "shop", "cart", 30, 40, 1, path="/other")) == 3
    assert found(shop, *call(2, "shop", "cart", 30, 40, 1, **FAILS), *call(4, "shop", "cart", 10, 20, 1)) == 3


def test_of_several_failures_the_last_one_before_the_answer_was_passed_on() -> None:
    shop = inbound(1, "shop", 0, 100, first_byte=50 * MS, **FAILS)
    early, passed_on = (
        call(2, "shop", "cart", 10, 20, 1, **FAILS),
        call(4, "shop", "stock", 10, 40, 1, **FAILS),
    )
    after = call(6, "shop", "mail", 60, 70, 1, **FAILS)

    assert found(shop, *early, *passed_on, *after) == 5


def test_a_users_404_explains_no_failure() -> None:
    shop = inbound(1, "shop", 0, 100, **FAILS)

    assert found(shop, *call(2, "shop", "cart", 10, 90, 1, outcome=Outcome.HTTP_4XX, status=404)) == 1


def test_a_connection_that_never_was_has_nothing_below() -> None:
    shop = inbound(1, "shop", 0, 100, **FAILS)
    refused = {"outcome": Outcome.CONNECT_FAILED, "status": 502}
    odd = inbound(3, "cart", 11, 12, claim=name(2), **FAILS)

    assert found(shop, outbound(2, "shop", 10, 20, claim=name(1), **refused), odd) == 2


def test_where_somebody_gave_up_the_deepest_slow_one_is_the_culprit() -> None:
    shop, cart = inbound(1, "shop", 0, 100, **FAILS), call(2, "shop", "cart", 0, 100, 1, **TIMED_OUT)
    slow = [outbound(4, "cart", 2, 120, claim=name(3)), inbound(5, "payment", 3, 119, claim=name(4))]
    quick = call(6, "cart", "stock", 0, 2, 3)

    assert found(shop, *cart, *slow, *quick) == 5


def test_what_took_less_than_half_of_the_wait_is_not_what_was_waited_for() -> None:
    shop, cart = inbound(1, "shop", 0, 100, **FAILS), call(2, "shop", "cart", 0, 100, 1, **TIMED_OUT)

    assert found(shop, *cart, *call(4, "cart", "payment", 10, 60, 3)) == 3
    assert found(shop, *cart, *call(4, "cart", "payment", 10, 61, 3)) == 5


def test_a_client_that_left_is_explained_by_what_it_waited_for() -> None:
    left = {"outcome": Outcome.CLIENT_DISCONNECTED, "status": None}
    shop = inbound(1, "shop", 0, 100, **FAILS)
    call_ = outbound(2, "shop", 1, 99, claim=name(1), **TIMED_OUT)

    assert found(shop, call_, inbound(3, "cart", 2, 99, claim=name(2), **left)) == 3


def test_a_certain_link_counts_more_than_an_inferred_one() -> None:
    shop = inbound(1, "shop", 0, 100, **FAILS)
    certain = outbound(2, "shop", 10, 20, claim=name(1), **FAILS)
    likely = outbound(3, "shop", 30, 40, trace_id="2" * 32, request_id_made=True, **FAILS)

    assert found(shop, certain, likely) == 2


def test_the_entrys_failure_counts_more_than_an_earlier_one_elsewhere() -> None:
    other = outbound(1, "cron", 0, 5, **FAILS)
    shop = inbound(2, "shop", 10, 100, **FAILS)

    assert found(other, shop) == 2


def test_a_failure_elsewhere_in_the_trace_is_explained_where_the_entry_is_well() -> None:
    shop = inbound(1, "shop", 0, 100)
    other = inbound(2, "mail", 10, 50, **FAILS)

    assert found(shop, other, *call(3, "mail", "smtp", 11, 49, 2, **FAILS)) == 4
