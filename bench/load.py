"""A small keep-alive HTTP load and a small upstream, cheap beside any proxy in Python."""

import asyncio
import itertools
import re
import sys
import time
from dataclasses import dataclass

BODY = (
    b'{"id": 4711, "items": ['
    + b", ".join(b'{"sku": "sku-%d", "quantity": 2}' % n for n in range(28))
    + b"]}"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: upstream\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY
_ANSWERS = itertools.cycle([RESPONSE.replace(b"4711", b"%d" % (1_000 + n)) for n in range(4_096)])
"""No two alike for a while: what a recorder remembers of bodies that it saw is no measure of production."""
BIG = 10 * 1000 * 1000
"""Bytes that a large request carries up and its response down."""
BIG_BODY = bytes(range(256)) * (BIG // 256) + bytes(BIG % 256)
BIG_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % BIG
) + BIG_BODY
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_LAST_CHUNK = b"0\r\n\r\n"
_NUMBERS = itertools.count(1)


class Upstream(asyncio.Protocol):
    """Answers a GET with 1 kB of JSON, and a POST, once it is whole, with 10 MB."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.pending = b""
        self.uploading = 0
        """Bytes of a body that are still to come; -1 where only its last chunk will tell."""

    def data_received(self, data: bytes) -> None:
        if self.uploading:
            data = self._upload(data)
        self.pending += data
        while b"\r\n\r\n" in self.pending:
            head, _, rest = self.pending.partition(b"\r\n\r\n")
            self.pending = b""
            if head.startswith(b"POST"):
                length = _LENGTH.search(head)
                self.uploading = int(length[1]) if length else -1
                rest = self._upload(rest)
            else:
                self.transport.write(next(_ANSWERS))
            self.pending = rest

    def _upload(self, data: bytes) -> bytes:
        """Take what belongs to the body; what follows it."""
        if self.uploading < 0:
            if data.endswith(_LAST_CHUNK):
                self.uploading = 0
                self.transport.write(BIG_RESPONSE)
            return b""
        taken = min(len(data), self.uploading)
        self.uploading -= taken
        if not self.uploading:
            self.transport.write(BIG_RESPONSE)
        return data[taken:]


class Client(asyncio.Protocol):
    """One kept-alive connection that sends its next request when the last is answered."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.got = 0
        self.expected = 0
        """Bytes of the whole response; -1 where its last chunk will tell."""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        now = time.perf_counter()
        if now >= self.load.until:
            self.transport.close()
            return
        if now < self.due:
            asyncio.get_running_loop().call_later(self.due - now, self.send)
            return
        self.due = max(now, self.due) + self.load.pause
        self.sent_at = now
        self.transport.write(self.load.request())

    def data_received(self, data: bytes) -> None:
        if not self.expected:
            head, _, _ = data.partition(b"\r\n\r\n")
            if b" 200 " not in head[:15]:
                self.load.errors += 1
            length = _LENGTH.search(head)
            self.expected = len(head) + 4 + int(length[1]) if length else -1
        self.got += len(data)
        if data.endswith(_LAST_CHUNK) if self.expected < 0 else self.got >= self.expected:
            self.got = self.expected = 0
            self.load.latencies.append(time.perf_counter() - self.sent_at)
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.errors += bool(self.expected) or exc is not None
        self.load.open -= 1
        if not self.load.open:
            self.load.done.set()


@dataclass(slots=True)
class Result:
    """What one load saw; latencies in seconds."""

    requests: int
    errors: int
    seconds: float
    p50: float
    p99: float


class Load:
    """Clients of one server until a moment has come."""

    def __init__(self, port: int, seconds: float, pause: float, *, big: bool) -> None:
        self.pause = pause
        self.until = time.perf_counter() + seconds
        self.latencies: list[float] = []
        self.errors = 0
        self.open = 0
        self.done = asyncio.Event()
        self._big = (
            b"POST /uploads HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: %d\r\n\r\n" % (port, BIG)
        ) + BIG_BODY
        self._small = (
            b" HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\n"
            b"Accept: application/json\r\nAccept-Encoding: identity\r\n"
            b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n" % port
        )
        self.request = self._next_big if big else self._next_small

    def _next_small(self) -> bytes:
        """No two alike, as recorders that keep one answer for each address would else keep one."""
        return b"GET /carts/%d?verbose=1" % next(_NUMBERS) + self._small

    def _next_big(self) -> bytes:
        return self._big


async def run(
    port: int, *, connections: int, seconds: float, rate: float | None = None, big: bool = False
) -> Result:
    """Load the server at `port` and say what came of it.

    Args:
        port: on 127.0.0.1.
        connections: kept alive, each with one request at a time.
        seconds: after which no request is sent any more.
        rate: requests/s; as many as are answered where None.
        big: 10 MB up and down in each request, not 1 kB down.
    """
    load = Load(port, seconds, connections / rate if rate else 0.0, big=big)
    load.open = connections
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Client(load), "127.0.0.1", port)
    await load.done.wait()
    ordered = sorted(load.latencies) or [0.0]
    return Result(
        requests=len(load.latencies),
        errors=load.errors,
        seconds=time.perf_counter() - began,
        p50=ordered[len(ordered) // 2],
        p99=ordered[int(len(ordered) * 0.99)],
    )


async def serve() -> None:
    """Be the upstream; the port is printed."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
