"""What of the differences of one response is noise, what may be, and what is not. Pure.

1. A status, and bytes, are never noise.
2. A rule that is firm and allows a difference makes it noise; one that is thin makes it unsure.
3. Where rules are known and none allows it, it counts; unless they are thin, or new values are likely.
4. Where no rule is known: a time that went exactly as far as the clock is noise; two values of one volatile
   shape are unsure, unless that place is known to stay as it is; all else counts.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from mesh_core.model import Exchange
from mesh_replayer.diff import Comparison, Difference, Kind, Response, Where, compare_responses
from mesh_replayer.noise.identity import Identity
from mesh_replayer.noise.predicates import (
    CLOCK_TOLERANCE,
    Constant,
    Items,
    Moment,
    Unlinked,
    Values,
    goes_with_clock,
)
from mesh_replayer.noise.rule import NoiseRules, Route, Rule, route_of
from mesh_replayer.noise.shapes import alike, moment_of

_LIKELY = 0.05
"""How likely a value that was not seen may be before one is no surprise."""
_NEVER = frozenset({Where.STATUS, Where.GRPC_STATUS, Where.METHOD, Where.PATH})

type Explain = Callable[[Difference], str | None]


@dataclass(slots=True)
class Noise:
    """What is known, and the ids of the traces that are judged."""

    rules: NoiseRules = field(default_factory=NoiseRules)
    _traces: dict[str, Identity] = field(default_factory=dict)

    def compare(
        self,
        then: Response,
        now: Response,
        *,
        trace_id: str | None = None,
        sent: bytes = b"",
        explain: Explain | None = None,
    ) -> Comparison:
        """Compare two responses, and tell of each difference whether it is noise.

        Args:
            then: the one that is expected.
            now: the one that is judged.
            trace_id: the recorded trace, where `then` is of another one.
            sent: all of the request that was sent.
            explain: why a difference means nothing, where something else knows.
        """
        route = route_of(then.exchange)
        comparison = compare_responses(then, now, self.rules.noisy(route))
        shift = now.exchange.started_at - then.exchange.started_at
        decided: list[Difference] = []
        for difference in comparison.differences:
            why = None if explain is None else explain(difference)
            if why is None:
                told = decide(difference, self.rules.of(difference, route), shift, now.exchange)
                decided.append(self._loosened(told, route))
            else:
                decided.append(structs.replace(difference, noise=why))
        identity = self._traces.setdefault(trace_id or then.exchange.trace_id, Identity())
        mismatches = list(identity.mismatches(decided, route, self.rules))
        old, new = then.body.document, now.body.document
        if old is not None and new is not None and new.tree is not None:
            recorded = old.content.decode("utf-8", "replace")
            mismatches += identity.stale(new.tree, route, self.rules, sent, recorded)
        return dataclasses.replace(comparison, differences=(*decided, *mismatches))

    def _loosened(self, difference: Difference, route: Route) -> Difference:
        """What would count, but for what is known of the places around it."""
        template = difference.template
        if not difference.counts or difference.detail is not None or template is None:
            return difference
        if difference.kind is Kind.VALUE and self.rules.rarely_there(route, difference.where, template):
            return structs.replace(difference, unsure="in a part that comes and goes, and was hardly seen")
        around = self.rules.at(route, difference.where, f"{template}[*]")
        if difference.kind is Kind.ORDER and any(isinstance(rule.predicate, Items) for rule in around):
            return structs.replace(difference, unsure="in a list whose items come and go")
        return difference


def decide(difference: Difference, rules: Sequence[Rule], shift: int, replayed: Exchange) -> Difference:
    """A difference with what is known of it.

    Args:
        difference: as it was found.
        rules: of its place.
        shift: nanoseconds from the recorded request to the replayed one.
        replayed: for the time.
    """
    if difference.where in _NEVER:
        return difference
    covering = [rule for rule in rules if difference.kind in rule.predicate.covers]
    allowed = [rule for rule in covering if _allows(rule, difference, shift, replayed)]
    firm = next((rule for rule in allowed if rule.firm), None)
    if firm is not None:
        return structs.replace(difference, noise=f"{firm.predicate.words()}, {firm.evidence}")
    if allowed:
        thin = f"{allowed[0].predicate.words()}, but only {allowed[0].evidence}"
        return structs.replace(difference, unsure=thin)
    if covering:
        return _refused(difference, covering)
    return _unknown(difference, rules, shift)


def _allows(rule: Rule, difference: Difference, shift: int, replayed: Exchange) -> bool:
    since = max(0, replayed.started_at - rule.last_seen) if rule.last_seen else 0
    return rule.predicate.allows(difference, Moment(shift=shift, since=since))


def _refused(difference: Difference, covering: Sequence[Rule]) -> Difference:
    words = " or ".join(rule.predicate.words() for rule in covering)
    if not any(rule.firm for rule in covering):
        return structs.replace(difference, unsure=f"not {words}, as it was in the few answers that were seen")
    likely = next(
        (rule for rule in covering if isinstance(rule.predicate, Values) and rule.predicate.unseen > _LIKELY),
        None,
    )
    if likely is not None:
        return structs.replace(
            difference, unsure=f"not {words}, but new values came up until the last answer that was seen"
        )
    return structs.replace(difference, detail=f"varies here, but not like this: {words}")


def _unknown(difference: Difference, rules: Sequence[Rule], shift: int) -> Difference:
    if difference.kind is not Kind.VALUE:
        return difference
    known = [rule for rule in rules if isinstance(rule.predicate, Constant)]
    if any(rule.firm for rule in known):
        if _went_with_clock(difference, shift):
            return structs.replace(difference, noise="a time that goes with the clock")
        return structs.replace(difference, detail=f"stays as it is, {known[0].evidence}")
    if not alike(difference.recorded, difference.replayed):
        return difference
    if _went_with_clock(difference, shift):
        return structs.replace(difference, noise="a time that goes with the clock")
    if any(isinstance(rule.predicate, Unlinked) and rule.firm for rule in rules):
        return difference
    return structs.replace(
        difference, unsure="looks as if it were made anew each time, and it is not known whether it is"
    )


def _went_with_clock(difference: Difference, shift: int) -> bool:
    """Whether both are times, and as far apart as the requests, where that is more than by chance."""
    then = moment_of(difference.recorded)
    if then is None or moment_of(difference.replayed) is None:
        return False
    if abs(shift) <= 2 * (CLOCK_TOLERANCE + then[1]):
        return False
    return goes_with_clock(difference.recorded, difference.replayed, shift)


def route_name(route: Route) -> str:
    """A route for people."""
    return " ".join(route)
