"""Kept connections that a server closes just then, and targets that leave connections unanswered."""

import asyncio
import socket
from pathlib import Path

import pytest

from mesh_core.outcome import Outcome
from mesh_replayer.plan import Step
from mesh_replayer.resolve import Route
from mesh_replayer.send import MOST_SILENT, Sender
from mesh_replayer.target import parse_target
from mesh_replayer.wire.connection import Address
from mesh_replayer.wire.request import WireRequest
from support.raw_server import Exchanged, raw_server_apart
from support.replays import Desk, recorded, trace_json, verdicts

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("method", "judged", "seen"),
    [
        ("GET", "same", 3), ("PUT", "same", 3), ("DELETE", "same", 3),
        ("POST", "broken", 2), ("PATCH", "broken", 2),
    ],
)  # fmt: skip
def test_what_may_be_sent_twice_is_sent_again_where_a_kept_connection_was_closed_just_then(
    tmp_path: Path, method: str, judged: str, seen: int
) -> None:
    """Source: RFC 9110, section 9.2.2."""
    desk = Desk(tmp_path)
    headers = ((b"Host", b"a"), (b"Content-Length", b"0"))
    desk.keep(
        recorded(number, method=method, path=f"/{number}", headers=headers, connection="one")
        for number in range(2)
    )

    async def script(exchanged: Exchanged) -> None:
        if exchanged.connection == 1 and b" /1 " in exchanged.request:
            exchanged.reset()
        else:
            await exchanged.send(OK)

    with raw_server_apart(script) as server:
        _, document = trace_json(desk, server.port)

    assert verdicts(document) == ["same", judged]
    assert len(server.requests) == seen


def test_a_fresh_connection_that_is_closed_is_never_tried_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.keep([recorded(0)])

    async def script(exchanged: Exchanged) -> None:
        exchanged.reset()

    with raw_server_apart(script) as server:
        _, document = trace_json(desk, server.port)

    assert (verdicts(document), len(server.requests)) == (["broken"], 1)


def test_a_target_that_leaves_connections_unanswered_is_not_waited_for_a_thousand_times() -> None:
    """Case P17: a full backlog answers no connection, as a dropped packet does."""

    async def run() -> list[str | None]:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(0)
            port = listening.getsockname()[1]
            full = [socket.socket() for _ in range(8)]
            for each in full:
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", port))
            target = parse_target(f"127.0.0.1:{port}")
            route = Route(target=target, addresses=(Address("127.0.0.1", port),))
            sender = Sender({target.text: route}, 0.2)
            get = WireRequest(method=b"GET", target=b"/")
            steps = [Step(exchange=recorded(number)[0], target=target) for number in range(MOST_SILENT + 2)]
            found = [await sender.send(step, get) for step in steps]
            await sender.aclose()
            for each in full:
                each.close()
        assert {each.failure for each in found} == {Outcome.CONNECT_FAILED}
        return [each.error for each in found]

    errors = asyncio.run(run())

    assert errors[:MOST_SILENT] == ["no connection within 0.2 s"] * MOST_SILENT
    assert set(errors[MOST_SILENT:]) == {f"not tried: it left {MOST_SILENT} connections in a row unanswered"}
