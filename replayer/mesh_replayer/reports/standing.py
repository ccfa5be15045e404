"""How a verdict stands in the words of test reports: passed, failed, an error, skipped. Pure."""

from enum import StrEnum

from mesh_replayer.events import Judged
from mesh_replayer.look.differences import difference_lines
from mesh_replayer.look.safe import safe, shortened
from mesh_replayer.verdict import ENVIRONMENT, Verdict, what

_MOST_REASON = 500
"""Characters of a summary."""


class Standing(StrEnum):
    """What a test report calls it."""

    PASSED = "passed"
    FAILED = "failed"
    """The service is wrong."""
    ERROR = "error"
    """The environment is: nothing is said of the service."""
    SKIPPED = "skipped"
    """It was not sent, or not judged."""


_NOT_JUDGED = frozenset({Verdict.SKIPPED, Verdict.UNSURE})


def standing(judged: Judged) -> Standing:
    """How one exchange stands; what fails the run is a failure, and nothing else is."""
    if judged.wrong:
        return Standing.FAILED
    if judged.verdict in ENVIRONMENT:
        return Standing.ERROR
    return Standing.SKIPPED if judged.verdict in _NOT_JUDGED else Standing.PASSED


def summary(judged: Judged) -> str:
    """One harmless line: the verdict's reason, else the first difference that matters."""
    if judged.reason:
        return shortened(safe(judged.reason), _MOST_REASON)
    telling = next((each for each in judged.differences if each.counts), None)
    if telling is not None:
        [line] = difference_lines([telling], _MOST_REASON // 2)
        return shortened(line.plain, _MOST_REASON)
    return "" if judged.replayed is None else f"{what(judged.exchange)} then, {what(judged.replayed)} now"


def title(judged: Judged) -> str:
    """`POST /checkout`, harmless."""
    return shortened(safe(f"{judged.exchange.method} {judged.exchange.path}"), _MOST_REASON)
