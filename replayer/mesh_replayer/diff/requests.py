"""Two recorded requests compared, for two exchanges that are laid side by side. Pure."""

from collections.abc import Iterator

from msgspec import structs

from mesh_core.model import Bodies, Exchange
from mesh_replayer.diff.bodies import compare_bodies, read_body
from mesh_replayer.diff.difference import Difference, Kind, Where
from mesh_replayer.diff.headers import compare_fields

_IN_REQUEST = {
    Where.HEADER: Where.REQUEST_HEADER,
    Where.TRAILER: Where.REQUEST_TRAILER,
    Where.BODY: Where.REQUEST_BODY,
}


def compare_requests(one: Exchange, other: Exchange, bodies: Bodies) -> tuple[Difference, ...]:
    """What was asked differently: method, path, headers that matter, trailers, body."""
    return tuple(_differences(one, other, bodies))


def _differences(one: Exchange, other: Exchange, bodies: Bodies) -> Iterator[Difference]:
    for where, then, now in (
        (Where.METHOD, one.method, other.method),
        (Where.PATH, one.path, other.path),
    ):
        if then != now:
            yield Difference(where=where, kind=Kind.VALUE, recorded=then, replayed=now)
    headers, _ = compare_fields(one.request_headers, other.request_headers, Where.HEADER)
    trailers, _ = compare_fields(one.request_trailers, other.request_trailers, Where.TRAILER)
    body, _ = compare_bodies(read_body(one.request_body, bodies), read_body(other.request_body, bodies))
    for difference in (*headers, *trailers, *body):
        yield structs.replace(difference, where=_IN_REQUEST[difference.where])
