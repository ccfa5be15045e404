"""mitmproxy's HTTP layer with a shorter way for commands: the same order, decided by type, not by search."""

from enum import Enum, auto

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders

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

    def event_to_child(self, child: layer.Layer, event: events.Event) -> Commands:
        """Let a stream or a connection handle an event, and bring on what it says."""
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
                    yield from self.event_to_child(stream, told)
            elif way is _Way.DOWN:
                connection = self.connections[command.connection]  # type: ignore[attr-defined]
                yield from self.event_to_child(connection, command.event)  # type: ignore[attr-defined]
            else:
                yield from self._other(child, command)

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


def _way_of(command: commands.Command) -> _Way:
    """The way of a kind that is met for the first time, or that waits for an answer."""
    if not isinstance(command, commands.StartHook) or command.blocking:
        return _Way.OTHER
    return _WAYS.setdefault(type(command), _Way.OUT)
