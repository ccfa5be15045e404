"""Ask the store which traces failed, as any sidecar of the mesh saw them."""

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from mesh_core.errors import MeshError, StoreUnreachable
from mesh_core.together import Failed

EACH_SECONDS = 1.0
"""How often the store is asked."""


@runtime_checkable
class Tells(Protocol):
    """Who knows of failures: the store."""

    def failed_since(self, cursor: int | None) -> Failed:
        """The failures after `cursor`; with None, those of the last hour."""
        ...


class Alarm:
    """What was heard of failures so far; asked in one thread, `heard_at` is read in others."""

    def __init__(self, tell: Callable[[frozenset[int]], None], *, each: float = EACH_SECONDS) -> None:
        """Make an alarm that hands the keys of failures to `tell`, and asks after `each` seconds again."""
        self._tell = tell
        self._each = each
        self._next = 0.0
        self._cursor: int | None = None
        self.heard_at: float | None = None
        """Monotonic seconds: all that the store knew by then has been told."""
        self.asked = 0
        """How often, answered or not."""

    @property
    def due(self) -> bool:
        """Whether it is time to ask."""
        return self.wait == 0

    @property
    def wait(self) -> float:
        """Seconds until it is."""
        return max(0.0, self._next - time.monotonic())

    def hurry(self) -> None:
        """Make it time to ask."""
        self._next = 0.0

    def ask(self, opened: Callable[[], object]) -> None:
        """Ask once, if what `opened` gives can tell.

        Raises:
            MeshError: there is no answer.
        """
        now = time.monotonic()
        self._next = now + self._each
        try:
            sink = opened()
            if not isinstance(sink, Tells):
                return
            found = sink.failed_since(self._cursor)
        except MeshError:
            raise
        except Exception as cause:
            problem = f"the store does not tell of failures ({type(cause).__name__})"
            raise StoreUnreachable(problem, hint="see its log") from cause
        finally:
            self.asked += 1
        if found.keys:
            self._tell(found.keys)
        self._cursor = found.cursor
        if found.more:
            self._next = 0.0
        else:
            self.heard_at = now
