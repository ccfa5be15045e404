"""A service with real OpenTelemetry SDKs, unaware of us: FastAPI in, httpx out, a ratio sampler.

Run as `python otel_service.py NAME PORT SPANS_FILE [NEXT_URL]`; prints `listens on URL`.
"""

import asyncio
import json
import random
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio


class ToFile(SpanExporter):
    """Each span that is sampled as one JSON line."""

    def __init__(self, service: str, path: Path) -> None:
        self._service, self._path = service, path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a") as file:
            for span in spans:
                if span.kind is not trace.SpanKind.INTERNAL:
                    file.write(json.dumps(self._line(span)) + "\n")
        return SpanExportResult.SUCCESS

    def _line(self, span: ReadableSpan) -> dict[str, Any]:
        context = span.get_span_context()
        assert context is not None
        return {
            "service": self._service,
            "kind": span.kind.name,
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        }


def application(name: str, spans: Path, following: str | None) -> FastAPI:
    random.seed(name)  # the SDK's ids are made by this module: both runs sample the same traces
    provider = TracerProvider(
        resource=Resource.create({"service.name": name}), sampler=ParentBasedTraceIdRatio(0.5)
    )
    provider.add_span_processor(SimpleSpanProcessor(ToFile(name, spans)))
    trace.set_tracer_provider(provider)
    HTTPXClientInstrumentor().instrument()
    clients: dict[str, httpx.AsyncClient] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=30) as client:
            clients["next"] = client
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/work/{number}")
    async def work(number: int) -> dict[str, Any]:
        if following is None:
            return {"service": name, "number": number}
        answers = await asyncio.gather(
            *(clients["next"].get(f"{following}/work/{number}{part}") for part in (1, 2))
        )
        return {"service": name, "next": [answer.json() for answer in answers]}

    FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
    return app


def main() -> None:
    name, port, spans, *following = sys.argv[1:]
    app = application(name, Path(spans), following[0] if following else None)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        listener.listen()
        sys.stdout.write(f"{name} listens on http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
