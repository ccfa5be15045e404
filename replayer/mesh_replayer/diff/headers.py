"""Headers that matter, and which are left out and why. Pure.

1. A name counts once, whatever its case; the order of different names means nothing.
2. Values of one name are a list, in one field or several; `set-cookie` is never joined.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mesh_core.model import Headers
from mesh_replayer.diff.difference import Difference, Kind, Where

_CONNECTION = "belongs to the connection"
_TRACE = "names the trace, which is a new one"
_MEASURED = "is a time that was measured"
_CODING = "bodies are compared decoded"
_LEFT_OUT = {
    b"date": "is the time of the answer",
    b"age": "is the time of the answer",
    **dict.fromkeys(
        (
            b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
            b"upgrade",
        ),
        _CONNECTION,
    ),
    **dict.fromkeys((b"via", b"alt-svc"), "is a proxy's"),
    **dict.fromkeys((b"content-length", b"content-encoding"), _CODING),
    **dict.fromkeys(
        (
            b"traceparent", b"tracestate", b"traceresponse", b"b3", b"uber-trace-id", b"sentry-trace",
            b"x-cloud-trace-context", b"x-amzn-trace-id", b"grpc-trace-bin", b"x-request-id", b"request-id",
            b"x-correlation-id", b"x-trace-id", b"trace-id",
        ),
        _TRACE,
    ),
    **dict.fromkeys(
        (
            b"server-timing", b"x-response-time", b"x-runtime", b"x-process-time",
            b"x-envoy-upstream-service-time",
        ),
        _MEASURED,
    ),
}  # fmt: skip
_LEFT_OUT_PREFIXES = ((b"x-b3-", _TRACE), (b"x-datadog-", _TRACE))
_WITHOUT_BODY = frozenset({b"content-length", b"content-encoding"})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was not compared."""

    what: str
    why: str


def compare_fields(
    recorded: Headers, replayed: Headers, where: Where, *, without_body: bool = False
) -> tuple[list[Difference], list[LeftOut]]:
    """The differences between two header or trailer sections, and what of them is left out.

    Args:
        recorded: fields then.
        replayed: fields now.
        where: header or trailer.
        without_body: the answer has no body (HEAD), so that its length and coding matter here.
    """
    old, new = _lists(recorded), _lists(replayed)
    connection = _connection_tokens(old) | _connection_tokens(new)
    found: list[Difference] = []
    left_out: list[LeftOut] = []
    for name in dict.fromkeys([*old, *new]):
        why = _CONNECTION if name in connection else _why(name)
        if why is not None and not (without_body and name in _WITHOUT_BODY):
            if old.get(name) != new.get(name):
                left_out.append(LeftOut(name.decode("latin-1"), why))
            continue
        found.extend(_compare(name, old.get(name, []), new.get(name, []), where))
    return found, left_out


def _why(name: bytes) -> str | None:
    prefixed = next((why for prefix, why in _LEFT_OUT_PREFIXES if name.startswith(prefix)), None)
    return _LEFT_OUT.get(name, prefixed)


def _lists(fields: Headers) -> dict[bytes, list[bytes]]:
    lists: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        lists.setdefault(name.lower(), []).append(value)
    return lists


def _connection_tokens(fields: dict[bytes, list[bytes]]) -> set[bytes]:
    """Names of headers that `connection` says are for this hop alone."""
    return {token.lower() for token in _joined(fields.get(b"connection", []))}


def _compare(name: bytes, old: list[bytes], new: list[bytes], where: Where) -> Iterator[Difference]:
    if name == b"set-cookie":
        yield from _cookies(old, new, where)
    elif not old or not new or _joined(old) != _joined(new):
        yield _difference(name, old, new, where)


def _cookies(old: list[bytes], new: list[bytes], where: Where) -> Iterator[Difference]:
    """Cookies are joined by their name; the last of a name counts, as in a browser."""
    then, now = ({cookie.partition(b"=")[0].strip(): cookie for cookie in side} for side in (old, new))
    for name in dict.fromkeys([*then, *now]):
        if then.get(name) != now.get(name):
            there, here = ([side[name]] if name in side else [] for side in (then, now))
            template = f"set-cookie:{name.decode('latin-1')}"
            yield _difference(b"set-cookie", there, here, where, template)


def _joined(values: list[bytes]) -> list[bytes]:
    return [part.strip(b" \t") for value in values for part in value.split(b",")]


def _difference(
    name: bytes, old: list[bytes], new: list[bytes], where: Where, template: str | None = None
) -> Difference:
    kind = Kind.VALUE if old and new else Kind.MISSING if old else Kind.ADDED
    return Difference(
        where=where,
        kind=kind,
        path=name.decode("latin-1"),
        template=template or name.decode("latin-1"),
        recorded=b", ".join(old).decode("latin-1") if old else None,
        replayed=b", ".join(new).decode("latin-1") if new else None,
    )
