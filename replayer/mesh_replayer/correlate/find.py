"""What the places of one session's requests may have come from. Pure.

Time is followed as it was recorded: an answer can hand on once it was whole; what a request shows
first is the client's own from then on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mesh_core.masks import path_template
from mesh_core.model import Bodies, Exchange
from mesh_replayer.correlate.names import Worth, affine, worth
from mesh_replayer.correlate.pieces import MOST_LENGTH, Label, Piece, parts, pieces
from mesh_replayer.correlate.places import Found, Place, bare_path, of_answer, of_request

MOST_PRODUCERS = 8
"""Places of one value that are remembered: the newest ones."""
_DEEP = 4

type Endpoint = tuple[str, str]
"""Method and path template."""


@dataclass(frozen=True, slots=True)
class Session:
    """The requests of one user, by start."""

    exchanges: Sequence[Exchange]
    numbers: Sequence[int] = ()
    """Their places in the plan; none where they are another recording of the like."""


@dataclass(frozen=True, slots=True)
class Producer:
    """A place of an answer that had a value first."""

    at: int
    """Which exchange of the session."""
    endpoint: Endpoint
    place: Place
    label: Label
    affine: bool = False
    """Whether its name has to do with the consumer's."""

    @property
    def general(self) -> tuple[Endpoint, Place, Label]:
        """The same place in another session."""
        return self.endpoint, self.place.general, self.label


@dataclass(frozen=True, slots=True)
class Use:
    """A place of a request whose value came in answers before."""

    at: int
    endpoint: Endpoint
    place: Place
    label: Label
    value: str
    worth: Worth
    producers: tuple[Producer, ...]
    """The best one first; none where the value is the client's own."""

    @property
    def general(self) -> tuple[Endpoint, Place, Label]:
        """The same place in another session."""
        return self.endpoint, self.place.general, self.label


def uses(session: Session, bodies_of: Callable[[Exchange], Bodies]) -> list[Use]:
    """Every place of the session's requests that is worth asking where its value came from."""
    search = _Search()
    for at, is_request in _moments(session.exchanges):
        exchange = session.exchanges[at]
        if is_request:
            search.request(at, exchange, bodies_of(exchange))
        else:
            search.answer(at, exchange, bodies_of(exchange))
    return search.found


def _moments(exchanges: Sequence[Exchange]) -> Iterator[tuple[int, bool]]:
    """Requests and answers in the order of time; what ends when another begins ends first."""
    moments = [(each.started_at, 1, at) for at, each in enumerate(exchanges)]
    for at, each in enumerate(exchanges):
        # An answer that took no time comes after its own request.
        instant = each.ended_at == each.started_at
        moments.append((each.ended_at, 2 if instant else 0, at))
    return ((at, kind == 1) for _, kind, at in sorted(moments))


@dataclass(slots=True)
class _Known:
    """A place of an answer, and what it is called."""

    at: int
    endpoint: Endpoint
    place: Place
    label: Label
    names: tuple[str, ...]


@dataclass(slots=True)
class _Search:
    found: list[Use] = field(default_factory=list)
    _answers: dict[str, list[_Known]] = field(default_factory=dict)
    _clients: set[str] = field(default_factory=set)
    """Values that a request showed before any answer did."""
    _endpoints: dict[int, Endpoint] = field(default_factory=dict)

    def answer(self, at: int, exchange: Exchange, bodies: Bodies) -> None:
        """Remember what it hands on."""
        endpoint = self._endpoints[at]
        for found in of_answer(exchange, bodies):
            if len(found.value) > MOST_LENGTH:
                continue
            for inner in pieces(found.value):
                value = inner.value
                if value in self._clients or not worth(value):
                    continue
                names = (*found.names, inner.near) if inner.near else found.names
                known = self._answers.setdefault(value, [])
                known.append(_Known(at, endpoint, found.place, inner.label, names))
                if len(known) > MOST_PRODUCERS:
                    del known[1]  # the first one and the newest ones stay

    def request(self, at: int, exchange: Exchange, bodies: Bodies) -> None:
        """Look for where its values came from."""
        endpoint = self._endpoints[at] = self._endpoint(exchange)
        shown: set[str] = set()
        for found in of_request(exchange, bodies):
            if len(found.value) <= MOST_LENGTH:
                self._look(at, endpoint, found, Piece((), found.value, str), shown)
        self._clients |= shown

    def _endpoint(self, exchange: Exchange) -> Endpoint:
        """Method and path template, where segments that answers gave are ids whatever they look like."""
        template = path_template(bare_path(exchange.path)).split("/")
        raw = bare_path(exchange.path).partition("?")[0].partition("#")[0].split("/")
        if len(template) == len(raw):
            template = [
                "{id}" if part in self._answers else masked
                for part, masked in zip(raw, template, strict=True)
            ]
        return exchange.method, "/".join(template)

    def _look(self, at: int, endpoint: Endpoint, found: Found, inner: Piece, shown: set[str]) -> None:
        """The largest pieces that are known; what is in none of them is the client's own."""
        value = inner.value
        known = self._answers.get(value)
        if known:
            self.found.append(self._use(at, endpoint, found, inner, known))
            return
        if len(inner.label) < _DEEP:
            for smaller in parts(inner, len(inner.label)):
                self._look(at, endpoint, found, smaller, shown)
        shown.add(value)
        if worth(value):
            self.found.append(self._use(at, endpoint, found, inner, []))

    @staticmethod
    def _use(at: int, endpoint: Endpoint, found: Found, inner: Piece, known: list[_Known]) -> Use:
        names = (*found.names, inner.near) if inner.near else found.names
        producers = [
            Producer(each.at, each.endpoint, each.place, each.label, affine(each.names, names))
            for each in known
            if each.at != at
        ]
        producers.sort(key=lambda each: (not each.affine, -each.at, len(each.place.keys) + len(each.label)))
        return Use(at, endpoint, found.place, inner.label, inner.value, worth(inner.value), tuple(producers))
