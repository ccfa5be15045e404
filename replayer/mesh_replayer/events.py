"""What happens in a run, one typed event after the other. Pure.

The run emits them and knows no report; a report is a function of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mesh_core.errors import ExitCode
from mesh_core.model import Bodies, Exchange
from mesh_replayer.diff import Difference, LeftOut
from mesh_replayer.plan import Plan
from mesh_replayer.schedule import Lateness
from mesh_replayer.stubs.told import StubsTold
from mesh_replayer.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """Nothing was sent yet."""

    run_id: str
    plan: Plan
    notes: tuple[str, ...] = ()
    """What the user should know of all that follows."""
    stubs: tuple[str, ...] | None = None
    """The dependencies of the target that are stubs; None where all are live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request came to its end; its verdict follows. Who looks at both sides does it now and keeps none."""

    recorded: Exchange
    """Hidden, as `replayed` is."""
    replayed: Exchange
    bodies: Bodies
    """Of both sides, by hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One exchange has its verdict."""

    exchange: Exchange
    """As recorded."""
    replayed: Exchange | None
    """None where it was not sent."""
    verdict: Verdict
    wrong: bool = False
    """Whether this makes the run's exit code 1."""
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    changes: tuple[str, ...] = ()
    """What of the request was not sent as recorded."""
    runs: Mapping[str, int] = field(default_factory=dict)
    """How many of several runs gave each verdict; empty where it was sent once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """All that was to be sent was sent, or the user stopped it."""

    exit_code: ExitCode
    counts: Mapping[str, int]
    """How many exchanges got each verdict; verdicts that none got are left out."""
    interrupted: bool = False
    old_failures: bool = False
    """Whether there are old failures that fail as before, and are only counted."""
    lateness: Lateness | None = None
    """How well it kept to its pace; None where it had none."""
    stubs: StubsTold | None = None
    """How the stubs of the dependencies were used; None where these are live."""


type Event = RunStarted | Answered | Judged | RunFinished
type Emit = Callable[[Event], None]


def counted(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Verdicts and how many exchanges got each, in the order in which verdicts are listed."""
    counts = Counter(verdicts)
    return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}
