"""The report for people: where it goes, what became of each request, and what that amounts to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from mesh_replayer.events import Event, Judged, RunFinished, RunStarted
from mesh_replayer.linking import route_of
from mesh_replayer.look.console import print_lines
from mesh_replayer.look.differences import difference_lines, left_out_lines, noise_lines
from mesh_replayer.look.safe import safe
from mesh_replayer.look.words import STYLES, duration
from mesh_replayer.plan import Choice, Plan, Selection
from mesh_replayer.reports.grouping import Groups
from mesh_replayer.reports.stubs import stub_lines
from mesh_replayer.schedule import LATE, Lateness
from mesh_replayer.verdict import Verdict, what

MOST_LINKS = 12
"""That a run lists before it begins."""
_SHOW_DIFFERENCES = frozenset(
    {Verdict.DIFFERENT, Verdict.BROKEN, Verdict.FAILS_DIFFERENTLY, Verdict.UNSURE, Verdict.FLAKY}
)


@dataclass(slots=True)
class TerminalReport:
    """Prints the head at once, and all that is alike together when the run is over."""

    console: Console
    _groups: Groups = field(default_factory=Groups)

    def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted):
            print_lines(self.console, started_lines(event))
        elif isinstance(event, Judged):
            self._groups.add(event)
        elif isinstance(event, RunFinished):
            print_lines(self.console, result_lines(self._groups, event, self.console.width))


def started_lines(event: RunStarted) -> Iterator[Text]:
    """What the target is, and that its dependencies are live."""
    for choice in event.plan.choices:
        yield target_line(choice, event.stubs)
    sent, all_steps = len(event.plan.sent), len(event.plan.steps)
    line = f"{sent} request{'' if sent == 1 else 's'}"
    if all_steps > sent:
        line += f" ({all_steps - sent} more cannot be sent)"
    if event.plan.trace_id is not None:
        line += f" of trace {event.plan.trace_id}"
    yield Text(f"{line}, run {event.run_id}", "dim")
    if event.plan.selection is not None:
        yield selection_line(event.plan.selection)
    yield from link_lines(event.plan, MOST_LINKS)
    for note in event.notes:
        yield Text(note, "yellow")


def selection_line(selection: Selection) -> Text:
    """How the requests were chosen, and how many were not."""
    left = selection.found - selection.chosen
    line = f"chosen: {selection.chosen} of {selection.found}, spread over {selection.kinds} kinds of route"
    line += f" and outcome; {left} are not sent"
    if selection.looked_at < selection.found:
        line += f" (chosen from the newest {selection.looked_at})"
    return Text(f"{line}; --seed {selection.seed} chooses the same again", "dim")


def link_lines(plan: Plan, most: int) -> Iterator[Text]:
    """What flows from answers to later requests and why that is believed; those that are alike once."""
    alike: dict[tuple[str, ...], int] = {}
    for link in plan.links:
        source = link.sources[0]
        uses, gives = (route_of(plan.steps[at].exchange) for at in (link.step, source.step))
        key = (link.name, uses, source.place.general.text, gives, link.evidence)
        alike[key] = alike.get(key, 0) + 1
    for name, uses, place, gives, evidence in list(alike)[:most]:
        line = Text("link ", "dim")
        line.append(safe(name), "cyan")
        line.append(f" of {safe(uses)} from {safe(place)} of the answer to {safe(gives)} ({evidence})", "dim")
        yield line
    if len(alike) > most:
        yield Text(f"and {len(alike) - most} more links; --dry-run lists them", "dim")


def target_line(choice: Choice, stubs: Sequence[str] | None = None) -> Text:
    """Where requests go, whom that stands for and why, and what of it is real."""
    where = "this machine" if choice.target.loopback else "not this machine"
    line = Text("target ")
    line.append(safe(choice.target.text), "bold")
    line.append(f" ({where}) stands for ")
    line.append(safe(choice.service), "bold")
    line.append(f", {safe(choice.reason)}; its own dependencies are {_dependencies(stubs)}")
    return line


def _dependencies(stubs: Sequence[str] | None) -> str:
    if stubs is None:
        return "live"
    return f"stubs ({safe(', '.join(stubs))})" if stubs else "stubs (it called none)"


def result_lines(groups: Groups, finished: RunFinished, width: int) -> Iterator[Text]:
    """A line or more for all that are alike, then the counts."""
    for first, count in groups:
        yield from _group(first, count, width)
    yield from closing_lines(finished)
    counts = ", ".join(f"{count} {name}" for name, count in finished.counts.items()) or "nothing was sent"
    line = Text("interrupted: " if finished.interrupted else "")
    line.append(counts, "bold")
    if finished.old_failures:
        line.append("; reproduced are old failures: they fail nothing without --fail-on reproduced", "dim")
    yield line


def closing_lines(finished: RunFinished) -> Iterator[Text]:
    """What is said of the run as a whole: how stubs were used, and how well it kept to its pace."""
    if finished.stubs is not None:
        yield from stub_lines(finished.stubs)
    if finished.lateness is not None:
        yield _lateness_line(finished.lateness)


def _lateness_line(lateness: Lateness) -> Text:
    times = f"p50 {duration(lateness.p50)}, p99 {duration(lateness.p99)}"
    if lateness.kept:
        return Text(f"  sent late by {times}", "dim")
    return Text(
        f"  not at the pace asked for: {lateness.late} of {lateness.count} requests were more than"
        f" {duration(LATE)} late ({times})",
        "bold yellow",
    )


def _group(first: Judged, count: int, width: int) -> Iterator[Text]:
    line = Text("  ")
    line.append(f"{first.verdict.replace('_', ' '):<19}", STYLES[first.verdict])
    line.append(f"{safe(first.exchange.service)} {safe(first.exchange.method)} {safe(first.exchange.path)}")
    if count > 1:
        line.append(f" and {count - 1} like it", "bold")
    if first.reason:
        line.append(f"  {safe(first.reason)}")
    elif first.replayed is not None:
        line.append(f"  {what(first.exchange)} → {what(first.replayed)}", "dim")
    yield line
    if first.verdict in _SHOW_DIFFERENCES:
        yield from difference_lines(first.differences, width, "      ")
    elif first.verdict is Verdict.SAME:
        yield from noise_lines(first.differences, "      ")
    if first.verdict in (Verdict.DIFFERENT, Verdict.SAME):
        yield from left_out_lines(first.left_out, "      ")
    for change in first.changes:
        if not change.startswith("new "):
            yield Text(f"      sent with {safe(change)}", "dim")
