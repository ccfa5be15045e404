"""What mitmproxy 12.2 leaves out of HTTP, mended by classes of the same names; tested at each start.

1. `mend` puts the classes in place, tries them, and takes them back where one does not do what it should:
   a newer mitmproxy then runs as it is, and one line says what that costs.
2. `spare` does the same with what only costs time in a lane whose hooks never wait.
3. Nothing of mitmproxy's is changed in place but the names that these two list.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from mitmproxy.proxy.commands import Command
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import HTTPMode

logger = logging.getLogger(__name__)

type Names = list[tuple[Any, str, Any]]

COST = (
    "HTTP/1 trailers hang, a 1xx response is taken for the last one, and the sidecar's own errors are"
    " mitmproxy's pages"
)


@cache  # the names are the process's, as mitmproxy's classes are
def mend() -> bool:
    """Mend mitmproxy for this process; whether it could be done."""
    return _put(_mended, COST, _try_mended)


@cache
def spare() -> bool:
    """Leave out, for this process, what our own lane does not need; whether it could be done."""
    return _put(_spared, "each request takes more time", _try_spared)


def http_layer(context: Context, mode: HTTPMode) -> layers.HttpLayer:
    """mitmproxy's layer for HTTP, or the shorter one of ours where this mitmproxy is the one we know."""
    if not spare():
        return layers.HttpLayer(context, mode)
    from mesh_recorder.compat.layer import HttpLayer

    return HttpLayer(context, mode)


def obeyed(layer: Layer, obey: Callable[[Command], None]) -> None:
    """Let `obey` take a layer's commands as soon as they are said, if it is a layer that can."""
    if hasattr(layer, "obey"):
        setattr(layer, "obey", obey)  # noqa: B010  # known by name alone: its module may not be importable


def _put(names: Callable[[], Names], cost: str, try_out: Callable[[], None]) -> bool:
    before: Names = []
    try:
        for owner, name, ours in names():
            before.append((owner, name, owner.__dict__.get(name)))
            setattr(owner, name, ours)
        try_out()
    except Exception as error:  # noqa: BLE001  # whatever differs in a newer mitmproxy, traffic must flow
        for owner, name, theirs in before:
            if theirs is None:
                delattr(owner, name)
            else:
                setattr(owner, name, theirs)
        problem = str(error) or type(error).__name__
        logger.warning("this mitmproxy differs from the one we know (%s): %s", problem, cost)
        return False
    return True


def _try_mended() -> None:
    from mesh_recorder.compat import trial

    trial.run(layers.HttpLayer, mended=True)


def _try_spared() -> None:
    from mesh_recorder.compat import trial
    from mesh_recorder.compat.layer import HttpLayer

    for at_once in (False, True):
        trial.run(HttpLayer, mended=mend_in_place(), at_once=at_once)


def mend_in_place() -> bool:
    """Whether mitmproxy is mended at this moment."""
    from mesh_recorder.compat import http1

    return getattr(layers, "Http1Server") is http1.Http1Server  # noqa: B009  # not exported by name


def _mended() -> Names:
    """Where a class of ours stands in for mitmproxy's."""
    from mesh_recorder.compat import http1, http2, stream

    names: Names = []
    for name, ours in (
        ("Http1Server", http1.Http1Server),
        ("Http1Client", http1.Http1Client),
        ("Http2Server", http2.Http2Server),
        ("Http2Client", http2.Http2Client),
        ("HttpStream", stream.HttpStream),
    ):
        if not issubclass(ours, getattr(layers, name)):
            raise TypeError(f"{name} is another class")
        names.append((layers, name, ours))
    return names


def _spared() -> Names:
    from mesh_recorder.compat import savings

    return savings.names()
