"""Which live value stands for which recorded one, so that a difference between them is none. Pure."""

import re
from collections.abc import Callable, Sequence

from mesh_replayer.correlate.names import Worth, worth
from mesh_replayer.correlate.places import In, Place
from mesh_replayer.diff.difference import Difference, Kind, Where

_SHORTEST_INSIDE = 6
"""Characters of a value that is looked for inside other texts."""
_MOST_INSIDE = 1_024 * 1_024
"""Characters of a text that is looked into."""
_BETWEEN = re.compile(r"""([/?&=:;,.#\s"'<>()]+)""")


class Renamed:
    """Recorded and live values that stand for each other, also as they are once hidden."""

    def __init__(self, hidden: Sequence[Callable[[str], str]] = ()) -> None:
        """Prepare; `hidden` is how secrets are hidden before answers are compared."""
        self._hidden = hidden
        self._live: dict[str, set[str]] = {}
        self._opaque: set[str] = set()
        """Headers that hand values on: what stands there is made anew each time."""

    def add(self, recorded: str, live: str) -> None:
        """From now on `live` stands for `recorded`."""
        if recorded != live:
            self._live.setdefault(recorded, set()).add(live)
            for hide in self._hidden:
                self._live.setdefault(hide(recorded), set()).add(hide(live))

    def handing_on(self, place: Place) -> None:
        """Later requests use what an answer has in this place."""
        if place.part is In.HEADER:
            self._opaque.add(str(place.keys[0]))

    def explained(self, difference: Difference) -> str | None:
        """Why a difference means nothing; None where that is not known."""
        if difference.kind not in (Kind.VALUE, Kind.TEXT) or not self._live:
            return None
        recorded, replayed = difference.recorded, difference.replayed
        if type(recorded) is not type(replayed) or not isinstance(recorded, str | int):
            return None
        then, now = str(recorded), str(replayed)
        if now in self._live.get(then, ()):
            return "the live value of a link"
        if difference.where is Where.HEADER and difference.path in self._opaque and _alike(then, now):
            return "made anew each time: other requests use what is here"
        if max(len(then), len(now)) <= _MOST_INSIDE and self._inside(then, now):
            return "has the live value of a link"
        return None

    def _inside(self, then: str, now: str) -> bool:
        """Whether the texts are the same but for values that stand for each other."""
        for old, candidates in self._live.items():
            if len(old) >= _SHORTEST_INSIDE and worth(old) is Worth.MUCH and old in then:
                new = next((each for each in candidates if each in now), None)
                then = then if new is None else then.replace(old, new)
        if then == now:
            return True
        words = _BETWEEN.split(then), _BETWEEN.split(now)
        if len(words[0]) != len(words[1]):
            return False
        return all(old == new or new in self._live.get(old, ()) for old, new in zip(*words, strict=True))


def _alike(then: str, now: str) -> bool:
    """Whether two values are of one make: the same length and punctuation, letters and digits alike."""
    shapes = [re.sub(r"[0-9A-Za-z]+", "x", value) for value in (then, now)]
    return shapes[0] == shapes[1] and abs(len(then) - len(now)) <= max(2, len(then) // 4)
