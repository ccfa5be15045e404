"""However little the services pass on, the trace of a failed order comes out as one tree."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.behind_sidecars import Mesh, mesh

pytestmark = pytest.mark.xdist_group("mesh")


def tree(trace: dict[str, Any]) -> dict[str, list[str]]:
    """`SERVICE` or `SERVICE>PEER` with method and path, under the same of its parent."""
    exchanges = {exchange["id"]: exchange for exchange in trace["exchanges"]}

    def name(exchange: dict[str, Any]) -> str:
        peer = f">{exchange['peer']}" if exchange["direction"] == "outbound" else ""
        return f"{exchange['service']}{peer} {exchange['method']} {exchange['path'].rsplit('/', 1)[-1]}"

    found: dict[str, list[str]] = {}
    for exchange in trace["exchanges"]:
        parent = exchange["parent"]
        above = name(exchanges[parent["exchange_id"]]) if parent else ""
        found.setdefault(above, []).append(name(exchange))
    return found


def expected() -> dict[str, list[str]]:
    """A checkout that payment fails: reserve, price (which looks at the stock), charge, release."""
    return {
        "": ["gateway POST checkout"],
        "gateway POST checkout": ["gateway>cart POST checkout"],
        "gateway>cart POST checkout": ["cart POST checkout"],
        "cart POST checkout": [
            "cart>inventory POST reservations",
            "cart>pricing POST quotes",
            "cart>payment POST charges",
            "cart>inventory DELETE ID",
        ],
        "cart>inventory POST reservations": ["inventory POST reservations"],
        "cart>pricing POST quotes": ["pricing POST quotes"],
        "pricing POST quotes": ["pricing>inventory GET teapot-9", "pricing>inventory GET cup-2"],
        "pricing>inventory GET teapot-9": ["inventory GET teapot-9"],
        "pricing>inventory GET cup-2": ["inventory GET cup-2"],
        "cart>payment POST charges": ["payment POST charges"],
        "cart>inventory DELETE ID": ["inventory DELETE ID"],
    }


def without_ids(found: dict[str, list[str]]) -> dict[str, list[str]]:
    def plain(name: str) -> str:
        service, method, _ = name.split(" ") if name else ("", "", "")
        return f"{service} DELETE ID" if method == "DELETE" else name

    return {plain(above): [plain(name) for name in below] for above, below in found.items()}


@pytest.fixture(scope="module", params=["w3c", "request-id"])
def shop(request: pytest.FixtureRequest) -> Iterator[Mesh]:
    with mesh(SHOP_PROPAGATION=request.param) as running:
        yield running


def test_a_failed_order_is_one_tree_with_the_right_parents_all_certain(shop: Mesh) -> None:
    assert shop.order("JPY")["status"] == 502

    trace = shop.failed_trace(sides=15)

    assert without_ids(tree(trace)) == expected()
    assert {e["parent"]["kind"] for e in trace["exchanges"] if e["parent"]} == {"hop", "cause"}
    culprit = next(e for e in trace["exchanges"] if e["id"] == trace["culprit"])
    assert (culprit["service"], culprit["direction"], culprit["status"]) == ("payment", "inbound", 500)
    assert trace["complete"] == "complete"


def test_the_tree_is_drawn_with_its_culprit(shop: Mesh) -> None:
    shop.order("JPY")
    trace = shop.failed_trace(sides=15)

    drawn = shop.replay("show", trace["trace_id"])

    assert drawn.code == 0, drawn.stderr
    lines = drawn.stdout.splitlines()
    assert sum("payment" in line and "POST /charges" in line for line in lines) >= 2
    assert any("culprit" in line and "payment" in line for line in lines)
