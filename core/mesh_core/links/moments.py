"""What is open at which moment: exchanges in the order of time. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice

from mesh_core.links.parent import MOST_ALTERNATIVES
from mesh_core.model import Exchange

type Key = tuple[str, ...]


class Moment(IntEnum):
    """What happens; in this order where several things happen at one nanosecond."""

    START = 0
    ASK = 1
    END = 2


@dataclass(slots=True)
class OpenByKey:
    """The exchanges open at one moment, by every key they can be looked up with, oldest first."""

    _open: dict[Key, dict[str, Exchange]] = field(default_factory=dict)

    def add(self, exchange: Exchange, keys: Iterable[Key]) -> None:
        """The exchange begins."""
        for key in keys:
            self._open.setdefault(key, {})[exchange.id] = exchange

    def remove(self, exchange: Exchange, keys: Iterable[Key]) -> None:
        """The exchange ends."""
        for key in keys:
            self._open[key].pop(exchange.id, None)

    def count(self, key: Key) -> int:
        """How many are open under the key."""
        return len(self._open.get(key, ()))

    def newest(self, *keys: Key) -> list[Exchange]:
        """The newest under any of the keys, newest first, one more than can be alternatives."""
        found: dict[str, Exchange] = {}
        for key in keys:
            for exchange in islice(reversed(self._open.get(key, {}).values()), MOST_ALTERNATIVES + 1):
                found[exchange.id] = exchange
        return sorted(found.values(), key=lambda e: (e.started_at, e.id), reverse=True)


def in_time(open_while: Iterable[Exchange], asked: Iterable[Exchange]) -> Iterator[tuple[Moment, Exchange]]:
    """Starts and ends of some exchanges, and the starts of others, in the order of time."""
    moments = [(e.started_at, Moment.START, at, e) for at, e in enumerate(open_while)]
    moments += [(e.ended_at, Moment.END, at, e) for _, _, at, e in moments]
    moments += [(e.started_at, Moment.ASK, at, e) for at, e in enumerate(asked)]
    moments.sort(key=lambda moment: moment[:3])
    for _, what, _, exchange in moments:
        yield what, exchange
