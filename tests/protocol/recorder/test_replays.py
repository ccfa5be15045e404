"""A sidecar that lets no replay through: `replays = "refuse"`."""

from pathlib import Path

import pytest

from mesh_core.model import Exchange, Lane, Synthesized
from mesh_core.outcome import Outcome
from support.lanes import one
from support.rig import rig, run
from support.talk import Talk, answering, client, get, ok, upstream

PARENT = b"traceparent: 00-%b-%b-01" % (b"a" * 32, b"b" * 16)
POST = b"POST /pay HTTP/1.1\r\nHost: shop.test\r\nmesh-replay: run-1\r\nContent-Length: 5\r\n\r\nhello"


def refused(tmp_path: Path, request: bytes) -> tuple[bytes, int, list[Exchange]]:
    """What the client heard, how often the service was connected to, and what was recorded."""

    async def never(_: Talk) -> None:
        raise AssertionError("the service was asked")

    async def scene() -> tuple[bytes, int, list[Exchange]]:
        async with upstream(never) as server, rig(tmp_path, server.port, refuses_replays=True) as running:
            async with client(running.inbound) as talk:
                await talk.say(request)
                heard = await talk.until(b"by the sidecar of this service")
            return heard, len(server.talks), await running.recorded()

    return run(scene)


@one("mitmproxy")
@pytest.mark.parametrize(
    "request_",
    [
        get(b"/", b"mesh-replay: run-1"),
        get(b"/", PARENT, b"tracestate: other=1, mesh-replay=run-1.3"),
        POST,
    ],
)
def test_a_replay_is_answered_and_never_reaches_the_service(tmp_path: Path, request_: bytes) -> None:
    """Case P23: also one that was caused by a replay further up."""
    heard, asked, [exchange] = refused(tmp_path, request_)

    assert heard.startswith(b"HTTP/1.1 403 ")
    assert b"mesh-replay: refused" in heard
    assert asked == 0
    assert (exchange.status, exchange.outcome) == (403, Outcome.REJECTED)
    assert exchange.synthesized is Synthesized.PROXY
    assert exchange.error == "replays are refused here, by the sidecar of this service"


@one("mitmproxy")
def test_all_else_passes(tmp_path: Path) -> None:
    """Case P23."""

    async def scene() -> tuple[bytes, list[Exchange]]:
        done = answering(ok(b"done"))
        async with upstream(done) as server, rig(tmp_path, server.port, refuses_replays=True) as running:
            async with client(running.inbound) as talk:
                await talk.say(get(b"/", PARENT, b"tracestate: mesh-replayed=1"))
                heard = await talk.until(b"done")
            return heard, await running.recorded()

    heard, [exchange] = run(scene)

    assert heard.endswith(b"done")
    assert (exchange.outcome, exchange.lane) == (Outcome.OK, Lane.MITMPROXY)
