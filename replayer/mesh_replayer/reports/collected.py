"""A report that is made once, when the run is over. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mesh_replayer.events import Event, Judged, RunFinished, RunStarted


@dataclass(slots=True)
class Collected:
    """Collects a run, and hands it over whole."""

    finish: Callable[[RunStarted, Sequence[Judged], RunFinished], None]
    _started: RunStarted | None = None
    _judged: list[Judged] = field(default_factory=list)

    def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, Judged):
            self._judged.append(event)
        elif isinstance(event, RunFinished) and self._started is not None:
            self.finish(self._started, self._judged, event)
