"""Trace context: every format that is in use, read and written; and our `tracestate` member. Pure."""

from mesh_core.tracecontext.context import TraceContext
from mesh_core.tracecontext.reading import Found, mesh_member, read
from mesh_core.tracecontext.requestid import trace_id_of_request_id
from mesh_core.tracecontext.tracestate import with_mesh_member, without_mesh_member

__all__ = [
    "Found",
    "TraceContext",
    "mesh_member",
    "read",
    "trace_id_of_request_id",
    "with_mesh_member",
    "without_mesh_member",
]
