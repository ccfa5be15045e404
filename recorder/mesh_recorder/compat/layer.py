"""mitmproxy's HTTP layer with shorter ways: the same commands in the same order, with fewer steps between.

1. Where a command goes is decided by its type, not by search.
2. Where nothing stands between this layer and the sockets, `obey` takes each command as soon as it is said,
   and none is handed up through all that led to it.
3. A stream that waits for something is paused as mitmproxy does it; the layer itself never waits.
"""

from collections.abc import Callable
from enum import Enum, auto

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders

from mesh_recorder.compat.stream import HttpStream

type Commands = layer.CommandGenerator[None]


class _Way(Enum):
    """Where a command goes."""

    OUT = auto()
    UP = auto()
    """To the stream that it belongs to."""
    DOWN = auto()
    """To the connection that it is for."""
    OTHER = auto()
    """mitmproxy decides; or it waits for an answer."""


_WAYS: dict[type[commands.Command], _Way] = {
    ReceiveHttp: _Way.UP,
    layers.SendHttp: _Way.DOWN,
    commands.SendData: _Way.OUT,
    commands.CloseConnection: _Way.OUT,
    commands.CloseTcpConnection: _Way.OUT,
    commands.Log: _Way.OUT,
}


class HttpLayer(layers.HttpLayer):
    """mitmproxy's, which asks of each command eight times what it is."""

    obey: Callable[[commands.Command], None] | None = None
    """Takes commands at once; None where they are handed up."""

    def handle_event(self, event: events.Event) -> Commands:
        """Handle an event; what is not obeyed at once is said."""
        if self.obey is not None and type(event) is events.DataReceived:
            handler = self.connections.get(event.connection)
            if handler is not None:
                self._drive(handler, event)
                return _nothing()
        said: Commands = self._handle_event(event)
        return said

    def event_to_child(self, child: layer.Layer, event: events.Event) -> Commands:
        """Let a stream or a connection handle an event, and bring on what it says."""
        if self.obey is None:
            return self._bring(child, event)
        self._drive(child, event)
        return _nothing()

    def _bring(self, child: layer.Layer, event: events.Event) -> Commands:
        for command in child.handle_event(event):
            way = _WAYS.get(type(command)) or _way_of(command)
            if way is _Way.OUT:
                yield command
            elif way is _Way.UP:
                told = command.event  # type: ignore[attr-defined]  # by its exact type
                if isinstance(told, RequestHeaders):
                    yield from self.make_stream(told.stream_id)
                stream = self.streams.get(told.stream_id)
                if stream is not None:
                    yield from self._bring(stream, told)
            elif way is _Way.DOWN:
                connection = self.connections[command.connection]  # type: ignore[attr-defined]
                yield from self._bring(connection, command.event)  # type: ignore[attr-defined]
            else:
                yield from self._other(child, command)

    def _drive(self, child: layer.Layer, event: events.Event) -> None:
        """As `_bring`, with each command obeyed at once."""
        unpaused = type(child) is HttpStream and child._paused is None and child.debug is None
        said = child._handle_event(event) if unpaused else child.handle_event(event)
        for command in said:
            way = _WAYS.get(type(command)) or _way_of(command)
            if way is _Way.DOWN:
                self._drive(self.connections[command.connection], command.event)  # type: ignore[attr-defined]
            elif way is _Way.OUT:
                self.obey(command)  # type: ignore[misc]  # asked for nowhere else
            elif way is _Way.UP:
                self._rise(command.event)  # type: ignore[attr-defined]
            elif unpaused and command.blocking is True:
                command.blocking = child  # as mitmproxy's wrapper does it
                child._paused = layer.Paused(command, said)
                self._obey_other(child, command)
                return
            else:
                self._obey_other(child, command)

    def _rise(self, told: HttpEvent) -> None:
        """Let the stream hear it that it is for, a new one with a request's head."""
        if type(told) is RequestHeaders:
            self.streams[told.stream_id] = stream = layers.HttpStream(self.context.fork(), told.stream_id)
            self._drive(stream, events.Start())
        else:
            found = self.streams.get(told.stream_id)
            if found is None:  # it has ended already
                return
            stream = found
        self._drive(stream, told)

    def _obey_other(self, child: layer.Layer, command: commands.Command) -> None:
        for other in self._other(child, command):
            self.obey(other)  # type: ignore[misc]

    def _other(self, child: layer.Layer, command: commands.Command) -> Commands:
        """What waits for an answer, or concerns the streams and connections themselves."""
        if command.blocking or isinstance(command, commands.RequestWakeup):
            self.command_sources[command] = child
        if isinstance(command, layers.DropStream):
            self.streams.pop(command.stream_id, None)
        elif isinstance(command, layers.GetHttpConnection):
            yield from self.get_connection(command)
        elif isinstance(command, layers.RegisterHttpConnection):
            yield from self.register_connection(command)
        else:
            if isinstance(command, commands.OpenConnection):
                self.connections[command.connection] = child
            yield command

    def register_connection(self, command: layers.RegisterHttpConnection) -> Commands:
        """A connection stands, or does not; from now on it is talked to without what opened it."""
        opened = self.connections.get(command.connection)
        if type(opened) is layers.HttpClient and not command.err and command.connection.alpn != b"h2":
            self.connections[command.connection] = opened.child_layer
        yield from super().register_connection(command)


def _nothing() -> Commands:
    yield from ()


def _way_of(command: commands.Command) -> _Way:
    """The way of a kind that is met for the first time, or that waits for an answer."""
    if not isinstance(command, commands.StartHook) or command.blocking:
        return _Way.OTHER
    return _WAYS.setdefault(type(command), _Way.OUT)
