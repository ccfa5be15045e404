"""An entry that we wrote, as the exchange that it was. Pure."""

import base64

import msgspec

from mesh_core.har import bodies as har_bodies
from mesh_core.har.format import Entry, Fields, Mesh, MeshMessage, Target
from mesh_core.har.wire import split_url, wire_bytes
from mesh_core.model import Bodies, Exchange, Headers, Message

_SAME = sorted(set(Exchange.__struct_fields__) & set(Mesh.__struct_fields__))


def our_exchange(entry: Entry, mesh: Mesh) -> tuple[Exchange, Bodies]:
    """The exchange, and its bodies by hash as far as they are in the file."""
    request, response = entry.request, entry.response
    post, content = request.post_data, response.content if response else None
    request_body, request_bytes = har_bodies.ours(
        mesh.request_body,
        post.text if post else None,
        post.encoding if post else None,
        "$.request.postData",
    )
    response_body, response_bytes = har_bodies.ours(
        mesh.response_body,
        content.text if content else None,
        content.encoding if content else None,
        "$.response.content",
    )
    target = mesh.target or _target(request.url)
    same = {name: getattr(mesh, name) for name in _SAME}
    same |= {
        "scheme": target.scheme,
        "http_version": request.http_version or "",
        "method": request.method,
        "authority": target.authority,
        "path": target.path,
        "request_headers": _headers([(pair.name, pair.value or "") for pair in request.headers or []]),
        "request_trailers": _headers(mesh.request_trailers),
        "request_body": request_body,
        "status": response.status if response and mesh.answered else None,
        "reason": (response.status_text or "") if response else "",
        "response_headers": _headers(
            [(pair.name, pair.value or "") for pair in (response.headers if response else None) or []]
        ),
        "response_trailers": _headers(mesh.response_trailers),
        "response_body": response_body,
        "messages": tuple(_message(message) for message in mesh.messages),
        "redactions": tuple(mesh.redactions),
    }
    return Exchange(**same), request_bytes | response_bytes


def _target(url: str) -> Target:
    parts = split_url(url)
    if parts is None:
        raise msgspec.ValidationError("Expected an absolute URL - at `$.request.url`")
    scheme, authority, path = parts
    return Target(scheme=scheme, authority=authority, path=path)


def _headers(pairs: Fields) -> Headers:
    return tuple((wire_bytes(name), wire_bytes(value)) for name, value in pairs)


def _message(message: MeshMessage) -> Message:
    payload = (message.text or "").encode() if message.base64 is None else base64.b64decode(message.base64)
    return Message(sender=message.sender, offset=message.offset, type=message.type, payload=payload)
