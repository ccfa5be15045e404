"""Bodies out of a store when they are asked for, so that a plan of any size fits in memory."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

from mesh_core.model import Exchange
from mesh_store.store import Store

MOST_HELD = 64 * 1024 * 1024
"""Bytes of bodies that are kept for the next one who asks."""
_AHEAD = 256
"""Bodies that are read at once, as they are asked for in the plan's order."""
_MOST_AHEAD = 4 * 1024 * 1024
"""Bytes of them."""


class StoredBodies(Mapping[str, bytes]):
    """The bodies of an open store, by hash."""

    def __init__(self, store: Store, exchanges: Iterable[Exchange] = ()) -> None:
        """Read from `store`; `exchanges` are those of the plan, in its order."""
        self._store = store
        refs = (ref for each in exchanges for ref in (each.request_body, each.response_body))
        sizes = {ref.hash: ref.stored for ref in refs if ref is not None}
        self._order = list(sizes.items())
        self._place = {name: at for at, name in enumerate(sizes)}
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def __getitem__(self, name: str) -> bytes:
        if name not in self._held:
            for found, content in self._store.bodies_named(self._ahead(name)).items():
                if found not in self._held:
                    self._held[found] = content
                    self._size += len(content)
        content = self._held[name]
        self._held.move_to_end(name)
        while self._size > MOST_HELD and len(self._held) > 1:
            self._size -= len(self._held.popitem(last=False)[1])
        return content

    def __iter__(self) -> Iterator[str]:
        """Only what is held; all of a store is never listed."""
        return iter(list(self._held))

    def __len__(self) -> int:
        return len(self._held)

    def _ahead(self, name: str) -> list[str]:
        """The body that is asked for and those that will be next."""
        at = self._place.get(name)
        wanted, size = [name], 0
        if at is not None:
            for following, stored in self._order[at + 1 : at + _AHEAD]:
                size += stored
                if size > _MOST_AHEAD:
                    break
                wanted.append(following)
        return wanted
