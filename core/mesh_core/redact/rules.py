"""`[redact]` as questions that a sweep asks: is this named, may that stay. Pure."""

import re
from collections.abc import Iterable

from mesh_core.config import Places, Redact, RedactMode
from mesh_core.globs import Glob, parse_glob
from mesh_core.jsonpath import START, JsonPath, Reached, Step, parse_jsonpath
from mesh_core.redact.json_keys import keys_of
from mesh_core.redact.memory import Memory
from mesh_core.redact.names import KeyKind, key_kind, query_kind

type State = int
"""How far a reader of a document has come along each path of a project; 0 at the root."""

_MOST_STEPS = 8192
_WORD = re.compile(rb"[^\s\"'<>,;(){}\[\]&?=\\|`]{3,4096}")


class Rules:
    """What a project names, besides what is known by itself."""

    def __init__(self, redact: Redact, *, closely: bool = False) -> None:
        """Read them; they were checked where the configuration was.

        Args:
            redact: what the project names.
            closely: look closely at everything, which finds the same, and takes longer.
        """
        hide, allow = redact.hide, redact.allow
        self.screened = not closely
        """Whether a screen may say that nothing is there."""
        self.only_named = redact.mode is RedactMode.ALLOWLIST
        self.keep_types = frozenset(redact.keep_types)
        self._headers, self._cookies = _lower(hide.header), _exact(hide.cookie)
        self.names_headers = bool(hide.header or allow.header) or self.only_named
        """Whether header names of the project's own matter."""
        self.memory = Memory()
        self._fields = {"query": _exact(hide.query), "form": _exact(hide.form)}
        self._globs = _globs(hide)
        self._allowed_headers, self._allowed_cookies = _lower(allow.header), _exact(allow.cookie)
        self._allowed_fields = {"query": _exact(allow.query), "form": _exact(allow.form)}
        self._allowed_count = len(allow.json)
        self._all_paths = _paths(allow) + _paths(hide)
        self._path_names = [path.names for path in self._all_paths]
        self._by_index = any(isinstance(step, int) for path in self._all_paths for _, step in path.segments)
        self.by_key = None if self._allowed_count or self.only_named else keys_of(self._all_paths)
        """Finds the keys that paths of the project's end in; None where that takes a walk."""
        start = (START,) * len(self._all_paths)
        self._states: list[tuple[Reached, ...]] = [start]
        self._known = {start: 0}
        self._ends: list[bool | None] = [None]
        """By state: hide what is there, leave it, or as ever."""
        self._steps: dict[tuple[State, Step], State] = {}
        self._allowed_globs = _globs(allow)
        words = (*(glob.literal for glob in self._globs), *self._fields["query"], *self._fields["form"])
        self._words = tuple(frozenset(words))
        """One of them is in whatever the project names, but for headers, cookies and paths."""
        self.by_path = bool(self._all_paths) or self.only_named
        """Whether places in JSON matter, so that no document is read quickly."""

    def names_header(self, name: bytes) -> bool | None:
        """True: hide it; False: leave it; None: as ever."""
        return _verdict(name.lower(), self._headers, self._allowed_headers)

    def names_cookie(self, name: bytes) -> bool | None:
        """As for a header."""
        return _verdict(name, self._cookies, self._allowed_cookies)

    def field_kind(self, place: str, key: bytes) -> tuple[KeyKind | None, bool]:
        """What a query's or a form's field is, and whether it is left as it is."""
        named = _verdict(key, self._fields[place], self._allowed_fields[place])
        if named is None:
            return query_kind(key), False
        return (KeyKind.SECRET if named else None), not named

    def places_matter(self, raw: bytes) -> bool:
        """Whether a path of the project's may lead somewhere in this document."""
        if not self.by_path:
            return False
        if self.only_named or b"\\u" in raw:
            return True
        return any(all(name in raw for name in names) for names in self._path_names)

    def advance(self, place: State, step: Step) -> State:
        """Where a document's reader is, one key or index further down."""
        if isinstance(step, int) and not self._by_index:
            step = 0
        found = self._steps.get((place, step))
        return self._new_state(place, step) if found is None else found

    def _new_state(self, place: State, step: Step) -> State:
        if len(self._steps) >= _MOST_STEPS:
            self._steps.clear()
        before = self._states[place]
        pairs = zip(self._all_paths, before, strict=True)
        reached = tuple(path.advance(at, step) for path, at in pairs)
        if reached not in self._known:
            self._known[reached] = len(self._states)
            self._states.append(reached)
            ends = [path.ends(at) for path, at in zip(self._all_paths, reached, strict=True)]
            self._ends.append(False if any(ends[: self._allowed_count]) else any(ends) or None)
        found = self._steps[place, step] = self._known[reached]
        return found

    def json_kind(self, place: State, key: bytes) -> tuple[KeyKind | None, bool]:
        """What the value at `place` is, and whether it, and all below it, is left as it is."""
        named = self._ends[place]
        if named is None:
            return key_kind(key), False
        return (KeyKind.SECRET if named else None), not named

    def may_name(self, raw: bytes) -> bool:
        """Whether something in `raw` may be what a pattern or a field of the project's names."""
        return any(word in raw for word in self._words)

    def hits(self, raw: bytes) -> list[tuple[int, int]]:
        """Where words are that a pattern of the project fits."""
        globs = [glob for glob in self._globs if glob.literal in raw]
        if not globs:
            return []
        words = _WORD.finditer(raw)
        return [word.span() for word in words if any(glob.matches(word[0]) for glob in globs)]

    def spares(self, value: bytes) -> bool:
        """Whether a pattern allows this value to stay, whatever it is."""
        return any(glob.matches(value) for glob in self._allowed_globs)

    @property
    def has_patterns(self) -> bool:
        """Whether words matter."""
        return bool(self._globs)


def _verdict(name: bytes, hidden: frozenset[bytes], allowed: frozenset[bytes]) -> bool | None:
    if name in allowed:
        return False
    return True if name in hidden else None


def _lower(names: Iterable[str]) -> frozenset[bytes]:
    return frozenset(name.lower().encode() for name in names)


def _exact(names: Iterable[str]) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names)


def _paths(places: Places) -> tuple[JsonPath, ...]:
    return tuple(parse_jsonpath(text) for text in places.json)


def _globs(places: Places) -> tuple[Glob, ...]:
    return tuple(parse_glob(text) for text in places.pattern)
