"""One answer judged: hidden as the recorded one was, compared, and given its verdict. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from msgspec import structs

from mesh_core.fingerprint import fingerprint
from mesh_core.model import Bodies, Exchange
from mesh_core.outcome import Outcome
from mesh_core.redact import Redactor
from mesh_replayer.alike import by_class
from mesh_replayer.diff import Comparison, Difference, compare
from mesh_replayer.events import Answered, Judged
from mesh_replayer.plan import Step
from mesh_replayer.verdict import Judgement, Verdict, judge

type Explain = Callable[[Difference], str | None]

_NOTHING_TO_COMPARE = frozenset({Outcome.CONNECT_FAILED, Outcome.DNS_FAILED, Outcome.TLS_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """How answers are compared and judged."""

    fixed_status: frozenset[int] = frozenset()
    """Answers below 500 that are the cure of a failure."""
    redactor: Redactor | None = None
    """Hides what comes back as what was recorded was hidden; None for neither."""
    keyed: bool = True
    """Whether the redactor has the project's key; without it hidden values are equal by class."""

    @property
    def hides(self) -> tuple[Callable[[str], str], ...]:
        """How a value may look once it is hidden: by its name, and by its form."""
        if self.redactor is None:
            return ()
        redactor = self.redactor
        return lambda value: redactor.token(value.encode()).decode("latin-1"), redactor.text

    def judged(
        self,
        step: Step,
        changes: tuple[str, ...],
        replayed: Exchange,
        *,
        recorded_bodies: Bodies,
        kept: Bodies,
        explain: Explain | None = None,
    ) -> tuple[Answered, Judged]:
        """What came of one request that was sent, and what the run says of it.

        Args:
            step: what was sent, with what was recorded.
            changes: what of the request was not sent as recorded, in words.
            replayed: what came of it now.
            recorded_bodies: then, by hash.
            kept: bodies of now, by hash.
            explain: why a difference means nothing, where that is known.
        """
        recorded, then = self._hidden(step.exchange, recorded_bodies, step.exchange.trace_id)
        replayed, now = self._hidden(replayed, kept, step.exchange.trace_id)
        bodies = {**then, **now}
        comparison = _explained(compare(recorded, replayed, bodies), explain)
        judgement = judge(
            step.exchange,
            replayed,
            same_failure=fingerprint(recorded, then).hash == fingerprint(replayed, now).hash,
            differs=comparison.matters,
            fixed_status=self.fixed_status,
        )
        compared = replayed.outcome not in _NOTHING_TO_COMPARE
        answered = Answered(recorded=recorded, replayed=replayed, bodies=bodies)
        return answered, Judged(
            exchange=step.exchange,
            replayed=replayed,
            verdict=judgement.verdict,
            reason=_reason(judgement, step, replayed),
            differences=comparison.differences if compared else (),
            left_out=comparison.left_out if compared else (),
            changes=changes,
        )

    def _hidden(self, exchange: Exchange, bodies: Bodies, trace_id: str) -> tuple[Exchange, Bodies]:
        """Both sides hidden alike, so that a secret that was hidden then is no difference now.

        What few values are possible of is hidden by trace: the recorded one's, on both sides.
        """
        if self.redactor is None:
            return exchange, bodies
        ours = structs.replace(exchange, trace_id=trace_id)
        hidden, content = self.redactor.apply(ours, bodies)
        hidden = structs.replace(hidden, trace_id=exchange.trace_id)
        return (hidden, content) if self.keyed else by_class(hidden, content)


def _explained(comparison: Comparison, explain: Explain | None) -> Comparison:
    if explain is None or not comparison.differences:
        return comparison
    found = [(each, each.noise or explain(each)) for each in comparison.differences]
    marked = tuple(replace(each, noise=noise) if noise else each for each, noise in found)
    return replace(comparison, differences=marked)


def _reason(judgement: Judgement, step: Step, replayed: Exchange) -> str:
    if judgement.verdict is Verdict.UNREACHABLE:
        return f"{step.target.text}: {judgement.reason}; is the service running?"
    told = replayed.error
    if told and told not in judgement.reason:
        return f"{judgement.reason} ({told})" if judgement.reason else told
    return judgement.reason
