"""`import` of what other tools recorded: flow files of a real mitmdump, GoReplay's by its format."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from mitmproxy import websocket
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow
from mitmproxy.test.tutils import treq, tresp
from wsproto.frame_protocol import Opcode

from mesh_core.model import Exchange, Lane, Sender
from mesh_core.outcome import Outcome
from mesh_replayer.captures import read_capture
from mesh_store.store import open_store
from support.raw_server import raw_server_apart
from support.replays import Desk, answering

SEPARATOR = "\n🐵🙈🙉\n".encode()
SECRET = "sk_live_51Hqp9K2eZvKYlo2C8bX7yT3u"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def imported(desk: Desk, content: bytes, name: str = "recording") -> list[Exchange]:
    file = desk.folder / name
    file.write_bytes(content)
    done = desk.type("import", str(file))
    assert (done.exit_code, done.stderr) == (0, ""), done.stderr
    with open_store(desk.store) as store:
        found = json.loads("[" + ",".join(desk.type("list", "--json").stdout.splitlines()) + "]")
        return sorted(store.exchanges(each["id"] for each in found), key=lambda each: each.started_at)


def gor(*messages: bytes) -> bytes:
    return b"".join(message + SEPARATOR for message in messages)


ASKED = (
    b"1 9c1d000000000001 1770000000000000000 0\n"
    b"POST /a//b?x=%zz HTTP/1.1\r\nHost: shop.example:80\r\nX-a: 1\r\nx-A: 2\r\nContent-Length: 4\r\n\r\n"
    b"\x00\xffab"
)
ANSWERED = (
    b"2 9c1d000000000001 1770000000250000000 250000000\n"
    b"HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n2\r\nok\r\n0\r\n\r\n"
)
TWO_FIELDS = b"HTTP/1.1 200 OK\r\nX-B: 1\r\nx-b: 2\r\nContent-Length: 2\r\n\r\nok"


def test_goreplays_requests_have_their_answers_and_their_bytes(desk: Desk) -> None:
    [found] = imported(desk, gor(ASKED, ANSWERED))

    assert (found.method, found.path, found.authority, found.service) == (
        "POST", "/a//b?x=%zz", "shop.example:80", "shop.example",
    )  # fmt: skip
    assert found.request_headers == (
        (b"Host", b"shop.example:80"), (b"X-a", b"1"), (b"x-A", b"2"), (b"Content-Length", b"4"),
    )  # fmt: skip
    assert (found.status, found.reason, found.outcome, found.lane) == (201, "Made", Outcome.OK, Lane.IMPORTED)
    assert (found.started_at, found.duration) == (1770000000000000000, 250_000_000)
    assert found.response_body is not None
    assert found.response_body.size == 2


def test_goreplays_files_may_be_packed_and_without_answers(desk: Desk) -> None:
    second = ASKED.replace(b"9c1d000000000001", b"9c1d000000000002")
    replayed = ANSWERED.replace(b"2 9c1d", b"3 9c1d", 1)

    found = imported(desk, gzip.compress(gor(ASKED, second, replayed)), "requests_0.gor.gz")

    assert [(each.status, each.outcome) for each in found] == [(None, Outcome.CLIENT_DISCONNECTED)] * 2


@pytest.mark.parametrize(
    ("cut", "outcome"),
    [(ANSWERED[:-9], Outcome.UPSTREAM_RESET), (ANSWERED[:51] + b"nonsense", Outcome.PROTOCOL_ERROR)],
)
def test_an_answer_that_is_not_whole_says_so(desk: Desk, cut: bytes, outcome: Outcome) -> None:
    [found] = imported(desk, gor(ASKED, cut))

    assert found.outcome is outcome
    assert found.error


def test_what_mitmdump_wrote_is_replayed_byte_for_byte(desk: Desk) -> None:
    flows = desk.folder / "flows"
    with raw_server_apart(answering(TWO_FIELDS)) as server:
        mitmdump = Path(sys.executable).with_name("mitmdump")
        mode = f"reverse:http://127.0.0.1:{server.port}"
        words = [mitmdump, "--mode", mode, "--listen-host", "127.0.0.1", "--listen-port", "0", "-w", flows,
                 "--set", "keep_host_header=true", "--set", f"confdir={desk.folder}"]  # fmt: skip
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            port = process.stdout.readline().rpartition(":")[2].strip(" .\n")
            url = f"http://127.0.0.1:{port}/a//b?x=%zz"
            request = urllib.request.Request(url, b"\x00\xff", {"X-Odd": "1"})
            with urllib.request.urlopen(request) as answer:  # noqa: S310  ours
                assert answer.read() == b"ok"
            process.send_signal(signal.SIGINT)
            process.wait()
        [recorded] = server.requests

        done = desk.type("run", str(flows), "--target", f"localhost:{server.port}", "--no-mark")

        assert done.exit_code == 0, done.output
        assert server.requests[1] == recorded
    [(exchange, bodies)] = read_capture(flows)
    assert exchange.response_headers[:2] == ((b"X-B", b"1"), (b"x-b", b"2"))
    assert set(bodies.values()) == {b"\x00\xff", b"ok"}


def written(*flows: object) -> bytes:
    buffer = io.BytesIO()
    writer = FlowWriter(buffer)
    for flow in flows:
        writer.add(flow)  # type: ignore[arg-type]  # any flow
    return buffer.getvalue()


def test_websockets_errors_and_other_flows_are_what_they_are(desk: Desk) -> None:
    socket = tflow.twebsocketflow()
    assert socket.websocket is not None
    socket.websocket.messages = [websocket.WebSocketMessage(Opcode.TEXT, True, b"hello", 946681204.5)]
    broken = tflow.tflow(req=treq(timestamp_start=946681300.0), err=True)
    h2 = tflow.tflow(req=treq(http_version=b"HTTP/2.0", timestamp_start=946681400.0), resp=tresp())

    found = imported(desk, written(socket, broken, tflow.ttcpflow(), h2))

    assert len(found) == 3
    assert [(each.sender, each.type) for each in found[0].messages] == [(Sender.CLIENT, "text")]
    assert (found[1].status, found[1].outcome) == (None, Outcome.UPSTREAM_RESET)
    assert found[2].http_version == "HTTP/2"


@pytest.mark.parametrize(
    "content",
    [
        written(tflow.tflow(resp=True))[:-20],
        b"12:4:type;4:http;,",
        b"5:hello}",
        b"999999999999:",
        b"1 abc 177000000000000000x 0\nGET / HTTP/1.1\r\n\r\n" + SEPARATOR,
        b"2 abc 1770000000000000000 0\nHTTP/1.1 200 OK\r\n\r\n" + SEPARATOR,
        b"1 abc 1770000000000000000 0\nno http" + SEPARATOR,
        gor(ASKED) + b"garbage" + SEPARATOR,
        b"[" * 100_000,
    ],
    ids=range(9),
)
def test_what_is_damaged_is_one_line(desk: Desk, content: bytes) -> None:
    """Case P20."""
    file = desk.folder / "broken"
    file.write_bytes(content)

    done = desk.type("import", str(file))

    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
    assert str(file) in done.stderr


def test_secrets_of_other_tools_reach_no_disk(desk: Desk) -> None:
    asked = ASKED.replace(b"X-a: 1", f"Authorization: Bearer {SECRET}".encode())

    imported(desk, gor(asked))

    for folder, _, names in os.walk(desk.folder):
        for name in names:
            if name != "recording":
                assert SECRET.encode() not in (Path(folder) / name).read_bytes(), name
