"""The demo's story: customers order, one order fails, its trace is found and replayed."""

import shlex
import sys
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import Any

from mesh_replayer.demo.cast import Cast
from mesh_replayer.demo.folder import WorkFolder
from mesh_replayer.demo.judge import CULPRIT, EXPECTED, missing_of_replay, missing_of_trace
from mesh_replayer.demo.shell import Shell

_RECORDED_LIMIT = 20.0
"""Seconds until all sidecars should have shipped what they saw; they take less than one."""
_MEANING = {
    "unfixed": "payment as it is fails in the same way",
    "fixed": "the mended payment does not fail",
    "broken": "a payment without its database fails too, but for another reason",
}


@dataclass(slots=True)
class Result:
    """What the story came to."""

    trace_id: str | None = None
    culprit: str | None = None
    exit_codes: dict[str, int] = field(default_factory=dict)
    """Of the replay against each variant of payment."""
    missing: list[str] = field(default_factory=list)
    """What should have been seen and was not, in words."""

    @property
    def whole(self) -> bool:
        """Whether all was seen."""
        return not self.missing

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "trace_id": self.trace_id,
            "culprit": self.culprit,
            "exit_codes": self.exit_codes,
            "missing": self.missing,
        }


def tell(cast: Cast, folder: WorkFolder, shell: Shell) -> Result:
    """Tell it, and say what was seen."""
    result = Result()
    customers = [sys.executable, "-m", "mesh_shop.customers", "--gateway", cast.entry()]
    if shell.type(shlex.join(["python", *customers[1:]]), customers) != 0:
        result.missing.append("the customers' orders")
        return result
    shell.say("\nOne order failed. Which, and where?")
    trace = _await_trace(cast, shell, result)
    shell.show("failures")
    if trace is None:
        result.missing.append(f"a failure of {CULPRIT}")
        return result
    shell.show("show", trace["trace_id"])
    shell.say(
        f"\nThe culprit is {result.culprit}. "
        f"Send its request again, to three builds of {CULPRIT} on this machine:"
    )
    for variant, port in folder.payments.items():
        _replay(trace["trace_id"], variant, port, shell, result)
    return result


def _replay(trace_id: str, variant: str, port: int, shell: Shell, result: Result) -> None:
    command = ("trace", trace_id, "--target", f"localhost:{port}")
    exit_code = result.exit_codes[variant] = shell.show(*command)
    _, reports = shell.ask(*command)
    if not reports:
        result.missing.append(f"a report on {variant} (mesh-replay trace gave none, exit {exit_code})")
        return
    shell.say(f"-> exit code {exit_code}: {_MEANING[variant]} (expected: {EXPECTED[variant][0]})")
    result.missing.extend(missing_of_replay(variant, reports[0], exit_code))


def _await_trace(cast: Cast, shell: Shell, result: Result) -> dict[str, Any] | None:
    """The failed trace once it is whole, or as it is when time is up; None where there is none."""
    deadline = monotonic() + _RECORDED_LIMIT
    pause, trace = Event(), None
    while True:
        _, groups = shell.ask("failures", f"service:{CULPRIT}")
        if groups:
            result.trace_id = groups[0]["traces"][0]
            _, (trace, *_) = shell.ask("show", groups[0]["traces"][0])
            result.missing = list(missing_of_trace(trace, cast.hops))
            services = {exchange["id"]: exchange["service"] for exchange in trace["exchanges"]}
            result.culprit = services.get(trace["culprit"] or "")
        if (trace is not None and result.whole) or monotonic() > deadline:
            return trace
        pause.wait(0.2)
