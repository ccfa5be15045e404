"""What of a recorded request is changed before it goes out."""

import hashlib

import pytest

from mesh_core.model import Bodies, BodyRef, Direction, Headers, TraceOrigin
from mesh_core.tracecontext import read, trace_id_of_request_id
from mesh_replayer.prepare import Prepared, Wishes, given_headers, prepare
from mesh_replayer.retrace import FreshIds, retrace
from mesh_replayer.wire.request import WireRequest, unsendable
from support.recorded import an_exchange

RUN = "0193a5c27b1e7d3f8000000000000001"
OLD_TRACE, OLD_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def ids() -> FreshIds:
    count = iter(range(1, 100))
    return FreshIds(lambda size: next(count).to_bytes(size))


def a_body(content: bytes, **changes: object) -> tuple[BodyRef, Bodies]:
    digest = hashlib.sha256(content).hexdigest()
    fields: dict[str, object] = {"full_hash": digest, "size": len(content), "stored": len(content)}
    return BodyRef(hash=digest, **(fields | changes)), {digest: content}  # type: ignore[arg-type]  # as given


def ready(
    headers: Headers,
    body: bytes = b"",
    *,
    wishes: Wishes | None = None,
    body_is: dict[str, object] | None = None,
    **changes: object,
) -> Prepared:
    ref, bodies = a_body(body, **(body_is or {}))
    exchange = an_exchange(request_headers=headers, request_body=ref if body else None, **changes)
    prepared = prepare(exchange, bodies, wishes or Wishes(run_id=RUN, mark=False), ids())
    assert isinstance(prepared, Prepared), prepared
    return prepared


def test_without_context_nothing_but_the_mark_is_added() -> None:
    """Case P1."""
    headers = (
        (b"Accept", b"*/*"),
        (b"HOST", b"shop.example"),
        (b"accept", b"\xe9"),
        (b"Content-Length", b"2"),
    )

    marked = ready(headers, b"{}", wishes=Wishes(run_id=RUN), method="pOST", path="//a/../%2F?x&&")
    unmarked = ready(headers, b"{}")

    assert unmarked.request.headers == headers
    assert marked.request.headers == (*headers, (b"mesh-replay", RUN.encode()))
    assert (marked.request.method, marked.request.target) == (b"pOST", b"//a/../%2F?x&&")
    assert marked.request.body == b"{}"
    assert marked.changes == ()


def test_a_w3c_trace_becomes_a_new_one_that_keeps_all_else() -> None:
    headers = (
        (b"TraceParent", f"00-{OLD_TRACE}-{OLD_SPAN}-01".encode()),
        (b"tracestate", b"mesh=0193a5c27b1e7d3f8000000000000009,vendor=x"),
        (b"x-request-id", b"kept"),
    )

    prepared = ready(headers, wishes=Wishes(run_id=RUN), trace_origin=TraceOrigin.W3C)

    fields = dict(prepared.request.headers)
    trace_id = prepared.retraced.trace_id
    assert trace_id not in (None, OLD_TRACE)
    assert fields[b"TraceParent"] == f"00-{trace_id}-{prepared.retraced.span_id}-01".encode()
    assert fields[b"tracestate"] == f"mesh-replay={RUN},vendor=x".encode()
    assert fields[b"x-request-id"] == b"kept"


def test_no_mark_leaves_no_mark_in_tracestate_either() -> None:
    headers = (
        (b"traceparent", f"00-{OLD_TRACE}-{OLD_SPAN}-00".encode()),
        (b"tracestate", b"mesh=" + b"a" * 32),
    )

    assert [name for name, _ in ready(headers).request.headers] == [b"traceparent"]


OTHERS: list[Headers] = [
    ((b"b3", f"{OLD_TRACE}-{OLD_SPAN}-d".encode()),),
    ((b"X-B3-TraceId", OLD_SPAN.encode()), (b"X-B3-SpanId", OLD_SPAN.encode()), (b"X-B3-Sampled", b"1")),
    ((b"uber-trace-id", f"{OLD_TRACE}:{OLD_SPAN}:0:1".encode()),),
    (
        (b"x-datadog-trace-id", b"1234567"), (b"x-datadog-parent-id", b"89"),
        (b"x-datadog-tags", b"a=b,_dd.p.tid=640cfd8d00000000"),
    ),
    ((b"sentry-trace", f"{OLD_TRACE}-{OLD_SPAN}-1".encode()),),
    ((b"x-cloud-trace-context", f"{OLD_TRACE}/123;o=1".encode()),),
    ((b"X-Amzn-Trace-Id", b"Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1"),),
]  # fmt: skip


@pytest.mark.parametrize("headers", OTHERS, ids=lambda headers: headers[0][0].decode())
def test_every_other_format_gets_a_new_trace_in_its_own_form(headers: Headers) -> None:
    before = read(headers).best
    assert before is not None

    changed = retrace(headers, before.origin, ids(), mark=RUN)

    after = read(changed.headers).best
    assert after is not None
    assert [name for name, _ in changed.headers] == [name for name, _ in headers]
    assert (after.origin, after.sampled) == (before.origin, before.sampled)
    assert after.trace_id != before.trace_id
    assert after.span_id != before.span_id
    assert after.trace_id.startswith("0" * 16) == before.trace_id.startswith("0" * 16)
    assert changed.trace_id == after.trace_id


def test_several_formats_of_one_trace_stay_one_trace() -> None:
    headers = (
        (b"traceparent", f"00-{OLD_TRACE}-{OLD_SPAN}-01".encode()),
        (b"b3", f"{OLD_TRACE}-{OLD_SPAN}-1".encode()),
    )

    changed = retrace(headers, TraceOrigin.W3C, ids(), mark=None)

    assert len({context.trace_id for context in read(changed.headers).all}) == 1


def test_a_request_id_is_new_only_where_it_names_the_trace() -> None:
    headers = ((b"X-Request-Id", b"abc"),)

    kept = retrace(headers, TraceOrigin.SYNTHETIC, ids(), mark=None)
    renewed = retrace(headers, TraceOrigin.REQUEST_ID, ids(), mark=None)

    assert kept.headers == headers
    assert renewed.request_id not in (None, "abc")
    assert renewed.trace_id == trace_id_of_request_id(renewed.request_id or "")


def test_a_malformed_context_goes_out_as_it_came() -> None:
    headers = ((b"traceparent", b"00-zz"), (b"b3", b"0"), (b"x-b3-traceid", b"xyz"), (b"tracestate", b"a=1"))

    assert retrace(headers, TraceOrigin.SYNTHETIC, ids(), mark=RUN).headers == headers


def test_headers_that_are_given_stand_where_the_recorded_ones_stood() -> None:
    headers = ((b"Authorization", b"mr1_bearer_x"), (b"Host", b"a"), (b"authorization", b"again"))
    wishes = Wishes(
        run_id=RUN, mark=False, host="target:81",
        headers=given_headers(["authorization: Bearer real", "X-New:1", "Host2:", "accept: é"]),
    )  # fmt: skip

    prepared = ready(headers, wishes=wishes)

    assert prepared.request.headers == (
        (b"Authorization", b"Bearer real"),
        (b"Host", b"target:81"),
        (b"X-New", b"1"),
        (b"accept", "é".encode()),
    )
    assert "authorization as given" in prepared.changes


@pytest.mark.parametrize("text", ["no colon", ": x", "a: b\r\nc: d", "a\0: b"])
def test_a_header_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Name: value"):
        given_headers([text])


def test_a_body_that_redaction_decoded_goes_out_with_true_headers() -> None:
    headers = ((b"Content-Encoding", b"gzip"), (b"Content-Length", b"999"))

    prepared = ready(
        headers,
        b"shown",
        body_is={"decoded": True, "content_encoding": "gzip", "full_hash": None, "size": 999},
    )

    assert prepared.request.headers == ((b"Content-Length", b"5"),)
    assert len(prepared.changes) == 2


def test_a_request_over_http2_becomes_one_of_http1() -> None:
    headers = ((b":method", b"POST"), (b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"))

    prepared = ready(headers, b"{}", http_version="HTTP/2", authority="shop.example")

    assert prepared.request.headers == (
        (b"host", b"shop.example"),
        (b"cookie", b"a=1; b=2"),
        (b"x", b"y"),
        (b"content-length", b"2"),
    )
    assert "HTTP/1.1, recorded over HTTP/2" in prepared.changes


@pytest.mark.parametrize(
    ("direction", "path", "sent"),
    [
        (Direction.OUTBOUND, "http://payment:80/charges?x", b"/charges?x"),
        (Direction.OUTBOUND, "HTTP://payment?x", b"/?x"),
        (Direction.OUTBOUND, "/http://a/", b"/http://a/"),
        (Direction.INBOUND, "http://payment:80/charges", b"http://payment:80/charges"),
    ],
)
def test_what_was_asked_of_a_forward_proxy_is_asked_of_the_server(
    direction: Direction, path: str, sent: bytes
) -> None:
    assert ready((), direction=direction, path=path).request.target == sent


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"request_headers": ((b"a", b"b\r\nX: y"),)}, "one line"),
        ({"request_headers": ((b"a b", b"c"),)}, "one line"),
        ({"request_headers": ((b"Content-Length", b"7"),)}, "Content-Length"),
        ({"request_headers": ((b"TE", b"x"), (b"Transfer-Encoding", b"gzip"))}, "where its body ends"),
        (
            {"request_headers": ((b"Content-Length", b"0"), (b"Transfer-Encoding", b"chunked"))},
            "where its body ends",
        ),
        ({"request_trailers": ((b"a", b"b\nc"),)}, "one line"),
        ({"method": "GET /x HTTP/1.1\r\nX:"}, "method"),
        ({"path": "/a b"}, "path"),
        ({"request_body": BodyRef(hash="0" * 64, size=3, stored=3)}, "not kept"),
    ],
)
def test_what_would_not_be_one_message_is_not_sent(changes: dict[str, object], words: str) -> None:
    why = prepare(an_exchange(**changes), {}, Wishes(run_id=RUN), ids())

    assert isinstance(why, str)
    assert words in why


def test_other_versions_of_http_are_no_messages() -> None:
    assert unsendable(WireRequest(method=b"GET", target=b"/", version=b"HTTP/3")) is not None
    assert unsendable(WireRequest(method=b"GET", target=b"/", version=b"HTTP/1.0")) is None
