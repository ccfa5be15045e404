from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from mesh_core.config import Config, Keep, RedactMode, parse_config
from mesh_core.errors import ConfigInvalid, ExitCode
from mesh_core.project import Project
from mesh_core.retention import DAY, Retention
from mesh_recorder.resolve import Options, Resolved, resolve
from mesh_recorder.settings import Endpoint, Listen, SidecarSettings, TraceHeaders, UpstreamPort

SHOP = """
project = "shop"

[services.cart]
app = "127.0.0.1:7002"
inbound = "127.0.0.1:8002"
outbound = "127.0.0.1:9002"
intercept = ["api.stripe.com"]
cert = "cart.pem"
key = "cart-key.pem"

[services.cart.upstreams]
inventory = { listen = "127.0.0.1:9102", target = "127.0.0.1:8003" }

[services.inventory]
app = "127.0.0.1:7003"
inbound = "127.0.0.1:8003"
"""


def a_project(text: str = "", folder: Path = Path("/shop")) -> Project:
    config = parse_config(text) if text else Config()
    return Project(
        config=config,
        config_path=folder / "mesh.toml" if text else None,
        store="sqlite:////shop/mesh.db",
        state_dir=Path("/state"),
    )


def resolved(
    project: Project | None = None, environ: dict[str, str] | None = None, **options: object
) -> Resolved:
    ports = count(20_000)
    given: dict[str, int] = {}
    chosen = Options(**({"service": "cart"} | options))  # type: ignore[arg-type]  # checked where it is read
    return resolve(
        chosen,
        project or a_project(),
        environ=environ or {},
        hostname="laptop",
        redact_key=b"k" * 32,
        free_port=lambda role: given.setdefault(role, next(ports)),
    )


def settings(project: Project | None = None, **options: object) -> SidecarSettings:
    return resolved(project, **options).settings


def wrong(project: Project | None = None, **options: object) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        resolved(project, **options)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_service_alone_takes_all_from_mesh_toml() -> None:
    found = settings(a_project(SHOP))

    assert found.app == Endpoint(host="127.0.0.1", port=7002)
    assert found.inbound == Listen(port=8002)
    assert found.outbound == Listen(port=9002)
    assert found.upstreams == (
        UpstreamPort(
            name="inventory", listen=Listen(port=9102), target=Endpoint(host="127.0.0.1", port=8003)
        ),
    )
    assert found.intercept == ("api.stripe.com",)
    assert (found.cert, found.key) == (Path("/shop/cart.pem"), Path("/shop/cart-key.pem"))
    assert found.peers["localhost:8003"] == found.peers["127.0.0.1:7003"] == "inventory"
    assert found.ca_dir == Path("/state/projects/shop/ca")
    assert found.instance == "laptop:8002"
    assert found.spool_dir == Path("/state/projects/shop/spool/cart/laptop_8002")


def test_options_stand_over_mesh_toml() -> None:
    found = settings(
        a_project(SHOP),
        app="https://127.0.0.1:7443",
        inbound="8100",
        outbound="[::1]:9100",
        upstreams=("inventory=9200=10.0.0.5:80",),
        cert=Path("other.pem"),
        key=Path("other-key.pem"),
        edge=True,
        trace_headers=TraceHeaders.NEVER,
        instance="blue",
        max_body="64KiB",
        response_timeout="2s",
    )

    assert found.app == Endpoint(scheme="https", host="127.0.0.1", port=7443)
    assert (found.inbound, found.outbound) == (Listen(port=8100), Listen(host="::1", port=9100))
    assert [(port.listen.port, port.target.host) for port in found.upstreams] == [(9200, "10.0.0.5")]
    assert found.cert == Path("other.pem")
    assert found.edge
    assert found.trace_headers is TraceHeaders.NEVER
    assert (found.instance, found.max_body, found.response_timeout) == ("blue", 65536, 2.0)


def test_addresses_that_nobody_chose_are_free_ports() -> None:
    found = settings(app="7002")

    assert found.inbound is not None
    assert found.outbound is not None
    assert {found.inbound.port, found.outbound.port} == {20_000, 20_001}


def test_an_unknown_service_gets_an_outbound_proxy_alone() -> None:
    found = resolved()

    assert not found.known
    assert (found.settings.app, found.settings.inbound) == (None, None)
    assert found.settings.outbound is not None


def test_a_command_gets_another_port_than_callers_know() -> None:
    found = settings(inbound="3000", with_command=True)

    assert found.inbound == Listen(port=3000)
    assert found.app is not None
    assert found.app.port not in (0, 3000)
    assert found.intercept_all


def test_tls_is_looked_into_only_where_that_was_asked_for() -> None:
    found = settings(app="7002", intercept=("api.stripe.com",))

    assert not found.intercept_all
    assert found.intercept == ("api.stripe.com",)


def test_zero_waits_for_a_response_for_ever() -> None:
    assert settings(app="7002", response_timeout="0").response_timeout is None


@pytest.mark.parametrize(
    ("value", "told", "name", "target"),
    [
        ("http://127.0.0.1:8003", "http://127.0.0.1:{}", "inventory", Endpoint(host="127.0.0.1", port=8003)),
        (
            "https://api.stripe.com/v1?x=1",
            "http://127.0.0.1:{}/v1?x=1",
            "stock-list",
            Endpoint(scheme="https", host="api.stripe.com", port=443),
        ),
        ("stock.internal:80", "127.0.0.1:{}", "stock-list", Endpoint(host="stock.internal", port=80)),
        (
            "http://user:pw@stock.internal:80/",
            "http://user:pw@127.0.0.1:{}/",
            "stock-list",
            Endpoint(host="stock.internal", port=80),
        ),
    ],
)
def test_a_variable_is_rewritten_to_a_port_of_ours(
    value: str, told: str, name: str, target: Endpoint
) -> None:
    text = SHOP.replace("[services.cart.upstreams]", "").replace("inventory = {", "# inventory = {")
    found = resolved(
        a_project(text),
        environ={"STOCK_LIST_BASE_URL": value},
        upstream_env=("STOCK_LIST_BASE_URL",),
        with_command=True,
    )

    (port,) = found.settings.upstreams
    assert (port.name, port.target) == (name, target)
    assert found.rewritten == {"STOCK_LIST_BASE_URL": told.format(port.listen.port)}


def test_two_variables_of_one_dependency_share_a_port() -> None:
    found = resolved(
        a_project(SHOP),
        upstream_env=("INVENTORY_URL=http://127.0.0.1:8003", "STOCK_URL=http://127.0.0.1:8003/stock"),
        with_command=True,
    )

    assert [port.listen.port for port in found.settings.upstreams] == [9102]
    assert found.rewritten == {
        "INVENTORY_URL": "http://127.0.0.1:9102",
        "STOCK_URL": "http://127.0.0.1:9102/stock",
    }


def test_an_inbound_without_an_app_is_said() -> None:
    assert wrong(inbound="8002") == (
        "cart has no app address, so there is nothing behind 8002; "
        "say where the service itself listens: --app HOST:PORT, or `-- COMMAND` to run it"
    )


def test_no_service_is_said_with_those_that_are_known() -> None:
    assert wrong(a_project(SHOP), service=None).endswith("mesh.toml knows cart, inventory")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"app": "nowhere"}, "--app 'nowhere' is no address"),
        ({"app": "127.0.0.1:99999"}, "--app '127.0.0.1:99999' is no address"),
        ({"app": "7002", "inbound": "a b"}, "--inbound 'a b' is no address"),
        ({"app": "7002", "outbound": "http://x/y"}, "--outbound 'http://x/y' is no address"),
        ({"upstreams": ("inventory",)}, "--upstream 'inventory' cannot be read"),
        ({"upstreams": ("inventory=9102=",)}, "--upstream 'inventory=9102=' cannot be read"),
        ({"upstreams": ("inventory=x=8003",)}, "--upstream inventory 'x' is no address"),
        ({"max_body": "lots"}, "--max-body: 'lots' is not a size"),
        ({"response_timeout": "soon"}, "--response-timeout: 'soon' is not a duration"),
        ({"cert": Path("a.pem")}, "a certificate needs its key"),
        ({"app": "7002", "inbound": "7002"}, "cart cannot listen on 127.0.0.1:7002 as its sidecar does"),
        ({"app": "localhost:7002", "inbound": "0.0.0.0:7002"}, "cart cannot listen on 0.0.0.0:7002"),
        ({"app": "7002", "inbound": "8002", "outbound": "8002"}, "--inbound and --outbound are both"),
        ({"upstream_env": ("X_URL",)}, "--upstream-env needs a command"),
        ({"upstream_env": ("X_URL",), "with_command": True}, "--upstream-env X_URL: there is no such"),
        ({"upstream_env": ("X_URL=amqp://q:1",), "with_command": True}, "--upstream-env X_URL is no HTTP"),
    ],
)
def test_what_cannot_be_used_is_one_line(options: dict[str, object], says: str) -> None:
    assert wrong(**options).startswith(says)


def test_what_the_project_hides_and_keeps_is_handed_on() -> None:
    found = settings(a_project('[redact]\nmode = "allowlist"\n[redact.allow]\nheader = ["x-tenant"]'))

    assert found.redact_mode is RedactMode.ALLOWLIST
    assert found.redact.allow.header == ("x-tenant",)


def test_redaction_can_be_off() -> None:
    assert settings(a_project('[redact]\nmode = "off"')).redact_mode is RedactMode.OFF


def test_what_is_kept_is_the_option_else_the_services_own_else_the_whole_files() -> None:
    plain = settings(app="7002")
    project = a_project(f'keep = "failures"\nsample = "50%"\n{SHOP}keep = "all"\nignore = []')
    inventory = settings(project, service="inventory", cert=None)
    cart = settings(project, keep=Keep.TRACE_FAILURES, sample="1%")

    assert (plain.keep, plain.sample, plain.ignore) == (Keep.ALL, 1.0, ("default",))
    assert (inventory.keep, inventory.sample, inventory.ignore) == (Keep.ALL, 0.5, ())
    assert (cart.keep, cart.sample, cart.ignore) == (Keep.TRACE_FAILURES, 0.01, ("default",))
    with pytest.raises(ConfigInvalid, match="--sample: '10' is not a share"):
        settings(app="7002", sample="10")


def test_retention_is_the_options_else_the_projects() -> None:
    project = replace(a_project(), retention=Retention(age=DAY, size=None))

    assert settings(project).retention == Retention(age=DAY, size=None)
    found = settings(project, retention_age="2d", retention_failures="forever", retention_size="1GiB")
    assert found.retention == Retention(age=2 * DAY, failed_age=None, size=1024**3)
    assert wrong(retention_age="soon").startswith("--retention-age: 'soon' is not a duration")
