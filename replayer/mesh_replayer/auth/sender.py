"""In front of the sender: credentials go in at the last moment, and never come back."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mesh_replayer.auth.applying import authorized
from mesh_replayer.auth.scrubbing import scrubbed, spellings
from mesh_replayer.auth.secrets import Secrets
from mesh_replayer.plan import Step
from mesh_replayer.reply import Received
from mesh_replayer.send import Sends
from mesh_replayer.wire.request import WireRequest


@dataclass(slots=True)
class AuthorizedSender:
    """Sends as `sender` does, with credentials for those targets that may get them."""

    sender: Sends
    secrets: Mapping[str, Sequence[Secrets]]
    """By a target's text."""
    clock: Callable[[], float] = time.time
    """Seconds since the Unix epoch."""
    _hidden: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        known = (secret for each in self.secrets.values() for secrets in each for secret in secrets.all)
        self._hidden = spellings(known)

    async def send(self, step: Step, request: WireRequest) -> Received:
        """Send one request and read its response."""
        for secrets in self.secrets.get(step.target.text, ()):
            request = authorized(step.exchange, request, secrets, now=self.clock())
        return scrubbed(await self.sender.send(step, request), self._hidden)

    async def close(self, lane: tuple[str, str]) -> None:
        """Close the connection of a lane that has no more steps."""
        await self.sender.close(lane)

    async def aclose(self) -> None:
        """Close all."""
        await self.sender.aclose()
