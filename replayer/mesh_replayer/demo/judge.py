"""Whether the demo showed what it should, from the command line's own JSON. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mesh_core.errors import ExitCode

CULPRIT = "payment"
EXPECTED = {
    "unfixed": ("reproduced", ExitCode.DIFFERENT),
    "fixed": ("not_reproduced", ExitCode.OK),
    "broken": ("fails_differently", ExitCode.DIFFERENT),
}
"""Verdict and exit code of the replay against each variant of payment."""


def missing_of_trace(
    trace: Mapping[str, Any], hops: Sequence[tuple[str, str]], entry: str = "gateway"
) -> Iterator[str]:
    """What `show TRACE --json` lacks of a trace that was recorded whole, in words.

    Whole is: a request to `entry`, and of each hop (caller, callee) both sides, the caller's
    linked to a request to the caller, the callee's to the caller's.
    """
    exchanges = {exchange["id"]: exchange for exchange in trace["exchanges"]}
    sides = [(ex["service"], ex["direction"], _parent(ex, exchanges)) for ex in exchanges.values()]
    if not any(side[:2] == (entry, "inbound") for side in sides):
        yield f"the request to {entry}"
    for caller, callee in hops:
        calls = [(service, parent) for service, way, parent in sides if (service, way) == (callee, "inbound")]
        if not calls:
            yield f"{callee}'s side of {caller} -> {callee}"
        elif not any(_is(parent, caller, "outbound", exchanges, below=caller) for _, parent in calls):
            yield f"{caller}'s side of {caller} -> {callee}"
    if trace["complete"] not in (True, "complete"):
        yield f"a complete trace (it is {trace['complete']})"
    culprit = exchanges.get(trace["culprit"] or "", {}).get("service")
    if culprit != CULPRIT:
        yield f"the culprit {CULPRIT} (found: {culprit})"


def missing_of_replay(variant: str, report: Mapping[str, Any], exit_code: int) -> Iterator[str]:
    """What `trace ID --target … --json` should have said against a variant of payment, in words."""
    verdict, expected_code = EXPECTED[variant]
    given = sorted(exchange["verdict"] for exchange in report["exchanges"])
    if given != [verdict] or exit_code != expected_code:
        yield f"{verdict} and exit {expected_code} of {variant} (was: {', '.join(given)}, exit {exit_code})"


def _parent(exchange: Mapping[str, Any], exchanges: Mapping[str, Any]) -> Mapping[str, Any] | None:
    parent = exchange.get("parent")
    return exchanges.get(parent["exchange_id"]) if parent else None


def _is(
    exchange: Mapping[str, Any] | None,
    service: str,
    direction: str,
    exchanges: Mapping[str, Any],
    *,
    below: str | None = None,
) -> bool:
    if exchange is None or (exchange["service"], exchange["direction"]) != (service, direction):
        return False
    return below is None or _is(_parent(exchange, exchanges), below, "inbound", exchanges)
