"""What all relays of a sidecar share."""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mitmproxy import hooks
from mitmproxy.connection import Server
from mitmproxy.proxy import mode_specs

from mesh_recorder import failures
from mesh_recorder.addons.recorder import Recorder

if TYPE_CHECKING:
    from mesh_recorder.lane.relay import Relay
    from mesh_recorder.lane.wire import Wire

type Hooks = Mapping[str, tuple[tuple[Callable[[Any], None], ...], str]]


class Terms:
    """The loop, the addons' hooks, the time limits; and which relays there are."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        options: Any,
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
        self.sockets: set[Wire] = set()
        """Of clients; a socket stays until all that was written to it has gone out."""
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
    """Which handlers listen to which hook, and in which field it carries its data; found once."""
    table: dict[str, tuple[tuple[Callable[[Any], None], ...], str]] = {}
    for name in names:
        found: list[Any] = [getattr(addon, name, None) for addon in addons]
        handlers = tuple(handler for handler in found if handler is not None)
        if handlers:
            (field,) = dataclasses.fields(hooks.all_hooks[name])  # type: ignore[arg-type]  # each is one
            table[name] = (handlers, field.name)
    return table
