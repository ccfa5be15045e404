"""A JSON document's leaves and where they stand in its text, to change one and no byte else. Pure."""

import json
import re
from collections.abc import Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]  # there, and not in the stubs

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")

type Keys = tuple[str | int, ...]


def with_leaves(text: str, new: Mapping[Keys, str]) -> str:
    """The document with other values at some places; a number stays one where the new value is one.

    Raises:
        ValueError: it is no JSON.
    """
    spans = _Spans(text).spans(frozenset(new))
    out: list[str] = []
    done = 0
    for keys, (start, end) in sorted(spans.items(), key=lambda item: item[1]):
        number = text[start] != '"' and _WHOLE.fullmatch(new[keys])
        out += (text[done:start], new[keys] if number else json.dumps(new[keys], ensure_ascii=text.isascii()))
        done = end
    return "".join((*out, text[done:]))


class _Spans:
    """One pass over a text, without recursion."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def spans(self, wanted: frozenset[Keys]) -> dict[Keys, tuple[int, int]]:
        """Start and end of each leaf that is wanted."""
        found: dict[Keys, tuple[int, int]] = {}
        path: list[str | int] = []
        opened: list[str] = []
        self._space()
        while True:
            start = self.at
            character = self.text[start : start + 1]
            if character and character in "{[" and not self._empty():
                opened.append(character)
                path.append(self._key() if character == "{" else 0)
                continue
            if character and character not in "{[":
                self._leaf()
                keys = tuple(path)
                if keys in wanted:
                    found[keys] = (start, self.at)
            elif not character:
                raise ValueError("the document ends too early")
            if not self._next(path, opened):
                return found

    def _empty(self) -> bool:
        """Step into a container; whether it has nothing, and is behind us."""
        closing = "}" if self.text[self.at] == "{" else "]"
        self.at += 1
        self._space()
        if self.text[self.at : self.at + 1] == closing:
            self.at += 1
            return True
        return False

    def _next(self, path: list[str | int], opened: list[str]) -> bool:
        """Step to the next value; False at the end of the document."""
        while opened:
            self._space()
            character = self.text[self.at : self.at + 1]
            self.at += 1
            if character == ",":
                self._space()
                last = path[-1]
                path[-1] = self._key() if opened[-1] == "{" else last + 1 if isinstance(last, int) else 0
                return True
            if character not in ("}", "]"):
                raise ValueError(f"character {self.at} is not what JSON has there")
            opened.pop()
            path.pop()
        return False

    def _key(self) -> str:
        if self.text[self.at : self.at + 1] != '"':
            raise ValueError(f"character {self.at} begins no name")
        key, self.at = scanstring(self.text, self.at + 1, True)
        self._space()
        if self.text[self.at : self.at + 1] != ":":
            raise ValueError(f"character {self.at} is no colon")
        self.at += 1
        self._space()
        return str(key)

    def _leaf(self) -> None:
        if self.text[self.at] == '"':
            _, self.at = scanstring(self.text, self.at + 1, True)
            return
        match = _SCALAR.match(self.text, self.at)
        if match is None:
            raise ValueError(f"character {self.at} begins no value")
        self.at = match.end()

    def _space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
