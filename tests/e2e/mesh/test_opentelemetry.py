"""Services with real OpenTelemetry SDKs: whole traces, and their own tracing is not disturbed."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mesh_replayer.demo.processes import Processes
from support.behind_sidecars import PATIENCE, Place, place
from support.ports import free_ports

pytestmark = pytest.mark.xdist_group("otel")

SERVICE = Path(__file__).parents[2] / "support" / "otel_service.py"
CHAIN = {"front": "middle", "middle": "back", "back": None}
"""Each calls the next one twice at once."""
REQUESTS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    entry: str
    spans: Path
    place: Place


@contextmanager
def chain(folder: Path, *, recorded: bool) -> Iterator[Chain]:
    """The three services, directly or each behind a sidecar."""
    names = list(CHAIN)
    ports = iter(free_ports(4 * len(names)))
    app, inbound, out = ({name: next(ports) for name in names} for _ in range(3))
    toml = ['project = "otel"']
    for name, following in CHAIN.items():
        toml += [
            f"[services.{name}]",
            f'app = "127.0.0.1:{app[name]}"',
            f'inbound = "127.0.0.1:{inbound[name]}"',
        ]
        if following:
            target = f'{{ listen = "127.0.0.1:{out[name]}", target = "127.0.0.1:{inbound[following]}" }}'
            toml += [f"[services.{name}.upstreams]", f"{following} = {target}"]
    with ExitStack() as stack:
        here = stack.enter_context(place(folder))
        (folder / "mesh.toml").write_text("\n".join(toml))
        (folder / "logs").mkdir()
        running = stack.enter_context(Processes(folder, folder / "logs", here.environ))
        for name, following in CHAIN.items():
            calls = [f"http://127.0.0.1:{(out[name] if recorded else app[following])}"] if following else []
            command = [sys.executable, str(SERVICE), name, str(app[name]), str(folder / "spans"), *calls]
            running.start(name, command, {})
            if recorded:
                sidecar = [str(Path(sys.executable).with_name("mesh-record")), "--service", name, "--json"]
                running.start(f"mesh-record-{name}", sidecar, {})
        running.await_ready(PATIENCE)
        entry = inbound["front"] if recorded else app["front"]
        yield Chain(entry=f"http://127.0.0.1:{entry}", spans=folder / "spans", place=here)


def spans_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def shape(spans: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Trace, service, kind and the parent's service and kind of every sampled span."""
    known = {span["span_id"]: f"{span['service']} {span['kind']}" for span in spans}
    return sorted(
        (
            span["trace_id"],
            span["service"],
            span["kind"],
            known.get(span["parent_id"], "orphan") if span["parent_id"] else "root",
        )
        for span in spans
    )


def ask(entry: str, headers: dict[str, str]) -> None:
    with httpx.Client(trust_env=False, timeout=60) as client:
        for number in range(REQUESTS):
            client.get(f"{entry}/work/{number}", headers=headers).raise_for_status()


def test_their_sampling_and_span_trees_are_the_same_with_and_without_sidecars(tmp_path: Path) -> None:
    """Case R31."""
    seen = []
    for recorded in (False, True):
        with chain(tmp_path / str(recorded), recorded=recorded) as services:
            ask(services.entry, {})
        seen.append(shape(spans_of(services.spans)))

    direct, through = seen
    assert 0 < len({span[0] for span in direct}) < REQUESTS
    assert "orphan" not in {span[3] for span in direct}
    assert through == direct


@pytest.mark.parametrize("sampled", ["00", "01"])
def test_their_trace_is_one_tree_of_certain_links_sampled_or_not(tmp_path: Path, sampled: str) -> None:
    trace_id = os.urandom(16).hex()
    with chain(tmp_path / "mesh", recorded=True) as services, httpx.Client(timeout=60) as client:
        parent = f"00-{trace_id}-{os.urandom(8).hex()}-{sampled}"
        client.get(f"{services.entry}/work/1", headers={"traceparent": parent}).raise_for_status()
        services.place.listed(f"trace:{trace_id}", 13)
        (trace,) = services.place.json("show", trace_id)

    services_of = {e["id"]: (e["service"], e["direction"]) for e in trace["exchanges"]}
    links = [(services_of[e["id"]], e["parent"]) for e in trace["exchanges"]]
    assert len(links) == 1 + 2 + 2 + 4 + 4
    assert {child: link["kind"] for child, link in links if link} == {
        ("front", "outbound"): "cause",
        ("middle", "inbound"): "hop",
        ("middle", "outbound"): "cause",
        ("back", "inbound"): "hop",
    }
    parents = {(child, services_of[link["exchange_id"]]) for child, link in links if link}
    assert parents == {
        (("front", "outbound"), ("front", "inbound")),
        (("middle", "inbound"), ("front", "outbound")),
        (("middle", "outbound"), ("middle", "inbound")),
        (("back", "inbound"), ("middle", "outbound")),
    }
