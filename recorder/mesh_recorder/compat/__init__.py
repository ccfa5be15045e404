"""What mitmproxy 12.2 leaves out of HTTP, mended by classes of the same names; tested at each start.

1. `install` puts the classes in place, tries them, and takes them back where one does not do what it should:
   a newer mitmproxy then runs as it is, and one line says what that costs.
2. Nothing of mitmproxy's is changed in place but these names, and two checks of types that cost a tenth of
   the time of each request and say nothing here, where all messages come from mitmproxy's own parsers.
"""

import logging
from typing import Any

logger = logging.getLogger(__name__)

COST = (
    "HTTP/1 trailers hang, a 1xx response is taken for the last one, and the sidecar's own errors are"
    " mitmproxy's pages"
)


def install() -> bool:
    """Mend mitmproxy for this process; whether it could be done. Done once, however often it is called."""
    global _installed  # noqa: PLW0603  # the patch is the process's, as mitmproxy's classes are
    if _installed is None:
        _installed = _try()
    return _installed


_installed: bool | None = None


def _try() -> bool:
    before: list[tuple[Any, str, Any]] = []
    try:
        from mesh_recorder.compat import trial

        for owner, name, ours in _names():
            before.append((owner, name, getattr(owner, name)))
            setattr(owner, name, ours)
        trial.run()
    except Exception as error:  # noqa: BLE001  # whatever differs in a newer mitmproxy, traffic must flow
        for owner, name, theirs in before:
            setattr(owner, name, theirs)
        logger.warning(
            "this mitmproxy differs from the one that is mended (%s: %s): %s",
            type(error).__name__,
            error,
            COST,
        )
        return False
    return True


def _names() -> list[tuple[Any, str, Any]]:
    """Where a class of ours stands in for mitmproxy's."""
    from mitmproxy import http
    from mitmproxy.proxy.layers import http as layers

    from mesh_recorder.compat import http1, http2, stream

    names: list[tuple[Any, str, Any]] = []
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
    names.append((http.MessageData, "__post_init__", lambda _: None))
    return names
