"""Two exchanges' responses compared: status, headers that matter, trailers, body. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from mesh_core.model import Bodies, Exchange
from mesh_replayer.diff.bodies import Body, compare_bodies, read_body
from mesh_replayer.diff.difference import Difference, Kind, Where
from mesh_replayer.diff.headers import LeftOut, compare_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is not the same, and what was not looked at."""

    differences: tuple[Difference, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    """What is not the same either, and is not counted."""

    @property
    def matters(self) -> bool:
        """Whether any difference is certain to mean something."""
        return any(difference.counts for difference in self.differences)

    @property
    def unsure(self) -> bool:
        """Whether of any difference it is not known if it means something."""
        return any(difference.unsure is not None for difference in self.differences)


@dataclass(frozen=True, slots=True)
class Response:
    """A response, read once for several comparisons."""

    exchange: Exchange
    body: Body


def read_response(exchange: Exchange, bodies: Bodies) -> Response:
    """Read a response; its body is looked up by hash."""
    return Response(exchange, read_body(exchange.response_body, bodies))


def compare(recorded: Exchange, replayed: Exchange, bodies: Bodies) -> Comparison:
    """Compare two responses.

    Args:
        recorded: the one that is expected.
        replayed: the one that is judged.
        bodies: the stored bytes of both, by hash.
    """
    return compare_responses(read_response(recorded, bodies), read_response(replayed, bodies))


def compare_responses(then: Response, now: Response, noisy: Collection[str] = ()) -> Comparison:
    """Compare two responses that were read.

    Args:
        then: the one that is expected.
        now: the one that is judged.
        noisy: templates of places in the body that are known to vary.
    """
    recorded, replayed = then.exchange, now.exchange
    found: list[Difference] = []
    for where, old, new in (
        (Where.STATUS, recorded.status, replayed.status),
        (Where.GRPC_STATUS, recorded.grpc_status, replayed.grpc_status),
    ):
        if old != new:
            found.append(Difference(where=where, kind=Kind.VALUE, recorded=old, replayed=new))
    if recorded.status is None or replayed.status is None:
        return Comparison(differences=tuple(found))
    headers, left_out = compare_fields(
        recorded.response_headers,
        replayed.response_headers,
        Where.HEADER,
        without_body=recorded.method.upper() == "HEAD",
    )
    trailers, left_out_trailers = compare_fields(
        recorded.response_trailers, replayed.response_trailers, Where.TRAILER
    )
    body, left_out_body = compare_bodies(then.body, now.body, noisy)
    return Comparison(
        differences=(*found, *headers, *trailers, *body),
        left_out=tuple(dict.fromkeys([*left_out, *left_out_trailers, *left_out_body])),
    )
