"""How a request says that it is a replay, and how a sidecar says that it refuses such. Pure."""

from mesh_core.model import Headers, header
from mesh_core.tracecontext.tracestate import TRACESTATE

MARK = b"mesh-replay"
"""A request's header, and a member of its `tracestate`: both carry the run's id. In an answer: refused."""
REFUSAL = b"refused"
REFUSAL_STATUS = 403


def is_replay(headers: Headers) -> bool:
    """Whether a request is a replay, or was caused by one: `tracestate` is passed on by services."""
    for name, value in headers:
        key = name.lower()
        if key == MARK:
            return True
        if key == TRACESTATE and any(each.strip().startswith(MARK + b"=") for each in value.split(b",")):
            return True
    return False


def is_refusal(status: int | None, headers: Headers) -> bool:
    """Whether an answer is a sidecar's that lets no replay through."""
    return status == REFUSAL_STATUS and header(headers, MARK) == REFUSAL
