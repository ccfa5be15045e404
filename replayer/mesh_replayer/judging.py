"""One answer judged: hidden as the recorded one was, compared, and given its verdict. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from msgspec import structs

from mesh_core.fingerprint import fingerprint
from mesh_core.model import Bodies, Exchange
from mesh_core.outcome import Outcome
from mesh_core.redact import Redactor
from mesh_replayer.alike import by_class
from mesh_replayer.diff import Comparison, Response, read_response
from mesh_replayer.events import Answered, Judged
from mesh_replayer.noise.deciding import Explain, Noise
from mesh_replayer.noise.rule import NoiseRules
from mesh_replayer.plan import Step
from mesh_replayer.spoken import is_websocket, said_as_body
from mesh_replayer.verdict import Judgement, Verdict, judge

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
    noise: Noise = field(default_factory=Noise)
    """What is known to mean nothing, and the ids of the traces so far."""

    def anew(self, rules: NoiseRules | None = None) -> "Judge":
        """The same for another pass, whose traces have ids of their own; with other rules, where given."""
        return replace(self, noise=Noise(self.noise.rules if rules is None else rules))

    def response(self, step: Step, exchange: Exchange, bodies: Bodies) -> Response:
        """An answer to a step, hidden as the recorded one was, and read."""
        return read_response(*self._hidden(exchange, bodies, step.exchange.trace_id))

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
        expected: tuple[Exchange, Bodies] | None = None,
    ) -> tuple[Answered, Judged]:
        """What came of one request that was sent, `step`, and what the run says of it.

        Args:
            changes: what of the request was not sent as recorded.
            replayed: what came of it now.
            recorded_bodies, kept: bodies of then and of now, by hash.
            explain: why a difference means nothing, if known.
            expected: compared with, where that is not what was recorded.
        """
        trace_id, sent = step.exchange.trace_id, _request(replayed, kept)
        recorded, then = self._hidden(step.exchange, recorded_bodies, trace_id)
        replayed, now = self._hidden(replayed, kept, trace_id)
        old = read_response(recorded, then) if expected is None else self.response(step, *expected)
        comparison = self.noise.compare(
            old, read_response(replayed, now), trace_id=trace_id, sent=sent, explain=explain
        )
        same = fingerprint(recorded, then).hash == fingerprint(replayed, now).hash
        judgement = self._judgement(step.exchange, replayed, comparison, same_failure=same)
        answered = Answered(recorded=recorded, replayed=replayed, bodies={**then, **now})
        if replayed.outcome in _NOTHING_TO_COMPARE:
            comparison = Comparison()
        return answered, Judged(
            exchange=step.exchange,
            replayed=replayed,
            verdict=judgement.verdict,
            reason=_reason(judgement, step, replayed),
            differences=comparison.differences,
            left_out=comparison.left_out,
            changes=changes,
        )

    def _judgement(
        self, recorded: Exchange, replayed: Exchange, comparison: Comparison, *, same_failure: bool
    ) -> Judgement:
        return judge(
            recorded,
            replayed,
            same_failure=same_failure,
            differs=comparison.matters,
            unsure=comparison.unsure,
            fixed_status=self.fixed_status,
        )

    def _hidden(self, exchange: Exchange, bodies: Bodies, trace_id: str) -> tuple[Exchange, Bodies]:
        """Both sides hidden alike, so that a secret that was hidden then is no difference now.

        What few values are possible of is hidden by trace: the recorded one's, on both sides. A WebSocket
        gets what its server said as a body.
        """
        hidden, content = self._without_secrets(exchange, bodies, trace_id)
        return said_as_body(hidden) if is_websocket(hidden) else (hidden, content)

    def _without_secrets(self, exchange: Exchange, bodies: Bodies, trace_id: str) -> tuple[Exchange, Bodies]:
        if self.redactor is None:
            return exchange, bodies
        ours = structs.replace(exchange, trace_id=trace_id)
        hidden, content = self.redactor.apply(ours, bodies)
        hidden = structs.replace(hidden, trace_id=exchange.trace_id)
        return (hidden, content) if self.keyed else by_class(hidden, content)


def _request(exchange: Exchange, bodies: Bodies) -> bytes:
    """All of a request, to look for ids in it."""
    ref = exchange.request_body
    fields = [value for field in exchange.request_headers for value in field]
    return b"\n".join(
        [exchange.path.encode("latin-1"), *fields, b"" if ref is None else bodies.get(ref.hash, b"")]
    )


def _reason(judgement: Judgement, step: Step, replayed: Exchange) -> str:
    if judgement.verdict is Verdict.UNREACHABLE:
        return f"{step.target.text}: {judgement.reason}; is the service running?"
    told = replayed.error
    if told and told not in judgement.reason:
        return f"{judgement.reason} ({told})" if judgement.reason else told
    return judgement.reason
