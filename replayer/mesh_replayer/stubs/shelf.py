"""Which recorded call answers a live one, or why none does. Pure but for its own state.

1. Callee, method and path template must be the same; then every field, or it is a miss.
2. Equal calls are answered in their recorded order, counted within the inbound exchange that caused them.
3. A call that has been answered as often as it was recorded is a miss, unless it is safe to repeat
   (RFC 9110, section 9.2.1) and had always had one answer.
4. Whose a call is, its trace context says; where it says nothing, it is the only request's that is open.
   Where that leaves two answers, it is a miss: a wrong answer is worse than none.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mesh_core.model import Bodies, BodyRef, Exchange
from mesh_replayer.stubs.calls import RecordedCall
from mesh_replayer.stubs.fields import Fields, by_class, differing, fields_of, origin_form, route_of, told
from mesh_replayer.stubs.volatile import Aliases
from mesh_replayer.target import SAFE_METHODS

MOST_TOLD = 5
"""Fields of one miss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A call that was answered."""

    call: RecordedCall
    aliases: Aliases
    by_form: tuple[str, ...] = ()
    """Fields whose values are others of the same form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A call that was never recorded, and what comes nearest."""

    callee: str
    method: str
    path: str
    why: str
    nearest: Exchange | None = None
    differs: tuple[str, ...] = ()
    """Fields with both values, in words."""
    parent: Exchange | None = None
    """The request that caused it, where that is known."""

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        what = f"{self.callee} {self.method} {self.path}: {self.why}"
        if not self.differs:
            return what
        more = f" and {len(self.differs) - MOST_TOLD} more" if len(self.differs) > MOST_TOLD else ""
        return f"{what}: {', '.join(self.differs[:MOST_TOLD])}{more}"


@dataclass(slots=True)
class _Parent:
    """One request of the plan that was sent, and the calls that it caused when it was recorded."""

    exchange: Exchange
    calls: list[RecordedCall]
    open: bool = True
    served: set[str] = field(default_factory=set)
    """Ids of the calls that were answered."""


@dataclass(slots=True)
class Shelf:
    """All recorded calls, and which of them were answered."""

    calls: Sequence[RecordedCall]
    keyed: bool = True
    """Whether hidden values have the same tokens now as then; else their class alone counts."""
    served: int = 0
    by_form: int = 0
    """Of these, calls in which a value was another of the same form."""
    repeated: int = 0
    """Of these, calls that were made more often than recorded."""
    misses: list[Missed] = field(default_factory=list)
    _parents: dict[str, _Parent] = field(default_factory=dict)
    _aliases: dict[str, Aliases] = field(default_factory=dict)
    _of_parent: dict[str, list[RecordedCall]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.keyed:
            self.calls = [replace(call, fields=by_class(call.fields)) for call in self.calls]
        for call in self.calls:
            self._of_parent.setdefault(call.parent.id, []).append(call)

    def begin(self, parent: Exchange, recorded: Bodies, sent: Exchange, bodies: Bodies) -> None:
        """A request goes out: what is not as recorded in it tells how values of this run are called."""
        self._parents[parent.id] = _Parent(parent, self._of_parent.get(parent.id, []))
        then, now = fields_of(parent, recorded), fields_of(sent, bodies)
        for name in then.keys() & now.keys():
            self._aliases_of(parent).learn(then[name], now[name])

    def end(self, parent: Exchange) -> None:
        """It has its answer."""
        self._parents[parent.id].open = False

    def ask(self, callee: str, asked: Exchange, bodies: Bodies, parents: Iterable[str]) -> Served | Missed:
        """Answer a live call.

        Args:
            callee: whom it goes to.
            asked: the call, redacted as recorded ones are.
            bodies: of it, by hash.
            parents: the inbound exchanges that may have caused it; none where nothing is known.
        """
        fields = fields_of(asked, bodies) if self.keyed else by_class(fields_of(asked, bodies))
        likely = [self._parents[each] for each in parents if each in self._parents]
        if not likely:
            likely = [each for each in self._parents.values() if each.open] or list(self._parents.values())
        bucket = (callee, *route_of(asked))
        found = [match for parent in likely if (match := self._match(parent, bucket, fields)) is not None]
        answers = {_answer(call) for _, call in found}
        if len(answers) > 1 and len({parent.exchange.trace_id for parent, _ in found}) > 1:
            why = (
                "several requests are open, and it does not say whose it is; --concurrency 1 tells them apart"
            )
            return self._missed(callee, asked, why, ())
        if found:
            return self._served(*found[0], fields)
        return self._explained(callee, asked, fields, bucket, likely)

    def trace_of(self, parents: Iterable[str]) -> str:
        """The recorded trace of a call that one of these requests caused; of an open one where none is known.

        What few values are possible of is hidden by trace.
        """
        known = [self._parents[each] for each in parents if each in self._parents]
        likely = known or [each for each in self._parents.values() if each.open]
        return likely[0].exchange.trace_id if likely else "0" * 32

    @property
    def not_made(self) -> list[RecordedCall]:
        """Calls that were recorded, and not made again by the requests that were sent."""
        return [
            call
            for parent in self._parents.values()
            for call in parent.calls
            if call.why_not is None and call.exchange.id not in parent.served
        ]

    @property
    def late(self) -> list[RecordedCall]:
        """Of these, calls that followed their request's answer when they were recorded."""
        return [call for call in self.not_made if call.exchange.started_at > call.parent.ended_at]

    def _aliases_of(self, parent: Exchange) -> Aliases:
        return self._aliases.setdefault(parent.trace_id, Aliases())

    def _match(
        self, parent: _Parent, bucket: tuple[str, str, str], fields: Fields
    ) -> tuple[_Parent, RecordedCall] | None:
        aliases = self._aliases_of(parent.exchange)
        alike = [
            call for call in parent.calls if call.why_not is None and _same(call, bucket, fields, aliases)
        ]
        alike.sort(key=lambda call: call.fields != fields)  # exact ones first, each in recorded order
        left = next((call for call in alike if call.exchange.id not in parent.served), None)
        if (
            left is None
            and alike
            and bucket[1] in SAFE_METHODS
            and len({_answer(call) for call in alike}) == 1
        ):
            return parent, alike[-1]
        return None if left is None else (parent, left)

    def _served(self, parent: _Parent, call: RecordedCall, fields: Fields) -> Served:
        aliases = self._aliases_of(parent.exchange)
        other = tuple(differing(call.fields, fields))
        for name in other:
            aliases.learn(call.fields[name], fields[name])
        self.served += 1
        self.repeated += call.exchange.id in parent.served
        self.by_form += bool(other)
        parent.served.add(call.exchange.id)
        return Served(call=call, aliases=aliases, by_form=other)

    def _explained(
        self,
        callee: str,
        asked: Exchange,
        fields: Fields,
        bucket: tuple[str, str, str],
        likely: Sequence[_Parent],
    ) -> Missed:
        to_callee = [call for parent in likely for call in parent.calls if call.callee == callee]
        unfit = next((c.why_not for c in to_callee if c.why_not and c.fields == fields), None)
        parent = likely[0].exchange if len(likely) == 1 else None
        if unfit is not None:
            return self._missed(callee, asked, f"it was recorded, and {unfit}", (), parent=parent)
        if not to_callee:
            elsewhere = any(call.callee == callee for call in self.calls)
            whose = "this request" if elsewhere else "these requests"
            return self._missed(
                callee, asked, f"no call to {callee} was recorded of {whose}", (), parent=parent
            )
        same_route = [call for call in to_callee if call.bucket == bucket]
        if not same_route:
            known = ", ".join(dict.fromkeys(" ".join(call.bucket[1:]) for call in to_callee))
            why = f"the calls to {callee} that were recorded are {known}"
            return self._missed(callee, asked, why, (), nearest=to_callee[0].exchange, parent=parent)
        near = min(same_route, key=lambda call: len(differing(call.fields, fields)))
        names = list(_really_differing(near, fields, self._aliases_of(near.parent)))
        if not names:
            times = sum(call.fields == near.fields for call in same_route)
            why = f"it was recorded {times} times, and all of these have been answered"
            return self._missed(callee, asked, why, (), nearest=near.exchange, parent=parent)
        differs = tuple(told(name, near.fields, fields) for name in names)
        return self._missed(
            callee, asked, "the nearest recorded call differs", differs, nearest=near.exchange, parent=parent
        )

    def _missed(
        self,
        callee: str,
        asked: Exchange,
        why: str,
        differs: tuple[str, ...],
        *,
        nearest: Exchange | None = None,
        parent: Exchange | None = None,
    ) -> Missed:
        missed = Missed(
            callee=callee,
            method=asked.method,
            path=origin_form(asked.path),
            why=why,
            nearest=nearest,
            differs=differs,
            parent=parent,
        )
        self.misses.append(missed)
        return missed


def _same(call: RecordedCall, bucket: tuple[str, str, str], fields: Fields, aliases: Aliases) -> bool:
    if call.bucket != bucket or call.fields.keys() != fields.keys():
        return False
    return all(aliases.same(value, fields[name]) for name, value in call.fields.items())


def _really_differing(call: RecordedCall, fields: Fields, aliases: Aliases) -> Iterator[str]:
    for name in differing(call.fields, fields):
        one, other = call.fields.get(name), fields.get(name)
        if one is None or other is None or not aliases.same(one, other):
            yield name


def _answer(call: RecordedCall) -> tuple[int | None, str | None]:
    ref: BodyRef | None = call.exchange.response_body
    return call.exchange.status, None if ref is None else ref.hash
