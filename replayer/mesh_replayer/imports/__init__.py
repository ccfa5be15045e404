"""Recordings of other tools, told apart by their first bytes.

A new format is a file beside this one and a line in `exchanges_in`.
"""

import re

from mesh_core.har import load_har
from mesh_core.model import Bodies, Exchange

_FLOW = re.compile(rb"[0-9]{1,12}:")
"""A netstring's length: how mitmproxy begins each flow."""
_MESSAGE = re.compile(rb"[123] [0-9A-Za-z-]{1,64} [0-9]{1,20}[ \n]")
"""How GoReplay begins each message."""


def exchanges_in(content: bytes, *, where: str) -> list[tuple[Exchange, Bodies]]:
    """What a recording holds, each exchange with its bodies by hash.

    Args:
        content: of the file, out of its compression.
        where: the file's name, for errors.

    Raises:
        CaptureInvalid: it is damaged, or no recording.
    """
    if _FLOW.match(content):
        from mesh_replayer.imports.flows import read_flows  # heavy: mitmproxy

        return read_flows(content, where=where)
    if _MESSAGE.match(content):
        from mesh_replayer.imports.gor import read_gor

        return read_gor(content, where=where)
    return load_har(content, where=where)
