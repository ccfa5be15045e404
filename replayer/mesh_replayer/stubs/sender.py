"""In front of the sender: tells the stubs which request is on its way."""

from dataclasses import dataclass

from mesh_replayer.plan import Step
from mesh_replayer.reply import Received
from mesh_replayer.send import Sends
from mesh_replayer.stubs.dependencies import Dependencies
from mesh_replayer.wire.request import WireRequest


@dataclass(slots=True)
class StubbedSender:
    """Sends as `sender` does, to a target whose dependencies are stubs."""

    sender: Sends
    dependencies: Dependencies

    async def send(self, step: Step, request: WireRequest) -> Received:
        """Send one request and read its response."""
        marked = self.dependencies.begin(step.exchange, request)
        try:
            return await self.sender.send(step, marked)
        finally:
            self.dependencies.end(step.exchange)

    async def close(self, lane: tuple[str, str]) -> None:
        """Close the connection of a lane that has no more steps."""
        await self.sender.close(lane)

    async def aclose(self) -> None:
        """Close all, once calls that followed an answer have had a moment to come."""
        await self.dependencies.settle()
        await self.sender.aclose()
