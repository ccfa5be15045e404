"""What a request goes on with."""

from mesh_core.model import Headers
from mesh_core.tracecontext import read, trace_id_of_request_id
from mesh_recorder.marking import Marked, mark
from mesh_recorder.settings import TraceHeaders

ID = "0190a5d4c6b87c1d9e2f3a4b5c6d7e8f"
PARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
B3 = (b"b3", b"80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0")


def marked(
    *received: tuple[bytes, bytes], mode: TraceHeaders = TraceHeaders.LINK, strangers: bool = False
) -> Marked:
    return mark(tuple(received), ID, mode=mode, strangers=strangers, fresh_id=lambda: "fresh")


def test_with_a_traceparent_only_our_member_is_added() -> None:
    assert marked(PARENT).forwarded == (PARENT, (b"tracestate", b"mesh=" + ID.encode()))


def test_without_any_context_a_request_id_is_added() -> None:
    result = marked((b"Host", b"a"))

    assert result.forwarded == ((b"Host", b"a"), (b"x-request-id", b"fresh"))
    assert result.made == "fresh"


def test_other_context_is_left_as_it_is() -> None:
    received: Headers = (B3,)

    assert marked(*received).forwarded == received


def test_never_returns_the_very_same_fields() -> None:
    received: Headers = (PARENT, (b"tracestate", b"mesh=" + b"1" * 32))

    result = mark(received, ID, mode=TraceHeaders.NEVER, strangers=True, fresh_id=str)

    assert result.forwarded is received
    assert result.found.claim is None


def test_always_follows_the_trace_that_came() -> None:
    context = read(marked(B3, mode=TraceHeaders.ALWAYS).forwarded).best

    assert context is not None
    assert context.trace_id == "80f198ee56343ba864fe8b2a57d3eff7"
    assert context.sampled is False


def test_always_makes_one_of_the_request_id() -> None:
    context = read(marked((b"x-request-id", b"17"), mode=TraceHeaders.ALWAYS).forwarded).best

    assert context is not None
    assert context.trace_id == trace_id_of_request_id("17")


def test_strangers_claims_are_dropped_and_ours_takes_their_place() -> None:
    result = marked(PARENT, (b"tracestate", b"a=1,mesh=" + b"1" * 32), strangers=True)

    assert result.found.claim is None
    assert result.forwarded[1] == (b"tracestate", b"mesh=" + ID.encode() + b",a=1")
