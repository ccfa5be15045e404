"""A sidecar in the test's own event loop, with a store in memory; and the same talk without and with it."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh_core.config import RedactMode
from mesh_core.model import BodyRef, Exchange
from mesh_recorder.counters import Counters
from mesh_recorder.lanes import loop_factory
from mesh_recorder.settings import Endpoint, Listen, SidecarSettings, TraceHeaders
from mesh_recorder.sidecar import Listening, Sidecar
from support.lanes import in_use
from support.recorded import MemoryStore
from support.talk import PATIENCE, Script, Talk, client, upstream

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # mitmproxy imports pyparsing by names that are deprecated there
    import mitmproxy.addons  # noqa: F401

KEY = b"a key for tests only"


@dataclass
class Rig:
    """A running sidecar."""

    sidecar: Sidecar
    listening: Listening
    store: MemoryStore = field(default_factory=MemoryStore)
    counters: Counters | None = None

    @property
    def inbound(self) -> int:
        assert self.listening.inbound is not None
        return self.listening.inbound.port

    @property
    def outbound(self) -> int:
        assert self.listening.outbound is not None
        return self.listening.outbound.port

    async def stop(self) -> Counters:
        """Stop it, once; every exchange is accounted for."""
        if self.counters is None:
            self.counters = await self.sidecar.stop()
            assert self.counters.balanced, self.counters
        return self.counters

    async def recorded(self) -> list[Exchange]:
        """Stop, and all that was recorded, in the order of the requests."""
        counters = await self.stop()
        assert counters.stored == counters.offered, counters
        return sorted(self.store.exchanges, key=lambda exchange: exchange.id)

    async def only(self) -> Exchange:
        """Stop, and the only exchange."""
        found = await self.recorded()
        assert len(found) == 1, found
        return found[0]

    def body(self, ref: BodyRef | None) -> bytes:
        """The stored bytes of a body."""
        assert ref is not None
        for segment in self.store.segments:
            for frame in segment.frames:
                if ref.hash in frame.bodies:
                    return frame.bodies[ref.hash]
        raise AssertionError(f"{ref.hash} is not stored")

    async def seen(self, count: int) -> None:
        """Wait until so many exchanges are stored."""
        await asyncio.to_thread(self.store.wait_for, count)


@asynccontextmanager
async def rig(folder: Path, port: int = 1, *, scheme: str = "http", **changes: Any) -> AsyncIterator[Rig]:
    """A sidecar before the app on `port`, and a forward proxy; it hides nothing unless told to."""
    settings: dict[str, Any] = {
        "service": "cart",
        "instance": "cart-1",
        "app": Endpoint(scheme=scheme, host="127.0.0.1", port=port),
        "inbound": Listen(),
        "outbound": Listen(),
        "ca_dir": folder / "ca",
        "spool_dir": folder / "spool",
        "store": "none",
        "redact_key": KEY,
        "redact_mode": RedactMode.OFF,
        "drain_timeout": 10.0,
        "lane": in_use.get(),
    }
    store = MemoryStore()
    sidecar = Sidecar(SidecarSettings(**(settings | changes)), open_sink=store.opened)
    running = Rig(sidecar, await sidecar.start(), store)
    try:
        yield running
    finally:
        await running.stop()


@dataclass
class Both:
    """What a client and an upstream heard without and with a sidecar between them."""

    direct_client: bytes
    direct_upstream: bytes
    client: bytes
    upstream: bytes
    rig: Rig
    exchanges: list[Exchange]

    @property
    def exchange(self) -> Exchange:
        assert len(self.exchanges) == 1, self.exchanges
        return self.exchanges[0]

    def assert_same(self) -> None:
        """Byte for byte, on both sides."""
        assert self.client == self.direct_client
        assert self.upstream == self.direct_upstream


async def both(folder: Path, server: Script, caller: Script, **changes: Any) -> Both:
    """Play the same scripts without a sidecar, then through one that changes no header."""
    async with upstream(server) as first, client(first.port) as talk:
        await caller(talk)
        direct_client = bytes(talk.heard)
    direct_upstream = first.heard
    changes.setdefault("trace_headers", TraceHeaders.NEVER)
    async with upstream(server) as second, rig(folder, second.port, **changes) as running:
        async with client(running.inbound) as talk:
            await caller(talk)
            through_client = bytes(talk.heard)
        exchanges = await running.recorded()
    return Both(direct_client, direct_upstream, through_client, second.heard, running, exchanges)


def run[T](
    scenario: Callable[[], Coroutine[Any, Any, T]],
    *,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Play a scenario to its end, in an event loop of its own: the one of the lane in use where None."""

    async def limited() -> T:
        async with asyncio.timeout(4 * PATIENCE):
            return await scenario()

    with asyncio.Runner(loop_factory=loop or loop_factory()) as runner:
        return runner.run(limited())


def caller(*says: bytes, until: Callable[[Talk], Awaitable[object]]) -> Script:
    """A client that says all at once, then hears until something."""

    async def script(talk: Talk) -> None:
        for data in says:
            await talk.say(data)
        await until(talk)

    return script
