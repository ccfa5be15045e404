"""The supervisor's side of one worker: its process, what it says, who takes its place when it dies.

Workers come from multiprocessing's fork server: a process of its own that has imported all that is heavy and
has neither threads nor a loop, so that a new worker is there in milliseconds and shares its memory.
"""

import asyncio
import contextlib
import json
import logging
import multiprocessing
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from typing import Any

from mesh_core.errors import ConfigInvalid
from mesh_recorder.counters import Counters
from mesh_recorder.listening import Sockets
from mesh_recorder.report import DIED, Report, after_death, from_document, inherited, of_the_past, total
from mesh_recorder.workers.backoff import LIVED, Backoff
from mesh_recorder.workers.orders import Orders

logger = logging.getLogger(__name__)

WORK = "mesh_recorder.workers.worker"
ANSWERS_WITHIN = 1.0
"""Seconds that a worker has to say how it is; what it said before counts after that."""
NOBODY = Report(workers=0, caught_up=False)
"""What a place says that nobody has."""


class Member:
    """One place among the workers, and who has it."""

    def __init__(self, name: str, sockets: Sockets, orders: Callable[[int], Orders]) -> None:
        """Make a place; nobody has it yet.

        Args:
            name: for people.
            sockets: what the worker listens on.
            orders: what a worker is told, given how many requests the one before it took with it.
        """
        self.name = name
        self.ready = asyncio.Event()
        self.restarts = 0
        self.bypassed = False
        self.failed: ConfigInvalid | None = None
        """Why no worker can start at all."""
        self._sockets = sockets
        self._orders = orders
        self._ended = Report(workers=0)
        """What those said who are gone."""
        self._settled = False
        """Whether who has the place has seen to all that they left."""
        self._last = NOBODY
        self._lost = 0
        """Requests that the last one took with it, and that nobody has told the store of yet."""
        self._asked = 0
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._process: ForkServerProcess | None = None
        self._ending = asyncio.Event()
        self._backoff = Backoff()
        self._began = 0.0

    async def live(self) -> None:
        """Have a worker in this place until the end is asked for."""
        loop = asyncio.get_running_loop()
        while not self._ending.is_set():
            began = loop.time()
            await self._one_life()
            self.ready.clear()
            if self.failed is not None or self._ending.is_set():
                return
            pause = self._backoff.pause(loop.time() - began)
            self.restarts += 1
            await self._say_why(pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)

    @property
    def crash_loop(self) -> bool:
        """Whether workers die again and again in this place."""
        lived = asyncio.get_running_loop().time() - self._began
        return self._backoff.loops and not (self.ready.is_set() and lived >= LIVED)

    async def _say_why(self, pause: float) -> None:
        process = self._process
        code = None
        if process is not None:
            await asyncio.to_thread(process.join, ANSWERS_WITHIN)
            code = process.exitcode
        how = "has ended" if code == 0 else f"died{_by(code)}"
        again = f", {self._backoff.deaths} times in a row" if self._backoff.loops else ""
        when = f" in {pause:g} s" if pause else ""
        level = logging.ERROR if self._backoff.loops else logging.WARNING
        logger.log(level, "worker %s %s%s; another takes its place%s", self.name, how, again, when)

    async def end(self, patience: float) -> None:
        """Let the worker answer what it has, for at most so many seconds; called beside `live`."""
        self._ending.set()
        await self._say({"do": "stop"})
        process = self._process
        if process is not None:
            await asyncio.to_thread(process.join, patience)
            if process.is_alive():
                logger.warning("worker %s does not end, and is ended by force", self.name)
                process.kill()

    async def report(self) -> tuple[Report, Report]:
        """How the worker is now, and what those said who are gone."""
        await self._ask({})
        gone = self._ended if self._settled else inherited(self._last, self._ended)
        if self._last.caught_up:
            self._ended, self._settled = gone, True
        lost = Counters(offered=self._lost, dropped={DIED: self._lost} if self._lost else {})
        return self._last, total([gone, Report(workers=0, counters=lost)])

    async def bypass(self, on: bool) -> None:
        """Tell the worker to stop recording, or to go on; it has done so afterwards."""
        self.bypassed = on
        await self._ask({"do": "bypass", "on": on})

    async def _ask(self, order: dict[str, Any]) -> None:
        if not self.ready.is_set():
            return
        self._asked += 1
        number = self._asked
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._say({"do": "report", **order, "number": number})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(answer, ANSWERS_WITHIN)
        self._answers.pop(number, None)

    async def _say(self, order: dict[str, Any]) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.write(json.dumps(order).encode() + b"\n")
                await self._writer.drain()

    async def _one_life(self) -> None:
        """Start a worker and hear it until it is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.to_thread(_start, self._orders(self._lost), self._sockets, theirs)
        self._ended = total([self._ended, self._last])
        self._last, self._settled = NOBODY, False
        self._began = asyncio.get_running_loop().time()
        reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        if self._ending.is_set():
            await self._say({"do": "stop"})
        in_order = False
        with contextlib.suppress(OSError):
            async for line in reader:
                in_order = self._hear(json.loads(line))
                if self.ready.is_set() and self._last.bypassed != self.bypassed:
                    await self._say({"do": "bypass", "on": self.bypassed})
        self._writer.close()
        self._writer = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(None)
        self._bury(in_order)

    def _hear(self, said: dict[str, Any]) -> bool:
        """Take what a worker says; whether it was its last word."""
        if said["event"] == "failed":
            self.failed = ConfigInvalid(said["problem"], hint=said["hint"])
            self.ready.set()
            return True
        self._last = from_document(said["report"])
        if said["event"] == "ready":
            self._lost = 0  # it counts them now
            self.ready.set()
        answer = self._answers.get(said.get("number") or 0)
        if answer is not None and not answer.done():
            answer.set_result(None)
        return bool(said["event"] == "stopped")

    def _bury(self, in_order: bool) -> None:
        """Keep what the worker said, less what its successor counts."""
        if in_order:
            last = self._last
            self._last = replace(of_the_past(last), adopted=last.adopted, caught_up=last.caught_up)
            return
        rest, lost = after_death(self._last)
        self._lost += lost
        self._ended = total([self._ended, rest])
        self._last = NOBODY


def _by(code: int | None) -> str:
    """How a process ended that did not end well."""
    if code is None or code >= 0:
        return "" if code is None else f" (exit code {code})"
    with contextlib.suppress(ValueError):
        return f" ({signal.Signals(-code).name})"
    return f" (signal {-code})"


def _start(orders: Orders, sockets: Sockets, talk: socket.socket) -> ForkServerProcess:
    """Called in a thread: the first start waits until the fork server has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([WORK])
    process = context.Process(target=_work, args=(orders, sockets, talk), name="mesh-worker", daemon=True)
    process.start()
    return process


def _work(orders: Orders, sockets: Sockets, talk: socket.socket) -> None:
    """In the new process."""
    from mesh_recorder.workers.worker import work  # heavy, and not for the supervisor

    work(orders, sockets, talk)
