"""The admin listener: health, metrics, and the switch that turns recording off.

1. It answers one request a connection, and never waits long for anybody.
2. Only this machine may use the switch, and no web page: not by its script, not by a name of its own.
"""

import asyncio
import contextlib
import ipaddress
import json
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from mesh_core.config import is_loopback
from mesh_recorder.lane.accepting import Acceptor
from mesh_recorder.lane.listeners import bound_to
from mesh_recorder.metrics import CONTENT_TYPE, exposition
from mesh_recorder.report import Report

logger = logging.getLogger(__name__)

LONGEST = 8192
"""Bytes of a request."""
PATIENCE = 5.0
"""Seconds for a request to be whole."""
MOST = 64
"""Connections at once."""
_SWITCH = {"on": True, "off": False}


class Operated(Protocol):
    """What is looked at and switched."""

    async def report(self) -> Report:
        """All that can be said at this moment."""
        ...

    async def bypass(self, on: bool) -> None:
        """Stop recording, or record again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: str
    near: bool
    """Whether it comes from this machine."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: HTTPStatus
    text: str
    content_type: str = "text/plain; charset=utf-8"


class Admin:
    """Answers on one socket until it is closed."""

    def __init__(self, bound: socket.socket, operated: Operated, info: Mapping[str, str]) -> None:
        """Begin to answer.

        Args:
            bound: where; not accepted on yet.
            operated: the sidecar, or its supervisor.
            info: names it in the metrics.
        """
        self.ready = False
        """Whether traffic is taken: not before all listens, and not after a stop was asked for."""
        self.listen = bound_to(bound)
        self._operated = operated
        self._info = info
        self._started_at = time.time()
        self._tasks: set[asyncio.Task[None]] = set()
        self._acceptor = Acceptor(
            asyncio.get_running_loop(), bound, self._door, clients=lambda: len(self._tasks), most=MOST
        )

    def close(self) -> None:
        """Answer nobody any more."""
        self._acceptor.close()
        for task in self._tasks:
            task.cancel()

    async def answer(self, asked: Asked) -> Answer:
        """What is answered to a request."""
        if is_loopback(str(self.listen)) and not _names_this_machine(asked.headers.get("host", "")):
            return Answer(HTTPStatus.FORBIDDEN, "this listener goes by localhost and by addresses alone\n")
        if asked.path == "/bypass":
            return await self._bypass(asked)
        if asked.method not in ("GET", "HEAD"):
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered here\n")
        if asked.path == "/healthz":
            return Answer(HTTPStatus.OK, "ok\n")
        if asked.path == "/readyz":
            return await self._readiness()
        if asked.path == "/metrics":
            text = exposition(await self._operated.report(), self._info, started_at=self._started_at)
            return Answer(HTTPStatus.OK, text, CONTENT_TYPE)
        return Answer(HTTPStatus.NOT_FOUND, "there are /healthz, /readyz, /metrics and /bypass\n")

    async def _readiness(self) -> Answer:
        if not self.ready:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, "no traffic is taken: it starts, or ends\n")
        report = await self._operated.report()
        loops = f"workers die again and again in {report.crash_loops} of their places, see the log"
        if not report.workers:
            why = f": {loops}" if report.crash_loops else ""
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, f"no worker runs at the moment{why}\n")
        notes = [loops] if report.crash_loops else []
        notes += [f"the store is away: {report.store_away}"] if report.store_away else []
        notes += ["recording is off: a plain relay"] if report.bypassed else []
        return Answer(HTTPStatus.OK, "; ".join(["ready", *notes]) + "\n")

    async def _bypass(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            if not asked.near or "origin" in asked.headers:
                hint = "only this machine may switch, and no web page: use curl here, or SIGUSR1\n"
                return Answer(HTTPStatus.FORBIDDEN, hint)
            on = _SWITCH.get(asked.body.strip())
            if on is None:
                return Answer(HTTPStatus.BAD_REQUEST, "say on or off: curl -d on …/bypass\n")
            await self._operated.bypass(on)
        elif asked.method not in ("GET", "HEAD"):
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, "GET tells, POST switches\n")
        report = await self._operated.report()
        return Answer(HTTPStatus.OK, json.dumps({"bypass": report.bypassed}) + "\n", "application/json")

    def _door(self) -> asyncio.Protocol:
        reader = asyncio.StreamReader(LONGEST)
        return asyncio.StreamReaderProtocol(reader, self._take)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever sends too little, too much, or nonsense, or goes away, gets no answer.
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(PATIENCE):
                asked = await _read(reader, _near(writer))
                writer.write(_written(await self.answer(asked), with_body=asked.method != "HEAD"))
                await writer.drain()
        writer.close()


async def _read(reader: asyncio.StreamReader, near: bool) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, _, rest = head.partition("\r\n")
    method, target, _ = line.split(" ")
    fields = [field.partition(":") for field in rest.splitlines() if field]
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    length = min(int(headers.get("content-length", "0")), LONGEST)
    body = (await reader.readexactly(length)).decode("latin-1") if length > 0 else ""
    return Asked(method=method, path=target.partition("?")[0], headers=headers, body=body, near=near)


def _near(writer: asyncio.StreamWriter) -> bool:
    peer = writer.get_extra_info("peername")
    address = ipaddress.ip_address(peer[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _names_this_machine(host: str) -> bool:
    """Whether a Host header is a name that no foreign web page can have."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() in ("", "localhost") or name.lower().endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _written(answer: Answer, *, with_body: bool) -> bytes:
    body = answer.text.encode()
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(body)}\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
