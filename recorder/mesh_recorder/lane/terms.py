"""What all relays of a sidecar share."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mitmproxy.connection import Server
from mitmproxy.options import Options
from mitmproxy.proxy import mode_specs

from mesh_recorder import failures
from mesh_recorder.addons.recorder import Recorder

if TYPE_CHECKING:
    from mesh_recorder.lane.relay import Relay

type Hooks = Mapping[str, tuple[Callable[[Any], None], ...]]


class Terms:
    """The loop, the addons' hooks, the time limits; and which relays there are."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        options: Options,
        hooks: Hooks,
        recorder: Recorder,
        connect_timeout: float,
        response_timeout: float | None,
    ) -> None:
        self.loop = loop
        self.options = options
        self.hooks = hooks
        self.recorder = recorder
        self.connect_timeout = connect_timeout
        self.response_timeout = response_timeout
        self.relays: set[Relay] = set()
        self.crashes = 0
        """Connections that mitmproxy's core failed over."""
        self.own: dict[mode_specs.ProxyMode, tuple[str, int]] = {}
        """Where each listener listens."""

    def refuses(self, mode: mode_specs.ProxyMode, server: Server) -> str | None:
        """Why a request must not go where it wants to: to the very listener it came from."""
        own, address = self.own.get(mode), server.address
        if own is None or address is None or address[1] != own[1]:
            return None
        hosts = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::", own[0])  # noqa: S104  # compared, not bound
        return f"{address[0]}:{address[1]} {failures.LOOP}" if address[0] in hosts else None


def hooks_of(addons: tuple[Any, ...], names: tuple[str, ...]) -> Hooks:
    """Which handlers listen to which hook, found once instead of at each call."""
    table: dict[str, tuple[Callable[[Any], None], ...]] = {}
    for name in names:
        handlers = tuple(handler for addon in addons if callable(handler := getattr(addon, name, None)))
        if handlers:
            table[name] = handlers
    return table
