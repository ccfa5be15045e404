"""Which requests a replay sends, and whom the target stands for."""

from itertools import pairwise

import pytest

from mesh_core.config import parse_config
from mesh_core.errors import ConfigInvalid, NotRecorded
from mesh_core.model import Direction, Exchange
from mesh_core.outcome import Outcome
from mesh_core.trace import LinkKind, Parent, Trace
from mesh_replayer.plan import Plan, plan_exchange, plan_trace
from mesh_replayer.target import parse_target
from support.recorded import an_exchange

SERVICES = parse_config(
    '[services.cart]\napp = "127.0.0.1:7002"\n[services.stock]\napp = "127.0.0.1:7009"\n'
).services


def seen(name: str, service: str, at: int, *, outbound: bool = False, **changes: object) -> Exchange:
    fields: dict[str, object] = {
        "id": name.ljust(32, "0"),
        "service": service,
        "started_at": at,
        "ended_at": at + 100 - at,
        "direction": Direction.OUTBOUND if outbound else Direction.INBOUND,
    }
    return an_exchange(**(fields | changes))


def chain(*exchanges: Exchange) -> Trace:
    """Each caused by the one before."""
    parents = {
        child.id: Parent(exchange_id=parent.id, kind=LinkKind.CAUSE) for parent, child in pairwise(exchanges)
    }
    return Trace(trace_id="1" * 32, exchanges=exchanges, parents=parents)


FAILED = {"status": 500, "outcome": Outcome.HTTP_5XX}
GATEWAY = seen("a", "gateway", 1, **FAILED)
CART = seen("b", "cart", 2, **FAILED)
TO_PAYMENT = seen("c", "cart", 3, outbound=True, peer="payment", **FAILED)
PAYMENT = seen("d", "payment", 4, **FAILED)
WHOLE = chain(GATEWAY, CART, TO_PAYMENT, PAYMENT)


def planned(trace: Trace, *targets: str, service: str | None = None) -> Plan:
    return plan_trace(trace, [parse_target(text) for text in targets], service=service, services=SERVICES)


def stands_for(trace: Trace, target: str, service: str | None = None) -> tuple[str, str]:
    [choice] = planned(trace, target, service=service).choices
    return choice.service, choice.reason


def test_the_service_is_the_one_that_is_named() -> None:
    assert stands_for(WHOLE, "localhost:7002", service="gateway") == ("gateway", "as you say")
    assert stands_for(WHOLE, "payment=localhost:7002") == ("payment", "as you say")


def test_else_it_is_the_one_whose_app_the_target_is() -> None:
    assert stands_for(WHOLE, "localhost:7002") == ("cart", "it is its app in mesh.toml")


def test_else_it_is_the_culprit_of_a_failed_trace() -> None:
    assert stands_for(WHOLE, "localhost:8080") == ("payment", "the culprit of this trace")


def test_else_it_is_where_the_trace_began() -> None:
    unseen_culprit = chain(CART, TO_PAYMENT)
    healthy = chain(seen("a", "gateway", 1), seen("b", "cart", 2))

    assert stands_for(unseen_culprit, "localhost:8080")[0] == "cart"
    assert stands_for(healthy, "localhost:8080") == ("gateway", "where this trace began")


def test_its_inbound_exchanges_are_sent_in_recorded_order() -> None:
    trace = chain(GATEWAY, seen("e", "cart", 2), seen("f", "cart", 3, outbound=True), seen("b", "cart", 4))

    assert [step.exchange.id[0] for step in planned(trace, "localhost:7002").steps] == ["e", "b"]


def test_several_targets_each_get_their_own_services_requests() -> None:
    plan = planned(WHOLE, "cart=localhost:1", "payment=localhost:2", "localhost:3", service="gateway")

    assert [(step.exchange.service, step.target.port) for step in plan.steps] == [
        ("gateway", 3),
        ("cart", 1),
        ("payment", 2),
    ]


def test_steps_of_one_recorded_connection_share_a_lane() -> None:
    trace = chain(*[seen(name, "cart", at, connection=connection) for name, at, connection in (
        ("a", 1, "x"), ("b", 2, "y"), ("c", 3, "x"), ("d", 4, None), ("e", 5, None))])  # fmt: skip

    lanes = [step.lane for step in planned(trace, "localhost:7002").steps]

    assert lanes[0] == lanes[2]
    assert len(set(lanes)) == 4


def test_a_service_without_a_request_is_told_with_those_that_have_one() -> None:
    with pytest.raises(NotRecorded, match=r"no request to stock .* requests to gateway, cart, payment"):
        planned(WHOLE, "localhost:7009")


@pytest.mark.parametrize(
    ("targets", "service"),
    [
        (("localhost:1", "localhost:2"), None),
        (("cart=localhost:1",), "cart"),
        (("cart=localhost:1", "cart=localhost:2"), None),
    ],
)
def test_targets_that_do_not_tell_which_is_which_are_wrong_usage(
    targets: tuple[str, ...], service: str | None
) -> None:
    with pytest.raises(ConfigInvalid):
        planned(WHOLE, *targets, service=service)


def test_what_cannot_be_sent_is_in_the_plan_with_its_reason() -> None:
    trace = chain(seen("a", "cart", 1), seen("b", "cart", 2, opaque=True))

    plan = planned(trace, "localhost:7002")

    assert len(plan.steps) == 2
    assert [step.exchange.id[0] for step in plan.sent] == ["a"]


def test_one_exchange_goes_to_its_service_an_outbound_one_to_its_peer() -> None:
    target = parse_target("localhost:1")

    assert plan_exchange(PAYMENT, target).choices[0].service == "payment"
    assert plan_exchange(TO_PAYMENT, target).choices[0].service == "payment"
    with pytest.raises(ConfigInvalid, match="to payment, not to cart"):
        plan_exchange(PAYMENT, parse_target("cart=localhost:1"))
