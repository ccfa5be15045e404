"""What people have in hand when they look for something: every form of id, and what to look up for it. Pure.

1. One text can mean several things; the candidates come with the surest first.
2. Nothing is thrown away: any text may be a request id.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from urllib.parse import unquote

from mesh_core.tracecontext.b3 import parse_b3
from mesh_core.tracecontext.context import MAX_U64
from mesh_core.tracecontext.gcp import parse_cloud_trace_context
from mesh_core.tracecontext.jaeger import parse_uber_trace_id
from mesh_core.tracecontext.sentry import parse_sentry_trace
from mesh_core.tracecontext.w3c import parse_traceparent
from mesh_core.tracecontext.xray import parse_amzn_trace_id

SHORTEST_PREFIX = 4
"""Hex digits."""


class Lookup(StrEnum):
    """What a candidate's value is compared with."""

    LAST = "last"
    """Nothing: the newest trace is meant; the value is empty."""
    EXCHANGE = "exchange"
    """An exchange id, whole: 32 hex digits."""
    TRACE = "trace"
    """A trace id, whole: 32 hex digits."""
    TRACE_LOW = "trace_low"
    """The last 16 hex digits of a trace id."""
    FINGERPRINT = "fingerprint"
    """A fingerprint, whole: 16 hex digits."""
    SPAN = "span"
    """The span id that a request carried: 16 hex digits."""
    REQUEST_ID = "request_id"
    """A request id, whole, as it came."""
    EXCHANGE_PREFIX = "exchange_prefix"
    TRACE_PREFIX = "trace_prefix"
    FINGERPRINT_PREFIX = "fingerprint_prefix"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that a text may mean."""

    lookup: Lookup
    value: str


_HEX = re.compile(r"(?:0x)?([0-9a-f]{1,32})")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DECIMAL = re.compile(r"[0-9]{1,39}")
_XRAY = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_FIELD = re.compile(
    r"(?:traceparent|b3|uber-trace-id|sentry-trace|x-cloud-trace-context|x-amzn-trace-id|x-request-id"
    r"|x-b3-traceid|x-datadog-trace-id|dd\.trace_id|trace[-_]?id|request[-_]?id)\s*[:=]\s*(.*)",
    re.IGNORECASE,
)
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://", re.IGNORECASE)
_MARKER = re.compile(r"x?traces?|trace[-_]?id|dd\.trace_id|exchanges?|failures?", re.IGNORECASE)
_SURE_IN_URL = re.compile(rf"[0-9a-fA-F]{{32}}|[0-9]{{15,20}}|{_UUID.pattern}|{_XRAY.pattern}")
"""What is an id in an address also where no word before it says so."""
_CONTEXTS = (
    parse_traceparent,
    parse_b3,
    parse_uber_trace_id,
    parse_sentry_trace,
    parse_cloud_trace_context,
    parse_amzn_trace_id,
)
_LONGEST = 4_096
"""Characters that are looked at."""


def candidates(text: str) -> tuple[Candidate, ...]:
    """What `text` may mean, the surest first; nothing for an empty text.

    Understood are exchange ids, trace ids of 128 bits or their low 64, hex or decimal, X-Ray's
    form, UUIDs, whole trace headers with or without their name, addresses in Datadog, Jaeger,
    Zipkin, Tempo, Sentry and our own UI, fingerprints, unique prefixes, request ids, and `last`.
    """
    text = text[:_LONGEST].strip().strip("\"'`").strip()
    if not text:
        return ()
    if text.lower() == "last":
        return (Candidate(Lookup.LAST, ""), Candidate(Lookup.REQUEST_ID, text))
    if _URL.match(text):
        return tuple(dict.fromkeys(_in_url(text)))
    named = _FIELD.fullmatch(text)
    value = named[1].strip() if named else text
    return tuple(dict.fromkeys([*_as_id(value), Candidate(Lookup.REQUEST_ID, value)]))


def _as_id(text: str) -> Iterator[Candidate]:
    """Every reading of a text without white space around it, but as a request id."""
    lowered = text.lower()
    uuid, xray, digits = _UUID.fullmatch(lowered), _XRAY.fullmatch(lowered), _HEX.fullmatch(lowered)
    if uuid:
        yield from _as_hex(lowered.replace("-", ""))
    elif xray:
        yield Candidate(Lookup.TRACE, xray[1] + xray[2])
    elif digits:
        # Sixteen digits or fewer can be both; a decimal of more than 32 is no hex at all.
        if _DECIMAL.fullmatch(text):
            yield from _as_decimal(text)
        yield from _as_hex(digits[1])
    elif _DECIMAL.fullmatch(text):
        yield from _as_decimal(text)
    else:
        yield from _as_header(text)


def _as_hex(digits: str) -> Iterator[Candidate]:
    if len(digits) == 32:
        yield Candidate(Lookup.EXCHANGE, digits)
        yield Candidate(Lookup.TRACE, digits)
        # Whoever recorded it may have seen its low half alone.
        yield Candidate(Lookup.TRACE, digits[16:].rjust(32, "0"))
        return
    if len(digits) == 16:
        yield Candidate(Lookup.TRACE_LOW, digits)
        yield Candidate(Lookup.FINGERPRINT, digits)
        yield Candidate(Lookup.SPAN, digits)
    if len(digits) >= SHORTEST_PREFIX:
        yield Candidate(Lookup.EXCHANGE_PREFIX, digits)
        yield Candidate(Lookup.TRACE_PREFIX, digits)
        if len(digits) < 16:
            yield Candidate(Lookup.FINGERPRINT_PREFIX, digits)


def _as_decimal(text: str) -> Iterator[Candidate]:
    """Datadog prints ids as decimals: the low 64 bits, some tools all 128."""
    number = int(text)
    if 0 < number <= MAX_U64:
        yield Candidate(Lookup.TRACE_LOW, f"{number:016x}")
    elif MAX_U64 < number < 2**128:
        yield Candidate(Lookup.TRACE, f"{number:032x}")


def _as_header(text: str) -> Iterator[Candidate]:
    """The value of a trace header."""
    value = text.encode("utf-8", "replace")
    for parse in _CONTEXTS:
        context = parse(value)
        if context is not None:
            yield Candidate(Lookup.TRACE, context.trace_id)


def _in_url(text: str) -> Iterator[Candidate]:
    """Ids in an address: those that follow a word such as `trace` first, then what must be one."""
    _, _, rest = text.partition("://")
    _, _, rest = unquote(rest).partition("/")
    words = [word for word in re.split(r"[/?&#=;:,|]", rest) if word]
    for before, word in pairwise(words):
        if _MARKER.fullmatch(before):
            yield from _marked(word)
    for word in words:
        if _SURE_IN_URL.fullmatch(word):
            yield from _as_id(word)


def _marked(word: str) -> Iterator[Candidate]:
    """An id after a word that says so; Jaeger leaves leading zeros out."""
    lowered = word.lower()
    if _HEX.fullmatch(lowered) and not _DECIMAL.fullmatch(word) and 8 <= len(word) < 32:
        yield Candidate(Lookup.TRACE, lowered.rjust(32, "0"))
        if len(word) < 16:
            yield Candidate(Lookup.TRACE_LOW, lowered.rjust(16, "0"))
    yield from _as_id(word)
