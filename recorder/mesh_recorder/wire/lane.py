"""The wire lane as a whole: its listeners, started and stopped together."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from mesh_core.model import Direction
from mesh_recorder.addons.roles import Role
from mesh_recorder.settings import SidecarSettings
from mesh_recorder.tee import Room
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.relay import WireListener


class WireLane:
    """Carries the traffic of those of a sidecar's listeners that it can."""

    def __init__(
        self,
        gates: Sequence[tuple[socket.socket, Role]],
        settings: SidecarSettings,
        *,
        offer: Callable[[WireCaptured], None],
        lost: Callable[[str], None],
    ) -> None:
        """Make the lane; nothing is accepted before `start`.

        Args:
            gates: the bound sockets, and what each stands for.
            settings: the sidecar's.
            offer: takes a request that has ended; must not block.
            lost: counts one that could not be captured, by reason.
        """
        room = Room(settings.budget)
        self._gates = [
            (
                bound,
                WireListener(
                    role,
                    offer=offer,
                    lost=lost,
                    room=room,
                    trace_headers=settings.trace_headers,
                    max_body=settings.max_body,
                    connect_timeout=settings.connect_timeout,
                    response_timeout=settings.response_timeout,
                ),
            )
            for bound, role in gates
        ]

    def start(self) -> None:
        """Accept traffic on all gates."""
        for bound, listener in self._gates:
            listener.start(bound)

    async def stop(self, patience: float) -> None:
        """Accept nothing more, let open requests end for at most `patience` seconds, then close all."""
        await asyncio.gather(*(listener.stop(patience) for _, listener in self._gates))

    def bypass(self, on: bool) -> None:
        """Change no header and keep no body any more, or again as told at first."""
        for _, listener in self._gates:
            listener.desk.bypass(on)

    def seen(self, direction: Direction) -> int:
        """Requests in that direction."""
        return sum(
            listener.desk.seen for _, listener in self._gates if listener.desk.place.direction is direction
        )

    @property
    def busy(self) -> int:
        """Requests that are open."""
        return sum(listener.busy for _, listener in self._gates)

    @property
    def failures(self) -> int:
        """Connections that could not be read, by an error of ours; their traffic went on."""
        return sum(listener.desk.failures for _, listener in self._gates)
