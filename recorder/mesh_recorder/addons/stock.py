"""The recorder as an addon for stock mitmproxy: `mitmdump -s …/mesh_recorder/addons/stock.py`.

Options, by `--set` or by the environment: `mesh_store` (`MESH_STORE`), `mesh_service` (`MESH_SERVICE`),
`mesh_direction` (`inbound` or `outbound`; by default inbound for reverse modes, outbound for the others),
`mesh_trace_headers`, `mesh_redact_key` (`MESH_REDACT_KEY`). Bodies stream, as in our own lane.

mitmproxy's own defaults hold otherwise: with `--set connection_strategy=lazy` an upstream that refuses is
recorded too, with `--set keep_host_header=true` the app sees the Host that the client sent.
"""

import asyncio
import importlib.metadata
import logging
import os
import secrets
import time
from typing import Any

from mitmproxy import connection, ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import mode_specs

from mesh_core.config import RedactMode
from mesh_core.errors import MeshError
from mesh_core.frames import Run
from mesh_core.model import Direction
from mesh_core.project import data_dir, file_name, project_dir, state_dir
from mesh_core.redact import Redactor
from mesh_recorder import compat
from mesh_recorder.addons.recorder import Recorder
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Captured, Place, finish
from mesh_recorder.keys import key_id, redact_key
from mesh_recorder.pipeline import Pipeline
from mesh_recorder.settings import Endpoint, TraceHeaders
from mesh_recorder.ship import Sink

logger = logging.getLogger(__name__)

GRACE = 1.0
"""Seconds after a client has gone in which mitmproxy may still tell of its requests."""
DRAIN = 10.0
MAX_BODY = 1024 * 1024
ROOM = 64 * 1024 * 1024


class StockRecorder:
    """Records what passes through mitmdump, mitmproxy or mitmweb."""

    def __init__(self) -> None:
        self._pipeline: Pipeline[Captured] | None = None
        self._recorder: Recorder | None = None
        self._sweeps: set[asyncio.Task[None]] = set()

    def load(self, loader: Loader) -> None:
        """Declare the options."""
        environ = os.environ
        default_store = f"sqlite:///{data_dir(environ) / 'mesh.db'}"
        for name, default, text in (
            ("mesh_store", environ.get("MESH_STORE") or default_store, "Where exchanges are stored."),
            ("mesh_service", environ.get("MESH_SERVICE") or "unnamed", "The service that is recorded."),
            ("mesh_project", environ.get("MESH_PROJECT") or "default", "The project it belongs to."),
            ("mesh_direction", "", "inbound or outbound, where the mode does not tell."),
            ("mesh_trace_headers", "link", "link, always or never."),
        ):
            loader.add_option(name, str, default, text)

    def configure(self, updated: set[str]) -> None:  # noqa: ARG002  # mitmproxy's signature
        """Start to record with the first options, before anything is listened to."""
        if self._recorder is not None:
            return
        options = ctx.options
        try:
            headers = TraceHeaders(options.mesh_trace_headers)
            key = redact_key(os.environ, project_dir(state_dir(os.environ), options.mesh_project))
        except (ValueError, MeshError) as cause:
            raise exceptions.OptionsError(f"mesh: {cause}") from cause  # type: ignore[no-untyped-call]  # mitmproxy's
        self._pipeline = pipeline = _pipeline(options, key)
        self._recorder = Recorder(
            role_of=self._role_of,
            offer=pipeline.offer,
            lost=pipeline.lost,
            trace_headers=headers,
            max_body=MAX_BODY,
            room=ROOM,
            mended=compat.mend(),
        )
        pipeline.start()
        logging.getLogger("alembic").setLevel(logging.WARNING)  # mitmproxy shows what all libraries say
        for name in _HOOKS:
            setattr(self, name, getattr(self._recorder, name))

    def client_disconnected(self, client: connection.Client) -> None:
        """Sweep what is left open, a moment later: some hooks come after this one."""
        task = asyncio.get_running_loop().create_task(self._sweep(client))
        self._sweeps.add(task)
        task.add_done_callback(self._sweeps.discard)

    async def done(self) -> None:
        """Write and ship what there is."""
        if self._recorder is None or self._pipeline is None:
            return
        for state in self._recorder.clients:
            self._recorder.sweep(state.client)
        counters = await asyncio.to_thread(self._pipeline.drain, DRAIN)
        dropped = sum(counters.dropped.values())
        logger.info("mesh: %d recorded, %d dropped", counters.recorded, dropped)

    async def _sweep(self, client: connection.Client) -> None:
        await asyncio.sleep(GRACE)
        if self._recorder is not None:
            self._recorder.sweep(client)

    @staticmethod
    def _role_of(mode: mode_specs.ProxyMode) -> Role | None:
        target = None
        if isinstance(mode, mode_specs.ReverseMode):
            host, port = mode.address[0], mode.address[1]
            target = Endpoint(scheme=mode.scheme, host=host, port=port)
        wanted = ctx.options.mesh_direction or ("inbound" if target else "outbound")
        service = ctx.options.mesh_service
        place = Place(
            service=service,
            instance=f"{service}:{os.getpid()}",
            direction=Direction(wanted),
            peers={},
            recorder=importlib.metadata.version("mesh-replay"),
        )
        return Role(place=place, target=target, intercept_all=target is None)


_HOOKS = (
    "client_connected", "requestheaders", "request", "responseheaders", "response", "error",
    "http_connect", "http_connected", "http_connect_error", "websocket_message", "websocket_end",
    "tcp_message", "tcp_end", "tcp_error", "tls_failed_client",
    "mesh_informational", "mesh_refused", "mesh_malformed",
)  # fmt: skip


def _pipeline(options: Any, key: bytes) -> Pipeline[Captured]:
    service, store = options.mesh_service, options.mesh_store

    def open_sink() -> Sink:
        from mesh_store.store import open_store  # heavy: SQLAlchemy

        return open_store(store)

    run = Run(
        run_id=secrets.token_hex(16),
        project=options.mesh_project,
        service=service,
        instance=f"{service}:{os.getpid()}",
        recorder=importlib.metadata.version("mesh-replay"),
        started_at=time.time_ns(),
        key_id=key_id(key),
    )
    spool = (
        project_dir(state_dir(os.environ), options.mesh_project) / "spool" / file_name(f"{service}-mitmproxy")
    )
    return Pipeline(
        finish=finish,
        redact=Redactor(key, RedactMode.DEFAULT).apply,
        run=run,
        spool_dir=spool,
        open_sink=open_sink,
        budget=ROOM,
    )


addons = [StockRecorder()]
