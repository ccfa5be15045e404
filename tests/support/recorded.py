"""Exchanges as a sidecar would make them, and a store that keeps segments in memory."""

import hashlib
import threading
from dataclasses import dataclass, field

from mesh_core.errors import StoreUnreachable
from mesh_core.frames import Run, Segment, decode_segment
from mesh_core.ids import uuid7
from mesh_core.model import Bodies, BodyRef, Direction, Exchange, Lane, TraceOrigin
from mesh_core.outcome import Outcome
from mesh_core.together import Failed

RUN = Run(
    run_id="a" * 32, project="shop", service="cart", instance="cart-1", recorder="0.1.0", started_at=1_000
)


@dataclass(slots=True)
class FakeCapture:
    """What a test offers to a pipeline."""

    number: int
    failed: bool = False
    body: bytes = b""
    broken: bool = False
    trace: str = "1" * 32
    path: str = ""
    request_id: str | None = None

    @property
    def held(self) -> int:
        return 1000 + len(self.body)


def finish(captured: FakeCapture) -> tuple[Exchange, Bodies]:
    if captured.broken:
        raise RuntimeError("password=hunter2")
    digest = hashlib.sha256(captured.body).hexdigest()
    ref = BodyRef(hash=digest, full_hash=digest, size=len(captured.body), stored=len(captured.body))
    exchange = an_exchange(
        id=uuid7(captured.number * 1_000_000, b"\0" * 8),
        path=captured.path or f"/{captured.number}",
        trace_id=captured.trace,
        request_id=captured.request_id,
        started_at=captured.number * 1_000_000,
        status=500 if captured.failed else 200,
        outcome=Outcome.HTTP_5XX if captured.failed else Outcome.OK,
        response_body=ref if captured.body else None,
    )
    return exchange, {digest: captured.body} if captured.body else {}


def an_exchange(**changes: object) -> Exchange:
    fields: dict[str, object] = {
        "id": "0" * 32,
        "trace_id": "1" * 32,
        "trace_origin": TraceOrigin.SYNTHETIC,
        "service": "cart",
        "instance": "cart-1",
        "direction": Direction.INBOUND,
        "started_at": 1_000_000,
        "scheme": "http",
        "http_version": "HTTP/1.1",
        "method": "GET",
        "authority": "localhost:8002",
        "path": "/",
        "status": 200,
        "outcome": Outcome.OK,
        "recorder": "0.1.0",
        "lane": Lane.MITMPROXY,
    }
    fields |= changes
    fields.setdefault("ended_at", fields["started_at"])
    return Exchange(**fields)  # type: ignore[arg-type]  # checked where it is read


@dataclass
class MemoryStore:
    """Takes segments as the store does, unless it is told to be away."""

    away: threading.Event = field(default_factory=threading.Event)
    segments: list[Segment] = field(default_factory=list)
    committed: threading.Condition = field(default_factory=threading.Condition)
    tries: int = 0
    failed: list[int] = field(default_factory=list)
    """Keys of what failed elsewhere."""
    asked: int = 0

    def opened(self) -> "MemoryStore":
        return self

    def ingest(self, segment: bytes) -> int:
        with self.committed:
            self.tries += 1
            self.committed.notify_all()
            if self.away.is_set():
                raise StoreUnreachable("the store refused the connection", hint="is it running?")
            self.segments.append(decode_segment(segment))
            self.committed.notify_all()
        return self.segments[-1].frames[-1].seq if self.segments[-1].frames else 0

    def failed_since(self, cursor: int | None) -> Failed:
        with self.committed:
            self.asked += 1
            self.committed.notify_all()
            if self.away.is_set():
                raise StoreUnreachable("the store refused the connection", hint="is it running?")
            return Failed(frozenset(self.failed[cursor or 0 :]), len(self.failed), more=False)

    def close(self) -> None:
        pass

    def wait_for(self, exchanges: int) -> None:
        with self.committed:
            assert self.committed.wait_for(lambda: len(self.exchanges) >= exchanges, timeout=30)

    def wait_for_tries(self, tries: int) -> None:
        with self.committed:
            assert self.committed.wait_for(lambda: self.tries >= tries, timeout=30)

    @property
    def exchanges(self) -> list[Exchange]:
        return [f.exchange for s in self.segments for f in s.frames if f.exchange is not None]

    @property
    def gaps(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for frame in (frame for segment in self.segments for frame in segment.frames):
            if frame.gap is not None:
                counts[frame.gap.reason] = counts.get(frame.gap.reason, 0) + frame.gap.count
        return counts
