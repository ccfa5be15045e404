"""What each listener of a sidecar stands for. Pure."""

from dataclasses import dataclass
from pathlib import Path

from mesh_core.model import Direction
from mesh_recorder.capture import Place
from mesh_recorder.settings import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One listener's part."""

    place: Place
    target: Endpoint | None = None
    """Where all its requests go; None for the forward proxy, which is told."""
    strangers: bool = False
    """Whether the callers are outside the mesh."""
    refuses_replays: bool = False
    """Whether a replay is answered by the sidecar, and never reaches the service."""
    cert: Path | None = None
    """The listener's own certificate; it speaks TLS then."""
    key: Path | None = None
    intercept: frozenset[str] = frozenset()
    """Hosts whose TLS the forward proxy looks into."""
    intercept_all: bool = False

    @property
    def forward(self) -> bool:
        """Whether it is the forward proxy."""
        return self.target is None

    @property
    def inbound(self) -> bool:
        """Whether it takes calls to the service."""
        return self.place.direction is Direction.INBOUND

    def intercepts(self, host: str) -> bool:
        """Whether TLS to this host is looked into; `*.example.org` stands for all names below."""
        if self.intercept_all:
            return True
        name = host.lower().rstrip(".")
        return name in self.intercept or any(
            pattern.startswith("*.") and name.endswith(pattern[1:]) for pattern in self.intercept
        )
