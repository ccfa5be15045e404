"""Spool segments as recorders write them, for tests of the store."""

from collections.abc import Iterable
from dataclasses import replace

from mesh_core.frames import Frame, Gap, Run, encode_frame, encode_header
from mesh_core.model import Bodies, Exchange
from support.recorded import RUN, FakeCapture, finish


def a_run(number: int, **changes: object) -> Run:
    return replace(RUN, run_id=f"{number:032x}", **changes)  # type: ignore[arg-type]  # names of its fields


def a_segment(what: Iterable[tuple[Exchange, Bodies] | Gap], *, first: int = 1, run: Run = RUN) -> bytes:
    """A segment with one frame for each, numbered from `first`."""
    content = encode_header(run)
    for seq, each in enumerate(what, first):
        if isinstance(each, Gap):
            content += encode_frame(Frame(seq=seq, gap=each))
        else:
            content += encode_frame(Frame(seq=seq, exchange=each[0], bodies=dict(each[1])))
    return content


def captured(*numbers: int, failed: bool = False, body: bytes = b"") -> list[tuple[Exchange, Bodies]]:
    return [finish(FakeCapture(number, failed=failed, body=body)) for number in numbers]


def a_gap(count: int = 2, *, started_at: int = 1, ended_at: int = 2, reason: str = "queue_full") -> Gap:
    return Gap(reason=reason, count=count, started_at=started_at, ended_at=ended_at)
