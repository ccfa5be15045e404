"""One worker: a sidecar of its own on sockets that its supervisor has bound.

1. It does what it is told on one socket, a JSON document a line, and says there how it is.
2. When that socket ends, the supervisor is gone: the worker takes nothing more, answers what
   is open, and ends.
"""

import asyncio
import contextlib
import json
import logging
import signal
import socket
from typing import Any

from mesh_core.errors import MeshError
from mesh_recorder import heap
from mesh_recorder.lane import lane
from mesh_recorder.lanes import loop_factory
from mesh_recorder.listening import Sockets
from mesh_recorder.report import DIED, to_document
from mesh_recorder.sidecar import Sidecar
from mesh_recorder.workers.orders import Orders
from mesh_store import store
from mesh_store.command import configure_logging

logger = logging.getLogger(__name__)

HEAVY = (lane, store)
"""Imported here so that it is done once, before workers are made."""
TELL_EVERY = 0.5
"""Seconds between two reports: so much of the account a sudden death takes with it."""


def work(orders: Orders, sockets: Sockets, talk: socket.socket) -> None:
    """A worker's whole life."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # from a terminal all get it; the supervisor decides
    configure_logging(orders.verbose)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_Worker(orders, sockets).run(talk))


class _Worker:
    def __init__(self, orders: Orders, sockets: Sockets) -> None:
        self._orders = orders
        self._sockets = sockets
        self._sidecar = Sidecar(orders.settings)
        self._ending = asyncio.Event()

    async def run(self, talk: socket.socket) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=talk)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._ending.set)
        if self._orders.lost:
            self._sidecar.lost(DIED, self._orders.lost)
        try:
            await self._sidecar.start(self._sockets)
        except MeshError as error:
            await self._say({"event": "failed", "problem": error.problem, "hint": error.hint})
            return
        if self._orders.bypassed:
            await self._sidecar.bypass(True)
        heap.settle()
        await self._tell("ready")
        tasks = [asyncio.create_task(self._listen(reader)), asyncio.create_task(self._report())]
        await self._ending.wait()
        tasks[1].cancel()
        await self._sidecar.stop()
        await self._tell("stopped")
        tasks[0].cancel()
        self._writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Do as told, until the supervisor says no more or is gone."""
        with contextlib.suppress(OSError):
            async for line in reader:
                order = json.loads(line)
                if order["do"] == "stop":
                    break
                if order["do"] == "bypass":
                    await self._sidecar.bypass(order["on"])
                await self._tell("report", order.get("number"))
        self._ending.set()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY)
            await self._tell("report")

    async def _tell(self, event: str, number: int | None = None) -> None:
        """Say how it is; `number` is that of the order that this answers."""
        report = to_document(await self._sidecar.report())
        await self._say({"event": event, "number": number, "report": report})

    async def _say(self, document: dict[str, Any]) -> None:
        # Nobody may be there any more to hear it.
        with contextlib.suppress(OSError):
            self._writer.write(json.dumps(document).encode() + b"\n")
            await self._writer.drain()
