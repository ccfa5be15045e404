"""What a worker is told from the start. Pure."""

from dataclasses import dataclass

from mesh_recorder.settings import SidecarSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Goes to the new process as it is."""

    settings: SidecarSettings
    bypassed: bool = False
    lost: int = 0
    """Requests that the worker before it took with it when it died."""
    verbose: bool = False
