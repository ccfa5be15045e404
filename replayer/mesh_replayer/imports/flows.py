"""mitmproxy's flow files, read by mitmproxy, which knows all of its own versions."""

import io
from collections.abc import Iterator

from mitmproxy.exceptions import FlowReadException
from mitmproxy.flow import Flow
from mitmproxy.http import Headers as FlowHeaders
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from mesh_core.errors import CaptureInvalid
from mesh_core.har import MOST_ENTRIES
from mesh_core.imported import Seen, imported_exchange
from mesh_core.model import Bodies, Exchange, Headers, Message, Sender
from mesh_core.outcome import Outcome

CREATOR = "mitmproxy"
_DAMAGED = (FlowReadException, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What mitmproxy lets through when a file is not as it should be."""


def read_flows(content: bytes, *, where: str) -> list[tuple[Exchange, Bodies]]:
    """The HTTP flows of a file; TCP, UDP and DNS flows are no exchanges and are left out.

    Raises:
        CaptureInvalid: it is damaged, or has too many flows.
    """
    found: list[tuple[Exchange, Bodies]] = []
    for flow in _flows(content, where):
        if not isinstance(flow, HTTPFlow):
            continue
        if len(found) == MOST_ENTRIES:
            raise CaptureInvalid(f"{where} has more than {MOST_ENTRIES:,} flows", hint="split it")
        found.append(imported_exchange(_seen(flow), creator=CREATOR))
    return found


def _flows(content: bytes, where: str) -> Iterator[Flow]:
    flows = iter(FlowReader(io.BytesIO(content)).stream())
    number = 0
    while True:
        try:
            flow = next(flows)
        except StopIteration:
            return
        except _DAMAGED as cause:
            problem = f"{where} is no flow file that mitmproxy can read, from flow {number + 1} on"
            raise CaptureInvalid(problem, hint="write it again with `mitmdump -w`") from cause
        number += 1
        yield flow


def _seen(flow: HTTPFlow) -> Seen:
    request, response = flow.request, flow.response
    started = _ns(request.timestamp_start)
    ended = _ns(None if response is None else response.timestamp_end, _ns(request.timestamp_end, started))
    authority = request.host_header or request.authority or f"{request.host}:{request.port}"
    return Seen(
        key=flow.id,
        started_at=started,
        request_end=None if request.timestamp_end is None else _ns(request.timestamp_end),
        first_byte=None if response is None else _ns(response.timestamp_start, started),
        ended_at=max(ended, started),
        scheme=request.scheme or "http",
        authority=authority,
        method=request.data.method.decode("latin-1"),
        path=request.data.path.decode("latin-1"),
        http_version=_version(request.http_version),
        request_headers=_fields(request.headers),
        request_body=request.raw_content or b"",
        request_trailers=_fields(request.trailers),
        status=None if response is None else response.status_code,
        reason="" if response is None else response.data.reason.decode("latin-1"),
        response_headers=() if response is None else _fields(response.headers),
        response_body=(response.raw_content or b"") if response is not None else b"",
        response_trailers=() if response is None else _fields(response.trailers),
        error=None if flow.error is None else flow.error.msg,
        outcome=Outcome.UPSTREAM_RESET if flow.error is not None else None,
        connection=flow.client_conn.id,
        messages=_messages(flow, started),
    )


def _fields(headers: FlowHeaders | None) -> Headers:
    """The fields without HTTP/2's pseudo ones."""
    if headers is None:
        return ()
    return tuple((name, value) for name, value in headers.fields if not name.startswith(b":"))


def _version(text: str) -> str:
    return "HTTP/2" if text.startswith("HTTP/2") else text


def _messages(flow: HTTPFlow, started: int) -> tuple[Message, ...]:
    if flow.websocket is None:
        return ()
    return tuple(
        Message(
            sender=Sender.CLIENT if message.from_client else Sender.SERVER,
            offset=max(0, _ns(message.timestamp) - started),
            type="text" if message.is_text else "binary",
            payload=message.content,
        )
        for message in flow.websocket.messages
    )


def _ns(seconds: float | None, otherwise: int = 0) -> int:
    return otherwise if seconds is None else round(seconds * 1e6) * 1_000
