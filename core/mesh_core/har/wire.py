"""Bytes of the wire as JSON's text, and back. Pure."""

import re

from mesh_core.model import Headers

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)


def split_url(url: str) -> tuple[str, str, str] | None:
    """Scheme, authority and path of an absolute URL, as they stand; None where it is none."""
    match = _URL.fullmatch(url)
    return None if match is None else (match[1], match[2], match[3])


def latin(headers: Headers) -> list[tuple[str, str]]:
    """Fields as text: a character for each byte."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def wire_bytes(text: str) -> bytes:
    """The bytes of a text: latin-1, or UTF-8 where somebody typed what latin-1 has not."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
