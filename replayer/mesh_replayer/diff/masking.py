"""Values without what differs each time, so that items can be told apart by the rest. Pure."""

import json
from collections.abc import Collection
from typing import Any

from mesh_replayer.diff.jsonpath import name_segment
from mesh_replayer.noise.shapes import alike, shape_of

canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""A text that is equal for equal values only."""


class Masking:
    """What is masked in one walk: values of a volatile shape, and all at places that are known to vary."""

    def __init__(self, noisy: Collection[str]) -> None:
        self.noisy = frozenset(noisy)

    def is_noisy(self, template: str, name: str) -> bool:
        """Whether a member is known to vary."""
        return bool(self.noisy) and template + name_segment(name) in self.noisy

    def alike(self, one: Any, other: Any, template: str) -> bool:
        """Whether two values are equal but for what is masked."""
        if isinstance(one, dict):
            return (
                isinstance(other, dict)
                and one.keys() == other.keys()
                and all(
                    self.alike(value, other[name], self._below(template, name)) for name, value in one.items()
                )
            )
        if isinstance(one, list):
            below = f"{template}[*]" if self.noisy else ""
            return (
                isinstance(other, list)
                and len(one) == len(other)
                and all(self.alike(*pair, below) for pair in zip(one, other, strict=True))
            )
        return (
            (type(one) is type(other) and one == other)
            or alike(one, other)
            or (bool(self.noisy) and template in self.noisy)
        )

    def masked(self, value: Any, template: str) -> Any:
        """The value with a shape, or nothing, in place of what is masked."""
        kind = type(value)
        if kind is dict:
            if not self.noisy:
                return {name: self.masked(member, "") for name, member in value.items()}
            return {name: self.masked(member, self._below(template, name)) for name, member in value.items()}
        if kind is list:
            below = f"{template}[*]" if self.noisy else ""
            return [self.masked(item, below) for item in value]
        if self.noisy and template in self.noisy:
            return {"": None}
        if (kind is str and len(value) < 8) or kind is bool or value is None:
            return value
        shape = shape_of(value)
        return value if shape is None else {"": shape}

    def text(self, value: Any, template: str) -> str:
        """What is equal for all values that are equal but for what is masked."""
        return canonical(self.masked(value, template))

    def _below(self, template: str, name: str) -> str:
        return template + name_segment(name) if self.noisy else ""
