"""The target's dependencies during a run: stubs on ports of their own and on a forward proxy."""

import asyncio
import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mesh_core.errors import ListenFailed
from mesh_core.ids import uuid7
from mesh_core.model import Bodies, BodyRef, Direction, Exchange, Headers, Lane, TraceOrigin, header_text
from mesh_core.outcome import Outcome
from mesh_core.redact import Redactor
from mesh_replayer.launch.environment import authority_of
from mesh_replayer.stubs.answers import missed_answer, recorded_answer
from mesh_replayer.stubs.attribution import Attribution
from mesh_replayer.stubs.calls import RecordedCall
from mesh_replayer.stubs.http import Answer, Asked, Handle, HttpServer
from mesh_replayer.stubs.passing import Passthrough
from mesh_replayer.stubs.shelf import Missed, Served, Shelf
from mesh_replayer.stubs.told import StubsTold
from mesh_replayer.wire.request import WireRequest

SETTLE = 2.0
"""Seconds for calls that a service makes after it has answered."""
PROXY = "proxy"
"""What the forward proxy is called among the addresses."""


@dataclass(slots=True)
class Dependencies:
    """Stubs of everything that the recorded requests called; use `start` and `stop`."""

    calls: Sequence[RecordedCall]
    bodies: Bodies
    service: str
    """Whose dependencies they are."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Callees by further authorities that the configuration gives them."""
    redactor: Redactor | None = None
    """Hides of a live call what was hidden of recorded ones; None for nothing."""
    keyed: bool = True
    """Whether it has the project's key; without it hidden values are equal by their class."""
    passing: Passthrough | None = None
    """Takes calls that were never recorded; None for a miss."""
    shelf: Shelf = field(init=False)
    passed_on: int = 0
    _attribution: Attribution = field(default_factory=Attribution)
    _servers: dict[str, HttpServer] = field(default_factory=dict)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.calls, self.keyed)

    @property
    def callees(self) -> list[str]:
        """Whom the recorded requests called, in the order of their first call."""
        return list(dict.fromkeys(call.callee for call in self.calls))

    @property
    def ports(self) -> Mapping[str, int]:
        """Where each callee's stub listens, and the proxy by its name."""
        return {name: server.port for name, server in self._servers.items()}

    async def start(self, wanted: Mapping[str, int], *, others: Collection[str] = ()) -> None:
        """Listen for every callee, and as a forward proxy.

        Args:
            wanted: ports by name; all others take a free one.
            others: dependencies that were never called, which need a stub too to be told so.

        Raises:
            ListenFailed: a wanted port is taken.
        """
        for name in (*dict.fromkeys((*self.callees, *others)), PROXY):
            server = HttpServer(self._handler(None if name == PROXY else name), proxy=name == PROXY)
            try:
                await server.start(wanted.get(name, 0))
            except OSError as cause:
                raise ListenFailed(
                    f"the stub of {name} cannot listen on port {wanted.get(name)}: {cause.strerror}",
                    hint=f"end what listens there, or give it another: --stub-port {name}=PORT",
                ) from cause
            self._servers[name] = server

    async def stop(self) -> None:
        """Listen no more."""
        for server in self._servers.values():
            await server.stop()

    def begin(self, exchange: Exchange, request: WireRequest) -> WireRequest:
        """A request is about to go out; gives it as it does."""
        marked = dataclasses.replace(request, headers=self._attribution.mark(exchange, request.headers))
        sent, bodies = self._hidden(
            _exchange(
                self.service,
                exchange.trace_id,
                marked.method.decode("latin-1"),
                marked.target.decode("latin-1"),
                exchange.authority,
                marked.headers,
                marked.body,
            )
        )
        self.shelf.begin(exchange, self.bodies, sent, bodies)
        return marked

    def end(self, exchange: Exchange) -> None:
        """It has its answer."""
        self.shelf.end(exchange)

    async def settle(self) -> None:
        """Wait a moment for calls that came after the answer when they were recorded."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                while self.shelf.late:
                    self._asked.clear()
                    await self._asked.wait()

    def told(self) -> StubsTold:
        """What the stubs have to say when the run is over."""
        return StubsTold(
            served=self.shelf.served,
            by_form=self.shelf.by_form,
            repeated=self.shelf.repeated,
            passed_on=self.passed_on,
            misses=tuple(self.shelf.misses),
            not_made=tuple(self.shelf.not_made),
            left_out=tuple(call for call in self.calls if call.why_not is not None),
        )

    def _handler(self, callee: str | None) -> Handle:
        async def handle(asked: Asked) -> Answer | None:
            return await self._answer(callee or self._callee(asked.authority), asked)

        return handle

    def _callee(self, authority: str) -> str:
        own = {f"127.0.0.1:{port}": name for name, port in self.ports.items()}
        recorded = {call.exchange.authority: call.callee for call in self.calls} | own
        known = self.names.get(authority_of(f"http://{authority}") or authority)
        return recorded.get(authority) or known or authority

    async def _answer(self, callee: str, asked: Asked) -> Answer | None:
        parents = self._attribution.of(asked.headers)
        trace_id = self.shelf.trace_of(parents)
        call, bodies = self._hidden(
            _exchange(
                self.service, trace_id, asked.method, asked.target, asked.authority, asked.headers, asked.body
            )
        )
        found = self.shelf.ask(callee, call, bodies, parents)
        self._asked.set()
        if isinstance(found, Served):
            return recorded_answer(found, self.bodies)
        return await self._missed(callee, asked, found)

    async def _missed(self, callee: str, asked: Asked, missed: Missed) -> Answer | None:
        if self.passing is None:
            return missed_answer(missed)
        answer = await self.passing.pass_on(callee, asked)
        if isinstance(answer, str):
            refused = dataclasses.replace(missed, why=f"{missed.why}; not passed on: {answer}")
            self.shelf.misses[self.shelf.misses.index(missed)] = refused
            return missed_answer(refused)
        self.shelf.misses.remove(missed)
        self.passed_on += 1
        return answer

    def _hidden(self, recorded: tuple[Exchange, Bodies]) -> tuple[Exchange, Bodies]:
        return recorded if self.redactor is None else self.redactor.apply(*recorded)


def _exchange(
    service: str, trace_id: str, method: str, path: str, authority: str, headers: Headers, body: bytes
) -> tuple[Exchange, Bodies]:
    """A live call as an exchange, so that it is hidden and read as recorded ones are."""
    digest = hashlib.sha256(body).hexdigest()
    ref = BodyRef(
        hash=digest,
        full_hash=digest,
        size=len(body),
        stored=len(body),
        content_type=header_text(headers, b"content-type"),
        content_encoding=header_text(headers, b"content-encoding"),
    )
    now = time.time_ns()
    call = Exchange(
        id=uuid7(now, bytes(8)),
        trace_id=trace_id,
        trace_origin=TraceOrigin.SYNTHETIC,
        service=service,
        instance="",
        direction=Direction.OUTBOUND,
        started_at=now,
        ended_at=now,
        scheme="http",
        http_version="HTTP/1.1",
        method=method,
        authority=authority,
        path=path,
        request_headers=headers,
        request_body=ref if body else None,
        outcome=Outcome.OK,
        recorder="",
        lane=Lane.IMPORTED,
    )
    return call, {digest: body} if body else {}
