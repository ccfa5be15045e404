"""The switch that leaves a plain relay, in each lane."""

from pathlib import Path

from support.rig import rig, run
from support.talk import answering, client, get, ok, upstream


def test_no_header_is_changed_while_it_is_on_and_the_gap_is_counted(tmp_path: Path) -> None:
    """Case R43: on one connection, before, while and after."""

    async def scenario() -> None:
        async with upstream(answering(ok())) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                for number, (path, on) in enumerate(
                    ((b"/before", False), (b"/while", True), (b"/after", False))
                ):
                    await running.sidecar.bypass(on)
                    await talk.say(get(path))
                    await talk.until(b"hello", count=number + 1)
            counters = await running.stop()

        before, during, after = server.heard.split(b"\r\n\r\n")[:3]
        assert b"x-request-id" in before.lower()
        assert during + b"\r\n\r\n" == get(b"/while")
        assert b"x-request-id" in after.lower()
        assert (counters.offered, counters.stored, dict(counters.dropped)) == (3, 2, {"bypass": 1})
        assert sorted(exchange.path for exchange in running.store.exchanges) == ["/after", "/before"]
        gaps = [frame.gap for segment in running.store.segments for frame in segment.frames if frame.gap]
        assert [(gap.reason, gap.count) for gap in gaps] == [("bypass", 1)]

    run(scenario)


def test_what_began_before_it_was_off_again_is_not_recorded(tmp_path: Path) -> None:
    """A request that was partly unseen is a gap, and no exchange."""

    async def scenario() -> None:
        async with upstream(answering(ok())) as server, rig(tmp_path, server.port) as running:
            async with client(running.inbound) as talk:
                await running.sidecar.bypass(True)
                whole = get(b"/long", b"Content-Length: 2")
                await talk.say(whole)
                await talk.until(b"hello")
                await running.sidecar.bypass(False)
                await talk.say(b"xy")
            counters = await running.stop()

        assert dict(counters.dropped) == {"bypass": 1}
        assert counters.stored == 0

    run(scenario)
