"""A sidecar from start to stop: listeners, lane, pipeline, and the account at the end."""

import asyncio
import contextlib
import importlib.metadata
import logging
import math
import resource
import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mesh_core.config import RedactMode
from mesh_core.frames import Run
from mesh_core.model import Bodies, Direction, Exchange, Lane
from mesh_core.probes import parse_probes
from mesh_core.redact import Redactor
from mesh_recorder import resources
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Captured, Place, finish
from mesh_recorder.counters import Counters
from mesh_recorder.keep import Keeping
from mesh_recorder.keys import key_id
from mesh_recorder.lanes import lanes
from mesh_recorder.listening import INBOUND, OUTBOUND, Listening, Sockets, bind_all, listening, part_of
from mesh_recorder.pipeline import Pipeline
from mesh_recorder.report import Report
from mesh_recorder.settings import SidecarSettings
from mesh_recorder.ship import Sink
from mesh_recorder.tally import Tally
from mesh_recorder.wire.captured import WireCaptured
from mesh_recorder.wire.finishing import finish_wire
from mesh_recorder.wire.lane import WireLane

if TYPE_CHECKING:
    from mesh_recorder.lane.lane import MitmLane

logger = logging.getLogger(__name__)


BYPASS = "bypass"
"""The reason for what is not recorded while somebody wants a plain relay."""


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
            finish=self._finish,
            redact=redactor.apply,
            run=run,
            spool_dir=settings.spool_dir,
            open_sink=open_sink or self._open_store,
            budget=settings.budget,
            keeping=Keeping(keep=settings.keep, sample=settings.sample, probes=parse_probes(settings.ignore)),
            durability=settings.durability,
        )
        self._lane: MitmLane | None = None
        self._wire: WireLane | None = None
        self._started = False
        self._tally = Tally()
        self._records_from: float = 0
        """Monotonic nanoseconds; what began before is not recorded."""

    async def start(self, sockets: Sockets | None = None) -> Listening:
        """Bind all listeners, then let traffic flow.

        Args:
            sockets: bound by whoever watches over several workers; the sidecar binds its own where None.

        Raises:
            ListenFailed: an address is taken or not ours; nothing is bound then.
            ConfigInvalid: a certificate cannot be used.
        """
        _raise_limit()
        bound = bind_all(self._settings) if sockets is None else sockets
        with contextlib.ExitStack() as failing:
            for each in bound.values():
                failing.callback(each.close)
            where = listening(self._settings, bound)
            await self._start_lanes(bound)
            failing.pop_all()
        self._started = True
        self._pipeline.start()
        return where

    async def _start_lanes(self, bound: Sockets) -> None:
        """Each listener in the lane that carries it; the one that is heavy only where it is needed."""
        carried = lanes(self._settings)
        roles = self._roles(carried)
        wire = [(each, roles[part]) for part, each in bound.items() if carried[part] is Lane.WIRE]
        if wire:
            self._wire = WireLane(wire, self._settings, offer=self._offer, lost=self._pipeline.lost)
        if len(wire) < len(bound):
            from mesh_recorder.lane.lane import Gate, MitmLane  # heavy: mitmproxy

            gates = [
                Gate(each, roles[part]) for part, each in bound.items() if carried[part] is not Lane.WIRE
            ]
            options = {"offer": self._offer, "lost": self._pipeline.lost}
            self._lane = MitmLane(gates, self._settings, options)
            await self._lane.start()
        if self._wire is not None:
            self._wire.start()

    async def stop(self) -> Counters:
        """Accept nothing more, answer what is in flight, ship; the final account."""
        if self._started:
            stopping = (lane.stop(self._settings.drain_timeout) for lane in (self._lane, self._wire) if lane)
            await asyncio.gather(*stopping)
        return await asyncio.to_thread(self._pipeline.drain, self._settings.drain_timeout)

    @property
    def counters(self) -> Counters:
        """The account at this moment."""
        return self._pipeline.counters()

    @property
    def requests_seen(self) -> int:
        """Requests to the service."""
        return self._seen(Direction.INBOUND)

    @property
    def calls_seen(self) -> int:
        """Requests by the service."""
        return self._seen(Direction.OUTBOUND)

    def _seen(self, direction: Direction) -> int:
        mitm = self._lane.recorder.seen[direction] if self._lane else 0
        return mitm + (self._wire.seen(direction) if self._wire else 0)

    @property
    def crashes(self) -> int:
        """Connections that mitmproxy's core failed over, and that were closed."""
        return self._lane.terms.crashes if self._lane else 0

    @property
    def store_away(self) -> str | None:
        """Why the store takes nothing at the moment; None while it does."""
        return self._pipeline.store_away

    @property
    def bypassed(self) -> bool:
        """Whether nothing is recorded, because somebody said so."""
        return self._records_from == math.inf

    async def bypass(self, on: bool) -> None:
        """Stop recording and be a plain relay, or record again what begins from now on."""
        if on != self.bypassed:
            self._records_from = math.inf if on else time.monotonic_ns()
            if self._lane is not None:
                self._lane.recorder.bypass(on)
            if self._wire is not None:
                self._wire.bypass(on)
            logger.warning("recording is %s", "off: a plain relay" if on else "on again")

    async def report(self) -> Report:
        """All that can be said at this moment."""
        return Report(
            counters=self.counters,
            tally=self._tally.copy(),
            requests=self.requests_seen,
            calls=self.calls_seen,
            in_flight=(self._lane.recorder.clients.busy if self._lane else 0)
            + (self._wire.busy if self._wire else 0),
            crashes=self.crashes + (self._wire.failures if self._wire else 0),
            queue_bytes=self._pipeline.queue_bytes,
            spool_bytes=self._pipeline.spool_bytes,
            spool_segments=self._pipeline.spool_segments,
            spool_age=self._pipeline.spool_age,
            held_bytes=self._pipeline.held_bytes,
            resources=resources.used(),
            adopted=self._pipeline.adopted,
            caught_up=self._pipeline.caught_up,
            store_away=self.store_away,
            bypassed=self.bypassed,
        )

    def lost(self, reason: str, count: int) -> None:
        """Count requests that a recorder before this one took with it, and tell the store."""
        self._pipeline.lost(reason, count)

    def _offer(self, captured: Captured) -> None:
        if captured.began < self._records_from:
            self._pipeline.lost(BYPASS)
        else:
            self._pipeline.offer(captured)

    def _finish(self, captured: Captured) -> tuple[Exchange, Bodies]:
        """Called in the writer's thread."""
        finished = finish_wire(captured) if isinstance(captured, WireCaptured) else finish(captured)
        exchange, bodies = finished
        self._tally.add(exchange)
        return exchange, bodies

    def _roles(self, carried: Mapping[str, Lane]) -> dict[str, Role]:
        """What each of the sockets stands for."""
        settings = self._settings
        outbound = self._place(Direction.OUTBOUND, carried.get(OUTBOUND))
        roles = {
            INBOUND: Role(
                place=self._place(Direction.INBOUND, carried.get(INBOUND)),
                target=settings.app,
                strangers=settings.edge,
                refuses_replays=settings.refuses_replays,
                cert=settings.cert,
                key=settings.key,
            ),
            OUTBOUND: Role(
                place=outbound,
                intercept=frozenset(host.lower() for host in settings.intercept),
                intercept_all=settings.intercept_all,
            ),
        }
        for upstream in settings.upstreams:
            place = self._place(Direction.OUTBOUND, carried[part_of(upstream)], upstream.name)
            roles[part_of(upstream)] = Role(place=place, target=upstream.target)
        return roles

    def _place(self, direction: Direction, lane: Lane | None, upstream: str | None = None) -> Place:
        settings = self._settings
        return Place(
            service=settings.service,
            instance=settings.instance,
            direction=direction,
            upstream=upstream,
            peers=settings.peers,
            recorder=self._recorder,
            lane=lane or settings.lane,
        )

    def _open_store(self) -> Sink:
        from mesh_store.store import open_store  # heavy: SQLAlchemy

        return open_store(self._settings.store, retention=self._settings.retention)


def _raise_limit() -> None:
    """As many files as the system allows: each client takes two, and 1,024 are soon reached."""
    with contextlib.suppress(ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
