"""One request and its response, as mitmproxy 12.2 leads them, and what it leaves out.

1. An informational response goes to the client and ends nothing.
2. A request that waits too long for its response's head is ended from outside, by a `Wakeup`.
3. A tunnel is opened before it is confirmed, so that a client learns of an upstream that is not there.
"""

from dataclasses import dataclass
from typing import Any

from mitmproxy import flow as flows
from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseProtocolError,
)

from mesh_recorder import failures
from mesh_recorder.compat.parts import Informational

type Commands = layer.CommandGenerator[None]

INTERCEPTED = "mesh_intercepted"
"""Key in a flow's metadata: this CONNECT's tunnel is looked into, so that it is connected later."""
OVERDUE = "mesh_overdue"
"""Key in a flow's metadata: the error of a request that has waited too long."""

_FROM_CLIENT = (RequestHeaders, RequestData, RequestTrailers, RequestEndOfMessage)
_ERRORS = (RequestProtocolError, ResponseProtocolError)


@dataclass
class MeshInformationalHook(commands.StartHook):  # type: ignore[no-untyped-call]  # mitmproxy's
    """A 1xx response came; `flow.response` is still None."""

    informed: tuple[http.HTTPFlow, http.Response]
    blocking = False


class HttpStream(layers.HttpStream):
    """mitmproxy's, with rules 1 to 3."""

    def _handle_event(self, event: events.Event) -> Commands:
        state: Any  # each takes what can come in it
        if isinstance(event, _FROM_CLIENT):
            state = self.client_state
            yield from state(event)
        elif isinstance(event, _ERRORS):
            yield from self.handle_protocol_error(event)
        elif isinstance(event, Informational):
            yield MeshInformationalHook((self.flow, event.response))
            if self.client_state != self.state_errored:
                yield layers.SendHttp(event, self.context.client)
        elif isinstance(event, HttpEvent):
            state = self.server_state
            yield from state(event)
        elif isinstance(event, events.Start):
            self.client_state = self.state_wait_for_request_headers
        elif isinstance(event, events.Wakeup):
            yield from self._overdue()

    def _overdue(self) -> Commands:
        if self.server_state in (self.state_done, self.state_errored) or self.flow.response is not None:
            return
        message = str(self.flow.metadata.get(OVERDUE, failures.NO_HEAD))
        connection = self.flow.server_conn
        yield from self.handle_protocol_error(
            ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR)
        )
        if connection.connected:
            yield layers.SendHttp(RequestProtocolError(self.stream_id, message, ErrorCode.CANCEL), connection)

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """Take a connection that stands, where there is one, without asking for it."""
        standing = self._standing()
        if standing is None:
            return (yield from super().make_server_connection())
        self.context.server = self.flow.server_conn = standing
        return True

    def _standing(self) -> Server | None:
        """The connection that mitmproxy's layer would give; None where it has to decide, or to open one."""
        parent, request, asked = self.context.layers[-2], self.flow.request.data, self.flow.server_conn
        if not isinstance(parent, layers.HttpLayer) or self.context.client.alpn == b"h2":
            return None
        tls, address = request.scheme == b"https", (request.host, request.port)
        for connection in parent.connections:
            if (
                isinstance(connection, Server)
                and connection.address == address
                and connection.tls == tls
                and connection.via == asked.via
                and connection.transport_protocol == asked.transport_protocol
            ):
                waited_for = connection in parent.waiting_for_establishment
                usable = connection.connected and not connection.error and not waited_for
                return connection if usable else None
        return None

    def handle_connect_regular(self) -> Commands:
        """Connect first, unless the tunnel is looked into."""
        if self.flow.response is None and INTERCEPTED not in self.flow.metadata:
            error = yield commands.OpenConnection(self.context.server)
            if error:
                reply = failures.reply_to(error, client_at_fault=False)
                self.flow.error = flows.Error(error)
                self.flow.response = http.Response.make(reply.status, reply.body, http.Headers(reply.headers))
        self.child_layer = layer.NextLayer(self.context)
        yield from self.handle_connect_finish()  # type: ignore[no-untyped-call]  # mitmproxy's
