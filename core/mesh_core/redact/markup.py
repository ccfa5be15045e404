"""XML and HTML: elements and attributes by name, all other text by form. Pure.

Tags are looked at one after the other; nothing is parsed into a tree, and no entity is expanded
but characters.
"""

import html
import re

from mesh_core.redact.named import named
from mesh_core.redact.names import KeyKind, key_kind
from mesh_core.redact.streams import OURS_LAST
from mesh_core.redact.sweep import LOOKING, Sweep
from mesh_core.redact.values import look_through

_TOKEN = re.compile(
    rb"<!\[CDATA\[(?:(?!\]\]>).)*(?:\]\]>)?|<!--(?:(?!-->).)*(?:-->)?|<[^<>]*>?|[^<]+", re.DOTALL
)
_ATTRIBUTE = re.compile(rb"(?<![\w:.-])([\w:.-]{1,128})(\s{0,8}=\s{0,8})(?:\"([^\"]*)\"|'([^']*)')")
_TAG = re.compile(rb"<(/?)([\w.-]{1,128}:)?([\w.-]{1,128})")
_NAMING = frozenset({b"name", b"key", b"id", b"property"})
_VALUE = frozenset({b"value", b"content"})
_VOID = frozenset({b"input", b"meta", b"br", b"img", b"link", b"hr"})
_BELOW = frozenset({KeyKind.SECRET, KeyKind.FEW})


type _Kinds = list[KeyKind | None]
"""For each open element, what its name says of its text."""


def hide_markup(sweep: Sweep, raw: bytes, *, cut: bool = False) -> bytes:
    """A document without secrets; of one that was cut off, what follows its last whole tag goes."""
    if cut and not OURS_LAST.search(raw, max(0, len(raw) - 64)):
        raw = raw[: raw.rfind(b">") + 1]
    kinds: _Kinds = [None]
    return b"".join([_hidden(sweep, match[0], kinds) for match in _TOKEN.finditer(raw)])


def _hidden(sweep: Sweep, token: bytes, kinds: _Kinds) -> bytes:
    sweep.spend(LOOKING)
    if token.startswith(b"<![CDATA["):
        end = b"]]>" if token.endswith(b"]]>") else b""
        inner = token[9 : len(token) - len(end)]
        return token[:9] + _text(sweep, inner, kinds[-1], escape=False) + end
    if token.startswith((b"<!", b"<?")):
        return look_through(sweep, token)
    if token.startswith(b"<"):
        return _tag(sweep, token, kinds)
    return _text(sweep, token, kinds[-1], escape=True)


def _text(sweep: Sweep, token: bytes, kind: KeyKind | None, *, escape: bool) -> bytes:
    bare = token.strip()
    if not bare:
        return token
    before = _unescaped(bare) if escape and b"&" in bare else bare
    after = named(sweep, kind, before, "xml") if kind is not None else None
    if after is None:
        after = look_through(sweep, before)
        if after == before and sweep.rules.only_named:
            after = sweep.hide("unnamed", before)
    if after == before:
        return token
    return token.replace(bare, _escaped(after) if escape else after, 1)


def _tag(sweep: Sweep, token: bytes, kinds: _Kinds) -> bytes:
    match = _TAG.match(token)
    if match is None:
        return look_through(sweep, token)
    if match[1]:
        if len(kinds) > 1:
            kinds.pop()
    elif (shown := look_through(sweep, match[3])) != match[3]:
        return token.replace(match[3], shown)
    elif not token.endswith(b"/>") and match[3].lower() not in _VOID:
        above = kinds[-1]
        kinds.append(key_kind(match[3]) or (above if above in _BELOW else None))
    return _attributes(sweep, token) if b"=" in token else token


def _attributes(sweep: Sweep, token: bytes) -> bytes:
    """By an attribute's own name, or by `name="password" value="…"`."""
    said = next((m[3] or m[4] or b"" for m in _ATTRIBUTE.finditer(token) if m[1].lower() in _NAMING), b"")

    def attribute(match: re.Match[bytes]) -> bytes:
        quote = b'"' if match[3] is not None else b"'"
        raw = match[3] if match[3] is not None else match[4]
        before = _unescaped(raw) if b"&" in raw else raw
        name = match[1].rpartition(b":")[2]
        kind = key_kind(said) if name.lower() in _VALUE and said else key_kind(name)
        after = named(sweep, kind, before, "xml") if kind is not None else None
        after = look_through(sweep, before) if after is None else after
        return match[0] if after == before else match[1] + match[2] + quote + _escaped(after) + quote

    return _ATTRIBUTE.sub(attribute, token)


def _unescaped(raw: bytes) -> bytes:
    return html.unescape(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogatepass")


def _escaped(raw: bytes) -> bytes:
    return html.escape(raw.decode("utf-8", "replace")).encode("utf-8", "replace")
