"""What a run says of each exchange, and what the command's exit code is. Pure.

1. An exchange gets the first verdict that applies: skipped, unreachable, auth, the rest.
2. Of several exit codes the first in 2, 4, 1, 3, 5 counts.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from mesh_core.errors import ExitCode
from mesh_core.model import Exchange
from mesh_core.outcome import Outcome
from mesh_core.replay_mark import is_refusal
from mesh_replayer.spoken import is_websocket


class Verdict(StrEnum):
    """What a run says of one exchange."""

    SAME = "same"
    DIFFERENT = "different"
    BROKEN = "broken"
    """No failure then, and it fails now."""
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not_reproduced"
    FAILS_DIFFERENTLY = "fails_differently"
    AUTH = "auth"
    """401 or 403 now where it was not then: the environment, not the service."""
    UNREACHABLE = "unreachable"
    UNSURE = "unsure"
    """Differs, with too little evidence to call it noise or not."""
    FLAKY = "flaky"
    """Wrong in some of several runs."""
    SKIPPED = "skipped"
    """Not sent."""


_WRONG = frozenset(
    {Verdict.DIFFERENT, Verdict.BROKEN, Verdict.FAILS_DIFFERENTLY, Verdict.REPRODUCED, Verdict.FLAKY}
)
ENVIRONMENT = frozenset({Verdict.AUTH, Verdict.UNREACHABLE})
"""They say nothing of the service."""
_NOT_REACHED = frozenset({Outcome.CONNECT_FAILED, Outcome.DNS_FAILED, Outcome.TLS_FAILED})
_AUTH_STATUS = frozenset({401, 403})
_AUTH_GRPC = frozenset({7, 16})
"""PERMISSION_DENIED and UNAUTHENTICATED."""
_NO_STATE = frozenset({404, 409})
EVIDENCE_HINT = "`mesh-replay noise learn`, or --baseline-runs 5, gathers evidence"
_REFUSED = 'refused by a sidecar before the service saw it: replays = "refuse" there'
STATE_HINT = "the state that it needs may be missing: replay the trace from its entry, or bring it back first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and what it rests on."""

    verdict: Verdict
    reason: str = ""
    """A sentence for people; empty where the verdict says it all."""


def judge(
    recorded: Exchange,
    replayed: Exchange,
    *,
    same_failure: bool,
    differs: bool,
    unsure: bool = False,
    fixed_status: Collection[int] = (),
) -> Judgement:
    """Judge one exchange that was sent.

    Args:
        recorded: then.
        replayed: now.
        same_failure: whether both have one fingerprint.
        differs: whether a difference is not noise.
        unsure: whether a difference may be noise or not, for want of evidence.
        fixed_status: answers below 500 that are the cure of a failure.
    """
    if replayed.outcome in _NOT_REACHED:
        return Judgement(verdict=Verdict.UNREACHABLE, reason=replayed.error or "")
    if is_refusal(replayed.status, replayed.response_headers):
        return Judgement(verdict=Verdict.SKIPPED, reason=_REFUSED)
    if _refuses(replayed) and not _refuses(recorded):
        return Judgement(verdict=Verdict.AUTH, reason=_auth_reason(recorded, replayed))
    if recorded.failed:
        return _of_failure(recorded, replayed, same_failure=same_failure, fixed_status=fixed_status)
    if replayed.failed:
        return Judgement(verdict=Verdict.BROKEN, reason=f"it fails now: {what(replayed)}")
    if differs:
        return Judgement(verdict=Verdict.DIFFERENT, reason=_state_hint(recorded, replayed))
    if unsure:
        return Judgement(
            verdict=Verdict.UNSURE, reason=f"too little evidence to call it noise: {EVIDENCE_HINT}"
        )
    return Judgement(verdict=Verdict.SAME)


def _of_failure(
    recorded: Exchange, replayed: Exchange, *, same_failure: bool, fixed_status: Collection[int]
) -> Judgement:
    if replayed.failed and same_failure:
        return Judgement(verdict=Verdict.REPRODUCED, reason=f"{what(replayed)} again")
    if replayed.outcome is Outcome.OK:
        return Judgement(
            verdict=Verdict.NOT_REPRODUCED, reason=f"{what(recorded)} then, {what(replayed)} now"
        )
    if not replayed.failed and replayed.status in fixed_status:
        return Judgement(
            verdict=Verdict.NOT_REPRODUCED,
            reason=f"{what(recorded)} then, {what(replayed)} now, which --fixed-status says is the cure",
        )
    hint = _state_hint(recorded, replayed)
    reason = f"{what(recorded)} then, {what(replayed)} now"
    return Judgement(verdict=Verdict.FAILS_DIFFERENTLY, reason=f"{reason}; {hint}" if hint else reason)


def what(exchange: Exchange) -> str:
    """What came of an exchange: its status where it was answered, else its outcome."""
    if exchange.grpc_status:
        return f"gRPC {exchange.grpc_status}"
    answered = exchange.outcome in (Outcome.OK, Outcome.HTTP_4XX, Outcome.HTTP_5XX)
    if answered and exchange.status is not None:
        return str(exchange.status)
    return exchange.outcome.replace("_", " ")


def skip_reason(recorded: Exchange) -> str | None:
    """Why there is nothing to send or to compare with, in words; None where there is."""
    if recorded.opaque or recorded.method.upper() == "CONNECT":
        return "its bytes passed unread (a tunnel, or an upgrade)"
    if recorded.status == 101 and not is_websocket(recorded):
        return "its bytes passed unread (a tunnel, or an upgrade)"
    if recorded.request_body is not None and recorded.request_body.truncated:
        kept, size = recorded.request_body.stored, recorded.request_body.size
        return f"only {kept} of the {size} bytes of its body were kept"
    without_answer = {
        Outcome.CLIENT_DISCONNECTED: "its client went away before the answer was whole",
        Outcome.FAULT_INJECTED: "its answer was an injected fault",
        Outcome.REJECTED: "the sidecar rejected it",
    }
    reason = without_answer.get(recorded.outcome)
    return None if reason is None else f"{reason}, so there is nothing to compare with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a run holds against a service."""

    expect_reproduced: bool = False
    """The run is good when every recorded failure that was sent fails as it did."""
    strict: bool = False
    """What is unsure counts as different."""
    old_failures: bool = False
    """A recorded failure that fails as before is counted, and fails nothing."""


def is_wrong(recorded: Exchange, verdict: Verdict, rules: Rules) -> bool:
    """Whether this one verdict makes the exit code 1."""
    if rules.expect_reproduced:
        judged = verdict not in ENVIRONMENT | {Verdict.SKIPPED, Verdict.REPRODUCED}
        return recorded.failed and judged
    if verdict is Verdict.REPRODUCED:
        return not rules.old_failures
    return verdict in _WRONG or (rules.strict and verdict is Verdict.UNSURE)


def exit_code(
    judged: Iterable[tuple[Exchange, Verdict]],
    rules: Rules = Rules(),
    *,
    interrupted: bool = False,
    never_recorded: bool = False,
    exit_zero: bool = False,
) -> ExitCode:
    """The exit code of a run that was carried out.

    Args:
        judged: recorded exchanges with their verdicts.
        rules: what counts as wrong.
        interrupted: the user stopped it.
        never_recorded: the service asked a stub for what was never recorded.
        exit_zero: the run only reports.
    """
    if interrupted:
        return ExitCode.INTERRUPTED
    if exit_zero:
        return ExitCode.OK
    pairs = list(judged)
    sent = [(recorded, verdict) for recorded, verdict in pairs if verdict is not Verdict.SKIPPED]
    asked_too_much = never_recorded and not rules.expect_reproduced
    if asked_too_much or any(is_wrong(recorded, verdict, rules) for recorded, verdict in sent):
        return ExitCode.DIFFERENT
    if any(verdict in ENVIRONMENT for _, verdict in sent):
        return ExitCode.ENVIRONMENT
    if rules.expect_reproduced:
        nothing = not any(recorded.failed for recorded, _ in sent)
    else:
        nothing = 2 * sum(verdict is Verdict.UNSURE for _, verdict in sent) > len(sent) or not sent
    return ExitCode.NOTHING if nothing else ExitCode.OK


def _refuses(exchange: Exchange) -> bool:
    return exchange.status in _AUTH_STATUS or exchange.grpc_status in _AUTH_GRPC


def _auth_reason(recorded: Exchange, replayed: Exchange) -> str:
    reason = f"{what(recorded)} then, {what(replayed)} now: the target wants credentials"
    rules = ", ".join(redaction.rule for redaction in recorded.redactions)
    hidden = f"; values of the request were redacted when it was recorded ({rules})" if rules else ""
    return f"{reason}{hidden}; give them with --auth-env NAME, --auth NAME or -H 'Authorization: …'"


def _state_hint(recorded: Exchange, replayed: Exchange) -> str:
    return STATE_HINT if replayed.status in _NO_STATE and recorded.status not in _NO_STATE else ""
