"""Ports for servers that must know theirs before they start."""

from mesh_store.ports import claim_any as free_ports

__all__ = ["free_ports"]
