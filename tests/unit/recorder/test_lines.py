import json
from pathlib import Path

from mesh_recorder.counters import Counters
from mesh_recorder.lines import (
    Ports,
    Seen,
    blind_remedy,
    closing_json,
    closing_line,
    ready_json,
    ready_line,
    without_password,
)
from mesh_recorder.settings import Endpoint, Listen, SidecarSettings, UpstreamPort

CART = SidecarSettings(
    service="cart",
    instance="laptop",
    app=Endpoint(host="127.0.0.1", port=7002),
    ca_dir=Path("/ca"),
    spool_dir=Path("/spool"),
    store="postgresql://me:secret@db/mesh",
)
PORTS = Ports(
    inbound=Listen(port=8002),
    outbound=Listen(port=9002),
    upstreams=(
        UpstreamPort(
            name="inventory", listen=Listen(port=9102), target=Endpoint(host="127.0.0.1", port=8003)
        ),
    ),
)


def test_ready_is_one_line_with_every_address_and_no_password() -> None:
    assert ready_line(CART, PORTS) == (
        "mesh-record cart: inbound 127.0.0.1:8002 -> 127.0.0.1:7002, outbound 127.0.0.1:9002, "
        "upstream inventory 127.0.0.1:9102 -> 127.0.0.1:8003, "
        "store postgresql://me:***@db/mesh, lane mitmproxy"
    )


def test_ready_is_json_for_programs() -> None:
    line = ready_json(CART, PORTS, ["a note"], {"add": "x"})
    document = json.loads(line)

    assert "\n" not in line
    assert document["event"] == "ready"
    assert document["inbound"] == {"listen": "127.0.0.1:8002", "app": "http://127.0.0.1:7002"}
    assert document["upstreams"][0]["name"] == "inventory"
    assert (document["notes"], document["add"]) == (["a note"], "x")
    assert "secret" not in line


def test_the_account_is_one_line() -> None:
    counters = Counters(
        offered=12, stored=7, spooled=1, dropped={"queue_full": 2, "spool_full": 1}, gap=1, failures=3
    )

    assert closing_line("cart", Seen(counters=counters, requests=5, calls=7), "") == (
        "mesh-record cart: 12 offered, 7 stored, 1 spooled, 3 dropped (queue_full 2, spool_full 1), "
        "1 damaged in the spool; 3 of them failures"
    )


def test_what_was_let_go_by_choice_is_told_apart_from_drops() -> None:
    counters = Counters(offered=9, stored=2, held=3, not_kept={"sample": 1, "probe": 3})

    assert counters.balanced
    assert closing_line("cart", Seen(counters=counters, requests=9, calls=1), "") == (
        "mesh-record cart: 9 offered, 2 stored, 0 spooled, 0 dropped, 4 not kept (probe 3, sample 1), "
        "3 held back for the next start"
    )


def test_a_service_that_seems_to_call_nobody_is_told_what_to_do() -> None:
    seen = Seen(counters=Counters(offered=1, stored=1), requests=1, calls=0)

    assert closing_line("cart", seen, blind_remedy(PORTS, ["node", "my server.js"])) == (
        "mesh-record cart: 1 offered, 1 stored, 0 spooled, 0 dropped; "
        "took 1 request and made no call that the sidecar saw: "
        "if it calls others, `mesh-record doctor -- node 'my server.js'` says why"
    )
    assert "HTTP_PROXY=http://127.0.0.1:9002" in closing_line("cart", seen, blind_remedy(PORTS, []))


def test_one_that_took_no_request_is_left_in_peace() -> None:
    idle = Seen(counters=Counters(), requests=0, calls=0)

    assert closing_line("cart", idle, "do this") == (
        "mesh-record cart: 0 offered, 0 stored, 0 spooled, 0 dropped"
    )
    assert json.loads(closing_json("cart", idle, "do this", 3)) == {
        "event": "stopped",
        "service": "cart",
        "offered": 0,
        "stored": 0,
        "spooled": 0,
        "dropped": {},
        "not_kept": {},
        "late": 0,
        "held": 0,
        "gap": 0,
        "waiting": 0,
        "resumed_segments": 0,
        "resumed_damaged": 0,
        "failures": 0,
        "requests": 0,
        "calls": 0,
        "worker_restarts": 0,
        "note": None,
        "exit_code": 3,
    }


def test_only_a_password_is_hidden_in_a_stores_address() -> None:
    assert without_password("sqlite:////a/mesh.db") == "sqlite:////a/mesh.db"
    assert without_password("postgresql://me@db/mesh") == "postgresql://me@db/mesh"
    assert without_password("postgresql://me:p:w@db:1/mesh?x=1") == "postgresql://me:***@db:1/mesh?x=1"
