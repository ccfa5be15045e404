"""Which lane carries which listener, and on which event loop."""

import asyncio
import importlib.util
from collections.abc import Callable

from mesh_core.model import Lane
from mesh_recorder.listening import INBOUND, OUTBOUND, part_of
from mesh_recorder.settings import SidecarSettings


def lanes(settings: SidecarSettings) -> dict[str, Lane]:
    """The lane of each listener, by part.

    The wire lane is for plain text on both sides: where TLS is ended or looked into, the
    mitmproxy lane carries the listener even if the other was asked for.
    """
    plain: dict[str, bool] = {}
    if settings.inbound is not None and settings.app is not None:
        # HTTP/2 is only listened to on the wire lane, where a replay would have passed before it is seen.
        refusing = settings.refuses_replays
        plain[INBOUND] = settings.cert is None and settings.app.scheme == "http" and not refusing
    if settings.outbound is not None:
        plain[OUTBOUND] = not (settings.intercept or settings.intercept_all)
    for upstream in settings.upstreams:
        plain[part_of(upstream)] = upstream.target.scheme == "http"
    wire = settings.lane is Lane.WIRE
    return {part: Lane.WIRE if wire and is_plain else Lane.MITMPROXY for part, is_plain in plain.items()}


def lane_names(settings: SidecarSettings) -> str:
    """All lanes that carry something, for people."""
    return " and ".join(sorted(set(lanes(settings).values()))) or settings.lane


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Makes the event loop: uvloop's, where it is installed; None for asyncio's own.

    Measured, it takes a tenth off the CPU of the mitmproxy lane; the wire lane is built for it.
    """
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
