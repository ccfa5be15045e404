"""What a sidecar says of itself: ready and stopped, as text or as JSON. Pure."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mesh_recorder.counters import Counters
from mesh_recorder.lanes import lane_names
from mesh_recorder.settings import Listen, SidecarSettings, UpstreamPort


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a sidecar listens by now."""

    inbound: Listen | None = None
    outbound: Listen | None = None
    upstreams: tuple[UpstreamPort, ...] = ()
    admin: Listen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a sidecar saw from its start to its end."""

    counters: Counters
    requests: int
    calls: int
    restarts: int = 0
    """Workers that died and were replaced."""

    @property
    def blind(self) -> bool:
        """Whether the service was busy, and seemed to call nobody."""
        return self.requests > 0 and self.calls == 0


def ready_line(settings: SidecarSettings, ports: Ports) -> str:
    """`mesh-record cart: inbound 127.0.0.1:8002 -> 127.0.0.1:7002, outbound …, store …, lane …`."""
    parts = []
    if ports.inbound is not None and settings.app is not None:
        parts.append(f"inbound {_at(ports.inbound, settings)} -> {_plain(str(settings.app))}")
    if ports.outbound is not None:
        parts.append(f"outbound {ports.outbound}")
    parts += [f"upstream {port.name} {port.listen} -> {_plain(str(port.target))}" for port in ports.upstreams]
    if ports.admin is not None:
        parts.append(f"admin {ports.admin}")
    if settings.workers:
        parts.append(f"{settings.workers} worker{'s' * (settings.workers != 1)}")
    parts += [f"store {without_password(settings.store)}", f"lane {lane_names(settings)}"]
    return f"mesh-record {settings.service}: {', '.join(parts)}"


def ready_json(
    settings: SidecarSettings, ports: Ports, notes: Sequence[str], advice: Mapping[str, Any] | None = None
) -> str:
    """The same for programs."""
    document: dict[str, Any] = {
        "event": "ready",
        "project": settings.project,
        "service": settings.service,
        "instance": settings.instance,
        "inbound": {"listen": str(ports.inbound), "app": str(settings.app)} if ports.inbound else None,
        "outbound": str(ports.outbound) if ports.outbound else None,
        "upstreams": [
            {"name": port.name, "listen": str(port.listen), "target": str(port.target)}
            for port in ports.upstreams
        ],
        "admin": str(ports.admin) if ports.admin else None,
        "workers": settings.workers,
        "store": without_password(settings.store),
        "lane": lane_names(settings),
        "redact_mode": settings.redact_mode,
        "notes": list(notes),
        **(advice or {}),
    }
    return json.dumps(document)


def closing_line(service: str, seen: Seen, remedy: str) -> str:
    """What became of every exchange, on one line."""
    counters = seen.counters
    parts = [
        f"{counters.offered} offered",
        f"{counters.stored} stored",
        f"{counters.spooled} spooled",
        f"{_total(counters.dropped)} dropped{_reasons(counters.dropped)}",
    ]
    not_kept = _total(counters.not_kept)
    further = (
        (not_kept, f"{not_kept} not kept{_reasons(counters.not_kept)}"),
        (counters.late, f"{counters.late} of these wanted too late"),
        (counters.held, f"{counters.held} held back for the next start"),
        (counters.gap, f"{counters.gap} damaged in the spool"),
        (counters.waiting, f"{counters.waiting} not written in time"),
        (counters.resumed, f"{counters.resumed} segments of earlier runs shipped"),
        (counters.resumed_damaged, f"{counters.resumed_damaged} damaged in those"),
        (seen.restarts, f"{seen.restarts} worker{'s' * (seen.restarts != 1)} replaced"),
    )
    parts += [words for count, words in further if count]
    text = f"mesh-record {service}: {', '.join(parts)}"
    if counters.failures:
        text += f"; {counters.failures} of them failures"
    if seen.blind:
        text += f"; {blind_words(seen.requests)}: {remedy}"
    return text


def closing_json(service: str, seen: Seen, remedy: str, exit_code: int) -> str:
    """The same for programs."""
    counters = seen.counters
    document: dict[str, Any] = {
        "event": "stopped",
        "service": service,
        "offered": counters.offered,
        "stored": counters.stored,
        "spooled": counters.spooled,
        "dropped": dict(counters.dropped),
        "not_kept": dict(counters.not_kept),
        "late": counters.late,
        "held": counters.held,
        "gap": counters.gap,
        "waiting": counters.waiting,
        "resumed_segments": counters.resumed,
        "resumed_damaged": counters.resumed_damaged,
        "failures": counters.failures,
        "requests": seen.requests,
        "calls": seen.calls,
        "worker_restarts": seen.restarts,
        "note": f"{blind_words(seen.requests)}: {remedy}" if seen.blind else None,
        "exit_code": exit_code,
    }
    return json.dumps(document)


def blind_words(requests: int) -> str:
    """That the service seems to call nobody."""
    return f"took {requests} request{'s' * (requests != 1)} and made no call that the sidecar saw"


def blind_remedy(ports: Ports, command: Sequence[str]) -> str:
    """What to do about it, if the service does call others."""
    if command:
        return f"if it calls others, `mesh-record doctor -- {shlex.join(command)}` says why"
    proxy = f"give it HTTP_PROXY=http://{ports.outbound}" if ports.outbound else "give it an outbound proxy"
    return f"if it calls others, {proxy} or --upstream ports; `mesh-record doctor` says what fits"


def redaction_note() -> str:
    """Said at each start of a sidecar that hides nothing."""
    return 'redaction is off (redact.mode = "off"): passwords and tokens are recorded as they are'


def without_password(url: str) -> str:
    """A store's URL as it may be shown."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if ":" not in user:
        return url
    return parts._replace(netloc=f"{user.partition(':')[0]}:***{at}{host}").geturl()


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _reasons(counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()) if count)
    return f" ({told})" if told else ""


def _at(inbound: Listen, settings: SidecarSettings) -> str:
    return f"https://{inbound}" if settings.cert else str(inbound)


def _plain(address: str) -> str:
    return address.removeprefix("http://")
