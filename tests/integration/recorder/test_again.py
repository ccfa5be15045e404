"""A request id is used again, by another client, a day later: two traces, in either kind of store."""

from pathlib import Path
from typing import Any

import pytest

from mesh_core.config import RedactMode
from mesh_core.trace import Completeness
from mesh_recorder.addons import recording
from mesh_recorder.settings import Endpoint, Listen, SidecarSettings
from mesh_recorder.sidecar import Sidecar
from mesh_recorder.wire import desk
from mesh_store.store import open_store
from support.chaos import Steps
from support.lanes import in_use
from support.rig import KEY, run
from support.talk import answering, client, get, ok, upstream


def test_a_request_id_that_is_used_again_a_day_later_is_another_trace(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case R40."""
    steps = Steps(recording.time)
    steps.hours = -24

    async def scenario() -> None:
        for module in (recording, desk):
            monkeypatch.setattr(module, "time", steps)
        async with upstream(answering(ok())) as server:
            settings: dict[str, Any] = {
                "app": Endpoint(host="127.0.0.1", port=server.port), "inbound": Listen(),
                "ca_dir": tmp_path / "ca", "spool_dir": tmp_path / "spool", "store": store_url,
                "redact_key": KEY, "redact_mode": RedactMode.OFF, "lane": in_use.get(),
            }  # fmt: skip
            sidecar = Sidecar(SidecarSettings(service="cart", instance="cart-1", **settings))
            listening = await sidecar.start()
            assert listening.inbound is not None
            for path in (b"/first", b"/again"):
                async with client(listening.inbound.port) as talk:
                    await talk.say(get(path, b"X-Request-Id: order-17"))
                    await talk.until(b"hello")
                steps.hours += 24
            assert (await sidecar.stop()).stored == 2

    run(scenario)

    with open_store(store_url) as store:
        trace = store.trace(store.trace_named("order-17"))
    assert trace is not None
    assert [exchange.path for exchange in trace.exchanges] == ["/again"]
    assert (trace.used_again, trace.parents) == (1, {})
    assert trace.completeness is Completeness.COMPLETE
