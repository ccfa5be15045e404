"""Whether the mended classes do what they should with this mitmproxy: one exchange, without sockets."""

from collections.abc import Iterator

from mitmproxy import options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, ConnectionState
from mitmproxy.optmanager import OptManager
from mitmproxy.proxy import commands, context, events, layers
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode

from mesh_recorder import compat

_REQUEST = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n"
_RESPONSE = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\nX-Sum: 2\r\n\r\n"
)


def run(kind: type[layers.http.HttpLayer], *, mended: bool, at_once: bool = False) -> None:
    """Send requests with trailers through the layers, and responses with hints and trailers back.

    Args:
        kind: of HTTP layer.
        mended: whether trailers and hints are promised; else plain requests and their responses.
        at_once: whether commands are obeyed as soon as they are said.

    Raises:
        RuntimeError: other bytes came out.
    """
    conversation = _Conversation(kind, at_once=at_once)
    for _ in range(2):  # the second one on connections that stand
        conversation.to_server = conversation.to_client = b""
        (_run_mended if mended else _run_plain)(conversation)
    if mended:
        _run_refused(_Conversation(kind, at_once=at_once))


def _run_mended(conversation: "_Conversation") -> None:
    conversation.say(events.DataReceived(conversation.client, _REQUEST))
    if conversation.to_server != _REQUEST:
        raise RuntimeError("a request's trailers are lost")
    server = conversation.server
    if server is None:
        raise RuntimeError("no upstream is asked for")
    conversation.say(events.DataReceived(server, _RESPONSE))
    if conversation.to_client != _RESPONSE:
        raise RuntimeError("hints or a response's trailers are lost")


def _run_refused(conversation: "_Conversation") -> None:
    conversation.say(events.DataReceived(conversation.client, b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"))
    if conversation.server is not None:
        conversation.server.state = ConnectionState.CAN_WRITE
        conversation.say(events.ConnectionClosed(conversation.server))
    if b"502" not in conversation.to_client or b"text/plain" not in conversation.to_client:
        raise RuntimeError("an error is not told in plain text")


def _run_plain(conversation: "_Conversation") -> None:
    request, response = b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    conversation.say(events.DataReceived(conversation.client, request))
    if conversation.server is None:
        raise RuntimeError("no upstream is asked for")
    conversation.say(events.DataReceived(conversation.server, response))
    if conversation.to_server != request or conversation.to_client != response:
        raise RuntimeError("a plain request is not relayed")


class _Loader:
    """Takes the options that mitmproxy's own addon declares."""

    def __init__(self, target: OptManager) -> None:
        self.add_option = target.add_option


class _Conversation:
    """A reverse proxy's layers between two peers that are not there."""

    def __init__(self, kind: type[layers.http.HttpLayer], *, at_once: bool) -> None:
        opts = options.Options()
        Proxyserver().load(_Loader(opts))  # type: ignore[no-untyped-call]  # mitmproxy's
        opts.update(keep_host_header=True, connection_strategy="lazy")  # type: ignore[no-untyped-call]  # mitmproxy's
        mode = ProxyMode.parse("reverse:http://127.0.0.1:9@127.0.0.1:8")
        address = ("127.0.0.1", 1)
        self.client = Client(peername=address, sockname=address, proxy_mode=mode, state=ConnectionState.OPEN)
        around = context.Context(self.client, opts)
        around.server.address = ("127.0.0.1", 9)
        around.layers.append(layers.modes.ReverseProxy(context.Context(self.client, opts)))
        self.layer = kind(around, HTTPMode.transparent)
        self.server: Connection | None = None
        self.to_client = self.to_server = b""
        self._waiting: list[events.Event] = []
        if at_once:
            compat.obeyed(self.layer, lambda command: self._waiting.extend(self._obey(command)))
        self.say(events.Start())

    def say(self, event: events.Event) -> None:
        """Let the layers handle an event, and all that follows from it."""
        self._waiting.append(event)
        while self._waiting:
            for command in self.layer.handle_event(self._waiting.pop(0)):
                self._waiting.extend(self._obey(command))

    def _obey(self, command: commands.Command) -> Iterator[events.Event]:
        if isinstance(command, commands.StartHook):
            for argument in command.args():
                if command.name == "requestheaders":
                    argument.request.stream = bytes
                elif command.name == "responseheaders":
                    argument.response.stream = bytes
            if command.blocking:
                yield events.HookCompleted(command, None)
        elif isinstance(command, commands.OpenConnection):
            self.server = command.connection
            self.server.state = ConnectionState.OPEN
            yield events.OpenConnectionCompleted(command, None)
        elif isinstance(command, commands.SendData):
            if command.connection is self.client:
                self.to_client += command.data
            else:
                self.to_server += command.data
