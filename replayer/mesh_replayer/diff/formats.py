"""A decoded body as what it is: a tree where its format has a structure, else text, else bytes. Pure.

1. Every structured format becomes objects, arrays and scalars, so that one walk compares them all.
2. What claims to be a format and is none is text; what is no text is bytes.
"""

import email.parser
import email.policy
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from mesh_core.bodytext import charset
from mesh_replayer.diff import documents
from mesh_replayer.diff.jsonpath import name_segment
from mesh_replayer.diff.markup import html_tree, xml_tree
from mesh_replayer.diff.protobuf import grpc_tree

_TEXTS = ("json", "xml", "text/", "javascript", "x-www-form-urlencoded", "yaml", "graphql", "csv")
_MOST_FIELDS = 20_000
_MOST_EVENTS = 100_000
_MOST_PARTS = 2_000
_MOST_HEAD = 8_192
"""Bytes of a part's headers."""


@dataclass(frozen=True, slots=True)
class Document:
    """A body that can be compared."""

    content: bytes
    type: str = ""
    """Its media type, in lower case."""
    format: str = "bytes"
    """What the tree is of, `text` or `bytes`."""
    tree: Any = None
    text: str | None = None


def read_document(content: bytes, content_type: str) -> Document:
    """Read a body.

    Args:
        content: out of its coding.
        content_type: as the response names it; may be empty.
    """
    kind = content_type.lower()
    if content:
        for name, told, read in _FORMATS:
            if not told(kind, content):
                continue
            try:
                tree = read(content, content_type)
                documents.check_depth(tree)
            except (ValueError, RecursionError):
                continue
            return Document(content, kind, name, tree, None)
    text = text_of(content, kind)
    return Document(content, kind, "bytes" if text is None else "text", None, text)


def text_of(content: bytes, kind: str) -> str | None:
    """The text that a body is; None where it is none."""
    if kind and not any(name in kind for name in _TEXTS):
        return None
    try:
        text = content.decode(charset(kind))
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _ndjson(content: bytes) -> Any:
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) > _MOST_EVENTS:
        raise ValueError("too many lines")
    return [documents.parse(line) for line in lines]


def _events(content: bytes) -> Any:
    """Server-sent events. Source: HTML, "Interpreting an event stream"."""
    text = content.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    blocks = text.split("\n\n")
    if len(blocks) > _MOST_EVENTS:
        raise ValueError("too many events")
    return [event for block in blocks if (event := _event(block))]


def _event(block: str) -> dict[str, Any]:
    event: dict[str, Any] = {}
    data: list[str] = []
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name in ("event", "id", "retry"):
            event[name] = value
    if data:
        event["data"] = _maybe_parsed("\n".join(data))
    return event


def _maybe_parsed(text: str) -> Any:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return documents.parse(text)
        except ValueError:
            pass
    return text


def _by_name(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """One value for each name; an array where there are several."""
    fields: dict[str, list[Any]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _multipart(content: bytes, kind: str) -> Any:
    """Parts by their name, else in order. Source: RFC 2046, section 5.1; RFC 7578."""
    head = Message()
    head["content-type"] = kind
    boundary = head.get_boundary()
    if not boundary:
        raise ValueError("no boundary")
    line = b"\r\n--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + content).split(line, _MOST_PARTS + 1)
    if len(pieces) > _MOST_PARTS or len(pieces) < 3:
        raise ValueError("no parts, or too many")
    parts = [part for piece in pieces[1:-1] if (part := piece.partition(b"\r\n")[2])]
    return _by_name([_named_part(number, part) for number, part in enumerate(parts)])


def _named_part(number: int, part: bytes) -> tuple[str, Any]:
    """A part's name, else its number; and what it holds."""
    raw, _, content = (b"\r\n" + part).partition(b"\r\n\r\n")
    head = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(raw.lstrip()[:_MOST_HEAD])
    name = head.get_param("name", header="content-disposition")
    kind = head.get_content_type()
    return (
        name if isinstance(name, str) else str(number),
        {"filename": head.get_filename(), "type": kind, "content": _part(content, kind)},
    )


def _part(content: bytes, kind: str) -> Any:
    if _is_json(kind, content):
        try:
            return documents.parse(content)
        except ValueError:
            pass
    text = text_of(content, kind)
    return text if text is not None else content.decode("latin-1")


def _is_json(kind: str, content: bytes) -> bool:
    return "json" in kind or content.lstrip()[:1] in (b"{", b"[")


def _is_lines(kind: str, content: bytes) -> bool:
    return any(name in kind for name in ("ndjson", "jsonl", "json-seq", "json")) and b"\n" in content.strip()


def _is_xml(kind: str, content: bytes) -> bool:
    return ("xml" in kind and "xhtml" not in kind) or (not kind and content.lstrip().startswith(b"<?xml"))


def _form(content: bytes, kind: str) -> Any:
    text = content.decode(charset(kind))
    return _by_name(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))


type _Told = Callable[[str, bytes], bool]
type _Read = Callable[[bytes, str], Any]


def _named(part: str) -> _Told:
    """Whether the media type says so."""
    return lambda kind, _: part in kind


_FORMATS: tuple[tuple[str, _Told, _Read], ...] = (
    ("json", _is_json, lambda content, _: documents.parse(content)),
    ("ndjson", _is_lines, lambda content, _: _ndjson(content)),
    ("events", _named("event-stream"), lambda content, _: _events(content)),
    ("form", _named("x-www-form-urlencoded"), _form),
    ("multipart", _named("multipart/"), _multipart),
    ("xml", _is_xml, lambda content, _: xml_tree(content)),
    ("html", _named("html"), lambda content, kind: html_tree(content, charset(kind))),
    ("grpc", _named("application/grpc"), lambda content, _: grpc_tree(content)),
)
"""What a body may be: how that is told, and how it is read; the first that can be read counts."""


def leaves(tree: Any) -> list[tuple[str, Any]]:
    """Every scalar of a tree, with its template."""
    found: list[tuple[str, Any]] = []
    left: list[tuple[str, Any]] = [("$", tree)]
    while left:
        template, value = left.pop()
        if isinstance(value, dict):
            left.extend((template + name_segment(name), member) for name, member in value.items())
        elif isinstance(value, list):
            left.extend((f"{template}[*]", item) for item in value)
        else:
            found.append((template, value))
    return found
