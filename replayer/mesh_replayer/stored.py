"""Bodies out of a store when they are asked for, so that a plan of any size fits in memory."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mesh_store.store import Store

MOST_HELD = 64 * 1024 * 1024
"""Bytes of bodies that are kept for the next one who asks."""


@dataclass(slots=True)
class StoredBodies(Mapping[str, bytes]):
    """The bodies of an open store, by hash."""

    store: Store
    _held: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    _size: int = 0

    def __getitem__(self, name: str) -> bytes:
        if name in self._held:
            self._held.move_to_end(name)
            return self._held[name]
        content = self.store.body(name)
        if content is None:
            raise KeyError(name)
        self._held[name] = content
        self._size += len(content)
        while self._size > MOST_HELD and len(self._held) > 1:
            self._size -= len(self._held.popitem(last=False)[1])
        return content

    def __iter__(self) -> Iterator[str]:
        """Only what is held; all of a store is never listed."""
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)
