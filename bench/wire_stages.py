"""What each stage of a recorded request costs in the wire lane: in one thread, without sockets, caches warm.

In a sidecar that is under load the same work costs about twice as much: its caches are cold. The figures
say which stage is worth work, not what a request costs; `bench.recorder` does that, and `bench.redact` says
what redaction costs. Each is the best of its rounds.
"""

import asyncio
import platform
import timeit
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.load import BODY, RESPONSE
from mesh_core.frames import Frame, Run, decode_segment, encode_block, encode_header, pack_frame
from mesh_core.model import Direction, Lane
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Place
from mesh_recorder.keep import Keeping
from mesh_recorder.settings import Endpoint, TraceHeaders
from mesh_recorder.tally import Tally
from mesh_recorder.tee import Room
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.desk import Desk
from mesh_recorder.wire.finishing import finish_wire
from mesh_recorder.wire.link import Link
from mesh_recorder.wire.upstream import Upstream

ROUNDS = 400
REPEATS = 50
BLOCK = 64
"""Exchanges that are written together."""
FIELDS = (
    b"Host: 127.0.0.1:8002\r\nUser-Agent: bench\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n"
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
)
REQUESTS = {
    "GET": b"GET /carts/4711?verbose=1 HTTP/1.1\r\n" + FIELDS + b"\r\n",
    "POST": b"POST /carts/4711/items HTTP/1.1\r\n" + FIELDS + b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
}  # fmt: skip


class _Pipe(asyncio.Transport):
    """Takes what is written, and forgets it."""

    def write(self, data: object) -> None:
        """Nobody reads it."""

    def is_closing(self) -> bool:
        return False


class _Listener:
    """All that a link asks of one."""

    links: set[Link] = set()  # noqa: RUF012  # one is made


def relay() -> tuple[Link, Upstream, deque[WireCaptured]]:
    """A link between two pipes, its upstream, and what it captures."""
    place = Place(
        service="cart", instance="cart-1", direction=Direction.INBOUND, peers={}, recorder="0", lane=Lane.WIRE
    )
    captured: deque[WireCaptured] = deque(maxlen=1)
    desk = Desk(
        Role(place=place, target=Endpoint(host="127.0.0.1", port=1)),
        offer=captured.append,
        lost=lambda _: None,
        trace_headers=TraceHeaders.LINK,
        max_body=1 << 20,
        room=Room(1 << 26),
        connect_timeout=1,
        response_timeout=None,
    )
    link = Link(_Listener(), desk)  # type: ignore[arg-type]  # all that it asks of a listener
    link.connection_made(_Pipe(extra={"peername": ("127.0.0.1", 50_000)}))
    upstream = Upstream(link)
    upstream.connection_made(_Pipe())
    link.upstream = upstream
    return link, upstream, captured


def stages(request: bytes) -> dict[str, float]:
    """Microseconds of each stage of one request."""
    link, upstream, kept = relay()

    def carry() -> None:
        link.data_received(request)
        upstream.data_received(RESPONSE)

    carry()
    captured = kept[0]
    exchange, bodies = finish_wire(captured)
    tally, keeping = Tally(), Keeping()

    def pack(seq: int = 1) -> bytes:
        return pack_frame(Frame(seq=seq, exchange=exchange, bodies=dict(bodies)))

    def choose() -> None:
        tally.add(exchange)
        keeping.refused(exchange)

    packed = [pack(seq) for seq in range(1, BLOCK + 1)]
    segment = encode_header(RUN) + encode_block(1, packed)
    return {
        "carry it, and capture it (event loop)": best(carry),
        "make the exchange (writer, as all below)": best(lambda: finish_wire(captured)),
        "count it, and choose whether it is kept": best(choose),
        "pack it": best(pack),
        f"write it down, {BLOCK} as a block": best(lambda: encode_block(1, packed), 2) / BLOCK,
        f"read it back, {BLOCK} as a block": best(lambda: decode_segment(segment), 2) / BLOCK,
    }


def best(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Microseconds of one call."""
    return min(timeit.repeat(work, number=repeats, repeat=ROUNDS)) / repeats * 1e6


RUN = Run(
    run_id="0" * 32,
    project="bench",
    service="cart",
    instance="cart-1",
    recorder="0",
    started_at=1,
    key_id=None,
)


def main() -> None:
    """Print the table and keep it in `bench/results/`."""
    found = {name: stages(request) for name, request in REQUESTS.items()}
    lines = [
        f"The wire lane's stages, best of {ROUNDS} rounds, microseconds; 1 kB of JSON in each body.",
        f"Without redaction; alike bodies, which compress well. Python {platform.python_version()}.",
        "",
        f"| stage | {' | '.join(found)} |",
        f"|---|{'---|' * len(found)}",
    ]
    for stage in found["GET"]:
        costs = [f"{each[stage]:.1f}" for each in found.values()]
        lines += [f"| {stage} | {' | '.join(costs)} |"]
    table = "\n".join(lines)
    print(table)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "wire_stages.md").write_text(table + "\n")
