"""The demo shop by itself: no sidecar, real processes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest

from mesh_core.config import parse_config, trust_reasons
from support.shop import SHOP, service, shop

pytestmark = pytest.mark.xdist_group("shop")

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def urls() -> Iterator[Mapping[str, str]]:
    with shop() as running:
        yield running


def ordered(gateway: str, *currencies: str) -> list[dict]:
    asked = [part for currency in currencies for part in ("--currency", currency)]
    command = [sys.executable, "-m", "mesh_shop.customers", "--gateway", gateway, "--json", *asked]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_order_in_euros_is_paid(urls: Mapping[str, str]) -> None:
    (order,) = ordered(urls["gateway"], "EUR")

    assert order["status"] == 201
    assert order["answer"]["total"] == {"amount": "58.10", "currency": "EUR"}


def test_an_order_in_yen_fails_inside_payment(urls: Mapping[str, str]) -> None:
    (order,) = ordered(urls["gateway"], "JPY")

    assert order["status"] == 502
    assert order["answer"]["error"]["code"] == "payment_internal_error"


def test_a_failed_payment_puts_the_goods_back(urls: Mapping[str, str]) -> None:
    before = httpx.get(f"{urls['inventory']}/stock/cup-2").json()

    ordered(urls["gateway"], "JPY")

    assert httpx.get(f"{urls['inventory']}/stock/cup-2").json() == before


def test_the_gateway_asks_for_a_login(urls: Mapping[str, str]) -> None:
    assert httpx.post(f"{urls['gateway']}/carts").status_code == 401
    wrong = httpx.post(f"{urls['gateway']}/login", json={"user": "ada", "password": "?"})
    assert wrong.json()["error"]["code"] == "wrong_login"


@pytest.mark.parametrize("name", ["gateway", "cart", "inventory", "payment", "pricing"])
def test_every_service_says_that_it_is_well_and_keeps_connections(urls: Mapping[str, str], name: str) -> None:
    with httpx.Client(base_url=urls[name]) as client:
        first, second = client.get("/health"), client.get("/nothing")
        same = {got.extensions["network_stream"].get_extra_info("client_addr") for got in (first, second)}

    assert first.json() == {"status": "ok", "service": name}
    assert second.status_code == 404
    assert second.json()["error"]["code"] == "no_such_route"
    assert len(same) == 1


@pytest.mark.parametrize(
    ("variant", "status", "code"),
    [("unfixed", 500, "internal_error"), ("fixed", 201, None), ("broken", 503, "pool_exhausted")],
)
def test_each_variant_of_payment_answers_a_charge_in_yen_its_own_way(
    variant: str, status: int, code: str | None
) -> None:
    with service("payment", "--variant", variant) as url:
        answer = httpx.post(f"{url}/charges", json={"cart_id": "c", "amount": "1250", "currency": "JPY"})

    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code") == code


@pytest.mark.parametrize("variant", ["unfixed", "fixed"])
def test_euros_are_charged_to_the_cent_with_and_without_the_bug(variant: str) -> None:
    with service("payment", "--variant", variant) as url:
        answer = httpx.post(f"{url}/charges", json={"cart_id": "c", "amount": "12.50", "currency": "EUR"})

    assert answer.json()["minor_units"] == 1250


@pytest.mark.parametrize(
    ("mode", "passed"),
    [
        ("w3c", {"traceparent", "tracestate", "x-request-id"}),
        ("request-id", {"x-request-id"}),
        ("none", set()),
    ],
)
@pytest.mark.parametrize("name", ["cart", "pricing"])
def test_services_pass_on_the_headers_that_they_are_told_to(name: str, mode: str, passed: set[str]) -> None:
    sent = {"traceparent": TRACEPARENT, "tracestate": "mesh=1,other=2", "x-request-id": "r-1"}
    line = {"sku": "cup-2", "quantity": 1}
    with listener() as (url, seen):
        calls = {"INVENTORY_URL": url, "PAYMENT_URL": url, "PRICING_URL": url, "SHOP_PROPAGATION": mode}
        with service(name, **calls) as target:
            if name == "pricing":
                httpx.post(f"{target}/quotes", json={"currency": "EUR", "lines": [line]}, headers=sent)
            else:
                cart = f"{target}/carts/{httpx.post(f'{target}/carts').json()['cart_id']}"
                httpx.post(f"{cart}/items", json=line)
                httpx.post(f"{cart}/checkout", json={"currency": "EUR"}, headers=sent)

    assert {key: value for key, value in seen[0].items() if key in sent} == {key: sent[key] for key in passed}


def test_the_gateways_own_spans_keep_the_trace_and_its_tracestate() -> None:
    with listener() as (url, seen), service("gateway", CART_URL=url) as gateway:
        token = httpx.post(f"{gateway}/login", json={"user": "ada", "password": "engine"}).json()["token"]
        headers = {"authorization": f"Bearer {token}", "traceparent": TRACEPARENT, "tracestate": "mesh=1,o=2"}
        httpx.post(f"{gateway}/carts", headers=headers)

    version, trace_id, span_id, flags = seen[0]["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACEPARENT.split("-")[1], "01")
    assert span_id != TRACEPARENT.split("-")[2]
    assert seen[0]["tracestate"] == "mesh=1,o=2"


def test_a_cart_without_inventory_and_pricing_still_sells() -> None:
    with (
        service("payment") as payment,
        service("cart", PAYMENT_URL=payment) as cart,
        service("gateway", CART_URL=cart) as gateway,
    ):
        orders = ordered(gateway, "EUR", "JPY")

    assert [order["status"] for order in orders] == [201, 502]


def test_a_service_that_does_not_know_its_callee_says_so_in_a_line() -> None:
    done = subprocess.run([sys.executable, "-m", "mesh_shop.cart"], capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == "cart: PAYMENT_URL is not set; give the address of the payment service\n"


def test_the_shops_mesh_toml_needs_no_trust_and_knows_all_services() -> None:
    config = parse_config((SHOP / "mesh.toml").read_text())

    assert trust_reasons(config) == []
    assert set(config.services) == {"gateway", "cart", "inventory", "payment", "pricing"}


class listener:
    """Answers every request with `{}` and keeps the headers that came, names in lower case."""

    def __enter__(self) -> tuple[str, list[dict[str, str]]]:
        seen: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                seen.append({name.lower(): value for name, value in self.headers.items()})
                content = b'{"reservation_id": "r", "total": "1.00", "charge_id": "c", "available": 99}'
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}", seen

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
