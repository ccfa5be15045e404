"""The request target that goes to a server itself. Pure."""

from mesh_core.model import Exchange


def target_of(exchange: Exchange) -> str:
    """Path and query, without the server, which a call through a forward proxy names."""
    before, found, rest = exchange.path.partition("://")
    if not found or not before.isalpha():
        return exchange.path
    return "/" + rest.partition("/")[2]
