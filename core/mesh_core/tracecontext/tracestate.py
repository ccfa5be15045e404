"""Our member in `tracestate`: `mesh=<exchange id>`. Pure.

1. Without a valid `traceparent` there is no `tracestate`: nothing is read, nothing is written.
2. A malformed header is passed on as it came.
3. Whatever is not our member survives byte for byte.

Source: W3C Trace Context, section 3.3; keys as in level 2.
"""

import re

from mesh_core.model import Headers
from mesh_core.tracecontext.w3c import TRACEPARENT, parse_traceparent

TRACESTATE = b"tracestate"

_KEY = rb"([a-z0-9][a-z0-9_\-*/@]{0,255})"
_VALUE = rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(rb"[ \t]*(?:" + _KEY + b"=" + _VALUE + rb")?[ \t]*")
_OURS = re.compile(rb"[ \t]*mesh=")
_CLAIM = re.compile(rb"[ \t]*mesh=([0-9a-f]{32})[ \t]*")
_MOST_MEMBERS = 32
_LONGEST = 512
"""Bytes that every participant must pass on; some SDKs drop the whole header beyond that."""


def claim_in(tracestate: bytes) -> str | None:
    """The exchange id that our member claims; None where the header is malformed or has none.

    Args:
        tracestate: the header's value, several joined by commas.
    """
    if b"mesh=" not in tracestate:
        return None
    members = tracestate.split(b",")
    if not _well_formed(members):
        return None
    for member in members:
        match = _CLAIM.fullmatch(member)
        if match is not None:
            return match[1].decode()
    return None


def with_mesh_member(headers: Headers, exchange_id: str, *, parent_known: bool = False) -> Headers:
    """`headers` with `mesh=<exchange_id>` first in `tracestate`, an older such member replaced.

    Several `tracestate` fields become one, in the first one's place; where there is none, it
    follows `traceparent`. The headers come back unchanged without a valid `traceparent`, where
    `tracestate` is malformed, beside 32 other members, and where it would grow beyond 512
    bytes: SDKs drop the header whole then.

    Args:
        headers: fields as received.
        exchange_id: ours.
        parent_known: whether somebody has read `traceparent` already, and it was valid.
    """
    parents, states = _places(headers)
    if len(parents) != 1 or not (parent_known or parse_traceparent(headers[parents[0]][1])):
        return headers
    ours = b"mesh=" + exchange_id.encode()
    if not states:
        after = parents[0] + 1
        return (*headers[:after], (TRACESTATE, ours), *headers[after:])
    joined = b",".join([headers[at][1] for at in states])
    members = joined.split(b",")
    others = [member for member in members if not _OURS.match(member)]
    value = b",".join([ours, *others]) if any(other.strip(b" \t") for other in others) else ours
    too_many = sum(1 for other in others if other.strip(b" \t")) >= _MOST_MEMBERS
    # A header that was too long before is no worse with ours replaced, but longer never.
    if too_many or not _well_formed(members) or len(value) > max(_LONGEST, len(joined)):
        return headers
    first, *rest = states
    changed = list(headers)
    changed[first] = (headers[first][0], value)
    for at in reversed(rest):
        del changed[at]
    return tuple(changed)


def without_mesh_member(headers: Headers) -> Headers:
    """`headers` without any `mesh` member, for a service that strangers call.

    Also out of a header that is malformed otherwise: a lenient SDK would mend it and pass a
    stranger's claim on. A field with nothing else in it goes whole.
    """
    _, states = _places(headers)
    if not any(b"mesh=" in headers[at][1] for at in states):
        return headers
    kept: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name.lower() != TRACESTATE or b"mesh=" not in value:
            kept.append((name, value))
            continue
        others = [member for member in value.split(b",") if not _OURS.match(member)]
        if any(other.strip(b" \t") for other in others):
            kept.append((name, b",".join(others)))
    return tuple(kept)


def _places(headers: Headers) -> tuple[list[int], list[int]]:
    """Where `traceparent` and `tracestate` stand."""
    parents: list[int] = []
    states: list[int] = []
    for at, (name, _) in enumerate(headers):
        if len(name) not in (10, 11):
            continue
        key = name.lower()
        if key == TRACEPARENT:
            parents.append(at)
        elif key == TRACESTATE:
            states.append(at)
    return parents, states


def _well_formed(members: list[bytes]) -> bool:
    """Whether all members are, no key comes twice, and there are 32 at most; empty ones are fine."""
    keys: set[bytes] = set()
    for member in members:
        match = _MEMBER.fullmatch(member)
        if match is None or match[1] in keys:
            return False
        if match[1] is not None:
            keys.add(match[1])
    return len(keys) <= _MOST_MEMBERS
