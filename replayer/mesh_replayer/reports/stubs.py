"""How stubs were used, for people."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.text import Text

from mesh_replayer.look.safe import safe
from mesh_replayer.stubs.calls import RecordedCall
from mesh_replayer.stubs.told import StubsTold

_MOST = 10


def stub_lines(told: StubsTold) -> Iterator[Text]:
    """What was answered, what was not, and what nobody asked for any more."""
    parts = [f"{told.served} calls answered by stubs"]
    parts += [f"{told.by_form} of them with new ids or times"] if told.by_form else []
    parts += [f"{told.repeated} more often than recorded"] if told.repeated else []
    parts += [f"{told.passed_on} passed on to the real dependency"] if told.passed_on else []
    yield Text(f"  {', '.join(parts)}", "dim")
    alike = Counter(missed.sentence for missed in told.misses)
    for sentence, count in alike.most_common(_MOST):
        times = f" ({count} times)" if count > 1 else ""
        yield Text("  never recorded     ", "bold red") + Text(f"{safe(sentence)}{times}")
    if len(alike) > _MOST:
        yield Text(f"      and {len(alike) - _MOST} more", "dim")
    yield from _calls("no longer called", told.not_made)
    yield from _calls("not stubbed", told.left_out)


def _calls(what: str, calls: Sequence[RecordedCall]) -> Iterator[Text]:
    alike = Counter((*call.bucket, call.why_not) for call in calls)
    for (callee, method, path, why), count in alike.most_common(_MOST):
        times = f" ({count} times)" if count > 1 else ""
        because = f": {why}" if why else ""
        line = Text(f"  {what:<19}", "yellow")
        yield line + Text(safe(f"{callee} {method} {path}{because}") + times)
    if len(alike) > _MOST:
        yield Text(f"      and {len(alike) - _MOST} more", "dim")
