"""One exchange that was sent several times: what all its results amount to. Pure."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from mesh_replayer.events import Judged
from mesh_replayer.verdict import Verdict

_FIRST = (Verdict.SKIPPED, Verdict.UNREACHABLE, Verdict.AUTH)
"""What counts for all runs where it came up in one."""
_GOOD = frozenset({Verdict.SAME, Verdict.NOT_REPRODUCED})


def combined(results: Sequence[Judged]) -> Judged:
    """The result of all runs: `flaky` where some of them were wrong, and others not.

    Args:
        results: of one exchange, at least one, in the order of the runs.
    """
    counts = Counter(result.verdict for result in results)
    if len(counts) == 1:
        return results[0] if len(results) == 1 else _with(results[0], counts)
    for verdict in (*_FIRST, Verdict.UNSURE):
        if counts[verdict] and (verdict in _FIRST or counts.keys() <= _GOOD | {verdict}):
            return _with(_first(results, verdict), counts)
    wrong = [result for result in results if result.verdict not in _GOOD]
    usual = Counter(result.verdict for result in wrong).most_common(1)[0][0]
    shown = _with(_first(wrong, usual), counts)
    if len(wrong) == len(results):
        return shown
    what = usual.replace("_", " ")
    reason = f"{len(wrong)}/{len(results)} runs {what}"
    return dataclasses.replace(
        shown,
        verdict=Verdict.FLAKY,
        reason=f"{reason}: {shown.reason}" if shown.reason else reason,
    )


def _first(results: Sequence[Judged], verdict: Verdict) -> Judged:
    return next(result for result in results if result.verdict is verdict)


def _with(result: Judged, counts: Counter[Verdict]) -> Judged:
    return dataclasses.replace(result, runs={verdict.value: counts[verdict] for verdict in sorted(counts)})
