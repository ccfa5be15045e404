"""Messages of WebSockets and event streams, and gRPC frames: each looked through by itself. Pure."""

from msgspec import structs

from mesh_core.model import Exchange, Message, Sender, header_text
from mesh_core.redact import grpc, streams
from mesh_core.redact.json_text import hide_json
from mesh_core.redact.protobuf import any_bytes, is_binary, is_text
from mesh_core.redact.sweep import LOOKING, Sweep, Unreadable
from mesh_core.redact.values import look_through

_EVENT = (b"data:", b"event:", b"id:", b"retry:", b":")
_MOST_CLOSE = 125


def hide_messages(sweep: Sweep, exchange: Exchange) -> tuple[Message, ...]:
    """The messages without secrets; the same object where there was none."""
    after = tuple(_hidden(sweep, message, exchange) for message in exchange.messages)
    same = all(new is old for new, old in zip(after, exchange.messages, strict=True))
    return exchange.messages if same else after


def _hidden(sweep: Sweep, message: Message, exchange: Exchange) -> Message:
    if not message.payload:
        return message
    try:
        sweep.spend(LOOKING)
        payload = _payload(sweep, message, exchange)
    except Unreadable as why:
        sweep.counts[f"dropped:{why}"] += 1
        payload = b""
    return message if payload == message.payload else structs.replace(message, payload=payload)


def _payload(sweep: Sweep, message: Message, exchange: Exchange) -> bytes:
    payload = message.payload
    if message.type == "grpc":
        headers = exchange.request_headers if message.sender is Sender.CLIENT else exchange.response_headers
        kind = (
            header_text(headers, b"content-type")
            or header_text(exchange.request_headers, b"content-type")
            or "application/grpc"
        )
        kind = kind.partition(";")[0].strip().lower()
        return grpc.hide_payload(sweep, payload, kind=kind, encoding=header_text(headers, b"grpc-encoding"))
    if message.type == "close" and len(payload) <= _MOST_CLOSE and not is_text(payload):
        return payload[:2] + look_through(sweep, payload[2:])
    if message.type == "event" and payload.startswith(_EVENT):
        return streams.hide_events(sweep, payload)
    document = hide_json(sweep, payload)
    if document is not None:
        return document
    if message.type == "binary" and is_binary(payload):
        raise Unreadable("binary")
    if message.type == "binary" and not sweep.rules.only_named:
        return any_bytes(sweep, payload)
    return streams.hide_text(sweep, payload)
