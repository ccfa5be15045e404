import tomllib
from dataclasses import replace

import pytest

from mesh_core.config import parse_config
from mesh_recorder.advice import Advice, advice_json, advice_lines
from mesh_recorder.candidates import Listener
from mesh_recorder.settings import Listen

POSTGRES = Listener(host="127.0.0.1", port=5432, command="postgres")
SIDECAR = Listener(host="127.0.0.1", port=8001, command="python mesh-record --service gateway")
CART = Listener(host="127.0.0.1", port=7002, command="node cart.js")
OTHER = Listener(host="::1", port=7003, command="java -jar stock.jar \x1b[31m" + "x" * 80)
ADVICE = Advice(
    service="cart",
    config="/shop/mesh.toml",
    exists=True,
    listeners=[POSTGRES, SIDECAR, CART, OTHER],
    inbound=Listen(port=8002),
    outbound=Listen(port=9002),
)


def test_the_lines_to_add_name_the_likely_service() -> None:
    added = parse_config("\n".join(ADVICE.lines_to_add)).services["cart"]

    assert (added.app, added.inbound, added.outbound) == (
        "127.0.0.1:7002",
        "127.0.0.1:8002",
        "127.0.0.1:9002",
    )


def test_databases_and_sidecars_are_no_candidates() -> None:
    text = "\n".join(advice_lines(ADVICE))

    assert "127.0.0.1:7002  node cart.js" in text
    assert "[::1]:7003  java -jar stock.jar" in text
    assert "5432" not in text
    assert "8001" not in text
    assert "\x1b" not in text


def test_where_nothing_stands_out_the_address_is_left_to_the_reader() -> None:
    unknown = replace(ADVICE, service="checkout")

    assert 'app = "HOST:PORT"' in unknown.lines_to_add
    assert replace(unknown, listeners=[OTHER]).lines_to_add[1] == 'app = "[::1]:7003"'


def test_what_is_missing_is_said() -> None:
    first = next(advice_lines(replace(ADVICE, exists=False)))

    assert first == (
        "mesh-record cart: no address of cart is known (there is no mesh.toml), "
        "so only its own calls are seen, where it makes them through 127.0.0.1:9002"
    )


@pytest.mark.parametrize("name", ["cart", "my-cart_2", "my cart", 'a"b', "cärt"])
def test_any_name_makes_lines_that_can_be_read(name: str) -> None:
    text = advice_json(replace(ADVICE, service=name))["add"]

    assert list(tomllib.loads(text)["services"]) == [name]
