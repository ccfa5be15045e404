"""`mesh.toml`: what is read, and what is refused, where."""

import pytest

from mesh_core.config import (
    Keep,
    RedactMode,
    Upstream,
    is_loopback,
    parse_config,
    split_address,
    trust_reasons,
)
from mesh_core.errors import ConfigInvalid

WHOLE = """
project = "shop"
store = "sqlite:///mesh.db"
allow_targets = ["staging.internal:443"]

[services.cart]
app      = "127.0.0.1:7002"
inbound  = "127.0.0.1:8002"
outbound = "127.0.0.1:9002"
intercept = ["api.stripe.com"]
edge = true
[services.cart.upstreams]
inventory = { listen = "127.0.0.1:9102", target = "127.0.0.1:8003" }

[redact]
mode = "off"
"""


def test_a_whole_file_is_read() -> None:
    config = parse_config(WHOLE)

    cart = config.services["cart"]
    assert config.project == "shop"
    assert config.allow_targets == ("staging.internal:443",)
    assert cart.app == "127.0.0.1:7002"
    assert cart.edge
    assert cart.intercept == ("api.stripe.com",)
    assert cart.upstreams == {"inventory": Upstream(listen="127.0.0.1:9102", target="127.0.0.1:8003")}
    assert config.redact.mode is RedactMode.OFF


def test_what_is_kept_is_said_for_all_or_for_one_service() -> None:
    config = parse_config("keep = 'failures'\nsample = '10%'\n[services.cart]\nignore = []\nsample = '1%'")

    assert (config.keep, config.sample, config.ignore) == (Keep.FAILURES, 0.1, None)
    cart = config.services["cart"]
    assert (cart.keep, cart.sample, cart.ignore) == (None, 0.01, ())


def test_an_empty_file_is_all_defaults() -> None:
    assert parse_config("").project == "default"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('project = "shop\n', "line 1"),
        ("project = 3", "mesh.toml:1: project is wrong"),
        ('\n\n[services.cart]\napp = "no port"', "mesh.toml:4: services.cart.app is wrong"),
        ("[services.cart]\nap = 1", "mesh.toml:2: unknown key services.cart.ap"),
        ("services = 1", "services is wrong"),
        ("[services]\ncart = 1", "services.cart is wrong"),
        ("[services.cart]\nedge = 1", "services.cart.edge is wrong"),
        ("[services.cart]\nintercept = [1]", "services.cart.intercept is wrong"),
        ("[services.cart.upstreams]\ni = {listen = '1'}", "services.cart.upstreams.i is wrong"),
        ("[redact]\nmode = 'of'", "mesh.toml:2: redact.mode is wrong"),
        ('allow_targets = ["a:b:c"]', "allow_targets is wrong"),
        ("keep = 'some'", "mesh.toml:1: keep is wrong"),
        ("sample = 10", "sample is wrong"),
        ("[services.cart]\nsample = '110%'", "services.cart.sample is wrong"),
        ("ignore = '/healthz'", "ignore is wrong"),
        ("ignore = ['healthz']", "ignore is wrong"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_key(text: str, names: str) -> None:
    with pytest.raises(ConfigInvalid, match="; ") as caught:
        parse_config(text)

    assert names in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_widens_targets_or_sends_data_elsewhere_needs_trust() -> None:
    asked = trust_reasons(parse_config(WHOLE.replace("127.0.0.1:7002", "10.0.0.5:7002")))

    assert asked == [
        "allow_targets = 'staging.internal:443'",
        'redact.mode = "off"',
        "services.cart: app 10.0.0.5:7002 is not on this machine",
        "services.cart: intercept",
    ]


def test_a_file_that_stays_on_this_machine_needs_no_trust() -> None:
    text = 'store = "sqlite:///mesh.db"\n[services.cart]\napp = "localhost:7002"\ninbound = "8002"'

    assert trust_reasons(parse_config(text)) == []


@pytest.mark.parametrize("store", ["postgresql://db/mesh", "https://mesh.example", "sqlite://"])
def test_a_store_elsewhere_needs_trust(store: str) -> None:
    assert trust_reasons(parse_config(f'store = "{store}"'))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("3000", ("http", "127.0.0.1", 3000)),
        ("localhost:80", ("http", "localhost", 80)),
        ("https://api.example", ("https", "api.example", 443)),
        ("https://api.example:8443/", ("https", "api.example", 8443)),
        ("[::1]:7002", ("http", "::1", 7002)),
    ],
)
def test_addresses_are_split(address: str, expected: tuple[str, str, int]) -> None:
    assert split_address(address) == expected


@pytest.mark.parametrize(
    "address", ["", "host", "host:port", "ftp://host:1", "http://u@h:1", "h:1/p", "h:70000"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_address(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1", "https://LOCALHOST:2"]
)
def test_loopback_is_localhost_127_and_1(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", ["0.0.0.0:1", "10.0.0.1:1", "[::ffff:127.0.0.1]:1", "2130706433:1", "x.localhost:1"]
)
def test_nothing_else_is_loopback(address: str) -> None:
    assert not is_loopback(address)
