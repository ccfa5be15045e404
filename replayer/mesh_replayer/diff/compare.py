"""Two exchanges' responses compared: status, headers that matter, trailers, body. Pure."""

from dataclasses import dataclass

from mesh_core.model import Bodies, Exchange
from mesh_replayer.diff.bodies import compare_bodies
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
        """Whether any difference is not noise."""
        return any(difference.noise is None for difference in self.differences)


def compare(recorded: Exchange, replayed: Exchange, bodies: Bodies) -> Comparison:
    """Compare two responses.

    Args:
        recorded: the one that is expected.
        replayed: the one that is judged.
        bodies: the stored bytes of both, by hash.
    """
    found: list[Difference] = []
    for where, then, now in (
        (Where.STATUS, recorded.status, replayed.status),
        (Where.GRPC_STATUS, recorded.grpc_status, replayed.grpc_status),
    ):
        if then != now:
            found.append(Difference(where=where, kind=Kind.VALUE, recorded=then, replayed=now))
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
    body, left_out_body = compare_bodies(recorded.response_body, replayed.response_body, bodies)
    return Comparison(
        differences=(*found, *headers, *trailers, *body),
        left_out=tuple(dict.fromkeys([*left_out, *left_out_trailers, *left_out_body])),
    )
