"""A bar on a terminal's stderr while a long run goes on; gone before its results are printed."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mesh_replayer.events import Event, Judged, RunFinished, RunStarted

LONG = 20
"""Requests from which on a run gets a bar."""


@dataclass(slots=True)
class ProgressReport:
    """Shows how many results are there; entered, it leaves no bar behind however the run ends."""

    console: Console
    _total: int = 0
    _bar: Progress | None = None
    _task: TaskID = field(default=TaskID(0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted):
            self._total = len(event.plan.steps)
        elif isinstance(event, Judged):
            if self._bar is None and self._total >= LONG and self.console.is_terminal:
                self._bar = self._begun()
            if self._bar is not None:
                self._bar.advance(self._task)
        elif isinstance(event, RunFinished) and self._bar is not None:
            self._bar.stop()

    def _begun(self) -> Progress:
        bar = Progress(
            TextColumn("replaying"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._task = bar.add_task("", total=self._total)
        bar.start()
        return bar
