import asyncio
from pathlib import Path

from mesh_core.model import Lane
from mesh_recorder.lanes import lane_names, lanes, loop_factory
from mesh_recorder.settings import Endpoint, Listen, SidecarSettings, UpstreamPort


def settings(**changes: object) -> SidecarSettings:
    given: dict[str, object] = {
        "service": "cart",
        "instance": "cart-1",
        "app": Endpoint(host="127.0.0.1", port=1),
        "inbound": Listen(),
        "outbound": Listen(),
        "upstreams": (UpstreamPort(name="tax", listen=Listen(), target=Endpoint(host="tax", port=80)),),
        "ca_dir": Path("ca"),
        "spool_dir": Path("spool"),
        "store": "none",
        "lane": Lane.WIRE,
    }
    return SidecarSettings(**(given | changes))  # type: ignore[arg-type]  # as a test gives them


def test_the_wire_lane_carries_plain_text() -> None:
    found = settings()

    assert set(lanes(found).values()) == {Lane.WIRE}
    assert lane_names(found) == "wire"


def test_mitmproxy_carries_what_ends_or_opens_tls() -> None:
    secure = Endpoint(scheme="https", host="tax", port=443)
    upstreams = (UpstreamPort(name="tax", listen=Listen(), target=secure),)

    assert lanes(settings(cert=Path("cert"))) == {
        "inbound": Lane.MITMPROXY,
        "outbound": Lane.WIRE,
        "upstream:tax": Lane.WIRE,
    }
    assert lanes(settings(app=secure))["inbound"] is Lane.MITMPROXY
    assert lanes(settings(intercept=("bank",)))["outbound"] is Lane.MITMPROXY
    assert lanes(settings(intercept_all=True))["outbound"] is Lane.MITMPROXY
    assert lanes(settings(upstreams=upstreams))["upstream:tax"] is Lane.MITMPROXY
    assert lane_names(settings(cert=Path("cert"))) == "mitmproxy and wire"


def test_mitmproxy_carries_all_where_it_is_asked_for() -> None:
    found = settings(lane=Lane.MITMPROXY)

    assert set(lanes(found).values()) == {Lane.MITMPROXY}


def test_a_loop_can_be_made() -> None:
    factory = loop_factory() or asyncio.new_event_loop
    loop = factory()
    loop.close()
    assert loop.is_closed()
