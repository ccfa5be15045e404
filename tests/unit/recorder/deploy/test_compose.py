import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh_core.errors import ExitCode, MeshError
from mesh_recorder.deploy.compose import ComposeWish, compose_override
from mesh_recorder.deploy.promise import CONFIG, FOLDER, HEALTHY
from support.manifests import check_compose, compose_program

CART = ComposeWish(service="cart", file="compose.yaml", image="mesh-replay:1.2.3")
PLAIN = """
services:
  cart:
    image: shop/cart
    ports: ["8080:3000"]
  db: {image: postgres:17}
"""
RICH = """
services:
  cart:
    build: .
    container_name: the-cart
    hostname: cart-host
    extra_hosts: ["host.docker.internal:host-gateway"]
    profiles: [shop]
    ports:
      - "127.0.0.1:${CART_PORT:-8080}:80"
      - target: 9464
        published: "9464"
      - "5000-5002:5000-5002"
      - "53:53/udp"
    expose: ["7000/udp"]
    networks:
      front: {aliases: [basket], ipv4_address: 172.28.0.9, priority: 5}
      back:
    depends_on: [db]
    environment: [A=1, NO_PROXY=inventory, "SECRET"]
    healthcheck: {test: [CMD, "true"]}
    volumes: [./data:/data]
  inventory: {image: shop/inventory, networks: [back]}
  db: {image: postgres:17, networks: [back]}
networks: {front: {ipam: {config: [{subnet: 172.28.0.0/16}]}}, back: {}}
"""


def merged(base: str, wish: ComposeWish = CART) -> dict[str, Any]:
    return check_compose(base, compose_override(base, wish))["services"]


def refused(base: str, wish: ComposeWish = CART) -> str:
    with pytest.raises(MeshError) as caught:
        compose_override(base, wish)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_callers_keep_name_and_port_and_meet_the_sidecar() -> None:
    services = merged(PLAIN)

    assert services["cart-mesh"]["networks"] == {"default": {"aliases": ["cart"]}}
    assert "--inbound=0.0.0.0:3000" in services["cart-mesh"]["command"]
    assert services["cart-mesh"]["ports"] == ["8080:3000"]


def test_the_service_is_what_it_was_but_lives_in_a_network_without_its_name() -> None:
    services = merged(PLAIN)

    assert services["cart"]["image"] == "shop/cart"
    assert services["cart"]["network_mode"] == "service:cart-net"
    assert "ports" not in services["cart"]
    assert services["cart-net"]["networks"] == {"default": None}
    assert "--app=cart-net:3000" in services["cart-mesh"]["command"]


def test_its_calls_go_through_the_sidecar_and_loopback_and_credentials_do_not() -> None:
    services = merged(PLAIN)
    variables = services["cart"]["environment"]

    proxy = next(text for text in services["cart-mesh"]["command"] if text.startswith("--outbound="))
    assert variables["HTTP_PROXY"] == f"http://cart-mesh:{proxy.rpartition(':')[2]}"
    assert {"localhost", "127.0.0.1", "169.254.169.254"} <= set(variables["NO_PROXY"].split(","))
    assert variables["NO_PROXY"] == variables["no_proxy"]


def test_the_service_starts_once_the_sidecar_listens_and_nothing_waits_for_each_other() -> None:
    services = merged(PLAIN)

    assert services["cart"]["depends_on"] == {"cart-mesh": {"condition": "service_healthy"}}
    assert services["cart-mesh"]["healthcheck"]["test"] == ["CMD", *HEALTHY, "127.0.0.1:14081"]
    assert "--admin=127.0.0.1:14081" in services["cart-mesh"]["command"]
    assert services["cart-mesh"]["depends_on"] == {"cart-net": {"condition": "service_started"}}


@pytest.mark.parametrize("name", ["cart-mesh", "cart-net", "cart-trust"])
def test_every_container_of_ours_is_confined(name: str) -> None:
    container = merged(PLAIN, replace(CART, intercept=("api.stripe.com",)))[name]

    assert container["user"] == "10001:10001"
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]


def test_what_is_recorded_is_on_a_volume_and_there_is_time_to_drain() -> None:
    override = check_compose(PLAIN, compose_override(PLAIN, CART))
    mesh = override["services"]["cart-mesh"]

    assert f"mesh-replay:{FOLDER}" in mesh["volumes"]
    assert override["volumes"] == {"mesh-replay": {}}
    assert int(mesh["stop_grace_period"].removesuffix("s")) > 20


def test_store_and_key_are_taken_from_the_shell_and_never_printed() -> None:
    environment = merged(PLAIN)["cart-mesh"]["environment"]

    assert environment == {"MESH_STORE": None, "MESH_REDACT_KEY": None}


def test_what_belongs_to_a_network_moves_with_it() -> None:
    services = merged(RICH, replace(CART, port=80))
    app, net, mesh = services["cart"], services["cart-net"], services["cart-mesh"]

    assert not {"hostname", "extra_hosts", "ports", "expose", "networks"} & set(app)
    assert (net["hostname"], net["extra_hosts"]) == ("cart-host", ["host.docker.internal:host-gateway"])
    assert mesh["networks"]["front"]["ipv4_address"] == "172.28.0.9"
    assert mesh["networks"]["front"]["aliases"] == ["cart", "basket"]
    assert net["networks"] == {"front": {"priority": 5}, "back": None}
    assert mesh["profiles"] == net["profiles"] == ["shop"]


def test_only_the_recorded_port_is_published_by_the_sidecar() -> None:
    text = compose_override(RICH, replace(CART, port=80))
    services = check_compose(RICH, text)["services"]

    assert services["cart-mesh"]["ports"] == ["127.0.0.1:${CART_PORT:-8080}:80"]
    assert services["cart-net"]["ports"] == [
        {"target": 9464, "published": "9464"},
        "5000-5002:5000-5002",
        "53:53/udp",
    ]
    assert "Other services reach port 9464 of cart at cart-net:9464 now." in text


def test_a_low_port_needs_no_root() -> None:
    sysctls = merged(RICH, replace(CART, port=80))["cart-mesh"]["sysctls"]

    assert sysctls == {"net.ipv4.ip_unprivileged_port_start": "0"}


def test_an_exclusion_of_a_callee_is_taken_back_and_other_variables_stay() -> None:
    variables = merged(RICH, replace(CART, port=80))["cart"]["environment"]

    assert "inventory" not in variables["NO_PROXY"].split(",")
    assert (variables["A"], variables["SECRET"]) == ("1", None)


def test_a_proxy_of_its_own_is_left_alone_and_that_is_said() -> None:
    base = PLAIN.replace("    ports", "    environment: {HTTP_PROXY: 'http://corp:3128'}\n    ports")

    text = compose_override(base, CART)

    assert check_compose(base, text)["services"]["cart"]["environment"] == {"HTTP_PROXY": "http://corp:3128"}
    assert "# - calls by cart: it has HTTP_PROXY already" in text


def test_interception_brings_certificates_and_never_the_key() -> None:
    services = merged(PLAIN, replace(CART, intercept=("api.stripe.com",), java=True))
    app = services["cart"]

    assert "--intercept=api.stripe.com" in services["cart-mesh"]["command"]
    assert app["volumes"] == ["mesh-trust:/mesh-trust:ro"]
    assert app["depends_on"]["cart-trust"] == {"condition": "service_completed_successfully"}
    assert app["environment"]["SSL_CERT_FILE"] == "/mesh-trust/bundle.pem"
    assert "trustStore=/mesh-trust/truststore.p12" in app["environment"]["JAVA_TOOL_OPTIONS"]
    assert services["cart-trust"]["network_mode"] == "none"


def test_without_interception_the_service_trusts_whom_it_trusted() -> None:
    variables = merged(PLAIN)["cart"]["environment"]

    assert not [name for name in variables if "CERT" in name or "CA_BUNDLE" in name or "JAVA" in name]


def test_a_mesh_toml_is_mounted_where_the_sidecar_looks() -> None:
    mesh = merged(PLAIN, replace(CART, config="../mesh.toml", edge=True))["cart-mesh"]

    mount = next(volume for volume in mesh["volumes"] if isinstance(volume, dict))
    assert (mount["source"], mount["target"], mount["read_only"]) == ("../mesh.toml", CONFIG, True)
    assert mount["bind"] == {"create_host_path": False}
    assert mesh["environment"]["MESH_TRUST_CONFIG"] == "1"
    assert "--edge" in mesh["command"]


def test_the_way_back_and_what_stays_unseen_are_in_comments() -> None:
    text = compose_override(PLAIN, CART)
    comments = text[: text.index("services:")]

    assert all(line.startswith("#") for line in comments.splitlines())
    assert "docker compose -f compose.yaml up -d --remove-orphans" in comments
    assert re.search(r"stays unseen:\n# - databases", comments)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("8080:3000", '3000:3000", "9090'), "cart has the ports 3000, 9090; say by --port"),
        (('    ports: ["8080:3000"]\n', ""), "does not say where cart listens; give --port"),
        (('["8080:3000"]', '["${A}"]'), "does not say where cart listens; give --port"),
        (('["8080:3000"]', "'8080:3000'"), "services.cart.ports is wrong; expected a list"),
        (("image: shop/cart", "network_mode: host"), "cart has network_mode host"),
        (("image: shop/cart", "network_mode: service:cart-net"), "is the sidecar there already?"),
        (("image: shop/cart", "extends: {service: base}"), "cart extends another service; give it resolved"),
        (("image: shop/cart", "deploy: {replicas: 3}"), "cart runs 3 times"),
        (("image: shop/cart", "scale: 2"), "cart runs 2 times"),
        (("db: {image: postgres:17}", "cart-mesh: {image: x}"), "has a service cart-mesh already"),
        (
            ("db: {image: postgres:17}", "db: {network_mode: 'service:cart'}"),
            "db lives in the network of cart",
        ),
        (("image: shop/cart", "networks: 5"), "services.cart.networks is wrong"),
        (("image: shop/cart", "environment: 5"), "services.cart.environment is wrong"),
        (("  cart:", "  basket:"), "has no service cart; it has basket, db"),
        (("services:", "services: 5\nx-y:"), "has no services"),
        (("services:", "include: [a.yaml]\nservices:\n  a: {}\nx-y:"), "what it includes is seen by"),
        (("    image: shop/cart", "\timage: shop/cart"), "compose.yaml:4: broken YAML: "),
        (("  cart:\n", "  cart: 5\n  x:\n"), "services.cart is no service"),
    ],
)
def test_what_cannot_be_is_one_line_with_the_remedy(change: tuple[str, str], problem: str) -> None:
    assert problem in refused(PLAIN.replace(*change))


def test_an_empty_file_has_no_services() -> None:
    assert refused("") == "compose.yaml has no services; give a Compose file by --file"


@pytest.mark.skipif(compose_program() is None, reason="Docker Compose is not installed here")
@pytest.mark.parametrize("base", [PLAIN, RICH])
def test_compose_itself_takes_the_override(base: str, tmp_path: Path) -> None:
    wish = replace(
        CART, port=80 if base is RICH else None, intercept=("api.stripe.com",), config="./mesh.toml"
    )
    (tmp_path / "compose.yaml").write_text(base)
    (tmp_path / "mesh.yaml").write_text(compose_override(base, wish))
    (tmp_path / "mesh.toml").touch()

    program = compose_program() or []
    command = [*program, "-f", "compose.yaml", "-f", "mesh.yaml", "--profile", "*", "config", "--quiet"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert result.returncode == 0, result.stderr
