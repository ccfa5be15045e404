"""The supervisor: binds the sockets once, has them served by workers, and adds up what these say.

It looks like a sidecar from outside. It holds the listening sockets too, so that a worker's death is a pause
in accepting and not a refusal, and imports nothing that is heavy.
"""

import asyncio
import logging
import socket

from mesh_recorder import resources
from mesh_recorder.authority import project_ca
from mesh_recorder.counters import Counters
from mesh_recorder.lane.accepting import BACKLOG
from mesh_recorder.listening import Listening, bind_all, listening
from mesh_recorder.report import Report, total
from mesh_recorder.settings import SidecarSettings
from mesh_recorder.workers.member import Member
from mesh_recorder.workers.orders import Orders

logger = logging.getLogger(__name__)

MORE_PATIENCE = 5.0
"""Seconds that a worker has beyond its own time limits, before it is ended by force."""


class Crew:
    """The workers of one instance of one service; started and stopped once."""

    def __init__(self, settings: SidecarSettings, *, verbose: bool = False) -> None:
        """Make the crew that the settings ask for; nothing is bound before `start`."""
        self._settings = settings
        self._verbose = verbose
        self._bypassed = False
        self._members: list[Member] = []
        self._lives: list[asyncio.Task[None]] = []
        self._sockets: dict[str, socket.socket] = {}

    async def start(self) -> Listening:
        """Bind all listeners, and start the workers; traffic flows when all are there.

        Raises:
            ListenFailed: an address is taken or not ours; nothing is bound then.
            ConfigInvalid: a worker cannot use what it is told.
        """
        project_ca(self._settings.ca_dir)  # once, before many want it
        self._sockets = bind_all(self._settings)
        for each in self._sockets.values():
            each.listen(BACKLOG)
        for number in range(1, self._settings.workers + 1):
            member = Member(str(number), self._sockets, self._orders)
            self._members.append(member)
            self._lives.append(asyncio.create_task(member.live()))
        await asyncio.gather(*(member.ready.wait() for member in self._members))
        failed = next((member.failed for member in self._members if member.failed), None)
        if failed is not None:
            await self.stop()
            raise failed
        return listening(self._settings, self._sockets)

    async def stop(self) -> Counters:
        """Accept nothing more, let the workers answer and ship what they have; the final account."""
        for each in self._sockets.values():
            each.close()
        patience = 2 * self._settings.drain_timeout + MORE_PATIENCE
        await asyncio.gather(*(member.end(patience) for member in self._members))
        await asyncio.gather(*self._lives)
        return (await self.report()).counters

    async def report(self) -> Report:
        """What all workers say, added up; those who are gone count with their last word."""
        said = await asyncio.gather(*(member.report() for member in self._members))
        ours = Report(
            workers=0,
            restarts=sum(member.restarts for member in self._members),
            crash_loops=sum(member.crash_loop for member in self._members),
            resources=resources.used(),
            bypassed=self._bypassed,
        )
        return total([ours, *(report for both in said for report in both)])

    @property
    def bypassed(self) -> bool:
        """Whether nothing is recorded, because somebody said so."""
        return self._bypassed

    async def bypass(self, on: bool) -> None:
        """Stop recording and be a plain relay, or record again what begins from now on."""
        self._bypassed = on
        await asyncio.gather(*(member.bypass(on) for member in self._members))

    def _orders(self, lost: int) -> Orders:
        return Orders(settings=self._settings, bypassed=self._bypassed, lost=lost, verbose=self._verbose)
