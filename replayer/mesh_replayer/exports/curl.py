"""A bash script that sends requests with curl, byte for byte as far as curl goes. Pure.

1. What was captured stands in quotes in which bash reads nothing, and no control character is in the file.
2. curl adds no header of its own; it makes the length and the chunks of a body.
"""

import base64
import shlex
from collections.abc import Iterator, Sequence

from mesh_core.model import Bodies, Exchange
from mesh_replayer.exports.target import target_of
from mesh_replayer.look.safe import safe
from mesh_replayer.look.words import who

_CURLS_OWN = (b"user-agent", b"accept", b"content-type", b"expect")
"""What curl adds unless it is told not to."""
_MADE_BY_CURL = frozenset({b"content-length", b"transfer-encoding", b"host", b"connection"})
_MOST_WORD = 60_000
"""Bytes of a body in an argument; Linux takes 128 KiB."""


def curl_script(recorded: Sequence[tuple[Exchange, Bodies]]) -> str:
    """All requests, in order, to `TARGET` where it is set, else to where they went."""
    lines = ["#!/usr/bin/env bash", "# Sends what was recorded. TARGET=http://localhost:8080 sends it there."]
    for exchange, bodies in recorded:
        lines += ["", *_request(exchange, bodies)]
    return "\n".join(lines) + "\n"


def _request(exchange: Exchange, bodies: Bodies) -> Iterator[str]:
    answered = f", answered {exchange.status}" if exchange.status is not None else ""
    yield f"# {safe(who(exchange))}{answered}, exchange {exchange.id}"
    if exchange.redactions:
        rules = ", ".join(safe(each.rule) for each in exchange.redactions)
        yield f"# values in it were redacted when it was recorded ({rules})"
    body, missing = _body(exchange, bodies)
    if missing:
        yield f"# {missing}"
    origin = quoted(f"{exchange.scheme}://{exchange.authority}")
    words = ["curl --silent --show-error --include", f"--request {quoted(exchange.method)}"]
    words.append("--http1.0" if exchange.http_version == "HTTP/1.0" else "--http1.1")
    if exchange.method == "HEAD":
        words.append("--head")
    words += [f"--header {quoted(text)}" for text in _headers(exchange)]
    words.append(f"--request-target {quoted(target_of(exchange))}")
    if body is not None:
        words.append(f"--data-binary {_word(body)}" if len(body) <= _MOST_WORD else "--data-binary @-")
    words.append(f"${{TARGET:-{origin}}}/")
    command = " \\\n  ".join(words)
    if body is None or len(body) <= _MOST_WORD:
        yield command
    else:
        yield f"base64 --decode <<'END' | {command}"
        encoded = base64.b64encode(body).decode()
        yield from (encoded[at : at + 76] for at in range(0, len(encoded), 76))
        yield "END"


def _headers(exchange: Exchange) -> Iterator[str]:
    present, body = {name.lower() for name, _ in exchange.request_headers}, exchange.request_body
    for name, value in exchange.request_headers:
        key = name.lower()
        text = name.decode("latin-1")
        if key == b"host" or (key == b"transfer-encoding" and b"chunked" in value.lower()):
            yield f"{text}: {value.decode('latin-1')}"
        elif key == b"content-encoding" and body is not None and body.decoded:
            continue
        elif key not in _MADE_BY_CURL and not name.startswith(b":"):
            yield f"{text}: {value.decode('latin-1')}" if value else f"{text};"
    if b"host" not in present:
        yield f"Host: {exchange.authority}"
    yield from (f"{name.decode()}:" for name in _CURLS_OWN if name not in present)


def _body(exchange: Exchange, bodies: Bodies) -> tuple[bytes | None, str]:
    ref = exchange.request_body
    if ref is None or not ref.size:
        return None, ""
    content = bodies.get(ref.hash)
    if content is None:
        return None, "its body was not kept"
    if ref.truncated:
        return content, f"only {ref.stored} of the {ref.size} bytes of its body were kept"
    return content, ""


def quoted(text: str) -> str:
    """A word of bash that is this text, whose characters are bytes (latin-1)."""
    if text.isascii() and text.isprintable():
        return shlex.quote(text)
    escaped = "".join(
        character if " " <= character <= "~" and character not in "'\\" else f"\\x{ord(character):02x}"
        for character in text
    )
    return f"$'{escaped}'"


def _word(body: bytes) -> str:
    """A word that is the body; `@` at its start would name a file."""
    text = body.decode("latin-1")
    if b"\0" in body or text.startswith("@"):
        return f"@<(base64 --decode <<< {base64.b64encode(body).decode()})"
    return quoted(text)
