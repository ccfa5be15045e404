"""Which of the requests that were sent a call belongs to, by what the service passed on. Pure.

1. Our `tracestate` member names the request; so does its span id, where headers are copied as they are.
2. Else its trace id or request id names the trace: the requests of that trace come into question.
3. Else nothing is known.
"""

from dataclasses import dataclass, field

from mesh_core.model import Exchange, Headers, header
from mesh_core.replay_mark import MARK
from mesh_core.tracecontext import read
from mesh_core.tracecontext.tracestate import TRACESTATE


@dataclass(slots=True)
class Attribution:
    """How the requests that were sent are told apart downstream."""

    _by_mark: dict[bytes, str] = field(default_factory=dict)
    _by_span: dict[str, str] = field(default_factory=dict)
    _by_trace: dict[str, list[str]] = field(default_factory=dict)
    """Exchange ids by whatever else names a trace."""

    def mark(self, exchange: Exchange, headers: Headers) -> Headers:
        """The headers of a request that goes out, its number added to our `tracestate` member."""
        number = b".%d" % len(self._by_mark)
        marked: list[tuple[bytes, bytes]] = []
        for name, value in headers:
            member = _member(value) if name.lower() == TRACESTATE else None
            if member is not None:
                self._by_mark[member + number] = exchange.id
                value = value.replace(member, member + number, 1)  # noqa: PLW2901  # the one that goes out
            marked.append((name, value))
        found = read(tuple(marked))
        if found.best is not None:
            self._by_trace.setdefault(found.best.trace_id, []).append(exchange.id)
            if found.best.span_id is not None:
                self._by_span[found.best.span_id] = exchange.id
        if found.request_id is not None:
            self._by_trace.setdefault(found.request_id, []).append(exchange.id)
        return tuple(marked)

    def of(self, headers: Headers) -> list[str]:
        """The ids of the requests that may have caused a call with these headers; empty where unknown."""
        member = _member(header(headers, TRACESTATE) or b"")
        if member in self._by_mark:
            return [self._by_mark[member]]
        found = read(headers)
        if found.best is not None and found.best.span_id in self._by_span:
            return [self._by_span[found.best.span_id]]
        if found.best is not None and found.best.trace_id in self._by_trace:
            return self._by_trace[found.best.trace_id]
        return self._by_trace.get(found.request_id or "", [])


def _member(state: bytes) -> bytes | None:
    """Our member of a `tracestate`."""
    wanted = MARK + b"="
    return next((each.strip() for each in state.split(b",") if each.strip().startswith(wanted)), None)
