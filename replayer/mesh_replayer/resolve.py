"""From a target's name to addresses that were checked: resolved once, and connected to exactly."""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh_core.config import Service
from mesh_core.errors import ConfigInvalid
from mesh_replayer.target import Target, check_addresses
from mesh_replayer.wire.connection import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a target is reached."""

    target: Target
    addresses: tuple[Address, ...]
    """Empty where the name leads nowhere."""
    problem: str = ""
    """Why, in words."""
    context: ssl.SSLContext | None = None
    context2: ssl.SSLContext | None = None
    """The same, agreeing on HTTP/2."""


async def resolve(target: Target, *, ca: Path | None = None) -> Route:
    """Resolve and check a target.

    Args:
        target: one that may be sent to as written.
        ca: certificates to trust besides the system's.

    Raises:
        TargetNotAllowed: the name leads to an address that is never a target, or not what it promised.
        ConfigInvalid: `ca` cannot be used.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as cause:
        return Route(
            target=target, addresses=(), problem=f"the name {target.host} leads nowhere: {cause.strerror}"
        )
    ips = list(dict.fromkeys(str(info[4][0]) for info in found))
    check_addresses(target, ips)
    addresses = tuple(Address(ip, target.port) for ip in ips)
    if target.scheme != "https":
        return Route(target=target, addresses=addresses)
    context2 = _context(ca)
    context2.set_alpn_protocols(["h2"])
    return Route(target=target, addresses=addresses, context=_context(ca), context2=context2)


async def resolve_all(targets: Sequence[Target], authorities: Mapping[str, Path]) -> dict[str, Route]:
    """Routes by a target's text; see `resolve`."""
    return {target.text: await resolve(target, ca=authorities.get(target.text)) for target in targets}


def authority_of(service: Service | None, folder: Path) -> Path | None:
    """The CA file that the configuration names for a service."""
    return folder / service.upstream_ca if service is not None and service.upstream_ca else None


def _context(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as cause:
            raise ConfigInvalid(
                f"{ca} holds no certificates: {cause.strerror or cause}", hint="see upstream_ca"
            ) from cause
    return context
