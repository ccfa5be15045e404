"""Hide secrets of an exchange before anything touches a disk. Pure.

1. A value becomes a token of ours in the form of its class; equal values become equal tokens wherever they
   stand, under one key.
2. What is a token of ours already stays as it is, so that a replayed recording keeps its tokens.
3. Names, order, schemes and attributes stay: only the value that is the secret is replaced.
4. Headers that carry a trace or a request's id are never touched.
5. What cannot be looked through is dropped and marked, never kept raw.
"""

import dataclasses
from collections import Counter
from typing import Any

from msgspec import structs

from mesh_core.config import Redact, RedactMode
from mesh_core.masks import path_template
from mesh_core.model import Bodies, BodyRef, Exchange, Headers, Redaction
from mesh_core.redact.bodies import hide_body
from mesh_core.redact.fields import hide_query
from mesh_core.redact.headers import hide_headers
from mesh_core.redact.json_text import hide_json
from mesh_core.redact.messages import hide_messages
from mesh_core.redact.named import credential
from mesh_core.redact.rules import Rules
from mesh_core.redact.sweep import MOST_WORK, Sweep, Unreadable
from mesh_core.redact.tokens import Tokens
from mesh_core.redact.values import coded, look_through, tells_nothing

type _Counts = Counter[str]

_HEADERS = ("request_headers", "response_headers", "request_trailers", "response_trailers")


class Redactor:
    """Replaces secrets by tokens that are keyed to a project."""

    def __init__(
        self,
        key: bytes | None,
        mode: RedactMode = RedactMode.DEFAULT,
        redact: Redact | None = None,
        *,
        closely: bool = False,
    ) -> None:
        """Make a redactor.

        Args:
            key: the project's; None gives tokens that are equal for all values of a class.
            mode: `off` leaves everything as it is; `allowlist` keeps nothing but what is named.
            redact: what the project names; its mode counts less than `mode`.
            closely: look closely also where a screen proves that nothing is there; the outcome is the same.
        """
        self._off = mode is RedactMode.OFF
        self._tokens = Tokens(key)
        self._rules = Rules(dataclasses.replace(redact or Redact(), mode=mode), closely=closely)

    def apply(self, exchange: Exchange, bodies: Bodies) -> tuple[Exchange, Bodies]:
        """The exchange and its bodies without secrets, and how many were replaced by which rule.

        Both are the same objects where there was nothing to hide.
        """
        if self._off:
            return exchange, bodies
        sweep = self._sweep(trace=exchange.trace_id.encode())
        changed: dict[str, Any] = {}
        for name in _HEADERS:
            before: Headers = getattr(exchange, name)
            if before and (after := hide_headers(sweep, before)) is not before:
                changed[name] = after
        changed |= _lines(sweep, exchange)
        sweep.left = MOST_WORK
        if exchange.messages and (messages := hide_messages(sweep, exchange)) is not exchange.messages:
            changed["messages"] = messages
        kept = _bodies(sweep, exchange, bodies, changed)
        if not changed:
            return exchange, bodies
        return structs.replace(exchange, **changed, redactions=_sum(exchange, sweep.counts)), kept

    def text(self, text: str) -> str:
        """A message for people or a log, without secrets that can be told as such."""
        return text if self._off else _text(self._sweep(), text)

    def headers(self, headers: Headers, counts: _Counts) -> Headers:
        """The fields without secrets; the same object where there was none. Counts by rule."""
        return hide_headers(self._sweep(counts=counts), headers)

    def token(self, value: bytes) -> bytes:
        """What stands for a credential, which must not be empty."""
        return credential(self._sweep(), value, "header")

    def _sweep(self, *, trace: bytes = b"", counts: _Counts | None = None) -> Sweep:
        return Sweep(self._tokens, self._rules, hide_json, trace, Counter() if counts is None else counts)


def _lines(sweep: Sweep, exchange: Exchange) -> dict[str, Any]:
    """What changed in the request's and the status line, and in the error."""
    nothing = _tell_nothing(sweep, exchange)
    changed: dict[str, Any] = {}
    if (path := _path(sweep, exchange.path, nothing=nothing)) != exchange.path:
        changed["path"] = path
    if exchange.error is not None and (error := _text(sweep, exchange.error)) != exchange.error:
        changed["error"] = error
    if nothing and "@" not in exchange.authority and not coded(_others(exchange)):
        return changed
    if (authority := _authority(sweep, exchange.authority, nothing=nothing)) != exchange.authority:
        changed["authority"] = authority
    for name in ("method", "reason", "peer"):
        before = (getattr(exchange, name) or "").encode("utf-8", "surrogateescape")
        if not (nothing and not coded(before)) and (after := _looked(sweep, before)) != before:
            changed[name] = after.decode("utf-8", "surrogateescape")
    return changed


def _others(exchange: Exchange) -> bytes:
    """The rest of what the first lines of a message tell, a line each."""
    lines = f"{exchange.reason}\n{exchange.authority}\n{exchange.method}\n{exchange.peer or ''}"
    return lines.encode("utf-8", "surrogateescape")


def _tell_nothing(sweep: Sweep, exchange: Exchange) -> bool:
    """Whether it is proven of all but the error together that they hold no secret, unless encoded."""
    path = exchange.path
    if sweep.rules.only_named or "%" in path or "+" in path:
        return False
    return tells_nothing(sweep, path.encode("utf-8", "surrogateescape") + b"\n" + _others(exchange))


def _authority(sweep: Sweep, authority: str, *, nothing: bool) -> str:
    """Host and port; what stands before an `@` is hidden whole."""
    before = authority.encode("latin-1")
    user, at, host = before.rpartition(b"@")
    if not nothing or coded(host):
        host = _looked(sweep, host)
    after = sweep.hide("secret", user, "userinfo") + at + host
    return authority if after == before else after.decode("latin-1")


def _path(sweep: Sweep, path: str, *, nothing: bool) -> str:
    """A request's target: segments by their form, the query by its keys.

    Where `nothing` is told by names or forms, only what is encoded is looked for.
    """
    head, mark, query = path.encode("latin-1").partition(b"?")
    if not nothing or coded(head):
        head = _looked(sweep, head)
    if sweep.rules.only_named:
        head = _unnamed_segments(sweep, head)
    if query and (not nothing or coded(query)):
        try:
            query = hide_query(sweep, query)
        except Unreadable:
            query = sweep.hide("deep", query)
    return (head + mark + query).decode("latin-1")


def _looked(sweep: Sweep, raw: bytes) -> bytes:
    """The value without secrets; hidden whole where it cannot be looked through."""
    try:
        return look_through(sweep, raw)
    except Unreadable:
        return sweep.hide("deep", raw)


def _unnamed_segments(sweep: Sweep, head: bytes) -> bytes:
    """The segments that look like ids, where only what is named may stay."""
    if head.startswith((b"http://", b"https://")):
        return head
    parts = head.split(b"/")
    shown = path_template(head.decode("latin-1")).split("/")
    if len(parts) != len(shown):
        return b"/".join(sweep.hide("unnamed", part) for part in parts)
    pairs = zip(parts, shown, strict=True)
    return b"/".join(sweep.hide("unnamed", part) if "{id}" in mask else part for part, mask in pairs)


def _text(sweep: Sweep, text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    after = _looked(sweep, raw)
    return text if after == raw else after.decode("utf-8", "surrogateescape")


def _bodies(sweep: Sweep, exchange: Exchange, bodies: Bodies, changed: dict[str, Any]) -> Bodies:
    """The stored bytes of both bodies; references that changed are added to `changed`."""
    kept: dict[str, bytes] = {}
    for name, headers in (
        ("request_body", exchange.request_headers),
        ("response_body", exchange.response_headers),
    ):
        ref: BodyRef | None = getattr(exchange, name)
        if ref is None or ref.hash not in bodies:
            continue
        after, raw = hide_body(sweep, ref, bodies[ref.hash], headers)
        kept[after.hash] = raw
        if after is not ref:
            changed[name] = after
    return kept if changed.keys() & {"request_body", "response_body"} else bodies


def _sum(exchange: Exchange, counts: _Counts) -> tuple[Redaction, ...]:
    total: dict[str, int] = counts
    if exchange.redactions:
        total = counts.copy()
        for before in exchange.redactions:
            total[before.rule] = total.get(before.rule, 0) + before.count
    return tuple([Redaction(rule=rule, count=total[rule]) for rule in sorted(total) if total[rule]])
