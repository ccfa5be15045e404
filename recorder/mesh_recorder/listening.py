"""The sockets of a sidecar: all of them bound, or none; and where that is."""

import contextlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mesh_recorder.lane.listeners import bind, bound_to
from mesh_recorder.settings import Listen, SidecarSettings, UpstreamPort

INBOUND = "inbound"
OUTBOUND = "outbound"

type Sockets = Mapping[str, socket.socket]
"""By part: `inbound`, `outbound`, `upstream:NAME`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a sidecar listens, with the real ports."""

    inbound: Listen | None = None
    outbound: Listen | None = None
    upstreams: tuple[UpstreamPort, ...] = ()


def bind_all(settings: SidecarSettings) -> dict[str, socket.socket]:
    """All sockets that the settings ask for, bound; nothing is accepted yet.

    Raises:
        ListenFailed: an address is taken or not ours; nothing is bound then.
    """
    with contextlib.ExitStack() as opened:
        sockets: dict[str, socket.socket] = {}
        for part, listen, what in _wanted(settings):
            sockets[part] = opened.enter_context(bind(listen, what))
        opened.pop_all()
    return sockets


def listening(settings: SidecarSettings, sockets: Sockets) -> Listening:
    """Where the sockets are."""
    real = {part: bound_to(bound) for part, bound in sockets.items()}
    return Listening(
        inbound=real.get(INBOUND),
        outbound=real.get(OUTBOUND),
        upstreams=tuple(replace(port, listen=real[part_of(port)]) for port in settings.upstreams),
    )


def part_of(upstream: UpstreamPort) -> str:
    """The part that an upstream's socket plays."""
    return f"upstream:{upstream.name}"


def _wanted(settings: SidecarSettings) -> Iterator[tuple[str, Listen, str]]:
    if settings.inbound is not None and settings.app is not None:
        yield INBOUND, settings.inbound, "the inbound listener"
    if settings.outbound is not None:
        yield OUTBOUND, settings.outbound, "the outbound listener"
    for upstream in settings.upstreams:
        yield part_of(upstream), upstream.listen, f"the port for {upstream.name}"
