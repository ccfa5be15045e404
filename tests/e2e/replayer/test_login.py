"""The demo shop's login, hidden when it was recorded, replayed with one option."""

import json

import pytest

from support.behind_sidecars import mesh

PROVIDER = """
[auth.customer]
targets = ["localhost"]
restore = { "json:$.password" = "SHOP_PASSWORD" }
"""


@pytest.mark.xdist_group("login")
def test_the_shops_login_replays_with_one_option() -> None:
    """Case P15: without it, the verdict is `auth`."""
    with mesh(node=False) as shop:
        assert shop.order("EUR")["status"] == 201
        [login] = shop.listed("service:gateway path:/login direction:inbound", 1)
        (shown,) = shop.json("show", login["id"])
        assert "engine" not in json.dumps(shown)
        config = shop.path / "mesh.toml"
        config.write_text(config.read_text() + PROVIDER)
        gateway = shop.cast.config.services["gateway"].app or ""
        command = ("exchange", login["id"], "--target", gateway, "--trust-config", "--json")

        without = shop.type("mesh-replay", *command)
        given = shop.type("mesh-replay", *command, "--auth", "customer", SHOP_PASSWORD="engine")

    (refused,) = without.documents()
    (document,) = given.documents()
    assert (without.code, refused["counts"]) == (3, {"auth": 1})
    assert document["exchanges"][0]["replayed_status"] == 200
    assert document["exchanges"][0]["verdict"] != "auth"
    assert "engine" not in given.stdout + given.stderr
