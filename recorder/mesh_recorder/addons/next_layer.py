"""The addon that says what is spoken on a connection: HTTP/1, HTTP/2 with or without TLS, or nothing we read.

Asked again with more bytes for as long as it does not decide.
"""

from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import layer, server_hooks
from mitmproxy.proxy.layers import ClientTLSLayer, ServerTLSLayer, modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.tunnel import LayerStack

from mesh_recorder.addons.clients import Clients
from mesh_recorder.addons.roles import Role
from mesh_recorder.addons.tunnel import Tunnel
from mesh_recorder.compat import http_layer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""How an HTTP/2 client begins that knows its server. Source: RFC 9113, section 3.4."""
_LONGEST_METHOD = 24


class NextLayer:
    """Chooses layers by the listener's role and the first bytes."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def next_layer(self, asked: layer.NextLayer) -> None:
        """Choose, or wait for more bytes."""
        context = asked.context
        state = self._clients.get(context.client.id)
        if asked.layer is not None or state is None:
            return
        data = asked.data_client()  # type: ignore[no-untyped-call]  # mitmproxy's
        top = context.layers[-1]
        if isinstance(top, modes.ReverseProxy):
            asked.layer = self._reverse(asked, state.role, data)
        elif isinstance(top, modes.HttpProxy):
            asked.layer = http_layer(context, HTTPMode.regular)
        elif not isinstance(top, ClientTLSLayer):
            asked.layer = self._tunnelled(asked, state.role, data)
        elif context.client.alpn is not None or not _undecided(data):
            asked.layer = _http(asked, HTTPMode.transparent, data)

    def _reverse(self, asked: layer.NextLayer, role: Role, data: bytes) -> layer.Layer | None:
        context, target = asked.context, role.target
        secure = role.cert is not None or starts_like_tls_record(data)
        if not secure and _undecided(data):
            return None
        stack = LayerStack()
        if target is not None and target.scheme == "https":
            context.server.sni = target.host
            stack /= ServerTLSLayer(context)
        if secure:
            stack /= ClientTLSLayer(context)
        else:
            stack /= _http(asked, HTTPMode.transparent, data)
        return stack[0]

    def _tunnelled(self, asked: layer.NextLayer, role: Role, data: bytes) -> layer.Layer | None:
        """What a CONNECT leads to."""
        context = asked.context
        greeting = asked.data_server()  # type: ignore[no-untyped-call]  # mitmproxy's
        if greeting and not _is_settings(greeting):
            return Tunnel(context)
        if not data:
            return None
        if data[0] == 0x16:
            if len(data) < 3:
                return None
            if starts_like_tls_record(data) and role.intercepts(_host(asked)):
                stack = LayerStack()
                stack /= ServerTLSLayer(context)
                stack /= ClientTLSLayer(context)
                return stack[0]
            return Tunnel(context)
        spoken = _is_http(data)
        if spoken is None or _undecided(data):
            return None
        return _http(asked, HTTPMode.transparent, data) if spoken else Tunnel(context)


def _http(asked: layer.NextLayer, mode: HTTPMode, data: bytes) -> layer.Layer:
    """HTTP of the version that the client speaks."""
    context = asked.context
    if context.client.alpn is None and data.startswith(PREFACE):
        context.client.alpn = b"h2"
        if context.server.connected and not context.server.tls:
            context.server.alpn = b"h2"
    return http_layer(context, mode)


def _undecided(data: bytes) -> bool:
    """Whether this may become the preface of HTTP/2."""
    return len(data) < len(PREFACE) and PREFACE.startswith(data)


def _is_settings(greeting: bytes) -> bool:
    """Whether a server that speaks first begins HTTP/2. Source: RFC 9113, sections 4.1 and 6.5."""
    return (
        greeting[3:4] == b"\x04"
        and int.from_bytes(greeting[:3]) % 6 == 0
        and greeting[5:9] in (b"", bytes(4))
    )


def _is_http(data: bytes) -> bool | None:
    """Whether bytes begin like an HTTP request; None while they do not tell."""
    method, space, _ = data[: _LONGEST_METHOD + 1].partition(b" ")
    if not method.isalpha() and not method.replace(b"-", b"").isalpha():
        return False
    if not space:
        return None if len(data) <= _LONGEST_METHOD else False
    return method.isupper()


def _host(asked: layer.NextLayer) -> str:
    address = asked.context.server.address
    return address[0] if address else ""


class PlainHttp2:
    """Speaks HTTP/2 without TLS to an upstream where the client does so to us."""

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The upstream's connection stands."""
        client, server = data.client, data.server
        if client.alpn == b"h2" and not client.tls and not server.tls:
            server.alpn = b"h2"
