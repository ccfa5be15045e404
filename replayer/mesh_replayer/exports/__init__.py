"""Exchanges as what other tools run: curl, pytest, WireMock. A new kind is a file and a line in `KINDS`."""

from collections.abc import Callable, Mapping, Sequence

from mesh_core.errors import NotRecorded
from mesh_core.model import Bodies, Direction, Exchange
from mesh_replayer.exports.curl import curl_script
from mesh_replayer.exports.pytest_file import pytest_file
from mesh_replayer.exports.wiremock import wiremock_mappings

type Recorded = Sequence[tuple[Exchange, Bodies]]

KINDS: Mapping[str, Callable[[Recorded], str]] = {
    "curl": lambda recorded: curl_script(_requests(recorded, Direction.INBOUND)),
    "pytest": lambda recorded: pytest_file(_requests(recorded, Direction.INBOUND)),
    "wiremock": lambda recorded: wiremock_mappings(_requests(recorded, Direction.OUTBOUND)),
}
"""Each gives the whole file."""


def _requests(recorded: Recorded, side: Direction) -> Recorded:
    """Each hop once: its wanted side, or where nothing was recorded there, the other; tunnels are none.

    Raises:
        NotRecorded: there is nothing to write.
    """
    usable = [(each, bodies) for each, bodies in recorded if not each.opaque and each.method != "CONNECT"]
    chosen = [(each, bodies) for each, bodies in usable if each.direction is side] or usable
    if not chosen:
        raise NotRecorded("none of it is a request that can be written", hint="export it as HAR")
    return chosen
