"""Which requests are one user's: of one trace, with one credential, or using what one answer gave. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from mesh_core.model import Bodies, Exchange
from mesh_replayer.correlate.names import Worth, worth
from mesh_replayer.correlate.pieces import MOST_LENGTH, pieces
from mesh_replayer.correlate.places import In, cookies, of_answer, of_request

MOST_READ_WHOLE = 5_000
"""Requests up to which every value is looked at, not only credentials."""
MOST_OF_ONE_USER = 200
"""Requests with one credential up to which it is a user's: a service's token says nothing of sessions."""
_SHORTEST = 8
_CREDENTIALS = (b"authorization", b"x-auth-token", b"x-session-token", b"x-session-id")
_SEVERAL = -1

type BodiesOf = Callable[[Exchange], Bodies]


def sessions_of(
    exchanges: Sequence[Exchange], bodies_of: BodiesOf, named: Sequence[str | None] = ()
) -> list[int]:
    """For each exchange the number of its session; sessions are numbered by their first exchange.

    Args:
        exchanges: by start.
        bodies_of: the bodies of an exchange, by hash.
        named: the sessions that are known already, where they are.
    """
    groups = _Groups(len(exchanges))
    shown_by = Counter(value for exchange in exchanges for value in set(_credentials(exchange)))
    for at, exchange in enumerate(exchanges):
        known = named[at] if at < len(named) else None
        groups.join(at, ("trace", exchange.trace_id) if known is None else ("named", known))
        for value in _credentials(exchange):
            if shown_by[value] <= MOST_OF_ONE_USER:
                groups.join(at, ("credential", value))
    if len(exchanges) <= MOST_READ_WHOLE:
        _join_users(groups, exchanges, bodies_of)
    return groups.numbers()


def _join_users(groups: "_Groups", exchanges: Sequence[Exchange], bodies_of: BodiesOf) -> None:
    """Join whoever uses a value to the only session that was given it.

    What several were given, such as the ids of a catalogue, joins nobody.
    """
    shown = [set(_shown(exchange, bodies_of)) for exchange in exchanges]
    used = set[str]().union(*shown) if shown else set()
    given: dict[str, tuple[int, int]] = {}
    for at, exchange in enumerate(exchanges):
        for value in _given(exchange, bodies_of):
            if value in used:
                root = groups.root(at)
                first, end = given.setdefault(value, (root, exchange.ended_at))
                if first not in (root, _SEVERAL):
                    given[value] = _SEVERAL, end
    for at, values in enumerate(shown):
        for value in values:
            giver, end = given.get(value, (_SEVERAL, 0))
            if giver != _SEVERAL and end <= exchanges[at].started_at:
                groups.unite(giver, at)


def _credentials(exchange: Exchange) -> Iterator[str]:
    """What a request shows to say who it is."""
    for _, _, value in cookies(exchange.request_headers):
        if _says_much(value):
            yield value
    for name, raw in exchange.request_headers:
        if name.lower() in _CREDENTIALS:
            yield from (inner.value for inner in pieces(raw.decode("latin-1")) if _says_much(inner.value))


def _shown(exchange: Exchange, bodies_of: BodiesOf) -> Iterator[str]:
    for found in of_request(exchange, bodies_of(exchange)):
        if len(found.value) <= MOST_LENGTH:
            yield from (inner.value for inner in pieces(found.value) if _says_much(inner.value))


def _given(exchange: Exchange, bodies_of: BodiesOf) -> Iterator[str]:
    for found in of_answer(exchange, bodies_of(exchange)):
        if found.place.part is In.HEADER:
            yield from (inner.value for inner in pieces(found.value))
        else:
            yield found.value


def _says_much(value: str) -> bool:
    return len(value) >= _SHORTEST and worth(value) is Worth.MUCH


class _Groups:
    """Union of what has a name in common."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))
        self._first: dict[tuple[str, str], int] = {}

    def join(self, at: int, name: tuple[str, str]) -> None:
        self.unite(self._first.setdefault(name, at), at)

    def unite(self, one: int, other: int) -> None:
        first, second = self.root(one), self.root(other)
        self._parent[max(first, second)] = min(first, second)

    def numbers(self) -> list[int]:
        seen: dict[int, int] = {}
        return [seen.setdefault(self.root(at), len(seen)) for at in range(len(self._parent))]

    def root(self, at: int) -> int:
        while self._parent[at] != at:
            self._parent[at] = self._parent[self._parent[at]]
            at = self._parent[at]
        return at
