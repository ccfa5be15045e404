"""One pass over one exchange: what it may spend, what it found. Pure."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mesh_core.redact.rules import Rules
from mesh_core.redact.tokens import Tokens, token_class

DEEPEST = 4
"""Encodings within encodings that are looked into; what lies deeper is hidden whole."""
MOST_INFLATED = 4 * 1024 * 1024
"""Bytes that one exchange's compressed contents may become, all together."""

MOST_WORK = 400_000
"""What may be spent on the bodies and messages of one exchange, in steps of about a microsecond."""
UNBOUNDED = 1 << 62
HIDING, LOOKING = 8, 4
"""What it costs to make a token, and to look at one value closely."""
BYTES_A_STEP = 16
"""Of a text that all patterns are tried on."""

type Document = Callable[["Sweep", bytes, int], bytes | None]
"""Reads what may be a JSON document; None where it is none."""


class Unreadable(ValueError):
    """Content that cannot be looked through, so must not be kept; says why in one word."""


@dataclass(slots=True)
class Sweep:
    """What a pass over one exchange carries along."""

    tokens: Tokens
    rules: Rules
    document: Document
    """Comes from outside, so that values and documents need not know each other."""
    trace: bytes = b""
    counts: Counter[str] = field(default_factory=Counter)
    """Replaced values by rule."""
    inflatable: int = MOST_INFLATED
    by_trace: bool = False
    """Whether a token was made that stands for its value in this trace alone."""
    left: int = UNBOUNDED
    """Steps that may still be spent."""

    def spend(self, steps: int) -> None:
        """Count work before it is done, so that no content holds up the recording of others.

        Raises:
            Unreadable: there was too much of it.
        """
        self.left -= steps
        if self.left < 0:
            raise Unreadable("work")

    def hide(self, kind: str, value: bytes, rule: str | None = None) -> bytes:
        """The token for a secret; the value itself where it is empty, a token of ours, or allowed."""
        if not value or token_class(value) is not None or self.rules.spares(value):
            return value
        self.spend(HIDING)
        self.counts[rule or kind] += 1
        return self._token(kind, value)

    def constant(self, value: bytes, new: bytes, rule: str) -> bytes:
        """What stands for all values of a class; counted where it is not that already."""
        if value == new or self.rules.spares(value):
            return value
        self.spend(LOOKING)
        self.counts[rule] += 1
        return new

    def _token(self, kind: str, value: bytes) -> bytes:
        if kind == "email":
            return self.tokens.email(value)
        if kind == "card":
            self.by_trace = True
            return self.tokens.card(value, self.trace)
        if kind == "phone":
            self.by_trace = True
            return self.tokens.phone(value, self.trace)
        if kind == "iban":
            return self.tokens.iban(value)
        if kind == "pem":
            return self.tokens.pem(value)
        return self.tokens.plain(kind.encode(), value)
