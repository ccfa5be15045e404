"""What a relay does to a socket beyond reading and writing."""

import array
import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
import time

MOST_RESCUED = 1024 * 1024
"""Bytes that are read of what a broken connection still holds."""
FLUSH = 0.02
"""Seconds between two looks at what a peer has not taken yet."""
_AT_ONCE = struct.pack("ii", 1, 0)


def seconds() -> float:
    """Seconds since the epoch."""
    return time.time()


def hold(transport: asyncio.Transport) -> None:
    """Read nothing from a peer for a while."""
    if not transport.is_closing() and transport.is_reading():
        transport.pause_reading()


def let_go(transport: asyncio.Transport) -> None:
    """Read again."""
    if not transport.is_closing() and not transport.is_reading():
        transport.resume_reading()


def rescued(transport: asyncio.BaseTransport) -> bytes:
    """What a peer sent before it reset the connection, and nobody has read: often why it did."""
    own = transport.get_extra_info("socket")
    pieces: list[bytes] = []
    size = 0
    failing = contextlib.suppress(OSError, ValueError, AttributeError)
    with failing, socket.socket(fileno=os.dup(own.fileno())) as copy:
        copy.setblocking(False)
        while size < MOST_RESCUED and (piece := copy.recv(65536)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)


def closed_by_peer(transport: asyncio.BaseTransport) -> bool:
    """Whether a peer that sends nothing more has refused what was sent to it."""
    own = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return bool(own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    return False


def reset(transport: asyncio.Transport) -> None:
    """Close at once, so that the peer sees a reset as it would have seen it directly."""
    own = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, ValueError, AttributeError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def reset_when_sent(transport: asyncio.Transport, tries: int = 100) -> None:
    """Reset once the peer has all that was written before, or has had time for it."""
    if transport.is_closing():
        return
    if tries and (transport.get_write_buffer_size() or _unsent(transport)):
        asyncio.get_running_loop().call_later(FLUSH, reset_when_sent, transport, tries - 1)
    else:
        reset(transport)


def _unsent(transport: asyncio.Transport) -> int:
    """Bytes that the peer has not acknowledged."""
    own = transport.get_extra_info("socket")
    waiting = array.array("i", [0])
    with contextlib.suppress(OSError, ValueError, AttributeError):
        fcntl.ioctl(own.fileno(), termios.TIOCOUTQ, waiting)
    return waiting[0]
