"""A service that is started for a replay, its dependencies answered from what was recorded."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from msgspec.structs import replace

from mesh_core.ids import uuid7
from mesh_core.model import Bodies, Direction, Exchange, TraceOrigin
from mesh_core.outcome import Outcome
from support.raw_server import Exchanged, raw_server_apart
from support.replays import START, TRACE, Desk, recorded

CALLER = [sys.executable, str(Path(__file__).parents[2] / "support" / "caller.py")]
JSON = (b"Content-Type", b"application/json")
PARENT = f"00-{TRACE}-{'1' * 16}-01".encode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def entry(number: int = 0, **changes: Any) -> tuple[Exchange, Bodies]:
    """A request to cart; open for long enough to cause calls."""
    exchange, bodies = recorded(
        number,
        headers=((b"Host", b"cart"), (b"traceparent", PARENT)),
        trace_origin=TraceOrigin.W3C,
        path=f"/orders/{number}",
        **changes,
    )
    return replace(exchange, ended_at=exchange.started_at + 900_000), bodies


def call(
    parent: Exchange,
    number: int,
    *,
    peer: str = "inventory",
    method: str = "GET",
    path: str = "/stock/sku",
    document: object = None,
    answer: object = "in stock",
    status: int | None = 200,
    **changes: Any,
) -> tuple[Exchange, Bodies]:
    """A call that cart made because of `parent`."""
    headers = ((b"Host", peer.encode()), JSON) if document is not None else ((b"Host", peer.encode()),)
    started = parent.started_at + 1_000 * (number + 1)
    exchange, bodies = recorded(
        headers=headers,
        body=b"" if document is None else json.dumps(document).encode(),
        answer=(JSON, (b"X-From", b"then")),
        answer_body=json.dumps(answer).encode(),
        status=status,
        direction=Direction.OUTBOUND,
        peer=peer,
        authority=f"{peer}.internal",
        method=method,
        path=path,
        claim=parent.id,
        trace_origin=TraceOrigin.W3C,
        trace_id=parent.trace_id,
        **changes,
    )
    return replace(
        exchange, id=uuid7(started, number.to_bytes(8)), started_at=started, ended_at=started + 500
    ), bodies


def replayed(desk: Desk, calls: list[Any], *options: str, code: int, **environ: str) -> dict[str, Any]:
    result = desk.type(
        "trace", TRACE, "--service", "cart", "--stub", "rest", "--json", *options, "--", *CALLER,
        CALLS=json.dumps(calls), **environ,
    )  # fmt: skip
    assert result.exit_code == code, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def answers(document: dict[str, Any]) -> Any:
    """What the service said came of its calls: its answer differs from the recorded one as a whole."""
    [difference] = [each for each in document["exchanges"][0]["differences"] if each["where"] == "body"]
    return json.loads(difference["replayed"])


def test_recorded_answers_stand_in_for_dependencies(desk: Desk) -> None:
    exchange, bodies = entry()
    desk.keep(
        [
            (exchange, bodies),
            call(exchange, 0),
            call(
                exchange,
                1,
                peer="payment",
                method="POST",
                path="/charges",
                document={"amount": 2118},
                status=201,
            ),
        ]
    )
    calls = [
        ["GET", "http://inventory.internal/stock/sku", None],
        ["POST", "$PAY/charges", {"amount": 2118.0}],
    ]

    document = replayed(desk, calls, "--env", "PAY=dep:payment", code=1)

    assert answers(document) == [[200, '"in stock"'], [201, '"in stock"']]
    assert document["stubs"] | {"served": 2, "missed": 0, "not_made": []} == document["stubs"]
    assert document["dependencies"] == "stubs"


def test_a_poll_is_answered_in_order_and_once_too_often_is_a_miss(desk: Desk) -> None:
    """Case S1."""
    exchange, bodies = entry()
    states = ["PENDING", "PENDING", "DONE"]
    desk.keep([(exchange, bodies), *(call(exchange, at, answer=state) for at, state in enumerate(states))])

    xml = desk.folder / "junit.xml"
    calls = [["GET", "http://inventory.internal/stock/sku", None]] * 4
    document = replayed(desk, calls, "--report", f"junit:{xml}", code=1)

    first, second, third, (status, fourth) = answers(document)
    assert [first, second, third] == [[200, '"PENDING"'], [200, '"PENDING"'], [200, '"DONE"']]
    assert status == 502
    assert (
        "it was recorded 3 times, and all of these have been answered"
        in json.loads(fourth)["error"]["message"]
    )
    assert document["stubs"]["missed"] == 1
    [missed] = [suite for suite in JUnitXml.fromfile(str(xml)) if suite.name == "stubs"]
    assert (missed.failures, [case.result[0].type for case in missed]) == (1, ["never_recorded"])


def test_a_miss_names_the_nearest_call_and_what_differs(desk: Desk) -> None:
    """Case S2."""
    exchange, bodies = entry()
    charge, content = call(
        exchange, 0, peer="payment", method="POST", path="/charges", document={"amount": 2118, "to": "x"}
    )
    desk.keep([(exchange, bodies), (charge, content)])

    document = replayed(
        desk, [["POST", "http://payment.internal/charges", {"amount": 2119, "to": "x"}]], code=1
    )

    [miss] = document["stubs"]["misses"]
    assert miss["differs"] == ["body.amount 2118 → 2119"]
    assert (miss["nearest"], miss["caused_by"]) == (charge.id, exchange.id)
    assert document["stubs"]["served"] == 0
    assert [each["exchange_id"] for each in document["stubs"]["not_made"]] == [charge.id]


def test_a_recorded_call_that_is_no_longer_made_is_told(desk: Desk) -> None:
    """Case S3."""
    answer = b"[]"
    exchange, bodies = entry(answer=(JSON, (b"Content-Length", b"2")), answer_body=answer)
    desk.keep([(exchange, bodies), call(exchange, 0)])

    document = replayed(desk, [], "--exit-zero", code=0)
    shown = desk.type(
        "trace", TRACE, "--service", "cart", "--stub", "rest", "--exit-zero", "--", *CALLER, CALLS="[]"
    )

    assert [each["path"] for each in document["stubs"]["not_made"]] == ["/stock/sku"]
    assert "no longer called   inventory GET /stock/sku" in shown.stdout
    assert "its own dependencies are stubs (inventory)" in shown.stdout.splitlines()[0]


def test_calls_of_requests_at_once_never_mix(desk: Desk) -> None:
    """Case S1: the same call of five requests at once, each with its own answer."""
    entries = [entry(number) for number in range(5)]
    # They were open at the same time, so that they are replayed at once.
    spread = [(replace(e, ended_at=START + 90_000_000), bodies) for e, bodies in entries]
    desk.keep([*spread, *(call(e, 0, answer=f"for {e.path}") for e, _ in entries)])

    document = replayed(desk, [["GET", "http://inventory.internal/stock/sku", None]], code=1)

    told = [
        json.loads(difference["replayed"])[0][1]
        for each in document["exchanges"]
        for difference in each["differences"]
        if difference["where"] == "body"
    ]
    assert told == [f'"for /orders/{number}"' for number in range(5)]
    assert document["stubs"]["missed"] == 0


def test_ids_that_are_new_in_this_run_stand_for_the_recorded_ones(desk: Desk) -> None:
    then, now = "0190a1b2-7c3d-4e5f-8a9b-0c1d2e3f4a5b", "1190a1b2-7c3d-4e5f-8a9b-0c1d2e3f4a5c"
    exchange, bodies = entry()
    desk.keep(
        [
            (exchange, bodies),
            call(exchange, 0, method="POST", path="/orders", document={"id": then}, answer={"order": then}),
            call(exchange, 1, path=f"/orders/{then}", answer="the same"),
            call(exchange, 2, path="/orders/2190a1b2-7c3d-4e5f-8a9b-0c1d2e3f4a5d", answer="another"),
        ]
    )
    calls = [
        ["POST", "http://inventory.internal/orders", {"id": now}],
        ["GET", f"http://inventory.internal/orders/{now}", None],
    ]

    document = replayed(desk, calls, code=1)

    assert answers(document) == [[200, json.dumps({"order": now})], [200, '"the same"']]
    assert document["stubs"]["by_form"] == 2


@pytest.mark.parametrize(("key", "statuses"), [("key", [200, 502]), ("", [200, 200])])
def test_a_hidden_value_is_known_by_its_token_or_without_the_key_by_its_class(
    desk: Desk, key: str, statuses: list[int]
) -> None:
    """Case P26."""
    secret = "hunter2-hunter2"
    exchange, bodies = entry()
    login, content = call(
        exchange, 0, method="POST", path="/login", document={"user": "ada", "password": secret}, answer="in"
    )
    from mesh_core.redact import Redactor

    hidden = Redactor(b"key").apply(login, content)
    assert secret.encode() not in b"".join(hidden[1].values())
    again = call(exchange, 1, method="POST", path="/login", document={"user": "ada", "password": secret})
    desk.keep([(exchange, bodies), hidden, Redactor(b"key").apply(*again)])
    calls = [
        ["POST", "http://inventory.internal/login", {"user": "ada", "password": secret}],
        ["POST", "http://inventory.internal/login", {"user": "ada", "password": "another"}],
    ]

    document = replayed(desk, calls, code=1, MESH_REDACT_KEY=key)

    assert [status for status, _ in answers(document)] == statuses
    assert "another" not in json.dumps(document["stubs"]["misses"])


def test_where_the_service_got_no_answer_it_gets_none(desk: Desk) -> None:
    exchange, bodies = entry()
    broken = call(exchange, 0, status=None, outcome=Outcome.UPSTREAM_RESET)
    desk.keep([(exchange, bodies), broken])

    document = replayed(desk, [["GET", "http://inventory.internal/stock/sku", None]], code=1)

    [[status, error]] = answers(document)
    assert (status, error) == (0, "RemoteDisconnected")


def test_a_variable_that_leads_to_a_dependency_leads_to_its_stub(desk: Desk) -> None:
    exchange, bodies = entry()
    found, content = call(exchange, 0)
    desk.keep([(exchange, bodies), (replace(found, authority="127.0.0.1:9"), content)])

    document = replayed(desk, [["GET", "$STOCK_URL/stock/sku", None]], code=1, STOCK_URL="http://localhost:9")

    assert answers(document) == [[200, '"in stock"']]
    assert any(note.startswith("the service gets STOCK_URL=http://127.0.0.1:") for note in document["notes"])


def test_a_call_over_tls_is_an_explained_miss(desk: Desk) -> None:
    exchange, bodies = entry()
    desk.keep([(exchange, bodies), call(exchange, 0)])

    document = replayed(desk, [["GET", "https://inventory.internal/stock/sku", None]], code=1)

    [miss] = document["stubs"]["misses"]
    assert (miss["method"], miss["callee"]) == ("CONNECT", "inventory.internal:443")


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_miss_may_be_passed_on_where_that_is_allowed(desk: Desk, unsafe: bool) -> None:
    exchange, bodies = entry()
    desk.keep([(exchange, bodies), call(exchange, 0)])

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlive")

    with raw_server_apart(script) as real:
        calls = [
            ["GET", f"http://127.0.0.1:{real.port}/other", None],
            ["GET", "http://elsewhere.example/", None],
        ]
        document = replayed(desk, calls, "--on-miss", "passthrough", code=1)

    [live, refused] = answers(document)
    assert (live, refused[0]) == ([200, "live"], 502)
    assert document["stubs"]["passed_on"] == 1
    assert "not in allow_targets" in document["stubs"]["misses"][0]["why"]
    assert len(real.requests) == 1


def test_a_service_that_runs_already_finds_stubs_where_its_sidecar_was(desk: Desk) -> None:
    import subprocess

    from support.ports import free_ports

    own, stub = free_ports(2)
    exchange, bodies = entry()
    desk.keep([(exchange, bodies), call(exchange, 0)])
    desk.config(
        f'[services.cart.upstreams]\ninventory = {{ listen = "127.0.0.1:{stub}", target = "127.0.0.1:9" }}\n'
    )
    calls = json.dumps([["GET", f"http://127.0.0.1:{stub}/stock/sku", None]])
    with subprocess.Popen(
        CALLER, env={"CALLS": calls, "PORT": str(own)}, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "caller listens\n"
        result = desk.type("trace", TRACE, "--target", f"cart=localhost:{own}", "--stub", "rest", "--json")
        service.terminate()

    document = json.loads(result.stdout)
    assert answers(document) == [[200, '"in stock"']]
    assert f"inventory http://127.0.0.1:{stub}" in " ".join(document["notes"])


def test_a_stub_port_that_is_taken_is_said(desk: Desk) -> None:
    exchange, bodies = entry()
    desk.keep([(exchange, bodies), call(exchange, 0)])

    async def script(_: Exchanged) -> None:
        raise AssertionError

    with raw_server_apart(script) as other:
        result = desk.type(
            "trace", TRACE, "--service", "cart", "--stub", "rest", "--stub-port", f"inventory={other.port}",
            "--", *CALLER, CALLS="[]",
        )  # fmt: skip

    assert result.exit_code == 3
    assert f"the stub of inventory cannot listen on port {other.port}" in result.stderr


def test_a_call_that_follows_the_answer_is_waited_for(desk: Desk) -> None:
    answer = b"[]"
    exchange, bodies = entry(answer=(JSON, (b"Content-Length", b"2")), answer_body=answer)
    later, content = call(exchange, 0)
    after = {"started_at": exchange.ended_at + 1_000, "ended_at": exchange.ended_at + 2_000}
    desk.keep([(exchange, bodies), (replace(later, **after), content)])

    document = replayed(
        desk, [], "--exit-zero", code=0,
        AFTER=json.dumps([["GET", "http://inventory.internal/stock/sku", None]]),
    )  # fmt: skip

    assert (document["stubs"]["served"], document["stubs"]["not_made"]) == (1, [])


def test_every_report_tells_what_was_never_recorded(desk: Desk, tmp_path: Path) -> None:
    exchange, bodies = entry()
    desk.keep([(exchange, bodies), call(exchange, 0)])
    kinds = {"html": "r.html", "junit": "r.xml", "markdown": "r.md"}
    options = [option for kind, file in kinds.items() for option in ("--report", f"{kind}:{tmp_path / file}")]

    replayed(desk, [["GET", "http://inventory.internal/other?a=<b>", None]], *options, code=1)

    for file in kinds.values():
        content = (tmp_path / file).read_text()
        assert "never" in content, file
        assert "inventory GET /other?a=" in content, file
        assert "<b>" not in content or file == "r.md"


def test_a_dry_run_starts_nothing_and_names_the_stubs(desk: Desk, tmp_path: Path) -> None:
    exchange, bodies = entry()
    desk.keep([(exchange, bodies), call(exchange, 0)])

    result = desk.type(
        "trace",
        TRACE,
        "--service",
        "cart",
        "--stub",
        "rest",
        "--dry-run",
        "--",
        "touch",
        str(tmp_path / "ran"),
    )

    assert result.exit_code == 0
    assert "its own dependencies are stubs (inventory)" in result.stdout
    assert not (tmp_path / "ran").exists()


def test_each_of_several_runs_is_answered_anew(desk: Desk) -> None:
    exchange, bodies = entry()
    states = ["PENDING", "DONE"]
    desk.keep([(exchange, bodies), *(call(exchange, at, answer=state) for at, state in enumerate(states))])

    polls = [["GET", "http://inventory.internal/stock/sku", None]] * 2
    document = replayed(desk, polls, "--repeat", "3", code=1)

    assert (document["stubs"]["served"], document["stubs"]["missed"]) == (6, 0)
    assert answers(document) == [[200, '"PENDING"'], [200, '"DONE"']]


@pytest.mark.parametrize("kind", ["run", "traffic", "exchange"])
def test_stubs_stand_beside_every_kind_of_replay(desk: Desk, tmp_path: Path, kind: str) -> None:
    exchange, bodies = entry()
    desk.keep([(exchange, bodies), call(exchange, 0)])
    if kind == "run":
        assert desk.type("save", TRACE, "--as", "order", "--dir", str(tmp_path)).exit_code == 0
    words = {"run": [str(tmp_path / "order.har")], "traffic": ["service:cart"], "exchange": [exchange.id]}

    result = desk.type(
        kind, *words[kind], "--service", "cart", "--stub", "rest", "--json", "--", *CALLER,
        CALLS=json.dumps([["GET", "http://inventory.internal/stock/sku", None]]),
    )  # fmt: skip

    assert answers(json.loads(result.stdout)) == [[200, '"in stock"']], result.stderr
