"""What a request goes on with, and which links that makes: a `tracestate` member, or a request id."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh_core.ids import uuid7
from mesh_core.links import LinkKind, link
from mesh_core.model import Direction, Exchange, TraceOrigin
from mesh_recorder.settings import TraceHeaders
from support.rig import both, caller, rig, run
from support.talk import Talk, answering, client, get, ok, upstream

PARENT = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def _through(
    folder: Path, *fields: bytes, outbound: bool = False, **changes: object
) -> tuple[Exchange, bytes]:
    """One request with these fields: its exchange, and what the upstream heard."""
    async with upstream(answering(ok())) as server, rig(folder, server.port, **changes) as running:
        async with client(running.outbound if outbound else running.inbound) as talk:
            path = b"http://127.0.0.1:%d/" % server.port if outbound else b"/"
            await talk.say(get(path, *fields))
            await talk.until(b"hello")
        return await running.only(), server.heard


@pytest.mark.parametrize("outbound", [False, True])
def test_a_traceparent_is_kept_and_our_member_stands_beside_it(tmp_path: Path, outbound: bool) -> None:
    exchange, heard = run(
        lambda: _through(tmp_path, PARENT, b"tracestate: other=1,mesh=" + b"a" * 32, outbound=outbound)
    )

    assert PARENT in heard
    assert b"tracestate: mesh=%b,other=1\r\n" % exchange.id.encode() in heard
    assert (exchange.trace_id, exchange.span_id, exchange.sampled) == (TRACE, "b7ad6b7169203331", True)
    assert exchange.trace_origin is TraceOrigin.W3C
    assert exchange.claim == "a" * 32
    assert (b"tracestate", b"other=1,mesh=" + b"a" * 32) in exchange.request_headers
    assert b"x-request-id" not in heard.lower()


@pytest.mark.parametrize("outbound", [False, True])
def test_a_request_without_any_context_gets_a_request_id(tmp_path: Path, outbound: bool) -> None:
    exchange, heard = run(lambda: _through(tmp_path, outbound=outbound))

    made = re.search(rb"\r\nx-request-id: ([0-9a-f-]{36})\r\n", heard)
    assert made is not None
    assert exchange.request_id == made[1].decode()
    assert exchange.request_id_made
    assert exchange.trace_origin is TraceOrigin.REQUEST_ID
    assert b"traceparent" not in heard
    assert not any(name == b"x-request-id" for name, _ in exchange.request_headers)


UNTOUCHED = {
    "b3": (b"b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", TraceOrigin.B3),
    "a request id": (b"X-Request-ID: abc-1", TraceOrigin.REQUEST_ID),
    "datadog": (b"x-datadog-trace-id: 5208512171318403364", TraceOrigin.DATADOG),
}


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_other_context_passes_as_it_came(tmp_path: Path, kind: str) -> None:
    """Case R30."""
    field, origin = UNTOUCHED[kind]
    seen = run(
        lambda: both(
            tmp_path,
            answering(ok()),
            caller(get(b"/", field), until=lambda talk: talk.until(b"hello")),
            trace_headers=TraceHeaders.LINK,
        )
    )

    seen.assert_same()
    assert seen.exchange.trace_origin is origin
    assert not seen.exchange.request_id_made


MALFORMED = [
    b"traceparent: 00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    b"traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01",
    b"traceparent: nonsense",
]


@pytest.mark.parametrize("field", MALFORMED)
def test_malformed_context_passes_as_it_came_and_counts_as_none(tmp_path: Path, field: bytes) -> None:
    """Case R30."""
    exchange, heard = run(lambda: _through(tmp_path, field, b"tracestate: other=1"))

    assert field in heard
    assert b"tracestate: other=1\r\n" in heard
    assert exchange.request_id_made


def test_never_changes_no_header(tmp_path: Path) -> None:
    """The two that are asked for most: none, and a traceparent."""
    for field in (b"X-A: 1", PARENT):
        server = answering(ok())
        seen = run(
            lambda field=field, server=server: both(  # type: ignore[misc]  # bound now
                tmp_path, server, caller(get(b"/", field), until=lambda talk: talk.until(b"hello"))
            )
        )
        seen.assert_same()


def test_always_makes_a_traceparent_of_the_same_trace(tmp_path: Path) -> None:
    exchange, heard = run(lambda: _through(tmp_path, trace_headers=TraceHeaders.ALWAYS))

    made = re.search(rb"\r\ntraceparent: 00-([0-9a-f]{32})-[0-9a-f]{16}-01\r\n", heard)
    assert made is not None
    assert made[1].decode() == exchange.trace_id
    assert b"tracestate: mesh=" + exchange.id.encode() in heard


def test_an_edge_service_drops_what_strangers_claim(tmp_path: Path) -> None:
    """Case R40: also where nothing else of the header is ours to read."""
    forged = b"tracestate: mesh=" + uuid7(1, b"12345678").encode() + b",other=1"
    exchange, heard = run(lambda: _through(tmp_path, PARENT, forged, edge=True))
    bare, bare_heard = run(lambda: _through(tmp_path / "2", forged, edge=True))

    assert exchange.claim is None
    assert bare.claim is None
    assert b"tracestate: mesh=%b,other=1\r\n" % exchange.id.encode() in heard
    assert b"mesh=" not in bare_heard


def test_a_forged_member_makes_no_link(tmp_path: Path) -> None:
    """Case R40: an unknown id, and a known one of another trace."""

    async def scenario() -> list[Exchange]:
        async with upstream(answering(ok())) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await talk.say(get(b"/1", PARENT))
                await talk.until(b"hello")
            await running.seen(1)
            known = running.store.exchanges[0].id.encode()
            other = PARENT.replace(b"0af7", b"0af8")
            async with client(running.outbound) as talk:
                where = b"http://127.0.0.1:%d/" % server.port
                for number, claimed in enumerate((known, b"b" * 32)):
                    await talk.say(get(where, other, b"tracestate: mesh=" + claimed))
                    await talk.until(b"hello", count=number + 1)
            return await running.recorded()

    assert link(run(scenario)) == {}


type Copy = Callable[[dict[bytes, bytes]], list[bytes]]


def _copies_w3c(came: dict[bytes, bytes]) -> list[bytes]:
    return [b"%b: %b" % (name, came[name]) for name in (b"traceparent", b"tracestate") if name in came]


def _copies_request_id(came: dict[bytes, bytes]) -> list[bytes]:
    return [b"X-Request-Id: " + came[b"x-request-id"]]


async def _chain(folder: Path, copy: Copy, *fields: bytes) -> list[Exchange]:
    """Client, cart's sidecar, cart, its sidecar, inventory's sidecar, inventory: one tree."""

    async def cart(talk: Talk) -> None:
        head = await talk.until(b"\r\n\r\n")
        pairs = (line.partition(b": ") for line in head.split(b"\r\n")[1:])
        came = {name.lower(): value for name, _, value in pairs}
        async with client(first.outbound) as calling:
            where = b"http://127.0.0.1:%d/stock" % second.inbound
            await calling.say(get(where, *copy(came)))
            await calling.until(b"stock")
        await talk.say(ok(b"cart"))
        await talk.end()

    async with (
        upstream(answering(ok(b"stock"))) as inventory,
        rig(folder / "b", inventory.port, service="inventory", instance="inventory-1") as second,
        upstream(cart) as behind,
        rig(folder / "a", behind.port, peers={f"127.0.0.1:{second.inbound}": "inventory"}) as first,
    ):
        async with client(first.inbound) as talk:
            await talk.say(get(b"/cart", *fields))
            await talk.until(b"\r\n\r\ncart")
        return [*await first.recorded(), *await second.recorded()]


CHAINS: dict[str, tuple[Copy, list[bytes], LinkKind]] = {
    "W3C headers": (_copies_w3c, [PARENT], LinkKind.HOP),
    "a client's request id": (_copies_request_id, [b"X-Request-ID: 17"], LinkKind.INFERRED),
    "a request id of ours": (_copies_request_id, [], LinkKind.HOP),
}


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_of_calls_is_one_tree(tmp_path: Path, kind: str) -> None:
    """Case R32: an id that a stranger chose is no proof by itself."""
    copy, fields, hop = CHAINS[kind]
    exchanges = run(lambda: _chain(tmp_path, copy, *fields))

    assert len({exchange.trace_id for exchange in exchanges}) == 1
    by = {(exchange.service, exchange.direction): exchange for exchange in exchanges}
    came, called = by["cart", Direction.INBOUND], by["cart", Direction.OUTBOUND]
    answered = by["inventory", Direction.INBOUND]
    links = link(exchanges)
    assert links[called.id].exchange_id == came.id
    assert links[called.id].kind is LinkKind.CAUSE
    assert links[answered.id].exchange_id == called.id
    assert links[answered.id].kind is hop
    assert called.peer == "inventory"


def test_two_calls_of_one_trace_keep_their_own_parents(tmp_path: Path) -> None:
    """Case R32: two inbound requests of one trace, open at the same time."""

    async def scenario() -> list[Exchange]:
        waiting: list[Talk] = []

        async def cart(talk: Talk) -> None:
            head = await talk.until(b"\r\n\r\n")
            waiting.append(talk)
            state = re.search(rb"tracestate: [^\r]+", head)
            assert state is not None
            path = head.split(b" ")[1]
            async with client(running.outbound) as calling:
                where = b"http://127.0.0.1:%d%b" % (stock.port, path)
                await calling.say(get(where, PARENT, state[0]))
                await calling.until(b"stock")
            await talk.say(ok(b"cart"))
            await talk.end()

        async with (
            upstream(answering(ok(b"stock"))) as stock,
            upstream(cart) as behind,
            rig(tmp_path, behind.port) as running,
        ):
            async with client(running.inbound) as one, client(running.inbound) as two:
                await one.say(get(b"/1", PARENT))
                await two.say(get(b"/2", PARENT))
                await one.until(b"\r\n\r\ncart")
                await two.until(b"\r\n\r\ncart")
            return await running.recorded()

    exchanges = run(scenario)
    by_id = {exchange.id: exchange for exchange in exchanges}

    for child, parent in link(exchanges).items():
        assert by_id[child].path.endswith(by_id[parent.exchange_id].path)
    assert len(link(exchanges)) == 2
