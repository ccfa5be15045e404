"""Exchange ids: UUIDv7, written as 32 hex digits. Pure: time and randomness come in."""


def uuid7(unix_ns: int, random: bytes) -> str:
    """A UUIDv7 as 32 lowercase hex digits; ids sort by time, to a quarter of a microsecond.

    The 12 bits after the version hold the fraction of the millisecond.

    Args:
        unix_ns: nanoseconds since the Unix epoch.
        random: at least 8 random bytes.

    Source: RFC 9562, sections 5.7 and 6.2, method 3.
    """
    milliseconds, rest = divmod(unix_ns, 1_000_000)
    high = (milliseconds & (2**48 - 1)) << 16 | 7 << 12 | (rest << 12) // 1_000_000
    low = int.from_bytes(random[:8]) & (2**62 - 1) | 2 << 62
    return "%016x%016x" % (high, low)  # noqa: UP031  # for every request, and half again as fast


def started_ms(exchange_id: str) -> int:
    """The millisecond since the Unix epoch at which the id was made."""
    return int(exchange_id[:12], 16)
