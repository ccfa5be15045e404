"""Some of many requests, so that every kind of them is there. Pure.

1. Kinds take turns, so that a rare one is not drowned by a common one.
2. Of one kind, all have the same chance; the same seed gives the same choice.
3. What is held is bounded: at most `limit` ids of each kind.
"""

import random
from collections.abc import Hashable
from dataclasses import dataclass, field

from mesh_core.masks import path_template
from mesh_core.model import Exchange


def kind_of(exchange: Exchange) -> Hashable:
    """What makes requests alike: service, route, and what came of them."""
    route = path_template(exchange.path)
    return exchange.service, exchange.method, route, exchange.outcome, exchange.status, exchange.grpc_status


@dataclass(slots=True)
class Spread:
    """A choice among requests that are offered one after the other."""

    limit: int
    seed: int
    offered: int = 0
    _kinds: dict[Hashable, "_Kind"] = field(default_factory=dict)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 (a choice that can be made again, no secret)

    def offer(self, kind: Hashable, name: str) -> None:
        """Take a request into account."""
        self.offered += 1
        self._kinds.setdefault(kind, _Kind()).offer(name, self.limit, self._random)

    @property
    def kinds(self) -> int:
        """How many kinds were offered."""
        return len(self._kinds)

    def chosen(self) -> list[str]:
        """At most `limit` names, kind by kind in turns."""
        waiting = [kind.shuffled(self._random) for kind in self._kinds.values()]
        self._random.shuffle(waiting)
        found: list[str] = []
        while waiting and len(found) < self.limit:
            found.extend(names.pop() for names in waiting[: self.limit - len(found)])
            waiting = [names for names in waiting if names]
        return found


@dataclass(slots=True)
class _Kind:
    """A reservoir: each of those that were offered is in it with the same chance."""

    seen: int = 0
    names: list[str] = field(default_factory=list)

    def offer(self, name: str, most: int, chance: random.Random) -> None:
        self.seen += 1
        if len(self.names) < most:
            self.names.append(name)
        elif (place := chance.randrange(self.seen)) < most:
            self.names[place] = name

    def shuffled(self, chance: random.Random) -> list[str]:
        names = list(self.names)
        chance.shuffle(names)
        return names
