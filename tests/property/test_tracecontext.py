"""What is written in a format is read back; and nothing that is read can make the reader fail."""

from hypothesis import given
from hypothesis import strategies as st

from mesh_core.model import Headers, TraceOrigin
from mesh_core.tracecontext import TraceContext, mesh_member, read, with_mesh_member, without_mesh_member
from mesh_core.tracecontext.b3 import format_b3, format_b3_multi
from mesh_core.tracecontext.datadog import format_datadog
from mesh_core.tracecontext.gcp import format_cloud_trace_context
from mesh_core.tracecontext.grpc import format_grpc_trace_bin
from mesh_core.tracecontext.jaeger import format_uber_trace_id
from mesh_core.tracecontext.sentry import format_sentry_trace
from mesh_core.tracecontext.w3c import format_traceparent
from mesh_core.tracecontext.xray import format_amzn_trace_id

TRACE_IDS = st.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}")
SPAN_IDS = st.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}")
DECISIONS = st.sampled_from([True, False, None])
NAMES = st.sampled_from(
    b"traceparent tracestate b3 X-B3-TraceId x-b3-spanid x-b3-sampled x-b3-flags uber-trace-id sentry-trace "
    b"x-datadog-trace-id x-datadog-parent-id x-datadog-tags grpc-trace-bin x-cloud-trace-context "
    b"x-amzn-trace-id x-request-id Host tracestates tracefather".split()
)
VALUES = st.one_of(
    st.binary(max_size=80),
    st.text("0123456789abcdef-:;=,/%? RotmeshSampld", max_size=80).map(str.encode),
    st.just(b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"),
    st.just(b"vendor=1,mesh=" + b"ab" * 16),
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=8).map(tuple)
EXCHANGE = "0197a3b0c1d27abc8def0123456789ab"


@given(TRACE_IDS, SPAN_IDS, DECISIONS)
def test_formats_that_can_leave_the_decision_open_come_back_whole(
    trace_id: str, span_id: str, sampled: bool | None
) -> None:
    def context(origin: TraceOrigin) -> TraceContext:
        return TraceContext(trace_id, span_id, sampled, origin)

    b3, sentry = context(TraceOrigin.B3), context(TraceOrigin.SENTRY)
    gcp, xray, grpc = context(TraceOrigin.GCP), context(TraceOrigin.XRAY), context(TraceOrigin.GRPC)
    assert read(((b"b3", format_b3(b3)),)).all == (b3,)
    assert read(format_b3_multi(b3)).all == (b3,)
    assert read(((b"sentry-trace", format_sentry_trace(sentry)),)).all == (sentry,)
    assert read(((b"x-cloud-trace-context", format_cloud_trace_context(gcp)),)).all == (gcp,)
    assert read(((b"x-amzn-trace-id", format_amzn_trace_id(xray)),)).all == (xray,)
    assert read(((b"grpc-trace-bin", format_grpc_trace_bin(grpc)),)).all == (grpc,)


@given(TRACE_IDS, SPAN_IDS, st.booleans())
def test_formats_that_always_decide_come_back_whole(trace_id: str, span_id: str, sampled: bool) -> None:
    w3c = TraceContext(trace_id, span_id, sampled, TraceOrigin.W3C)
    jaeger = TraceContext(trace_id, span_id, sampled, TraceOrigin.JAEGER)

    assert read(((b"traceparent", format_traceparent(w3c)),)).all == (w3c,)
    assert read(((b"uber-trace-id", format_uber_trace_id(jaeger)),)).all == (jaeger,)


@given(TRACE_IDS.filter(lambda trace_id: trace_id[16:].strip("0")), st.none() | SPAN_IDS, DECISIONS)
def test_datadog_comes_back_whole(trace_id: str, span_id: str | None, sampled: bool | None) -> None:
    context = TraceContext(trace_id, span_id, sampled, TraceOrigin.DATADOG)

    assert read(format_datadog(context)).all == (context,)


@given(TRACE_IDS, DECISIONS)
def test_formats_that_need_no_span_come_back_without_one(trace_id: str, sampled: bool | None) -> None:
    gcp = TraceContext(trace_id, None, sampled, TraceOrigin.GCP)
    xray = TraceContext(trace_id, None, sampled, TraceOrigin.XRAY)
    grpc = TraceContext(trace_id, None, sampled, TraceOrigin.GRPC)

    assert read(((b"x-cloud-trace-context", format_cloud_trace_context(gcp)),)).all == (gcp,)
    assert read(((b"x-amzn-trace-id", format_amzn_trace_id(xray)),)).all == (xray,)
    assert read(((b"grpc-trace-bin", format_grpc_trace_bin(grpc)),)).all == (grpc,)


@given(HEADERS)
def test_whatever_comes_in_is_read_into_well_formed_ids(headers: Headers) -> None:
    for context in read(headers).all:
        assert len(bytes.fromhex(context.trace_id)) == 16
        assert context.trace_id == context.trace_id.lower()
        assert context.trace_id.strip("0")
        assert context.span_id is None or (
            len(bytes.fromhex(context.span_id)) == 8 and context.span_id.strip("0")
        )


@given(HEADERS)
def test_our_member_is_read_back_or_nothing_changed(headers: Headers) -> None:
    changed = with_mesh_member(headers, EXCHANGE)

    assert changed is headers or mesh_member(changed) == EXCHANGE
    assert [pair for pair in changed if pair[0].lower() != b"tracestate"] == [
        pair for pair in headers if pair[0].lower() != b"tracestate"
    ]
    assert with_mesh_member(changed, EXCHANGE) == changed


@given(HEADERS)
def test_adding_our_member_changes_nobody_elses_context(headers: Headers) -> None:
    assert read(with_mesh_member(headers, EXCHANGE)).all == read(headers).all


@given(HEADERS)
def test_an_edge_leaves_no_member_and_all_other_members(headers: Headers) -> None:
    def others(fields: Headers) -> list[bytes]:
        members = [m for name, value in fields if name.lower() == b"tracestate" for m in value.split(b",")]
        return [m for m in members if m.strip(b" \t") and not m.lstrip(b" \t").startswith(b"mesh=")]

    cleaned = without_mesh_member(headers)

    assert mesh_member(cleaned) is None
    assert others(cleaned) == others(headers)
