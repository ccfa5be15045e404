"""The clients that are connected, and what each has open; used on the event loop alone."""

from collections.abc import Callable, Iterator

from mitmproxy import connection, http
from mitmproxy.proxy import mode_specs

from mesh_recorder.addons.roles import Role
from mesh_recorder.capture import Captured


class ClientState:
    """One client's connection."""

    __slots__ = ("client", "head_at", "name", "open", "role", "tunnel")

    def __init__(self, client: connection.Client, role: Role, name: str) -> None:
        self.client = client
        self.role = role
        self.name = name
        """Names the connection within this run."""
        self.open: dict[str, Captured] = {}
        """By mitmproxy's id of the flow."""
        self.tunnel: str | None = None
        """The flow whose tunnel, or upgraded connection, this client uses now."""
        self.head_at = 0
        """Monotonic time of the first byte since the last request; 0 where that is not known."""


class Clients:
    """All of them, by mitmproxy's id of the connection."""

    def __init__(self, role_of: Callable[[mode_specs.ProxyMode], Role | None]) -> None:
        self._role_of = role_of
        self._states: dict[str, ClientState] = {}
        self._count = 0

    def add(self, client: connection.Client) -> None:
        """A client has connected."""
        role = self._role_of(client.proxy_mode)
        if role is not None:
            self._count += 1
            self._states[client.id] = ClientState(client, role, str(self._count))

    def get(self, client_id: str) -> ClientState | None:
        """The client, where its traffic is recorded."""
        return self._states.get(client_id)

    def remove(self, client_id: str) -> ClientState | None:
        """A client has gone."""
        return self._states.pop(client_id, None)

    def open_of(self, flow: http.HTTPFlow) -> Captured | None:
        """What is open of a flow."""
        state = self._states.get(flow.client_conn.id)
        return state.open.get(flow.id) if state else None

    @property
    def busy(self) -> int:
        """Requests that are open."""
        return sum(len(state.open) for state in self._states.values())

    def __iter__(self) -> Iterator[ClientState]:
        return iter(list(self._states.values()))
