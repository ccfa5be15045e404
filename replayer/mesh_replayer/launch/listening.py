"""Waiting until a service listens: where it was told to, or elsewhere."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from mesh_replayer.launch.service import LaunchedService, LaunchFailed
from mesh_replayer.wire.connection import Address

_FIRST_TRY, _LONGEST_PAUSE = 0.01, 0.25
"""Seconds between tries to connect."""
ELSEWHERE_AFTER = 2.0
"""Seconds that a service may listen elsewhere alone, before that is taken for its place."""
_CONNECT_LIMIT = 2.0


@dataclass(frozen=True, slots=True)
class Found:
    """Where a service listens."""

    host: str
    port: int
    moved: bool
    """Whether that is not where it was told to."""


async def connects(addresses: Sequence[Address]) -> bool:
    """Whether something takes connections at one of the addresses."""
    for address in addresses:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_LIMIT):
                _, writer = await asyncio.open_connection(address.ip, address.port)
            writer.close()
            return True
    return False


async def until_listening(service: LaunchedService, addresses: Sequence[Address], *, limit: float) -> Found:
    """Wait until the service takes connections.

    Args:
        service: started.
        addresses: of the target.
        limit: seconds.

    Raises:
        LaunchFailed: it ended, or did not listen within `limit`, or listens at several other places.
    """
    port = addresses[0].port
    loop = asyncio.get_running_loop()
    elsewhere: set[tuple[str, int]] = set()
    since, until, pause = loop.time(), loop.time() + limit, _FIRST_TRY
    while True:
        if await connects(addresses):
            return Found(addresses[0].ip, port, False)
        code = service.ended
        if code is not None:
            await service.stop()  # what it said last is read
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            raise _failed(service, f"ended {how} before it listened on port {port}")
        seen = service.listening()
        if seen != elsewhere:
            elsewhere, since = seen, loop.time()
        if elsewhere and loop.time() - since >= ELSEWHERE_AFTER:
            return _only(service, elsewhere, port)
        if loop.time() >= until:
            raise _failed(service, f"did not listen on port {port} within {limit:g} s")
        await asyncio.sleep(min(pause, max(0.0, until - loop.time())))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _only(service: LaunchedService, places: set[tuple[str, int]], port: int) -> Found:
    ports = {place[1] for place in places}
    if len(ports) > 1:
        listed = ", ".join(str(each) for each in sorted(ports))
        raise _failed(
            service,
            f"listens on ports {listed}, not on {port}",
            hint="say which: --target localhost:PORT",
        )
    host = next((host for host, _ in sorted(places) if host.startswith("127.")), min(places)[0])
    return Found(host, ports.pop(), True)


def _failed(
    service: LaunchedService,
    what: str,
    hint: str = "it gets the port as PORT; --start-timeout gives it longer",
) -> LaunchFailed:
    return LaunchFailed(f"`{service.name}` {what}", hint=hint, said=service.tail())
