"""Points in time as RFC 3339 writes them, to the nanosecond. Pure."""

import re
from datetime import UTC, datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,18}))?)?([Zz]|[+-]\d\d:?\d\d))?",
    re.ASCII,
)
_MOST = 2**63
"""Nanoseconds: stores keep 64 bits, which is the years 1678 to 2262."""


def rfc3339(ns: int) -> str:
    """A point in time with nine decimals, in UTC: `2026-11-24T10:00:00.000000001Z`.

    Args:
        ns: nanoseconds since the Unix epoch.

    Source: RFC 3339, section 5.6.
    """
    seconds, rest = divmod(ns, 1_000_000_000)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since the Unix epoch of a date and time with its zone, or of a date (its midnight, UTC).

    Seconds may be left out; digits beyond the ninth decimal are dropped.

    Raises:
        ValueError: it is none of these, or out of reach (before 1678, after 2262).
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time like 2026-11-24T10:00:00Z")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    moment = datetime(year, month, day, hour, minute, second, tzinfo=_zone(match[8]))
    since = moment - _EPOCH
    ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + int((match[7] or "").ljust(9, "0")[:9])
    if not -_MOST <= ns < _MOST:
        raise ValueError(f"{text!r} is too far away")
    return ns


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
