"""A server of a test in a thread and an event loop of its own, for code under test that has its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager


@contextmanager
def apart[T](make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Enter in a thread, and leave there at the end; what goes wrong there goes wrong here."""
    started = threading.Event()
    found: list[T] = []
    failed: list[BaseException] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        async with make() as entered:
            found.append(entered)
            loops.append((asyncio.get_running_loop(), stop))
            started.set()
            await stop.wait()

    def thread_main() -> None:
        try:
            asyncio.run(run())
        except BaseException as failure:  # noqa: BLE001 (raised in the test's thread)
            failed.append(failure)
        finally:
            started.set()

    thread = threading.Thread(target=thread_main)
    thread.start()
    started.wait()
    try:
        if found:
            yield found[0]
    finally:
        for loop, stop in loops:
            loop.call_soon_threadsafe(stop.set)
        thread.join()
    if failed:
        raise failed[0]
