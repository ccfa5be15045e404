"""Health probes: what is one, and what only looks like one."""

import pytest

from mesh_core.probes import DEFAULT, parse_probes
from support.recorded import an_exchange

KUBE = ((b"Host", b"a"), (b"User-Agent", b"kube-probe/1.31"))


@pytest.mark.parametrize(
    ("changes", "probe"),
    [
        ({"path": "/healthz"}, True),
        ({"path": "/healthz?verbose=1", "method": "HEAD"}, True),
        ({"path": "/healthz/deep"}, False),
        ({"path": "/health", "method": "POST"}, False),
        ({"path": "/grpc.health.v1.Health/Check", "method": "POST"}, True),
        ({"path": "/", "request_headers": KUBE}, True),
        ({"path": "/", "request_headers": ((b"user-agent", b"my kube-probe/1"),)}, False),
    ],
)
def test_what_is_known_by_itself(changes: dict[str, object], probe: bool) -> None:
    assert parse_probes([DEFAULT]).match(an_exchange(**changes)) is probe


def test_a_list_stands_for_itself() -> None:
    ours = parse_probes(["/internal/ping*", "agent:bot/"])

    assert ours.match(an_exchange(path="/internal/ping/deep"))
    assert ours.match(an_exchange(request_headers=((b"User-Agent", b"bot/2"),)))
    assert not ours.match(an_exchange(path="/healthz"))
    assert not parse_probes([]).match(an_exchange(path="/healthz"))


@pytest.mark.parametrize("rule", ["healthz", "/*", "/a*b*", "agent:", ""])
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="/path"):
        parse_probes([rule])
