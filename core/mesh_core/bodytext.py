"""What a body says as text: out of its encoding and charset, never beyond a bound. Pure."""

import codecs
import re

from mesh_core.encoding import decoded
from mesh_core.model import Bodies, BodyRef

MOST_TEXT = 4 * 1024 * 1024
"""Bytes of a decoded body that are shown or searched."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_CHARSETS = frozenset(
    {
        "utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso8859-1", "iso8859-2", "iso8859-5",
        "iso8859-15", "cp1250", "cp1251", "cp1252", "koi8-r", "gbk", "gb2312", "gb18030", "big5", "shift_jis",
        "euc_jp", "euc_kr", "iso2022_jp",
    }
)  # fmt: skip
"""Python's names of the charsets that are believed; a codec named by a stranger may be anything."""


def body_content(ref: BodyRef | None, bodies: Bodies, *, limit: int = MOST_TEXT) -> bytes | None:
    """The first `limit` bytes of a body, decoded; None where there is none, or it cannot be decoded."""
    stored = None if ref is None else bodies.get(ref.hash)
    if ref is None or stored is None:
        return None
    return decoded(stored, None if ref.decoded else ref.content_encoding, limit=limit)


def body_text(ref: BodyRef | None, bodies: Bodies, *, limit: int = MOST_TEXT) -> str | None:
    """The text of a body; None where it has none, or is no text in the charset that it names.

    A character that was cut in two at the end is left out.
    """
    content = body_content(ref, bodies, limit=limit)
    if ref is None or content is None:
        return None
    whole = not ref.truncated and len(content) < limit
    try:
        return codecs.getincrementaldecoder(charset(ref.content_type))().decode(content, final=whole)
    except UnicodeError:
        return None


def searchable_text(ref: BodyRef | None, bodies: Bodies) -> str:
    """The text that a search for `body~…` looks at; what is no text in it is replaced by U+FFFD."""
    content = body_content(ref, bodies)
    if ref is None or not content:
        return ""
    return content.decode(charset(ref.content_type), "replace")


def charset(content_type: str | None) -> str:
    """The charset that a content type names, where it is a common one; else UTF-8."""
    named = _CHARSET.search(content_type or "")
    try:
        name = codecs.lookup(named[1]).name if named else "utf-8"
    except LookupError:
        return "utf-8"
    return name if name in _CHARSETS else "utf-8"
