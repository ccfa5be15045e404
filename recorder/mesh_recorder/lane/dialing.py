"""Connect to an upstream, in time or with a sentence that says why not."""

import asyncio
import socket
import time

from mitmproxy.connection import ConnectionState, Server

from mesh_recorder import failures
from mesh_recorder.lane.terms import Terms
from mesh_recorder.lane.wire import Wire
from mesh_recorder.reaching import connect


async def dial(server: Server, wire: Wire, terms: Terms) -> str | None:
    """Connect `wire` to the server's address; None, or what went wrong, for people."""
    if server.address is None:
        return "the request names no destination"
    host, port = server.address[0], server.address[1]
    where = f"{host}:{port}"
    server.timestamp_start = time.time()
    try:
        async with asyncio.timeout(terms.connect_timeout):
            await connect(lambda: wire, host, port)
    except TimeoutError:
        return f"{where} {failures.SLOW_CONNECT} {terms.connect_timeout:g} s"
    except socket.gaierror:
        return f"{host} {failures.UNKNOWN_NAME}"
    except UnicodeError:
        return f"{host} {failures.UNKNOWN_NAME}"
    except ConnectionRefusedError:
        return f"{where} {failures.REFUSED}"
    except OSError as error:
        refused = "Multiple exceptions" in str(error) and str(error).count("Errno 111") > 0
        return f"{where} {failures.REFUSED if refused else _unreachable(error)}"
    transport = wire.transport
    if transport is None:
        return f"{where} {failures.UNREACHABLE}"
    server.timestamp_tcp_setup = time.time()
    server.state = ConnectionState.OPEN
    server.peername = transport.get_extra_info("peername")[:2]
    server.sockname = transport.get_extra_info("sockname")[:2]
    own = transport.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return None


def _unreachable(error: OSError) -> str:
    return f"{failures.UNREACHABLE}: {error.strerror or error}"
