"""What a stub sends back: the recorded answer, or why there is none. Pure.

1. Status, headers and body are the recorded ones, but for what frames the body on a connection of ours.
2. Where the service got no answer then, it gets none now: the connection is closed.
"""

import json

from mesh_core.bodytext import body_content
from mesh_core.model import Bodies, Headers
from mesh_replayer.stubs.http import Answer
from mesh_replayer.stubs.shelf import Missed, Served

FRAMING = frozenset(
    {b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"trailer", b"upgrade", b"te"}
)
_MOST = 16 * 1024 * 1024
"""Bytes of an answer in which values of this run are put."""
MISS = b"mesh-replay-stub"
"""A header of answers to what was never recorded."""


def recorded_answer(served: Served, bodies: Bodies) -> Answer | None:
    """The recorded answer; None where the connection broke instead."""
    call = served.call.exchange
    if call.status is None or call.status < 200:
        return None
    ref = call.response_body
    headers = tuple(field for field in call.response_headers if field[0].lower() not in FRAMING)
    if call.method.upper() == "HEAD":
        headers += tuple(field for field in call.response_headers if field[0].lower() == b"content-length")
    stored = bodies.get(ref.hash, b"") if ref is not None else b""
    content = body_content(ref, bodies, limit=_MOST) if ref is not None else None
    if content is not None and len(content) == _MOST:
        content = None  # too large to look into
    swapped = stored if content is None else served.aliases.in_answer(content)
    decoded = ref is not None and (ref.decoded or (content is not None and swapped != content))
    if decoded:
        headers = tuple(field for field in headers if field[0].lower() != b"content-encoding")
    body = swapped if decoded or (ref is not None and not ref.content_encoding) else stored
    reason = call.reason.encode("latin-1", "replace")
    return Answer(status=call.status, reason=reason, headers=headers, body=body)


def missed_answer(missed: Missed) -> Answer:
    """502, with the nearest recorded call and what differs, for whoever debugs the service."""
    document = {
        "error": {
            "type": "mesh-replay stub",
            "code": "never_recorded",
            "message": missed.sentence,
            "nearest": None if missed.nearest is None else missed.nearest.id,
            "differs": list(missed.differs),
        }
    }
    headers: Headers = ((b"Content-Type", b"application/json"), (MISS, b"miss"))
    return Answer(status=502, reason=b"Bad Gateway", headers=headers, body=json.dumps(document).encode())
