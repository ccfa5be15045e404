"""The lane as a whole: mitmproxy's options and addons without its loop, listeners, deadlines, draining."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mitmproxy import log, master, options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import commands, events, mode_specs
from mitmproxy.proxy.layers import http as layers

from mesh_recorder import compat, failures
from mesh_recorder.addons.certificates import Certificates, trusted
from mesh_recorder.addons.next_layer import NextLayer, PlainHttp2
from mesh_recorder.addons.recorder import Recorder
from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import now
from mesh_recorder.compat.savings import FrozenOptions
from mesh_recorder.compat.stream import OVERDUE
from mesh_recorder.lane.accepting import Acceptor
from mesh_recorder.lane.listeners import bound_to, spec_of
from mesh_recorder.lane.relay import Relay
from mesh_recorder.lane.terms import Terms, hooks_of

logger = logging.getLogger(__name__)

HOOKS = (
    "client_connected", "client_disconnected", "server_connect", "server_connected", "server_connect_error",
    "server_disconnected", "next_layer", "requestheaders", "request", "responseheaders", "response", "error",
    "http_connect", "http_connected", "http_connect_error", "websocket_start", "websocket_message",
    "websocket_end", "tcp_start", "tcp_message", "tcp_end", "tcp_error", "tls_clienthello",
    "tls_start_client", "tls_start_server", "tls_established_client", "tls_established_server",
    "tls_failed_client", "tls_failed_server", "mesh_informational", "mesh_refused", "mesh_malformed",
)  # fmt: skip
"""Those that the layers of this lane can call."""
TICK = 0.25
"""Seconds between two looks at deadlines, at most."""
DRAIN_TICK = 0.02
"""Seconds between two looks at what is still open, while draining."""


@dataclass(slots=True)
class Gate:
    """A bound socket and what it stands for."""

    bound: socket.socket
    role: Role


class Door(asyncio.Protocol):
    """Takes a new client's connection, and leaves it to a relay."""

    def __init__(self, terms: Terms, mode: mode_specs.ProxyMode) -> None:
        self._terms = terms
        self._mode = mode

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        Relay(self._terms, self._mode).accepted(transport)  # type: ignore[arg-type]  # of a stream socket


class MitmLane:
    """Carries the traffic of all listeners of one sidecar."""

    def __init__(self, gates: list[Gate], settings: Any, recorder_options: Mapping[str, Any]) -> None:
        """Make the lane; nothing is accepted before `start`.

        Args:
            gates: the bound sockets.
            settings: the sidecar's.
            recorder_options: where captured requests go, see `Recorder`.
        """
        self._gates = gates
        self._settings = settings
        self._roles: dict[str, Role] = {}
        self._doors: list[Acceptor] = []
        self._ticker: asyncio.Task[None] | None = None
        self.mended = compat.mend()
        compat.spare()
        self.recorder = Recorder(
            role_of=lambda mode: self._roles.get(mode.full_spec),
            trace_headers=settings.trace_headers,
            max_body=settings.max_body,
            room=settings.budget,
            mended=self.mended,
            **recorder_options,
        )
        self._terms: Terms | None = None

    @property
    def terms(self) -> Terms:
        """What the relays share, once started."""
        if self._terms is None:
            raise RuntimeError("the lane has not been started")
        return self._terms

    async def start(self) -> None:
        """Accept traffic on all gates."""
        loop = asyncio.get_running_loop()
        opts = options.Options()
        certificates = Certificates(self.recorder.clients, self._settings.ca_dir)
        _prepare(opts, certificates, self._settings)
        for gate in self._gates:
            if gate.role.cert is not None:
                certificates.own_certificate(gate.role.cert, gate.role.key)
        addons = (self.recorder, NextLayer(self.recorder.clients), PlainHttp2(), certificates)
        self._terms = terms = Terms(
            loop=loop,
            options=FrozenOptions(opts),
            hooks=hooks_of(addons, HOOKS),
            recorder=self.recorder,
            connect_timeout=self._settings.connect_timeout,
            response_timeout=self._settings.response_timeout,
        )
        for gate in self._gates:
            self._open(gate, terms)
        if self._settings.response_timeout is not None:
            self._ticker = loop.create_task(self._watch(self._settings.response_timeout))

    def _open(self, gate: Gate, terms: Terms) -> None:
        own = bound_to(gate.bound)
        target = str(gate.role.target) if gate.role.target is not None else None
        mode = mode_specs.ProxyMode.parse(spec_of(target, own))
        self._roles[mode.full_spec] = gate.role
        terms.own[mode] = (own.host, own.port)
        door = Acceptor(terms.loop, gate.bound, lambda: Door(terms, mode), clients=lambda: len(terms.sockets))
        self._doors.append(door)

    async def _watch(self, limit: float) -> None:
        """End requests that wait too long for their response's head."""
        while True:
            await asyncio.sleep(min(TICK, limit / 4))
            for flow, error in self.recorder.overdue(now(), limit):
                flow.metadata[OVERDUE] = error
                self._expire(flow)

    def _expire(self, flow: Any) -> None:
        for relay in list(self.terms.relays):
            if relay.client is not flow.client_conn:
                continue
            found = _stream_of(relay.layer.context.layers, flow)
            if found is not None and self.mended:
                layer, stream = found
                wakeup = commands.RequestWakeup(0)
                layer.command_sources[wakeup] = stream
                relay.feed(events.Wakeup(wakeup))
            else:
                relay.end(str(flow.metadata[OVERDUE]))

    async def stop(self, patience: float) -> None:
        """Accept nothing more, let open requests end for at most `patience` seconds, then close all."""
        self.recorder.draining = True
        for door in self._doors:
            door.close()
        terms, loop = self.terms, asyncio.get_running_loop()
        until = loop.time() + patience
        while terms.sockets and loop.time() < until:
            for relay in list(terms.relays):
                if relay.idle:
                    relay.end()
            await asyncio.sleep(DRAIN_TICK if terms.sockets else 0)
        for relay in list(terms.relays):
            relay.end(failures.STOPPED)
        for wire in list(terms.sockets):
            wire.abort()
        if self._ticker is not None:
            self._ticker.cancel()
        await asyncio.sleep(0)  # closing transports say so in the next turn


def _stream_of(stack: list[Any], flow: Any) -> tuple[layers.HttpLayer, Any] | None:
    """The layer that leads a flow, and its stream; also inside tunnels."""
    for layer in stack:
        if not isinstance(layer, layers.HttpLayer):
            continue
        for stream in layer.streams.values():
            if getattr(stream, "flow", None) is flow:
                return layer, stream
            child = getattr(stream, "child_layer", None)
            if child is not None:
                found = _stream_of(child.context.layers[len(stack) :], flow)
                if found is not None:
                    return found
    return None


class _Loader:
    """Takes the options that mitmproxy's addons declare."""

    def __init__(self, opts: options.Options) -> None:
        self.add_option = opts.add_option


def _prepare(opts: options.Options, certificates: Certificates, settings: Any) -> None:
    """Options as a recording sidecar needs them: mitmproxy would buffer, rewrite Host, and connect early."""
    whole = master.Master(opts)
    _quiet(whole)
    loader: Any = _Loader(opts)
    Proxyserver().load(loader)  # type: ignore[no-untyped-call]  # mitmproxy's
    certificates.load(loader)  # type: ignore[no-untyped-call]  # mitmproxy's
    bundle = trusted(settings.upstream_ca, lambda content: _keep(settings.ca_dir, content))
    opts.update(  # type: ignore[no-untyped-call]  # mitmproxy's
        keep_host_header=True,
        connection_strategy="lazy",
        confdir=str(settings.ca_dir),
        upstream_cert=False,
        ssl_verify_upstream_trusted_ca=str(bundle) if bundle else None,
    )


def _quiet(whole: master.Master) -> None:
    """mitmproxy would format every log record of the process for addons that are not there."""
    events_log: log.LegacyLogEvents | None = getattr(whole, "_legacy_log_events", None)
    if events_log is not None:
        events_log.uninstall()
    logging.getLogger("mitmproxy").setLevel(logging.WARNING)


def _keep(folder: Path, content: bytes) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"trusted-{sha256(content).hexdigest()[:16]}.pem"
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(content)
    return draft.replace(path)
