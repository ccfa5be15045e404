"""The link from an exchange to the one that caused it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mesh_core.model import Exchange

MOST_ALTERNATIVES = 10


class LinkKind(StrEnum):
    """What a link says of parent and child."""

    HOP = "hop"
    """One request, seen at its two ends; certain."""
    CAUSE = "cause"
    """A call that was made while a service answered; certain."""
    INFERRED = "inferred"
    """Likely; never shown as certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The link from an exchange to the one that caused it."""

    exchange_id: str
    kind: LinkKind
    confidence: float = 1.0
    """1.0 for certain links, less for inferred ones."""
    alternatives: tuple[str, ...] = ()
    """Exchanges that fit as well, newest first, at most ten."""

    @property
    def certain(self) -> bool:
        """Whether the link is known, not guessed."""
        return self.kind is not LinkKind.INFERRED


def place(exchange: Exchange) -> tuple[str, str]:
    """Where the exchange was seen: one instance of one service."""
    return exchange.service, exchange.instance


def origin_form(path: str) -> str:
    """The path as the other end sees it: a forward proxy is given a whole address."""
    if not path.startswith(("http://", "https://")):
        return path
    slash = path.find("/", path.index("//") + 2)
    return path[slash:] if slash >= 0 else "/"


def inferred(chosen: Exchange, fitting: Iterable[Exchange], confidence: float) -> Parent:
    """A link that is only likely, beside the others that fit, newest first."""
    others = [e.id for e in fitting if e is not chosen][:MOST_ALTERNATIVES]
    return Parent(
        exchange_id=chosen.id, kind=LinkKind.INFERRED, confidence=confidence, alternatives=tuple(others)
    )
