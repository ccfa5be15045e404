"""The report for programs: one JSON document when the run is over."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from mesh_replayer.events import Event, Judged, RunFinished, RunStarted
from mesh_replayer.reports.shapes import run_json


@dataclass(slots=True)
class JsonReport:
    """Collects a run and writes it once."""

    write: Callable[[str], None]
    _started: RunStarted | None = None
    _judged: list[Judged] = field(default_factory=list)

    def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, Judged):
            self._judged.append(event)
        elif isinstance(event, RunFinished) and self._started is not None:
            document = run_json(self._started, self._judged, event)
            self.write(json.dumps(document, ensure_ascii=True, indent=2) + "\n")
