"""A sidecar from start to stop: listeners, lane, pipeline, and the account at the end."""

import asyncio
import contextlib
import importlib.metadata
import logging
import resource
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mesh_core.config import RedactMode
from mesh_core.frames import Run
from mesh_core.model import Direction
from mesh_core.redact import Redactor
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Captured, Place, finish
from mesh_recorder.counters import Counters
from mesh_recorder.keys import key_id
from mesh_recorder.lane.listeners import bind, bound_to
from mesh_recorder.pipeline import Pipeline
from mesh_recorder.settings import Listen, SidecarSettings, UpstreamPort
from mesh_recorder.ship import Sink

if TYPE_CHECKING:
    from mesh_recorder.lane.lane import MitmLane

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a sidecar listens, with the real ports."""

    inbound: Listen | None = None
    outbound: Listen | None = None
    upstreams: tuple[UpstreamPort, ...] = ()


class Sidecar:
    """Records the traffic of one instance of one service; started and stopped once."""

    def __init__(self, settings: SidecarSettings, *, open_sink: Callable[[], Sink] | None = None) -> None:
        """Make a sidecar; nothing is bound before `start`.

        Args:
            settings: what it is told.
            open_sink: opens the store; the settings' own where None.
        """
        self._settings = settings
        self._recorder = importlib.metadata.version("mesh-replay")
        redactor = Redactor(settings.redact_key, settings.redact_mode, settings.redact)
        key = settings.redact_key if settings.redact_mode is not RedactMode.OFF else None
        run = Run(
            run_id=secrets.token_hex(16),
            project=settings.project,
            service=settings.service,
            instance=settings.instance,
            recorder=self._recorder,
            started_at=time.time_ns(),
            key_id=key_id(key) if key else None,
        )
        self._pipeline: Pipeline[Captured] = Pipeline(
            finish=finish,
            redact=redactor.apply,
            run=run,
            spool_dir=settings.spool_dir,
            open_sink=open_sink or self._open_store,
            budget=settings.budget,
        )
        self._lane: MitmLane | None = None
        self._started = False

    async def start(self) -> Listening:
        """Bind all listeners, then let traffic flow.

        Raises:
            ListenFailed: an address is taken or not ours; nothing is bound then.
            ConfigInvalid: a certificate cannot be used.
        """
        from mesh_recorder.lane.lane import Gate, MitmLane  # heavy: mitmproxy

        _raise_limit()
        with contextlib.ExitStack() as bound:
            gates: list[Gate] = []

            def gate(listen: Listen, what: str, role: Role) -> Listen:
                sock = bind(listen, what)
                bound.callback(sock.close)
                gates.append(Gate(sock, role))
                return bound_to(sock)

            listening = self._bind(gate)
            self._lane = MitmLane(
                gates, self._settings, {"offer": self._pipeline.offer, "lost": self._pipeline.lost}
            )
            await self._lane.start()
            bound.pop_all()
        self._started = True
        self._pipeline.start()
        return listening

    async def stop(self) -> Counters:
        """Accept nothing more, answer what is in flight, ship; the final account."""
        if self._lane is not None and self._started:
            await self._lane.stop(self._settings.drain_timeout)
        return await asyncio.to_thread(self._pipeline.drain, self._settings.drain_timeout)

    @property
    def counters(self) -> Counters:
        """The account at this moment."""
        return self._pipeline.counters()

    @property
    def requests_seen(self) -> int:
        """Requests to the service."""
        return self._lane.recorder.seen[Direction.INBOUND] if self._lane else 0

    @property
    def calls_seen(self) -> int:
        """Requests by the service."""
        return self._lane.recorder.seen[Direction.OUTBOUND] if self._lane else 0

    @property
    def crashes(self) -> int:
        """Connections that mitmproxy's core failed over, and that were closed."""
        return self._lane.terms.crashes if self._lane else 0

    @property
    def store_away(self) -> str | None:
        """Why the store takes nothing at the moment; None while it does."""
        return self._pipeline.store_away

    def _bind(self, gate: Callable[[Listen, str, Role], Listen]) -> Listening:
        settings = self._settings
        inbound = outbound = None
        if settings.inbound is not None and settings.app is not None:
            place = self._place(Direction.INBOUND)
            role = Role(
                place=place,
                target=settings.app,
                strangers=settings.edge,
                cert=settings.cert,
                key=settings.key,
            )
            inbound = gate(settings.inbound, "the inbound listener", role)
        if settings.outbound is not None:
            role = Role(
                place=self._place(Direction.OUTBOUND),
                intercept=frozenset(host.lower() for host in settings.intercept),
                intercept_all=settings.intercept_all,
            )
            outbound = gate(settings.outbound, "the outbound listener", role)
        upstreams: list[UpstreamPort] = []
        for upstream in settings.upstreams:
            role = Role(place=self._place(Direction.OUTBOUND, upstream.name), target=upstream.target)
            real = gate(upstream.listen, f"the port for {upstream.name}", role)
            upstreams.append(replace(upstream, listen=real))
        return Listening(inbound=inbound, outbound=outbound, upstreams=tuple(upstreams))

    def _place(self, direction: Direction, upstream: str | None = None) -> Place:
        settings = self._settings
        return Place(
            service=settings.service,
            instance=settings.instance,
            direction=direction,
            upstream=upstream,
            peers=settings.peers,
            recorder=self._recorder,
            lane=settings.lane,
        )

    def _open_store(self) -> Sink:
        from mesh_store.store import open_store  # heavy: SQLAlchemy

        return open_store(self._settings.store)


def _raise_limit() -> None:
    """As many files as the system allows: each client takes two, and 1,024 are soon reached."""
    with contextlib.suppress(ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
