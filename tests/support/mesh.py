"""A mesh that never was: calls with known causes, and what its sidecars would have recorded of them.

Services hand context on by their habit, sidecars treat it as DESIGN 4 says, so that what `link`
finds can be held against what really happened.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from mesh_core.model import Direction, Exchange, TraceOrigin
from mesh_core.outcome import Outcome
from mesh_core.tracecontext.requestid import trace_id_of_request_id
from support.recorded import an_exchange

PATHS = st.sampled_from(["/x", "/y"])
HABITS = ("otel", "copy", "id", "nothing")
"""New spans and `tracestate` handed on; all headers copied; `x-request-id` alone; nothing."""


@dataclass(frozen=True, slots=True)
class Context:
    """The headers of a request that matter for links."""

    kind: str = ""
    """`w3c`, `b3` or nothing."""
    trace: str = ""
    span: str = ""
    mesh: str = ""
    request_id: str = ""


@dataclass(slots=True, repr=False)
class Mesh:
    """What happened, and what was recorded."""

    habits: dict[str, str]
    unrecorded: frozenset[str] = frozenset()
    exchanges: list[Exchange] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)
    """The true parent of every recorded exchange whose parent was recorded."""
    passed_on: dict[str, str] = field(default_factory=dict)
    """The outbound exchange above a service without a sidecar, where that passed method and path on."""
    ids: int = 0

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))

    def __repr__(self) -> str:
        """What was recorded, a line each, for whoever reads a failed test."""
        lines = [f"habits {self.habits}, without a sidecar: {', '.join(self.unrecorded) or 'none'}"]
        for e in self.exchanges:
            way = f"{e.service} <-" if e.direction is Direction.INBOUND else f"{e.service} -> {e.peer}"
            trace, span, claim, cause = (
                (text or "-")[-2:] for text in (e.trace_id, e.span_id, e.claim, self.causes.get(e.id))
            )
            lines.append(
                f"{e.id[-2:]}: {way} {e.path} {e.started_at}..{e.ended_at}"
                f" trace {trace} ({e.trace_origin}) span {span} claim {claim} request {e.request_id}"
                f"{' (made)' * e.request_id_made}; really under {cause}"
            )
        return "\n".join(lines)

    def fresh(self) -> str:
        self.ids += 1
        return f"{self.ids:032x}"

    def arrives(
        self, service: str, sent: Context, caller: str, start: int, end: int, path: str
    ) -> tuple[str, Context]:
        """The request at its inbound sidecar: its id, and what the service itself gets."""
        return self._seen(service, Direction.INBOUND, sent, caller, start, end, path, None)

    def calls(
        self, service: str, sent: Context, cause: str, start: int, end: int, path: str, peer: str
    ) -> tuple[str, Context]:
        """The request at its outbound sidecar."""
        return self._seen(service, Direction.OUTBOUND, sent, cause, start, end, path, peer)

    def _seen(
        self, service: str, direction: Direction, sent: Context, cause: str, start: int, end: int, path: str,
        peer: str | None,
    ) -> tuple[str, Context]:  # fmt: skip
        if service in self.unrecorded:
            return "", sent
        exchange_id = self.fresh()
        made = not (sent.kind or sent.request_id)
        request_id = sent.request_id or f"made-{exchange_id}"
        origin = {"w3c": TraceOrigin.W3C, "b3": TraceOrigin.B3}.get(sent.kind, TraceOrigin.REQUEST_ID)
        self.exchanges.append(
            an_exchange(
                id=exchange_id,
                trace_id=sent.trace if sent.kind else trace_id_of_request_id(request_id),
                span_id=sent.span or None,
                trace_origin=origin,
                request_id=request_id if made or sent.request_id else None,
                request_id_made=made,
                claim=(sent.mesh or None) if sent.kind == "w3c" else None,
                service=service,
                instance=f"{service}-1",
                direction=direction,
                peer=peer,
                path=path,
                started_at=start,
                ended_at=end,
                outcome=Outcome.OK,
            )
        )
        if cause:
            self.causes[exchange_id] = cause
        passed = replace(sent, request_id=request_id) if made else sent
        return exchange_id, replace(passed, mesh=exchange_id) if passed.kind == "w3c" else passed

    def handed_on(self, service: str, got: Context) -> Context:
        """What the service sends with a call of its own."""
        match self.habits[service]:
            case "copy":
                return got
            case "otel" if got.kind:
                return replace(got, span=self.fresh()[16:], mesh=got.mesh if got.kind == "w3c" else "")
            case "otel":
                return Context("w3c", self.fresh(), self.fresh()[16:])
            case "id":
                return Context(request_id=got.request_id)
        return Context()


@st.composite
def meshes(draw: st.DrawFn, *, habits: tuple[str, ...] = HABITS, recorded_all: bool = True) -> Mesh:
    """Some requests into a mesh of three services, at once or one after the other."""
    names = ("a", "b", "c")
    mesh = Mesh({name: draw(st.sampled_from(habits)) for name in names})
    if not recorded_all:
        mesh.unrecorded = frozenset(draw(st.sets(st.sampled_from(names), max_size=1)))
    shared = draw(st.sampled_from(["", "w3c", "b3", "id"]))
    for number in range(draw(st.integers(1, 3))):
        kind = shared or draw(st.sampled_from(["w3c", "b3", "id", "none"]))
        of = "0" if shared else str(number)
        sent = {
            "w3c": Context("w3c", f"{of}{'e' * 31}", f"{number}{'d' * 15}"),
            "b3": Context("b3", f"{of}{'e' * 31}", f"{number}{'d' * 15}"),
            "id": Context(request_id=f"request-{of}"),
            "none": Context(),
        }[kind]
        start = draw(st.integers(0, 3_000))
        end = start + draw(st.integers(1_000, 1_000_000))
        _request(draw, mesh, draw(st.sampled_from(names)), sent, "", start, end, 0, draw(PATHS))
    return mesh


def _request(
    draw: st.DrawFn, mesh: Mesh, service: str, sent: Context, caller: str, start: int, end: int, depth: int,
    path: str, through: str = "",
) -> None:  # fmt: skip
    """One request at a service, and all that follows from it, within its time."""
    inbound, got = mesh.arrives(service, sent, caller, start, end, path)
    if inbound and through:
        mesh.passed_on[inbound] = through
    if depth >= 3 or end - start < 10:
        return
    for _ in range(draw(st.integers(0, 2))):
        # Nothing begins in the nanosecond in which its cause did.
        first = draw(st.integers(start + 1, end - 4))
        last = draw(st.integers(first + 2, end))
        callee = draw(st.sampled_from([name for name in mesh.habits if name != service]))
        peer = draw(st.sampled_from([callee, "10.0.0.1:80"]))
        to = draw(PATHS)
        outbound, arriving = mesh.calls(service, mesh.handed_on(service, got), inbound, first, last, to, peer)
        begin = draw(st.integers(first + 1, last))
        stop = draw(st.integers(begin, last))
        above = caller if not inbound and to == path else ""
        _request(draw, mesh, callee, arriving, outbound, begin, stop, depth + 1, to, above)
