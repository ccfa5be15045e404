"""Sizes and durations as people write them. Pure."""

import re
from fractions import Fraction

_SIZES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", re.IGNORECASE)
_MOST_DIGITS = 30
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhd])?")


def parse_size(text: str) -> int:
    """Bytes of `64KiB`, `1MB`, `1.5 MiB` or `4096`; case does not matter.

    Raises:
        ValueError: it is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size like 64KiB, 1MB or 4096")
    return int(_number(match[1]) * _SIZES[(match[2] or "").lower()])


def parse_seconds(text: str) -> float:
    """Seconds of `250ms`, `30s`, `5m`, `2h`, `7d`, or of a plain number.

    Raises:
        ValueError: it is not a duration.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration like 250ms, 30s, 5m or 2h")
    return float(_number(match[1])) * _SECONDS[match[2] or ""]


def parse_share(text: str) -> float:
    """A share, 0 to 1, of `10%` or `0.5 %`.

    Raises:
        ValueError: it is none.
    """
    match = _SHARE.fullmatch(text.strip())
    share = _number(match[1]) / 100 if match else None
    if share is None or share > 1:
        raise ValueError(f"{text!r} is not a share like 10%, between 0% and 100%")
    return float(share)


def _number(digits: str) -> Fraction:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"{digits[:_MOST_DIGITS]}… has more than {_MOST_DIGITS} digits")
    return Fraction(digits)


def format_size(size: int) -> str:
    """A size for people: `0 B`, `1.5 KiB`, `64 MiB`."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):  # the unit that it ends with is used
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"
