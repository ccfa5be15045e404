"""A small keep-alive HTTP load and a small upstream, cheap beside any proxy in Python."""

import asyncio
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


class Upstream(asyncio.Protocol):
    """Answers every request head with the same 1 kB of JSON."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        *heads, self.pending = self.pending.split(b"\r\n\r\n")
        self.transport.write(RESPONSE * len(heads))


class Client(asyncio.Protocol):
    """One kept-alive connection that sends its next request when the last is answered."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.got = 0
        self.expected = 0
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
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        if not self.expected:
            head, _, _ = data.partition(b"\r\n\r\n")
            if b" 200 " not in head[:15]:
                self.load.errors += 1
            self.expected = len(head) + 4 + len(BODY)
        self.got += len(data)
        if self.got >= self.expected:
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
    """`connections` clients for `seconds`."""

    def __init__(self, port: int, seconds: float, pause: float) -> None:
        self.pause = pause
        self.request = (
            b"GET /carts/4711?verbose=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\n"
            b"Accept: application/json\r\nAccept-Encoding: identity\r\n"
            b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n" % port
        )
        self.until = time.perf_counter() + seconds
        self.latencies: list[float] = []
        self.errors = 0
        self.open = 0
        self.done = asyncio.Event()


async def run(port: int, *, connections: int, seconds: float, rate: float | None = None) -> Result:
    """Load the server at `port` with `rate` requests/s, or as many as it answers, and say what came of it."""
    load = Load(port, seconds, connections / rate if rate else 0.0)
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
