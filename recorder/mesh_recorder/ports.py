"""Free ports for addresses that nobody chose, asked for again at the next start."""

import json
import logging
from pathlib import Path

from mesh_core.project import ReadFile, file_name
from mesh_store.disk import read_file, write_private
from mesh_store.ports import claim, claim_any

logger = logging.getLogger(__name__)

MOST = 8
"""Ports remembered for one role: as many instances of a service on one machine keep theirs."""


class PortBook:
    """The ports that a service's sidecars took, by role."""

    def __init__(self, project_dir: Path, service: str, *, read: ReadFile = read_file) -> None:
        """Read what is remembered of `service`."""
        self._path = project_dir / "ports" / f"{file_name(service)}.json"
        self._ports = _remembered(read(self._path))
        self._given: set[int] = set()
        self._changed = False

    def port(self, role: str) -> int:
        """A free port of 127.0.0.1, each time another: one remembered for `role` where one is free."""
        known = self._ports.setdefault(role, [])
        port = next((port for port in known if port not in self._given and claim(port)), None)
        if port is None:
            (port,) = claim_any(1, taken=self._given)
            self._ports[role] = [port, *known][:MOST]
            self._changed = True
        self._given.add(port)
        return port

    def remember(self) -> None:
        """Keep what was given out, for the next start, where that can be written."""
        if not self._changed:
            return
        try:
            write_private(self._path, json.dumps(self._ports, indent=2, sort_keys=True).encode())
        except OSError as error:
            logger.warning("ports are not remembered: %s cannot be written: %s", self._path, error.strerror)


def _remembered(content: bytes | None) -> dict[str, list[int]]:
    """What the file says; nothing where it is damaged, as a port is easily chosen anew."""
    try:
        document = json.loads(content or b"{}")
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        role: [port for port in ports if isinstance(port, int) and 0 < port < 65536]
        for role, ports in document.items()
        if isinstance(ports, list)
    }
