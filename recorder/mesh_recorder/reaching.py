"""Connect to a name: every address that it has, one after the other."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable
from typing import Any


async def connect[P: asyncio.BaseProtocol](
    factory: Callable[[], P], host: str, port: int
) -> tuple[asyncio.Transport, P]:
    """A connection to the first address that takes one.

    The event loop's own `create_connection` does the same, but uvloop's leaves a name that is not found
    unheard where it is given up meanwhile, and says so with a traceback.

    Raises:
        OSError: what the last address said; `socket.gaierror` where the name has none.
        UnicodeError: no name can be spelt so.
    """
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return await _connect(loop, factory, host, port)
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [address[0] for _, _, _, _, address in found]
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return await _connect(loop, factory, str(address), port)
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
    return await _connect(loop, factory, str(addresses[-1]), port)


async def _connect[P: asyncio.BaseProtocol](
    loop: asyncio.AbstractEventLoop, factory: Callable[[], P], host: str, port: int
) -> tuple[Any, P]:
    return await loop.create_connection(factory, host, port)
