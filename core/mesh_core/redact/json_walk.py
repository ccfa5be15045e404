"""JSON documents value by value, where places matter: paths, what a secret key holds, a missing end. Pure.

A key's kind holds for what lies below it, through arrays, and through objects where all of it is secret.
"""

import re
from dataclasses import dataclass

from mesh_core.jsonpath import Step
from mesh_core.redact import forms
from mesh_core.redact.json_strings import TELLING, read, written
from mesh_core.redact.layers import LEAST_RUN, TOKENS
from mesh_core.redact.named import named, number
from mesh_core.redact.names import KeyKind, key_kind, needs_state
from mesh_core.redact.rules import State
from mesh_core.redact.sweep import Sweep, Unreadable
from mesh_core.redact.values import look_through, marks, may_hold_pairs

_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_TOKEN = re.compile(rb"[{}\[\]:,]|[^\s{}\[\]:,]+")
_SCALAR = re.compile(rb"-?[0-9][0-9.eE+-]*|true|false|null|NaN|-?Infinity")
_DEEPEST = 512
_PLAIN_BELOW = frozenset(
    {
        "type", "token_type", "tokenType", "expires_in", "expiresIn", "expires_at", "expiresAt", "scope",
        "issued_at", "alg",
    }
)  # fmt: skip
"""Keys below a secret one whose values are none."""
_BLANKET = frozenset({KeyKind.SECRET, KeyKind.TEXTS, KeyKind.FEW, KeyKind.CARD})


@dataclass(slots=True)
class _Frame:
    """An object or array that is open."""

    is_object: bool
    kind: KeyKind | None = None
    """Of all that lies in it."""
    left: bool = False
    """Whether all in it stays as it is."""
    step: Step | None = None
    """The key or index of the value that comes next; None where a key comes next."""
    own: KeyKind | None = None
    """Of the value that comes next; `own_left` likewise."""
    own_left: bool = False
    place: State = 0
    """Which paths of the project's lead here."""
    own_place: State = 0


class Walk:
    """Goes through a document string by string; the bytes between two strings are a gap."""

    def __init__(self, sweep: Sweep, raw: bytes, depth: int, *, cut: bool) -> None:
        self.sweep, self.depth = sweep, depth
        self.oauth = any(name in raw for name in TELLING)
        self.by_path = sweep.rules.by_path
        self.parts = _STRING.split(raw) if b"\\" in raw else raw.split(b'"')
        if cut:
            _trim(self.parts)
        self.frames = [_Frame(is_object=False, step=0)]
        self.plain: list[int] = []
        """Where strings are that no key told anything of."""

    def done(self) -> bytes:
        """The document without secrets."""
        parts = self.parts
        self.sweep.spend(len(parts))
        for at in range(0, len(parts), 2):
            gap = parts[at]
            bare = gap.strip()
            if bare == b",":
                self.next_value()
            elif bare != b":":
                self.gap(at, gap)
            if at + 1 < len(parts):
                self.string(at + 1, parts[at + 1])
        self.look_at_plain()
        return b'"'.join(parts)

    def next_value(self) -> None:
        """After a comma."""
        frame = self.frames[-1]
        if frame.is_object:
            frame.step = None
        elif isinstance(frame.step, int):
            frame.step += 1
            if self.by_path:
                self.classify(frame, b"")

    def gap(self, at: int, gap: bytes) -> None:
        """Brackets, commas, and scalars that are no strings."""
        out: list[bytes] = []
        done = 0
        for match in _TOKEN.finditer(gap):
            token = match[0]
            if token in (b"{", b"["):
                self.open(is_object=token == b"{")
            elif token in (b"}", b"]"):
                if len(self.frames) > 1:
                    self.frames.pop()
            elif token == b",":
                self.next_value()
            elif token != b":" and (after := self.scalar(token)) != token:
                out += (gap[done : match.start()], after)
                done = match.end()
        if out:
            self.parts[at] = b"".join((*out, gap[done:]))

    def open(self, *, is_object: bool) -> None:
        """What a key says of its object or array is true of what lies in it."""
        above = self.frames[-1]
        kind = above.own if not is_object or above.own in _BLANKET else None
        frame = _Frame(
            is_object, kind=kind, left=above.own_left, step=None if is_object else 0, place=above.own_place
        )
        if len(self.frames) > _DEEPEST:
            raise Unreadable("depth")
        self.frames.append(frame)
        frame.own, frame.own_left = frame.kind, frame.left
        if self.by_path and not is_object:
            self.classify(frame, b"")

    def string(self, at: int, text: bytes) -> None:
        """A key, or a value."""
        frame = self.frames[-1]
        if frame.is_object and frame.step is None:
            key = read(text) if b"\\" in text else text
            frame.step = key.decode("utf-8", "replace")
            self.classify(frame, key)
            if text not in self.sweep.rules.memory.keys and not frame.own_left:
                self.plain.append(at)
            return
        if frame.own_left:
            return
        if frame.own is not None:
            before = read(text)
            after = named(self.sweep, frame.own, before, "json")
            if after is not None:
                self.parts[at] = written(before, after, text)
                return
        self.plain.append(at)

    def classify(self, frame: _Frame, key: bytes) -> None:
        """What the value to come is, by its key, its path, and what it lies in."""
        if frame.left:
            frame.own, frame.own_left = None, True
            return
        if self.by_path:
            frame.own_place = self.sweep.rules.advance(frame.place, 0 if frame.step is None else frame.step)
            own, frame.own_left = self.sweep.rules.json_kind(frame.own_place, key)
        else:
            own = key_kind(key)
        if own is None and self.oauth and needs_state(key):
            own = KeyKind.SECRET
        frame.own = frame.kind if own is None and frame.step not in _PLAIN_BELOW else own

    def scalar(self, token: bytes) -> bytes:
        """A number, `true`, `false` or `null`; the last three tell nothing."""
        frame = self.frames[-1]
        if not _SCALAR.fullmatch(token):
            raise Unreadable("json")
        if frame.own_left or token[:1] not in b"-0123456789":
            return token
        after = number(self.sweep, frame.own, token, "json") if frame.own is not None else None
        if after is None and self.sweep.rules.only_named:
            return number(self.sweep, KeyKind.SECRET, token, "unnamed") or token
        return forms.cards(self.sweep, token) if after is None and len(token) >= 12 else after or token

    def look_at_plain(self) -> None:
        """Values without a telling key, together at first, singly where that found a mark."""
        parts, sweep = self.parts, self.sweep
        if not self.plain:
            return
        together = b"\n".join([parts[at] for at in self.plain])
        paired = b"\\" in together or may_hold_pairs(together)
        if not (paired or sweep.rules.only_named or marks(sweep, together)):
            return
        for at in self.plain:
            text = parts[at]
            if not paired and not sweep.rules.only_named and not sweep.rules.has_patterns and _is_wordy(text):
                continue
            before = read(text)
            after = look_through(sweep, before, self.depth)
            if sweep.rules.only_named and after == before and not self.is_key(at):
                after = sweep.hide("unnamed", before)
            parts[at] = written(before, after, text)

    def is_key(self, at: int) -> bool:
        """Whether the string is a key."""
        return self.parts[at + 1].lstrip()[:1] == b":"


def _is_wordy(text: bytes) -> bool:
    """Whether text is nothing but short words: no form of a secret is."""
    return text.replace(b" ", b"").isalpha() and LEAST_RUN not in text.translate(TOKENS)


def _trim(parts: list[bytes]) -> None:
    """Take the last value away where it is not whole."""
    if len(parts) % 2 == 0:
        parts.pop()
    elif (quote := parts[-1].find(b'"')) >= 0:
        parts[-1] = parts[-1][:quote]
    parts[-1] = parts[-1].rstrip(b"0123456789abcdefghijklmnopqrstuvwxyzE+-.")
