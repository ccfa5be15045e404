"""How to go on where nobody said where the service listens: who it may be, and the lines to add. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mesh_recorder.candidates import Listener
from mesh_recorder.settings import Listen, host_port

SHOWN = 12
"""Candidates that are shown."""
_NO_APPS = frozenset({22, 25, 53, 111, 631, 1433, 2379, 3306, 5432, 5672, 6379, 9092, 11211, 27017})
"""Ports of mail, names, printers, databases and brokers: no HTTP service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is known where a service's own address is not."""

    service: str
    config: str
    """The `mesh.toml` to write to."""
    exists: bool
    """Whether there is one."""
    listeners: Sequence[Listener]
    """What listens on this machine."""
    inbound: Listen
    """A free address for the service's callers."""
    outbound: Listen
    """Where the sidecar takes the service's own calls."""

    @property
    def candidates(self) -> list[Listener]:
        """Those that may be the service."""
        return [
            listener
            for listener in self.listeners
            if listener.port not in _NO_APPS and "mesh-record" not in listener.command
        ]

    @property
    def likely(self) -> Listener | None:
        """The one that is named as the service is, else the only one."""
        candidates = self.candidates
        named = [listener for listener in candidates if self.service.lower() in listener.command.lower()]
        chosen = named if len(named) == 1 else candidates
        return chosen[0] if len(chosen) == 1 else None

    @property
    def lines_to_add(self) -> list[str]:
        """The part of `mesh.toml` that the service lacks."""
        name = self.service if _is_bare_key(self.service) else json.dumps(self.service)
        app = host_port(self.likely.host, self.likely.port) if self.likely else "HOST:PORT"
        return [
            f"[services.{name}]",
            f'app = "{app}"',
            f'inbound = "{self.inbound}"',
            f'outbound = "{self.outbound}"',
        ]


def advice_lines(advice: Advice) -> Iterator[str]:
    """What to say to people."""
    why = f"{advice.config} does not know it" if advice.exists else "there is no mesh.toml"
    yield (
        f"mesh-record {advice.service}: no address of {advice.service} is known ({why}), "
        f"so only its own calls are seen, where it makes them through {advice.outbound}"
    )
    candidates = advice.candidates
    if candidates:
        yield "What listens on this machine (candidates for --app):"
        yield from (
            f"  {host_port(listener.host, listener.port)}  {_shown(listener.command)}".rstrip()
            for listener in candidates[:SHOWN]
        )
        if len(candidates) > SHOWN:
            yield f"  and {len(candidates) - SHOWN} more"
    yield f"Give --app HOST:PORT, or add to {advice.config}:"
    yield from (f"  {line}" for line in advice.lines_to_add)


def advice_json(advice: Advice) -> dict[str, Any]:
    """The same for programs."""
    return {
        "candidates": [
            {"host": listener.host, "port": listener.port, "command": listener.command}
            for listener in advice.candidates
        ],
        "add_to": advice.config,
        "add": "\n".join(advice.lines_to_add) + "\n",
    }


def _shown(command: str) -> str:
    """A command line as a terminal may show it."""
    printable = "".join(character if character.isprintable() else " " for character in command)
    return printable if len(printable) <= 60 else f"{printable[:59]}…"


def _is_bare_key(name: str) -> bool:
    """Whether TOML takes a key without quotes. Source: TOML 1.0, "Keys"."""
    return all(character.isascii() and (character.isalnum() or character in "-_") for character in name)
