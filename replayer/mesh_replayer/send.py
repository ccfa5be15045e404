"""Sends prepared requests and tells what came back: the edge between a plan and the wire."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from mesh_core.outcome import Outcome
from mesh_replayer.plan import Step
from mesh_replayer.reply import Received
from mesh_replayer.resolve import Route
from mesh_replayer.seen import Seen
from mesh_replayer.wire.http2 import Http2Transport
from mesh_replayer.wire.request import WireRequest
from mesh_replayer.wire.transport import WireTransport

MOST_SILENT = 3
"""Connections in a row that a target may leave unanswered until it is taken to be gone."""

type Lane = tuple[str, str]


class Sends(Protocol):
    """What carries requests to targets: `Sender`, or what stands in front of it."""

    async def send(self, step: Step, request: WireRequest) -> Received:
        """Send one request and read its response."""
        ...

    async def close(self, lane: tuple[str, str]) -> None:
        """Close the connection of a lane that has no more steps."""
        ...

    async def aclose(self) -> None:
        """Close all."""
        ...


@dataclass(slots=True)
class Sender:
    """Keeps a connection for each lane."""

    routes: Mapping[str, Route]
    """By a target's text."""
    timeout: float | None
    """Seconds for one exchange, from the first byte sent to the last received."""
    _lanes: dict[Lane, WireTransport] = field(default_factory=dict)
    _lanes2: dict[Lane, Http2Transport] = field(default_factory=dict)
    _silent: Counter[str] = field(default_factory=Counter)
    """How many connections in a row a target left unanswered."""

    async def send(self, step: Step, request: WireRequest) -> Received:
        """Send one request and read its response."""
        route = self.routes[step.target.text]
        seen = Seen()
        if not route.addresses:
            return seen.received(Outcome.DNS_FAILED, route.problem)
        if self._silent[step.target.text] >= MOST_SILENT:
            return seen.received(
                Outcome.CONNECT_FAILED, f"not tried: it left {MOST_SILENT} connections in a row unanswered"
            )
        try:
            async with asyncio.timeout(self.timeout):
                await self._carried(step, request, route, seen)
        except httpx.ConnectError as cause:
            tls = isinstance(cause.__cause__, ssl.SSLError)
            return seen.received(Outcome.TLS_FAILED if tls else Outcome.CONNECT_FAILED, str(cause))
        except (httpx.RemoteProtocolError, httpx.LocalProtocolError) as cause:
            return seen.received(Outcome.PROTOCOL_ERROR, str(cause))
        except httpx.TransportError as cause:
            return seen.received(Outcome.UPSTREAM_RESET, str(cause))
        except TimeoutError:
            if step.lane in self._lanes:
                await self._lanes[step.lane].aclose()
            return self._timed_out(step, seen)
        self._silent[step.target.text] = 0
        return seen.received()

    def _carried(self, step: Step, request: WireRequest, route: Route, seen: Seen) -> Awaitable[None]:
        if request.conversation is not None:
            return seen.conversed(route, request)
        name = step.target.host
        if request.http2:
            transport2 = self._lanes2.get(step.lane)
            if transport2 is None:
                transport2 = Http2Transport(route.addresses, context=route.context2, server_name=name)
                self._lanes2[step.lane] = transport2
            return seen.over_http2(transport2, request)
        transport = self._lanes.get(step.lane)
        if transport is None:
            transport = WireTransport(route.addresses, context=route.context, server_name=name)
            self._lanes[step.lane] = transport
        return seen.through(transport, request)

    async def close(self, lane: Lane) -> None:
        """Close the connection of a lane that has no more steps."""
        for transport in (self._lanes.pop(lane, None), self._lanes2.pop(lane, None)):
            if transport is not None:
                await transport.aclose()

    async def aclose(self) -> None:
        """Close all."""
        for lane in {*self._lanes, *self._lanes2}:
            await self.close(lane)

    def _timed_out(self, step: Step, seen: Seen) -> Received:
        limit = f"within {self.timeout:g} s"
        if not seen.connected:
            self._silent[step.target.text] += 1
            return seen.received(Outcome.CONNECT_FAILED, f"no connection {limit}")
        what = "no answer" if seen.status is None else "the answer was not whole"
        return seen.received(Outcome.UPSTREAM_TIMEOUT, f"{what} {limit}")
