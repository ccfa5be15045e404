"""One client's connection and those opened for it: sockets on one side, mitmproxy's layers on the other.

1. Everything happens in `feed`, one event at a time; what a hook or a layer causes waits its turn.
2. A layer that fails ends the connection at once: a client sees it closed, and never hangs.
3. When the client has gone, all that belongs to it ends, and what is still open is swept.
"""

import asyncio
import logging
import time
from collections import deque
from typing import Any

from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, mode_specs, server_hooks
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.proxy.layers import modes

from mesh_recorder import compat, failures
from mesh_recorder.addons.tunnel import HalfClose
from mesh_recorder.lane.dialing import dial
from mesh_recorder.lane.terms import Terms
from mesh_recorder.lane.wire import Wire

logger = logging.getLogger(__name__)


class Relay:
    """Moves bytes between a client, mitmproxy's layers, and the upstreams that they ask for."""

    def __init__(self, terms: Terms, mode: mode_specs.ProxyMode) -> None:
        self.terms = terms
        self.mode = mode
        self.wires: dict[Connection, Wire] = {}
        self.state: Any = None
        """The recorder's view of the client, where it records it."""
        self._queue: deque[events.Event] = deque()
        self._written: list[Wire] = []
        self._feeding = False
        self._over = False
        self._jammed = False
        self._unsettled = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self.client: Client
        self.layer: Layer

    def accepted(self, transport: asyncio.Transport) -> None:
        """A client has connected."""
        peer = transport.get_extra_info("peername") or ("", 0)
        own = transport.get_extra_info("sockname") or ("", 0)
        self.client = client = Client(
            peername=peer[:2],
            sockname=own[:2],
            timestamp_start=time.time(),
            proxy_mode=self.mode,
            state=ConnectionState.OPEN,
        )
        context = Context(client, self.terms.options)
        reverse = isinstance(self.mode, mode_specs.ReverseMode)
        self.layer = modes.ReverseProxy(context) if reverse else modes.HttpProxy(context)
        self.terms.relays.add(self)
        self.hook(server_hooks.ClientConnectedHook(client))
        self.state = self.terms.recorder.clients.get(client.id)
        wire = Wire(self, client)
        wire.transport = transport
        self.wires[client] = wire
        self.terms.sockets.add(wire)
        transport.set_protocol(wire)
        self.feed(events.Start())

    # What happens on sockets

    def received(self, wire: Wire, data: bytes) -> None:
        """Bytes came from a peer."""
        state = self.state
        if state is not None and wire.connection is self.client and not state.head_at:
            state.head_at = time.monotonic_ns()
        if self._unsettled:
            self._settle()
        self.feed(events.DataReceived(wire.connection, data))

    def half_closed(self, wire: Wire) -> None:
        """A peer sends nothing more."""
        connection = wire.connection
        if connection not in self.wires:
            return
        connection.state &= ~ConnectionState.CAN_READ
        self.feed(events.ConnectionClosed(connection))
        if connection.state is ConnectionState.CLOSED:
            self.close(connection)
            self.feed(None)

    def lost(self, wire: Wire) -> None:
        """A socket is gone, by us or by its peer."""
        connection = wire.connection
        self.terms.sockets.discard(wire)
        if self.wires.pop(connection, None) is None:
            return
        told = not connection.state & ConnectionState.CAN_READ
        connection.state = ConnectionState.CLOSED
        connection.timestamp_end = time.time()
        if isinstance(connection, Server):
            self._server_hook(server_hooks.ServerDisconnectedHook, connection)
        self.feed(None if told else events.ConnectionClosed(connection))

    def balance(self) -> None:
        """Read from nobody while somebody reads too slowly."""
        jammed = any(wire.full for wire in self.wires.values())
        if jammed == self._jammed:
            return
        self._jammed = jammed
        for wire in self.wires.values():
            if wire.transport is None or wire.transport.is_closing():
                continue
            if jammed:
                wire.transport.pause_reading()
            else:
                wire.transport.resume_reading()

    def _settle(self) -> None:
        """Once the layer below the top is known, talk to it alone: the top one only passes all on."""
        below = getattr(self.layer, "child_layer", None)
        if isinstance(below, NextLayer) and below.layer is not None and not self._queue:
            self.layer = below.layer
            self._unsettled = False
            compat.obeyed(self.layer, self._obey)

    # What the layers say

    def feed(self, event: events.Event | None) -> None:
        """Let the layers handle an event, and all that follows from it; then write what they said."""
        queue = self._queue
        if event is not None:
            queue.append(event)
        if self._feeding or self._over:
            return
        self._feeding = True
        try:
            while queue:
                for command in self.layer.handle_event(queue.popleft()):
                    self._obey(command)
        except Exception as error:  # noqa: BLE001  # whatever mitmproxy's core raises, the client must not hang
            self._crashed(error)
        finally:
            self._feeding = False
        self._flush()
        if self.client not in self.wires:
            self._finish()

    def _obey(self, command: commands.Command) -> None:
        kind = type(command)
        if kind is commands.SendData:
            wire = self.wires.get(command.connection)  # type: ignore[attr-defined]  # by its exact type
            if wire is not None:
                if not wire.pending:
                    self._written.append(wire)
                wire.pending.append(command.data)  # type: ignore[attr-defined]
        elif isinstance(command, commands.StartHook):
            self.hook(command)
            if command.blocking:
                self._queue.append(events.HookCompleted(command, None))
        else:
            self._obey_seldom(command)

    def _obey_seldom(self, command: commands.Command) -> None:
        if isinstance(command, commands.OpenConnection):
            self._start(command)
        elif isinstance(command, HalfClose):
            self._half_close(command.connection)
        elif isinstance(command, commands.CloseConnection):
            if isinstance(command, commands.CloseTcpConnection) and command.half_close:
                self._half_close(command.connection)
            else:
                self.close(command.connection)
        elif isinstance(command, commands.RequestWakeup):
            self._wake_later(command)

    def hook(self, hook: commands.StartHook) -> None:
        """Run what listens to a hook."""
        listening = self.terms.hooks.get(hook.name)
        if listening:
            handlers, field = listening
            data = getattr(hook, field)
            for handler in handlers:
                handler(data)

    def _server_hook(self, kind: type[Any], server: Server) -> None:
        self.hook(kind(server_hooks.ServerConnectionHookData(client=self.client, server=server)))

    def _flush(self) -> None:
        written, self._written = self._written, []
        for wire in written:
            wire.flush()

    # Connections

    def _start(self, command: commands.OpenConnection) -> None:
        task = self.terms.loop.create_task(self._open(command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, command: commands.OpenConnection) -> None:
        """Connect to an upstream; whatever comes of it, the layers hear it."""
        server = command.connection
        self._server_hook(server_hooks.ServerConnectHook, server)
        wire = Wire(self, server)
        error = server.error or self.terms.refuses(self.mode, server)
        if error is None:
            error = await dial(server, wire, self.terms)
        transport = wire.transport
        if error is not None or transport is None:
            server.error = error
            self._server_hook(server_hooks.ServerConnectErrorHook, server)
            self.feed(events.OpenConnectionCompleted(command, error))
            return
        self.wires[server] = wire
        self._server_hook(server_hooks.ServerConnectedHook, server)
        self.feed(events.OpenConnectionCompleted(command, None))
        if not self._jammed and not transport.is_closing():
            transport.resume_reading()

    def _half_close(self, connection: Connection) -> None:
        """Send nothing more on a connection; close it where nothing comes any more either."""
        wire = self.wires.get(connection)
        if wire is None or not connection.state & ConnectionState.CAN_WRITE:
            return
        connection.state &= ~ConnectionState.CAN_WRITE
        if connection.state is ConnectionState.CLOSED:
            self.close(connection)
            return
        wire.flush()
        if wire.transport is not None and wire.transport.can_write_eof():
            wire.transport.write_eof()

    def close(self, connection: Connection) -> None:
        """Close a connection once what is under way to it is written; the layers hear of it."""
        wire = self.wires.pop(connection, None)
        if wire is None:
            return
        wire.flush()
        if wire.transport is not None:
            wire.transport.close()
        connection.state = ConnectionState.CLOSED
        connection.timestamp_end = time.time()
        if isinstance(connection, Server):
            self._server_hook(server_hooks.ServerDisconnectedHook, connection)
        self._queue.append(events.ConnectionClosed(connection))
        if wire.full:
            self.balance()

    def end(self, error: str | None = None) -> None:
        """End the relay from outside: the client's connection is closed, what is open ends with `error`."""
        if not self._over:
            self.close(self.client)
            self._finish(error)

    def _crashed(self, error: Exception) -> None:
        self.terms.crashes += 1
        self._queue.clear()
        logger.warning("mitmproxy failed over a connection (%s); it was closed", type(error).__name__)
        logger.debug("the failure", exc_info=error)
        for wire in list(self.wires.values()):
            if wire.transport is not None:
                wire.flush()
                wire.transport.close()
        self._finish(failures.CRASHED)

    def _finish(self, error: str | None = None) -> None:
        """Let everything go that the client had; a second call does nothing."""
        if self._over:
            return
        if error is None:
            for connection in list(self.wires):
                self.close(connection)
            self._drain_queue()
        self._over = True
        for wire in list(self.wires.values()):
            if wire.transport is not None:
                wire.transport.close()
        self.wires.clear()
        for task in list(self._tasks):
            task.cancel()
        for timer in self._timers:
            timer.cancel()
        self.client.timestamp_end = time.time()
        self.hook(server_hooks.ClientDisconnectedHook(self.client))
        self.terms.recorder.sweep(self.client, error or failures.CLIENT_GONE)
        self.terms.relays.discard(self)

    def _drain_queue(self) -> None:
        """Tell the layers the last things; nothing they answer reaches anybody."""
        self._feeding = True
        try:
            while self._queue:
                for command in self.layer.handle_event(self._queue.popleft()):
                    if isinstance(command, commands.StartHook):
                        self.hook(command)
                        if command.blocking:
                            self._queue.append(events.HookCompleted(command, None))
        except Exception as error:  # nobody is left to be told
            logger.debug("mitmproxy failed over a closed connection", exc_info=error)
        finally:
            self._feeding = False

    # Time

    def _wake_later(self, command: commands.RequestWakeup) -> None:
        def wake() -> None:
            self._timers.discard(timer)
            self.feed(events.Wakeup(command))

        timer = self.terms.loop.call_later(max(0.0, command.delay), wake)
        self._timers.add(timer)

    @property
    def idle(self) -> bool:
        """Whether no request of this client is open."""
        return self.state is None or not self.state.open
