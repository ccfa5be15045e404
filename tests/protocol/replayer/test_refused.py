"""Replays against services whose sidecars let none through: a real sidecar, the real command."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from mesh_core.model import Exchange, TraceOrigin
from mesh_core.outcome import Outcome
from support.lanes import one
from support.replays import TRACE, Desk, recorded
from support.rig import rig, run
from support.talk import Talk, client, ok, upstream

WITH_TRACE = ((b"Host", b"shop"), (b"traceparent", f"00-{TRACE}-{'1' * 16}-01".encode()))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "desk")


async def never(_: Talk) -> None:
    raise AssertionError("the service was asked")


def replay(desk: Desk, port: int) -> Coroutine[Any, Any, dict[str, Any]]:
    """The report of a replay beside the sidecar's event loop."""
    typed: Callable[..., Any] = desk.type
    target = f"localhost:{port}"

    async def ran() -> dict[str, Any]:
        result = await asyncio.to_thread(typed, "trace", TRACE, "--target", target, "--json")
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    return ran()


@one("mitmproxy")
def test_a_target_whose_sidecar_refuses_is_skipped_and_not_auth(desk: Desk, tmp_path: Path) -> None:
    """Case P23."""
    desk.folder.mkdir()
    desk.keep([recorded(headers=WITH_TRACE, trace_origin=TraceOrigin.W3C)])

    async def scene() -> tuple[dict[str, Any], Exchange]:
        async with upstream(never) as app, rig(tmp_path, app.port, refuses_replays=True) as sidecar:
            return await replay(desk, sidecar.inbound), await sidecar.only()

    document, exchange = run(scene)

    assert (document["counts"], document["exit_code"]) == ({"skipped": 1}, 5)
    assert document["exchanges"][0]["reason"] == (
        'refused by a sidecar before the service saw it: replays = "refuse" there'
    )
    assert (exchange.status, exchange.outcome) == (403, Outcome.REJECTED)


@one("mitmproxy")
def test_one_hop_further_down_the_verdict_follows_the_targets_answer(desk: Desk, tmp_path: Path) -> None:
    """Case P23: the mark arrives where the services pass `tracestate` on."""
    desk.folder.mkdir()
    desk.keep([recorded(headers=WITH_TRACE, trace_origin=TraceOrigin.W3C)])

    async def scene() -> tuple[dict[str, Any], Exchange]:
        async with upstream(never) as payment, rig(tmp_path, payment.port, refuses_replays=True) as sidecar:

            async def cart(talk: Talk) -> None:
                head = await talk.until(b"\r\n\r\n")
                passed_on = b"".join(re.findall(rb"trace(?:parent|state): .*\r\n", head))
                async with client(sidecar.inbound) as call:
                    await call.say(b"GET /charge HTTP/1.1\r\nHost: payment\r\n" + passed_on + b"\r\n")
                    answer = await call.until(b"\r\n\r\n")
                refused = answer.startswith(b"HTTP/1.1 403")
                await talk.say(ok(b"refused").replace(b"200 OK", b"502 No") if refused else ok(b"ok"))

            async with upstream(cart) as target:
                return await replay(desk, target.port), await sidecar.only()

    document, exchange = run(scene)

    assert (document["counts"], document["exit_code"]) == ({"broken": 1}, 1)
    assert (exchange.path, exchange.outcome) == ("/charge", Outcome.REJECTED)
