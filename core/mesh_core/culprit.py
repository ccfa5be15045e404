"""Which exchange explains why a trace failed. Pure.

1. From the failure that the user saw, go down to the call that explains it, as long as there is one.
2. A call that failed and was tried again with success explains nothing.
3. Where somebody gave up waiting, what explains it is not who gave up but the deepest one that was slow.
"""

from collections.abc import Sequence

from mesh_core.model import Direction, Exchange
from mesh_core.outcome import Outcome
from mesh_core.trace import Trace

_GAVE_UP = frozenset({Outcome.UPSTREAM_TIMEOUT, Outcome.CLIENT_DISCONNECTED})
"""Somebody stopped waiting: the sidecar, or the caller itself."""
_NEVER_ARRIVED = frozenset({Outcome.CONNECT_FAILED, Outcome.DNS_FAILED, Outcome.TLS_FAILED})
_HARMLESS = frozenset({Outcome.OK, Outcome.HTTP_4XX})


def culprit(trace: Trace) -> Exchange | None:
    """The deepest exchange that explains the failure of the trace; None where nothing failed.

    The failure is the entry's; where the entry did not fail, that of another root, else the
    first failure that nothing above passed on.
    """
    at = _what_failed(trace)
    if at is None:
        return None
    for _ in trace.exchanges:
        # What did not fail can only have been reached by being slow.
        below = _slow(trace, at) if at.outcome in _GAVE_UP | _HARMLESS else _failing(trace, at)
        if below is None:
            return at
        at = below
    return at


def _what_failed(trace: Trace) -> Exchange | None:
    """The failure to explain."""
    if trace.entry.failed:
        return trace.entry
    failures = trace.failures
    roots = [e for e in failures if e.id not in trace.parents]
    failed = {e.id for e in failures}
    tops = [e for e in failures if e.id not in trace.parents or trace.parents[e.id].exchange_id not in failed]
    return next(iter([*roots, *tops]), None)


def _failing(trace: Trace, at: Exchange) -> Exchange | None:
    """The call below that explains why this one failed."""
    if at.outcome in _NEVER_ARRIVED:
        return None
    children = trace.children(at.id)
    explaining = [
        child
        for child in children
        if child.outcome not in _HARMLESS and not _tried_again_with_success(child, children)
    ]
    if not explaining:
        return None
    # What was passed on is the failure that came last before the answer began; a call that its
    # caller gave up may only have been cancelled because another one had failed.
    answered = at.ended_at if at.first_byte is None else at.first_byte
    return max(
        explaining,
        key=lambda e: (trace.parents[e.id].certain, e.failed, e.ended_at <= answered, e.ended_at),
    )


def _tried_again_with_success(child: Exchange, siblings: Sequence[Exchange]) -> bool:
    return child.direction is Direction.OUTBOUND and any(
        other.started_at > child.started_at
        and other.outcome is Outcome.OK
        and (other.method, other.authority, other.path) == (child.method, child.authority, child.path)
        for other in siblings
    )


def _slow(trace: Trace, at: Exchange) -> Exchange | None:
    """The call below that most of the time went into, while somebody waited and gave up.

    It counts where it took more than half of the time that the one above had; less, and the one
    above, or the way to the one below, was slow by itself.
    """
    slowest = max(
        trace.children(at.id),
        key=lambda e: (min(e.ended_at, at.ended_at) - e.started_at, trace.parents[e.id].certain),
        default=None,
    )
    if slowest is None:
        return None
    took = min(slowest.ended_at, at.ended_at) - slowest.started_at
    return slowest if 2 * took > at.duration else None
