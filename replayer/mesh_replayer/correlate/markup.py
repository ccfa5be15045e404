"""Values that a page hands to the next request: hidden inputs, meta tags, links and forms. Pure."""

import re
from collections.abc import Iterator
from html import unescape

MOST_TAGS = 2_000
_TAG = re.compile(r"<(input|meta|a|form|button)\b([^<>]{0,4096})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""([A-Za-z_:][A-Za-z0-9_:.-]{0,63})\s*=\s*(?:"([^"]{0,4096})"|'([^']{0,4096})'|([^\s"'>]{1,4096}))"""
)


def handed_on(text: str) -> Iterator[tuple[str, str, int, str]]:
    """Kind, name, the how manieth of that name, and value of each."""
    seen: dict[tuple[str, str], int] = {}
    for number, match in enumerate(_TAG.finditer(text)):
        if number >= MOST_TAGS:
            return
        kind = match[1].lower()
        attributes = {
            found[1].lower(): unescape(found[2] or found[3] or found[4] or "")
            for found in _ATTRIBUTE.finditer(match[2])
        }
        name, value = _named(kind, attributes)
        if value:
            at = seen[kind, name] = seen.get((kind, name), -1) + 1
            yield kind, name, at, value


def _named(kind: str, attributes: dict[str, str]) -> tuple[str, str]:
    if kind in ("input", "button"):
        return attributes.get("name", ""), attributes.get("value", "")
    if kind == "meta":
        return attributes.get("name") or attributes.get("property", ""), attributes.get("content", "")
    return "", attributes.get("href" if kind == "a" else "action", "")
