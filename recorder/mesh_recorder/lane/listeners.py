"""Listening sockets of our own: a port that is taken is an error with words, and closing is ours."""

import errno
import socket
from collections.abc import Callable

from mesh_core.errors import ListenFailed
from mesh_recorder.lane.holder import holder_of
from mesh_recorder.settings import Listen, host_port


def bind(listen: Listen, what: str, *, holder: Callable[[int], str | None] = holder_of) -> socket.socket:
    """A socket bound to `listen`; nothing is accepted yet.

    Args:
        listen: where.
        what: names the listener in an error.
        holder: says who holds a port, where that can be known.

    Raises:
        ListenFailed: the address is taken, not ours, or no address.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as cause:
        raise ListenFailed(
            f"{what}: {listen.host} is no address of this machine",
            hint="listen on 127.0.0.1, or on an own address",
        ) from cause
    # Without the protocol's number asyncio leaves TCP_NODELAY off: half the throughput.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.setblocking(False)
    except (OSError, OverflowError) as cause:
        bound.close()
        raise _failed(listen, what, cause, holder) from cause
    return bound


def _failed(listen: Listen, what: str, cause: Exception, holder: Callable[[int], str | None]) -> ListenFailed:
    code = getattr(cause, "errno", None)
    if code == errno.EADDRINUSE:
        who = holder(listen.port)
        return ListenFailed(
            f"{what}: {listen} is taken{f' by {who}' if who else ''}",
            hint="stop what listens there, or choose another port",
        )
    if code in (errno.EACCES, errno.EPERM):
        return ListenFailed(f"{what}: {listen} may not be used by this user", hint="choose a port above 1023")
    if code == errno.EADDRNOTAVAIL:
        return ListenFailed(
            f"{what}: {listen.host} is no address of this machine",
            hint="listen on 127.0.0.1, or on an own address",
        )
    return ListenFailed(f"{what}: {listen} cannot be used: {cause}", hint="choose another address")


def bound_to(bound: socket.socket) -> Listen:
    """The real address, with the port that was chosen."""
    host, port = bound.getsockname()[:2]
    return Listen(host=host, port=port)


def spec_of(scheme_host_port: str | None, own: Listen) -> str:
    """How mitmproxy names a listener: what it stands for, and where it is."""
    at = host_port(own.host, own.port)
    return f"regular@{at}" if scheme_host_port is None else f"reverse:{scheme_host_port}@{at}"
