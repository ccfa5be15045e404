"""Ports that are taken but not listened on yet: a claim that every program of ours respects."""

import random
import socket
import sys
from collections.abc import Collection
from itertools import islice

from mesh_core.errors import ListenFailed

_OUTSIDE_EPHEMERAL = range(10_000, 32_000)
"""Ports that no system gives to outgoing connections by default, so that none is lost between
being found free and being used."""

_claims: set[int] = set()
"""Ours until this process ends."""


def claim_any(count: int, *, taken: Collection[int] = ()) -> list[int]:
    """So many free ports of 127.0.0.1, in no order, that are ours from now on.

    Args:
        count: how many.
        taken: ports that will not do.

    Raises:
        ListenFailed: there are not so many.
    """
    candidates = random.sample(_OUTSIDE_EPHEMERAL, len(_OUTSIDE_EPHEMERAL))
    free = (p for p in candidates if p not in taken and p not in _claims and claim(p))
    found = list(islice(free, count))
    if len(found) < count:
        raise ListenFailed("no port of 127.0.0.1 is free", hint="give each address a port")
    return found


def claim(port: int) -> bool:
    """Whether the port is free, and no other program of ours is about to use it; it is ours then."""
    return is_free(port) and _claimed(port)


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _claimed(port: int) -> bool:
    """Hold an abstract socket of that name: it ends with the process. Linux alone has them."""
    if sys.platform != "linux" or port in _claims:
        return True
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0mesh-replay port {port}")
    except OSError:
        holder.close()
        return False
    holder.detach()  # open until the process ends
    _claims.add(port)
    return True
