"""Faults for tests: a TCP proxy that misbehaves, a store behind a gate, a load that keeps its own ledger."""

import asyncio
import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Self

from mesh_core.errors import StoreUnreachable
from mesh_core.together import Failed
from mesh_store.store import Store, open_store


class Mode(Enum):
    """How a `TcpProxy` treats its connections."""

    PASS = "pass"
    REFUSE = "closes at once"
    HANG = "takes, and answers nothing"
    SLOW = "a little at a time"
    RESET = "breaks off in the middle"
    DEAF = "has it committed, and breaks off before the answer"


class TcpProxy:
    """In front of a server, in a thread of its own; its mode may change at any time."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._open: asyncio.Event | None = None
        self.port = 0
        self.mode = Mode.PASS
        self.refused = 0
        self.resets = 0
        self._committing = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def turn(self, mode: Mode, *, cut: bool = False) -> None:
        """Behave so from now on; with `cut`, break off what is open."""
        self._run(self._turn(mode, cut))

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is told so

    async def _turn(self, mode: Mode, cut: bool) -> None:
        assert self._open is not None
        self.mode = mode
        if mode is Mode.HANG:
            self._open.clear()
        else:
            self._open.set()
        if cut:
            for writer in list(self._writers):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode is Mode.REFUSE:
            self.refused += 1
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        both = [writer]
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection(*self._target)
            both.append(back)
            self._writers.add(back)
            await asyncio.gather(self._pump(reader, back, True), self._pump(there, writer, False))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in both:
                self._writers.discard(each)
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: bool) -> None:
        assert self._open is not None
        while data := await reader.read(65536):
            await self._open.wait()
            if self.mode is Mode.DEAF and self._committing and not ask:
                self._committing, self.resets = False, self.resets + 1
                for each in list(self._writers):
                    each.transport.abort()
                return
            if ask and b"COMMIT" in data:
                self._committing = True
            if self.mode is Mode.RESET and ask and len(data) > 1000:
                writer.write(data[: len(data) // 2])
                self.resets += 1
                for each in list(self._writers):
                    each.transport.abort()
                return
            if self.mode is Mode.SLOW:
                for at in range(0, len(data), 2000):
                    await asyncio.sleep(0.002)
                    writer.write(data[at : at + 2000])
            else:
                writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


class Steps:
    """A clock that somebody sets."""

    def __init__(self, real: Any) -> None:
        self.monotonic_ns = real.monotonic_ns
        self._real = real
        self.hours = 0

    def time_ns(self) -> int:
        now: int = self._real.time_ns() + self.hours * 3_600_000_000_000
        return now


@dataclass
class Gate:
    """A real store that can be shut; a sidecar's sink."""

    url: str
    shut: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)
    tries: int = 0
    _store: Store | None = None

    def opened(self) -> "Gate":
        self._store = open_store(self.url, busy_seconds=0.2)
        return self

    def ingest(self, segment: bytes) -> int:
        with self.changed:
            self.tries += 1
            self.changed.notify_all()
        if self.shut.is_set():
            raise StoreUnreachable("the store is shut", hint="open it")
        assert self._store is not None
        return self._store.ingest(segment)

    def failed_since(self, cursor: int | None) -> Failed:
        assert self._store is not None
        return self._store.failed_since(cursor)

    def close(self) -> None:
        assert self._store is not None
        self._store.close()

    def wait_for_tries(self, more: int) -> None:
        with self.changed:
            until = self.tries + more
            assert self.changed.wait_for(lambda: self.tries >= until, timeout=60)


@dataclass
class Load:
    """Clients that ask one after the other, and write down when each answer came."""

    port: int
    clients: int = 2
    answered: dict[str, float] = field(default_factory=dict)
    """Path to monotonic seconds."""
    longest: float = 0.0
    """Seconds that an answer took."""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ending: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Ask for `/NAME/CLIENT/NUMBER` until the end, or until the other side is gone."""
        threads = [
            threading.Thread(target=self._ask, args=(f"/{name}/{number}",)) for number in range(self.clients)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()

    def wait_for(self, count: int, alive: Callable[[], bool] = lambda: True) -> None:
        """Until so many are answered."""
        with self._changed:
            while len(self.answered) < count:
                assert self._changed.wait(60), f"no answer after {len(self.answered)}"
                assert alive()

    def _ask(self, prefix: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        number = 0
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not self._ending.is_set():
                path = f"{prefix}/{number}"
                began = time.monotonic()
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status == 200, body
                with self._changed:
                    self.answered[path] = time.monotonic()
                    self.longest = max(self.longest, self.answered[path] - began)
                    self._changed.notify_all()
                number += 1
        connection.close()
