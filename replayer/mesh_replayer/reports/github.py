"""Annotations for GitHub Actions; the step's summary is the Markdown report. Pure.

GitHub shows ten annotations of a kind for a step and drops the rest without a word, so the count of the
rest is an annotation of another kind. Source: GitHub's documentation, "Workflow commands".
"""

from collections.abc import Sequence

from mesh_replayer.events import Judged, RunFinished
from mesh_replayer.look.safe import safe
from mesh_replayer.reports.grouping import varied
from mesh_replayer.reports.standing import Standing, standing, summary, title

MOST_ANNOTATIONS = 10


def annotations(judged: Sequence[Judged], finished: RunFinished) -> str:
    """Lines for the log, which the runner reads."""
    told = varied(each for each in judged if standing(each) in (Standing.FAILED, Standing.ERROR))
    wrong = [_annotation(each) for each in told]
    if finished.stubs is not None:
        missed = dict.fromkeys(safe(each.sentence) for each in finished.stubs.misses)
        wrong += [f"::error title=never recorded::{_data(sentence)}" for sentence in missed]
    lines = wrong[:MOST_ANNOTATIONS]
    if len(wrong) > MOST_ANNOTATIONS:
        more = f"{len(wrong) - MOST_ANNOTATIONS:,} more, see the step's summary"
        lines.append(f"::notice title=mesh-replay::{more}")
    return "".join(line + "\n" for line in lines)


def _annotation(judged: Judged) -> str:
    head = f"{judged.verdict.replace('_', ' ')}: {judged.exchange.service} {title(judged)}"
    return f"::error title={_property(head)}::{_data(summary(judged) or head)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
