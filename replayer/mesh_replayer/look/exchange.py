"""One exchange with its headers, bodies and messages. Pure."""

import json
from collections.abc import Iterator

from rich.text import Text

from mesh_core.bodytext import body_content, body_text
from mesh_core.links import Parent
from mesh_core.model import Bodies, BodyRef, Exchange, Headers, Synthesized
from mesh_core.units import format_size
from mesh_replayer.look.safe import safe, safe_lines
from mesh_replayer.look.words import duration, moment, style_of, who
from mesh_replayer.verdict import what

MOST_LINES = 200
"""Of each body."""
_MOST_JSON = 256 * 1024
"""Characters of a body that is laid out anew."""
_MOST_MESSAGES = 200


def exchange_lines(exchange: Exchange, bodies: Bodies, parent: Parent | None = None) -> Iterator[Text]:
    """Everything that was recorded of it."""
    yield from _head(exchange, parent)
    yield Text()
    yield Text(f"{safe(exchange.method)} {safe(exchange.path)} {exchange.http_version}", "bold")
    yield from _part(exchange.request_headers, exchange.request_body, exchange.request_trailers, bodies)
    yield Text()
    yield from response_lines(exchange, bodies)
    yield from _messages(exchange)


def response_lines(exchange: Exchange, bodies: Bodies) -> Iterator[Text]:
    """The status line, headers, body and trailers of its response."""
    if exchange.status is None:
        yield Text("no response", style_of(exchange))
        return
    yield Text(f"{exchange.status} {safe(exchange.reason)}".rstrip(), style_of(exchange))
    yield from _part(exchange.response_headers, exchange.response_body, exchange.response_trailers, bodies)


def _head(exchange: Exchange, parent: Parent | None) -> Iterator[Text]:
    line = Text("exchange ")
    line.append(exchange.id, "cyan")
    line.append(f"  {exchange.direction.value}, {safe(who(exchange))}")
    if exchange.peer and exchange.direction.value == "inbound":
        line.append(f", from {safe(exchange.peer)}")
    yield line
    line = Text("trace    ")
    line.append(exchange.trace_id, "cyan")
    line.append(f"  ({exchange.trace_origin.value})")
    yield line
    if parent is not None:
        kind = "caused by" if parent.certain else f"inferred ({parent.confidence:.0%}) to be caused by"
        yield Text(f"{kind} {parent.exchange_id}", "dim")
    line = Text(f"{moment(exchange.started_at)}  {duration(exchange.duration)}  ")
    line.append(what(exchange), style_of(exchange))
    line.append(f"  {exchange.outcome.value}")
    yield line
    if exchange.error:
        yield Text(safe(exchange.error), "red")
    if exchange.synthesized is not Synthesized.NONE:
        yield Text(f"the answer was made by the sidecar ({exchange.synthesized.value})", "yellow")
    if exchange.opaque:
        yield Text("bytes passed unread", "yellow")
    if exchange.redactions:
        rules = ", ".join(f"{each.count} {safe(each.rule)}" for each in exchange.redactions)
        yield Text(f"redacted: {rules}", "dim")


def _part(fields: Headers, body: BodyRef | None, trailers: Headers, bodies: Bodies) -> Iterator[Text]:
    yield from _fields(fields)
    if body is not None and body.size:
        yield Text()
        yield from body_lines(body, bodies)
    if trailers:
        yield Text("trailers", "dim")
        yield from _fields(trailers)


def _fields(fields: Headers) -> Iterator[Text]:
    for name, value in fields:
        line = Text(safe(name.decode("latin-1")), "blue")
        line.append(f": {safe(_text(value))}", "default")
        yield line


def body_lines(ref: BodyRef, bodies: Bodies) -> Iterator[Text]:
    """A body: JSON laid out, other text as it is, of bytes their size."""
    text = body_text(ref, bodies)
    if text is None:
        yield _no_text(ref, bodies)
        return
    lines = safe_lines(_laid_out(text), most=MOST_LINES + 1)
    for line in lines[:MOST_LINES]:
        yield Text(line)
    if len(lines) > MOST_LINES:
        yield Text("… the rest with --json", "dim")
    if ref.truncated:
        yield Text(f"… {format_size(ref.stored)} of {format_size(ref.size)} were kept", "yellow")


def _no_text(ref: BodyRef, bodies: Bodies) -> Text:
    kind = safe(ref.content_type or "bytes")
    kept = "" if ref.hash in bodies else ", not kept"
    undecoded = body_content(ref, bodies) is None and ref.hash in bodies
    coding = f", {safe(ref.content_encoding)}" if ref.content_encoding and undecoded else ""
    return Text(f"{format_size(ref.size)} of {kind}{coding}{kept}", "dim")


def _laid_out(text: str) -> str:
    if len(text) > _MOST_JSON or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _messages(exchange: Exchange) -> Iterator[Text]:
    if exchange.messages:
        yield Text()
    for message in exchange.messages[:_MOST_MESSAGES]:
        line = Text(f"{duration(message.offset):>8}  {message.sender.value} {safe(message.type)}  ", "dim")
        line.append(safe(_text(message.payload[:2_000])), "default")
        yield line
    more = len(exchange.messages) - _MOST_MESSAGES
    if more > 0:
        yield Text(f"… {more} more messages with --json", "dim")


def _text(value: bytes) -> str:
    """Bytes as UTF-8 where they are, else as latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
