"""What a client sent is stored and replayed byte for byte: order, case, duplicates, raw path, bodies."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mesh_replayer.demo.cast import program
from mesh_replayer.demo.processes import Processes
from support.behind_sidecars import PATIENCE, place
from support.ports import free_ports

ANSWER = b"HTTP/1.1 200 OK\r\nX-One: 1\r\nx-one: 2\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\nok"
REQUESTS = {
    "odd": (
        b"GET //a/../%2F%zz?x=a+b%20c&&y=\xe9 HTTP/1.1\r\nhOsT: shop.test\r\nX-Dup: 1\r\nx-dup: 2\r\n"
        b"X-Latin: \xe9t\xe9\r\naccept-ENCODING: gzip\r\n\r\n"
    ),
    "body": (
        b"POST /b%61se64/\xff HTTP/1.1\r\nContent-Type: application/octet-stream\r\nHost: shop.test\r\n"
        b"content-length: 6\r\nZ: last\r\n\r\n\x00\xff\r\n\x01\x02"
    ),
}


@dataclass
class Server:
    """Keeps every request as it came, and answers all alike."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    seen: list[bytes] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                while request := _read_request(connection):
                    self.seen.append(request)
                    connection.sendall(ANSWER)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-len")
        ),
        0,
    )
    while len(rest) < length:
        rest += connection.recv(65536)
    return head + b"\r\n\r\n" + rest


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join()


def without_ours(request: bytes) -> bytes:
    """The request without the header fields that recorder and replay say that they add."""
    head, blank, body = request.partition(b"\r\n\r\n")
    ours = (b"x-request-id:", b"traceparent:", b"tracestate:", b"mesh-replay:")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(ours)]
    return b"\r\n".join(lines) + blank + body


@pytest.mark.parametrize("name", REQUESTS)
def test_stored_and_replayed_byte_for_byte(server: Server, tmp_path: Path, name: str) -> None:
    (inbound,) = free_ports(1)
    sent = REQUESTS[name]
    with place(tmp_path) as here:
        (tmp_path / "logs").mkdir()
        # By default a body of unknown bytes is not kept, as no secret could be found in it.
        (tmp_path / "mesh.toml").write_text('[redact]\nmode = "off"\n')
        here.environ["MESH_TRUST_CONFIG"] = "1"
        with Processes(tmp_path, tmp_path / "logs", here.environ) as running:
            sidecar = [*program("mesh-record"), "--service", "raw", "--json"]
            addresses = ["--app", f"127.0.0.1:{server.port}", "--inbound", f"127.0.0.1:{inbound}"]
            running.start("mesh-record", [*sidecar, *addresses], {})
            running.await_ready(PATIENCE)
            with socket.create_connection(("127.0.0.1", inbound), timeout=60) as client:
                client.sendall(sent)
                answer = b""
                while not answer.endswith(b"\r\n\r\nok"):
                    answer += client.recv(65536)
            (exchange,) = here.listed("service:raw", 1)
        typed = here.replay("exchange", exchange["id"], "--target", f"localhost:{server.port}")

    through, replayed = server.seen
    assert answer == ANSWER
    assert without_ours(through) == sent
    assert without_ours(replayed) == sent
    assert typed.code == 0, typed.stdout + typed.stderr
    assert exchange["path"] == sent.split(b" ")[1].decode("latin-1")
