"""What a value looks like, apart from what differs each time: ids, times, tokens. Pure.

1. A shape is a text such as `uuid`, `hex32`, `token22`, `ts:3:Z`, `epoch_ms`; or `~/orders/<uuid>` for text
   around such values.
2. A value may fit a shape that is not its own: eight random hex digits may happen to be all decimal.
3. Nothing that was captured becomes a regular expression unescaped.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

MOST_TEXT = 2_000
"""Characters of a value that is looked at; a longer one has no shape."""
_MOST_TOKENS = 8
"""Volatile pieces of one text."""

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_JWT = r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"
_HTTP_DATE = (
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" \d{4} \d\d:\d\d:\d\d GMT"
)
_DATE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_ULID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"
_REDACTED = r"mr1_[a-z]+_[a-z2-7]{20}"
_HEX = r"(?=[a-f]{0,64}\d)(?=\d{0,64}[a-f])[0-9a-f]{8,128}|(?=[A-F]{0,64}\d)(?=\d{0,64}[A-F])[0-9A-F]{8,128}"
# Upper and lower case, and two digits: `PaymentServiceV2` is a name.
_OPAQUE = (
    r"(?=(?:[A-Za-z_+/~-]{0,64}\d){2})(?=[a-z\d_+/~-]{0,64}[A-Z])(?=[A-Z\d_+/~-]{0,64}[a-z])"
    r"[\w+/~-]{16,1024}={0,2}"
)
_WHOLE = re.compile(
    rf"(?P<uuid>{_UUID})|(?P<jwt>{_JWT})|(?P<ts>{_TIME})|(?P<http>{_HTTP_DATE})|(?P<date>{_DATE})"
    rf"|(?P<ulid>{_ULID})|(?P<redacted>{_REDACTED})|(?P<hex>{_HEX})|(?P<token>{_OPAQUE})",
    re.ASCII,
)
_PIECE = re.compile(
    rf"(?P<uuid>(?<![0-9a-fA-F]){_UUID}(?![0-9a-fA-F]))|(?P<jwt>\b{_JWT})|(?P<ts>(?<!\d){_TIME})|(?P<http>{_HTTP_DATE})"
    rf"|(?P<date>(?<!\d){_DATE}(?!\d))|(?P<ulid>(?<![0-9A-Za-z]){_ULID}(?![0-9A-Za-z]))|(?P<redacted>{_REDACTED})"
    rf"|(?P<hex>(?<![0-9A-Za-z])(?:{_HEX})(?![0-9A-Za-z]))"
    r"|(?P<token>(?<![\w+~-])(?=(?:[A-Za-z_+~-]{0,64}\d){2})(?=[a-z\d_+~-]{0,64}[A-Z])"
    r"(?=[A-Z\d_+~-]{0,64}[a-z])[\w+~-]{16,512}+(?![\w+~-])={0,2})",
    re.ASCII,
)
_TS_PARTS = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d(?::\d\d(?:[.,](\d+))?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_IDS = frozenset({"uuid", "jwt", "ulid", "redacted", "hex", "token"})
_LEAST_ID = 16
"""Characters: shorter hex may be equal by chance."""
# Possessive, as each stands between characters that it cannot hold: so that matching is linear.
_FILLERS = {
    "uuid": _UUID,
    "jwt": r"eyJ[\w-]{5,}+\.[\w-]{5,}+\.[\w-]*+",
    "http": _HTTP_DATE,
    "date": _DATE,
    "ulid": _ULID,
    "redacted": _REDACTED,
    "token": r"[\w+~-]{12,1024}+={0,2}",
}
_SLOT = re.compile(r"<([a-z]+)(\d*)((?::[^<>]*)?)>")
_DIGITS = re.compile(r"\d+", re.ASCII)
_EPOCHS = (("epoch_s", 1, 1_100_000_000, 2_600_000_000), ("epoch_ms", 1_000, 1.1e12, 2.6e12))
_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND


def shape_of(value: Any) -> str | None:
    """The shape of a value that looks made for the occasion; None for all others."""
    if type(value) is str:
        return _of_text(value)
    if type(value) in (int, float):
        return next((name for name, _, low, high in _EPOCHS if low <= value <= high), None)
    return None


def _of_text(text: str) -> str | None:
    if len(text) < 8 or len(text) > MOST_TEXT or _DIGITS.search(text) is None:
        return None  # there is none without a digit
    match = _WHOLE.fullmatch(text)
    if match is not None:
        return _named(match)
    skeleton = _skeleton(text)
    return None if skeleton == text else f"~{skeleton}"


def _named(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    if kind == "ts":
        return _ts(match[0])
    return f"{kind}{len(match[0])}" if kind in ("hex", "token") else kind


def _ts(text: str) -> str:
    parts = _TS_PARTS.fullmatch(text)
    assert parts is not None, "a ts has parts"  # noqa: S101 (both patterns say the same)
    zone = "" if not parts[3] else "Z" if parts[3] == "Z" else "offset"
    blank = "" if parts[1] == "T" else ":blank"
    return f"ts:{len(parts[2] or '')}:{zone}{blank}"


def _skeleton(text: str) -> str:
    if _DIGITS.search(text) is None:
        return text
    return _PIECE.sub(lambda match: f"<{_named(match)}>", text, count=_MOST_TOKENS)


def digits_skeleton(text: str) -> str:
    """The text with its volatile pieces and all numbers as slots: `node-<d>`."""
    skeleton = _skeleton(text[:MOST_TEXT])
    pieces: list[str] = []
    at = 0
    for slot in _SLOT.finditer(skeleton):
        pieces += [_DIGITS.sub("<d>", skeleton[at : slot.start()]), slot[0]]
        at = slot.end()
    return "".join([*pieces, _DIGITS.sub("<d>", skeleton[at:])])


def fits(shape: str, value: Any) -> bool:
    """Whether a value may be one of `shape`."""
    if type(value) is not str:
        return shape_of(value) == shape
    if len(value) > MOST_TEXT:
        return False
    if shape.startswith("hex"):
        return len(value) == int(shape[3:]) and _HEXES.fullmatch(value) is not None
    if shape.startswith("token"):
        # Base64 of random bytes varies by its padding alone.
        return abs(len(value) - int(shape[5:])) <= 2 and _TOKENS.fullmatch(value) is not None
    if shape.startswith("~"):
        return filled(shape[1:], value) is not None
    return shape_of(value) == shape


_HEXES = re.compile(r"[0-9a-f]+|[0-9A-F]+", re.ASCII)
_TOKENS = re.compile(r"[\w+/~-]+={0,2}", re.ASCII)


def filled(skeleton: str, value: str) -> list[tuple[str, str]] | None:
    """What fills the slots of a skeleton, as kinds and texts; None where the value has another one."""
    pattern, kinds = _pattern(skeleton)
    match = pattern.fullmatch(value)
    return None if match is None else list(zip(kinds, match.groups(), strict=True))


@lru_cache(maxsize=4096)
def _pattern(skeleton: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    pieces: list[str] = []
    kinds: list[str] = []
    at = 0
    for slot in _SLOT.finditer(skeleton):
        kind, size = slot[1], slot[2]
        filler = _FILLERS.get(kind)
        if kind == "hex":
            filler = f"(?:[0-9a-f]{{{size}}}|[0-9A-F]{{{size}}})"
        elif kind == "ts":
            filler = _TIME
        elif kind == "d":
            filler = r"\d{1,19}+"
        if filler is None:
            continue
        kinds.append(kind)
        pieces += [re.escape(skeleton[at : slot.start()]), f"({filler})"]
        at = slot.end()
    return re.compile("".join([*pieces, re.escape(skeleton[at:])]), re.ASCII | re.DOTALL), tuple(kinds)


def alike(one: Any, other: Any) -> bool:
    """Whether two values have one shape."""
    shape = shape_of(one)
    if shape is not None and fits(shape, other):
        return True
    shape = shape_of(other)
    return shape is not None and fits(shape, one)


def ids_of(recorded: Any, replayed: Any) -> list[tuple[str, str]]:
    """The ids in two texts of one shape, beside each other: what was one and what is now."""
    if type(recorded) is not str or type(replayed) is not str:
        return []
    shape = shape_of(recorded) or shape_of(replayed)
    if shape is None:
        return []
    if not shape.startswith("~"):
        kind = shape.rstrip("0123456789")
        long = min(len(recorded), len(replayed)) >= _LEAST_ID
        return [(recorded, replayed)] if kind in _IDS and long else []
    then, now = filled(shape[1:], recorded), filled(shape[1:], replayed)
    if then is None or now is None:
        return []
    return [
        (old, new)
        for (kind, old), (_, new) in zip(then, now, strict=True)
        if kind in _IDS and min(len(old), len(new)) >= _LEAST_ID
    ]


def moment_of(value: Any) -> tuple[int, int] | None:
    """The time that a value tells, in nanoseconds since the Unix epoch, and how exactly, in nanoseconds.

    What has no zone counts as UTC.
    """
    shape = shape_of(value)
    if shape is None:
        return None
    if shape.startswith("epoch"):
        per_second = 1 if shape == "epoch_s" else 1_000
        return round(value * _SECOND / per_second), _SECOND // per_second
    try:
        if shape == "http":
            return _ns(parsedate_to_datetime(value)), _SECOND
        if shape == "date":
            return _ns(datetime.fromisoformat(value)), _DAY
        if shape.startswith("ts:"):
            minutes = value.count(":", 0, 19) < 2
            return _ns(datetime.fromisoformat(value)), 60 * _SECOND if minutes else _SECOND
    except (ValueError, OverflowError):
        return None
    return None


def _ns(moment: datetime) -> int:
    whole = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(whole.timestamp()) * _SECOND + whole.microsecond * 1_000
