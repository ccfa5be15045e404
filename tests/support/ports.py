"""Ports for servers that must know theirs before they start."""

from mesh_store.ports import claim_any


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 that nobody listens on, nor will."""
    found: list[int] = []
    for _ in range(count):
        port = claim_any()
        assert port is not None
        found.append(port)
    return found
