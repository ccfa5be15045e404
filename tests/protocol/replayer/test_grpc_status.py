"""A `grpc-status` is read alike where it was recorded and where it is replayed, whatever a target sends."""

import json
from pathlib import Path

import pytest

from support.raw_server import Exchanged, raw_server_apart
from support.replays import TRACE, Desk, recorded


@pytest.mark.parametrize("sent", [b"9" * 5000, b"-1", b"none", b"123456"])
def test_a_target_that_sends_no_code_is_judged_by_the_rest(tmp_path: Path, sent: bytes) -> None:
    desk = Desk(tmp_path)
    desk.keep([recorded()])

    async def script(exchanged: Exchanged) -> None:
        await exchanged.send(b"HTTP/1.1 200 OK\r\ngrpc-status: " + sent + b"\r\nContent-Length: 2\r\n\r\nok")

    with raw_server_apart(script) as server:
        result = desk.type("trace", TRACE, "--target", f"localhost:{server.port}", "--json")

    assert result.stderr == ""
    (judged,) = json.loads(result.stdout)["exchanges"]
    assert judged["verdict"] in {"same", "different"}
    assert "grpc_status" not in {difference["where"] for difference in judged["differences"]}
