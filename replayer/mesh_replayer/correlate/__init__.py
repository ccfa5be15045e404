"""Values that flow from an answer to a later request: found in what was recorded, put in place on replay.

1. A value that a client was the first to send is its own, and never linked.
2. A link holds in every session that shows its place, or its value cannot be a coincidence.
3. What is the same in every session is no flow: it is replayed as recorded.
"""

from mesh_replayer.correlate.find import Session
from mesh_replayer.correlate.flow import Flow
from mesh_replayer.correlate.links import Link, correlate
from mesh_replayer.correlate.sessions import sessions_of

__all__ = ["Flow", "Link", "Session", "correlate", "sessions_of"]
