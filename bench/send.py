"""The sender against `httpx.AsyncClient.get`: the client's CPU per request at 64 connections, in one run.

The server is a process of its own; variants take turns within each round, and the median of each
variant's rounds counts. CPU is the judge: requests per second depend on who else is on the machine.
"""

import asyncio
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

import httpx

from mesh_replayer.plan import Step
from mesh_replayer.resolve import Route
from mesh_replayer.send import Sender
from mesh_replayer.target import parse_target
from mesh_replayer.wire.connection import Address
from mesh_replayer.wire.request import WireRequest
from mesh_replayer.wire.transport import WireTransport

CONNECTIONS = 64
ROUNDS = 5
REQUESTS = {"httpx.AsyncClient.get": 640, "our transport": 12_800, "our sender": 12_800}
BODY = json.dumps(
    {"items": [{"sku": f"sku-{number}", "price": number * 1.25} for number in range(27)]}
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
RESULTS = Path(__file__).parent / "results" / "send.json"


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.left = b""

    def data_received(self, data: bytes) -> None:
        self.left += data
        while b"\r\n\r\n" in self.left:
            self.left = self.left.partition(b"\r\n\r\n")[2]
            self.transport.write(ANSWER)  # type: ignore[attr-defined]  # a stream's transport is one that writes


def _serve(ready: "multiprocessing.SimpleQueue[int]") -> None:
    import uvloop

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


def main() -> None:
    """Print CPU and requests per second of each variant, and the ratio."""
    context = multiprocessing.get_context("spawn")
    ready = context.SimpleQueue()
    server = context.Process(target=_serve, args=(ready,), daemon=True)
    server.start()
    try:
        rows = asyncio.run(_measured(ready.get()))
    finally:
        server.terminate()
        server.join()
    base = rows["httpx.AsyncClient.get"]["cpu_us"]
    print(f"{CONNECTIONS} connections, {len(BODY)} bytes of JSON, median of {ROUNDS} interleaved rounds\n")
    print(f"{'':24}{'CPU µs a request':>18}{'of httpx':>10}{'requests/s':>12}")
    for name, row in rows.items():
        row["of_httpx"] = row["cpu_us"] / base
        print(f"{name:24}{row['cpu_us']:>18.0f}{row['of_httpx']:>10.3f}{row['per_second']:>12.0f}")
    about = {"python": platform.python_version(), "httpx": version("httpx"), "machine": platform.machine()}
    RESULTS.write_text(json.dumps({**about, "connections": CONNECTIONS, "rows": rows}, indent=2) + "\n")


async def _measured(port: int) -> dict[str, dict[str, float]]:
    variants = {"httpx.AsyncClient.get": _httpx, "our transport": _transport, "our sender": _sender}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, variant in variants.items():
            count = REQUESTS[name]
            run = await variant(port)
            await run(CONNECTIONS)  # connections are made before it counts
            cpu, clock = time.process_time(), time.perf_counter()
            await run(count)
            found[name].append(((time.process_time() - cpu) / count, count / (time.perf_counter() - clock)))
            await run(0)
    return {
        name: {
            "cpu_us": 1e6 * statistics.median(cpu for cpu, _ in rounds),
            "per_second": statistics.median(rate for _, rate in rounds),
        }
        for name, rounds in found.items()
    }


type _Run = Callable[[int], Awaitable[None]]


async def _httpx(port: int) -> _Run:
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    client = httpx.AsyncClient(limits=limits)

    async def worker(count: int) -> None:
        for _ in range(count):
            assert (await client.get(f"http://127.0.0.1:{port}/x")).content == BODY

    async def run(count: int) -> None:
        if count:
            await asyncio.gather(*(worker(count // CONNECTIONS) for _ in range(CONNECTIONS)))
        else:
            await client.aclose()

    return run


async def _transport(port: int) -> _Run:
    lanes = [WireTransport([Address("127.0.0.1", port)]) for _ in range(CONNECTIONS)]

    async def worker(lane: WireTransport, count: int) -> None:
        for _ in range(count):
            request = httpx.Request("GET", f"http://127.0.0.1:{port}/x")
            response = await lane.handle_async_request(request)
            await response.aread()
            assert response.content == BODY

    async def run(count: int) -> None:
        if count:
            await asyncio.gather(*(worker(lane, count // CONNECTIONS) for lane in lanes))
        else:
            for lane in lanes:
                await lane.aclose()

    return run


async def _sender(port: int) -> _Run:
    from bench.redact import exchange  # an exchange like any other

    target = parse_target(f"127.0.0.1:{port}")
    sender = Sender({target.text: Route(target=target, addresses=(Address("127.0.0.1", port),))}, 30)
    recorded, _ = exchange(b"{}")
    request = WireRequest(method=b"GET", target=b"/x", headers=((b"Host", b"a"), (b"Accept", b"*/*")))
    from msgspec import structs

    steps = [
        Step(exchange=structs.replace(recorded, connection=f"{number}"), target=target)
        for number in range(CONNECTIONS)
    ]

    async def worker(step: Step, count: int) -> None:
        for _ in range(count):
            assert (await sender.send(step, request)).body == BODY

    async def run(count: int) -> None:
        if count:
            await asyncio.gather(*(worker(step, count // CONNECTIONS) for step in steps))
        else:
            await sender.aclose()

    return run
