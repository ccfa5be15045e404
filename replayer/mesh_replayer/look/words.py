"""Times, durations and outcomes as people read them. Pure."""

from datetime import UTC, datetime, tzinfo

from mesh_core.model import Direction, Exchange
from mesh_replayer.verdict import Verdict, what

_STEPS = ((1_000, "ns"), (1_000_000, "µs"), (1_000_000_000, "ms"), (120_000_000_000, "s"))
STYLES = {
    Verdict.SAME: "green",
    Verdict.NOT_REPRODUCED: "green",
    Verdict.DIFFERENT: "red",
    Verdict.BROKEN: "red",
    Verdict.REPRODUCED: "red",
    Verdict.FAILS_DIFFERENTLY: "red",
    Verdict.AUTH: "yellow",
    Verdict.UNREACHABLE: "yellow",
    Verdict.UNSURE: "yellow",
    Verdict.FLAKY: "red",
    Verdict.SKIPPED: "dim",
}


def duration(ns: int) -> str:
    """`950 µs`, `12 ms`, `1.5 s`, `3 min`."""
    below = 1
    for limit, unit in _STEPS:
        if ns < limit:
            value = ns / below
            return f"{value:.1f} {unit}" if value < 10 and unit not in ("ns", "µs") else f"{value:.0f} {unit}"
        below = limit if unit != "ms" else 1_000_000_000
    return f"{ns / 60_000_000_000:.0f} min"


def moment(ns: int, zone: tzinfo | None = None) -> str:
    """A point in time to the millisecond, in the reader's zone (or in `zone`)."""
    at = datetime.fromtimestamp(ns // 1_000_000_000, tz=UTC).astimezone(zone)
    return f"{at:%Y-%m-%d %H:%M:%S}.{ns % 1_000_000_000 // 1_000_000:03d}"


def who(exchange: Exchange) -> str:
    """The service; of a call that it made, with whom it called."""
    if exchange.direction is Direction.INBOUND:
        return exchange.service
    return f"{exchange.service} → {exchange.peer or exchange.authority}"


def style_of(exchange: Exchange) -> str:
    """The colour of an exchange's outcome."""
    if exchange.failed:
        return "bold red"
    return "green" if what(exchange)[:1] in "123" else "yellow"
