"""Ports for servers that must know theirs before they start."""

import random
import socket

_OUTSIDE_EPHEMERAL = range(10_000, 32_000)
"""No system gives these to outgoing connections by default, so that a found port stays free."""


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 that nobody listens on."""
    free = (port for port in random.sample(_OUTSIDE_EPHEMERAL, len(_OUTSIDE_EPHEMERAL)) if _is_free(port))
    return [next(free) for _ in range(count)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
