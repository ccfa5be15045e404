"""Every trace format by its specification, well-formed and malformed; and our `tracestate` member."""

import pytest

from mesh_core.model import Headers, TraceOrigin
from mesh_core.tracecontext import (
    TraceContext,
    mesh_member,
    read,
    trace_id_of_request_id,
    with_mesh_member,
    without_mesh_member,
)

T = "4bf92f3577b34da6a3ce929d0e0e4736"
S = "00f067aa0ba902b7"
LOW = T[16:]
ZERO_T, ZERO_S = "0" * 32, "0" * 16
EXCHANGE = "0197a3b0c1d27abc8def0123456789ab"
OTHER = "0197a3b0c1d27abc8def0123456789cd"
PARENT = (b"traceparent", f"00-{T}-{S}-01".encode())


def fields(*pairs: tuple[str, str]) -> Headers:
    return tuple((name.encode(), value.encode("latin-1")) for name, value in pairs)


def tracestate_of(headers: Headers) -> list[bytes]:
    return [value for name, value in headers if name.lower() == b"tracestate"]


WELL_FORMED = [
    ("w3c", [("traceparent", f"00-{T}-{S}-01")], T, S, True),
    ("w3c", [("TraceParent", f"  00-{T}-{S}-00\t")], T, S, False),
    ("w3c", [("traceparent", f"00-{T}-{S}-03")], T, S, True),
    ("w3c", [("traceparent", f"01-{T}-{S}-02-what-the-future-will-bring")], T, S, False),
    ("b3", [("b3", f"{T}-{S}-1-05e3ac9a4f6e3b90")], T, S, True),
    ("b3", [("b3", f"{LOW}-{S}-0")], ZERO_S + LOW, S, False),
    ("b3", [("b3", f"{T.upper()}-{S.upper()}-d")], T, S, True),
    ("b3", [("b3", f"{T}-{S}")], T, S, None),
    ("b3", [("X-B3-TraceId", T), ("X-B3-SpanId", S), ("X-B3-Sampled", "1")], T, S, True),
    ("b3", [("x-b3-traceid", LOW), ("x-b3-spanid", S), ("x-b3-sampled", "false")], ZERO_S + LOW, S, False),
    ("b3", [("x-b3-traceid", T), ("x-b3-spanid", S), ("x-b3-flags", "1")], T, S, True),
    ("b3", [("x-b3-traceid", T), ("x-b3-spanid", S), ("x-b3-sampled", "perhaps")], T, S, None),
    ("jaeger", [("uber-trace-id", f"{T}:{S}:0:1")], T, S, True),
    ("jaeger", [("uber-trace-id", "abc:f:0:2")], "abc".rjust(32, "0"), "f".rjust(16, "0"), True),
    ("jaeger", [("uber-trace-id", f"{T}%3A{S}%3a{S}%3A00")], T, S, False),
    (
        "datadog",
        [("x-datadog-trace-id", str(int(LOW, 16))), ("x-datadog-parent-id", str(int(S, 16)))],
        ZERO_S + LOW,
        S,
        None,
    ),
    (
        "datadog",
        [
            ("x-datadog-trace-id", str(int(LOW, 16))),
            ("x-datadog-parent-id", "0"),
            ("x-datadog-sampling-priority", "-1"),
            ("x-datadog-tags", f"_dd.p.dm=-4,_dd.p.tid={T[:16]}"),
        ],
        T,
        None,
        False,
    ),
    ("datadog", [("x-datadog-trace-id", "18446744073709551615")], ZERO_S + "f" * 16, None, None),
    ("sentry", [("sentry-trace", f"{T}-{S}-1")], T, S, True),
    ("sentry", [("sentry-trace", f"{T}-{S}")], T, S, None),
    ("gcp", [("x-cloud-trace-context", f"{T}/{int(S, 16)};o=1")], T, S, True),
    ("gcp", [("x-cloud-trace-context", f"{T.upper()}/0;o=2")], T, None, False),
    ("gcp", [("x-cloud-trace-context", T)], T, None, None),
    ("xray", [("x-amzn-trace-id", f"Root=1-{T[:8]}-{T[8:]};Parent={S};Sampled=1")], T, S, True),
    (
        "xray",
        [("x-amzn-trace-id", f"Self=1-1-2; Sampled=?; Root=1-{T[:8]}-{T[8:]}; Lineage=a:0")],
        T,
        None,
        None,
    ),
    ("grpc", [("grpc-trace-bin", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE")], T, S, True),
    ("grpc", [("grpc-trace-bin", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE=")], T, S, True),
]


@pytest.mark.parametrize(("origin", "pairs", "trace_id", "span_id", "sampled"), WELL_FORMED)
def test_a_well_formed_context_is_read(
    origin: str, pairs: list[tuple[str, str]], trace_id: str, span_id: str | None, sampled: bool | None
) -> None:
    """Case R30: every trace format, valid."""
    assert read(fields(("Host", "shop"), *pairs)).all == (
        TraceContext(trace_id, span_id, sampled, TraceOrigin(origin)),
    )


MALFORMED = {
    "traceparent": [
        "",
        f"ff-{T}-{S}-01",
        f"00-{ZERO_T}-{S}-01",
        f"00-{T}-{ZERO_S}-01",
        f"00-{T.upper()}-{S}-01",
        f"00-{T}-{S}-01-tail",
        f"00-{T}-{S}-1",
        f"00-{T}-{S}",
        f"0-{T}-{S}-01",
        f"00-{T[:-1]}g-{S}-01",
        f"00_{T}_{S}_01",
        f"00-{T}-{S}-01, 00-{T}-{S}-01",
        f"01-{T}-{S}-01tail",
    ],
    "b3": [
        "",
        "0",
        "1",
        "d",
        T,
        f"{ZERO_T}-{S}-1",
        f"{T}-{ZERO_S}-1",
        f"{T}-{S}-2",
        f"{T}-{S}-1-",
        f"{T[1:]}-{S}-1",
        f"{T}-{S[1:]}-1",
        f"{T}-{S}-1-{S}-x",
    ],
    "uber-trace-id": [
        "",
        T,
        f"{T}:{S}",
        f"{T}:{S}:0",
        f"0:{S}:0:1",
        f"{T}:0:0:1",
        f"a{T}:{S}:0:1",
        f"{T}:a{S}:0:1",
        f"{T}:{S}:0:123",
        f"{T}:{S}:0:x",
        f"{T}-{S}-0-1",
    ],
    "x-datadog-trace-id": [
        "",
        "0",
        "-1",
        "18446744073709551616",
        "123456789012345678901",
        "12a",
        "0x12",
        "1.5",
        "1 2",
        T,
        "\u00b2",
    ],
    "sentry-trace": [
        "",
        T,
        f"{T}-",
        f"{ZERO_T}-{S}-1",
        f"{T}-{ZERO_S}-1",
        f"{T}-{S}-2",
        f"{T}-{S}-",
        f"{T.upper()}-{S}-1",
        f"{T[1:]}-{S}-1",
        f"{T}-{S}-1-1",
    ],
    "x-cloud-trace-context": [
        "",
        f"{ZERO_T}/1;o=1",
        f"{T[1:]}/1;o=1",
        f"{T}/x;o=1",
        f"{T}/;o=1",
        f"{T}/1;o=",
        f"{T}/1;o=4",
        f"{T}/1;p=1",
        f"{T}/18446744073709551616",
        f"{T}/-1",
        f"{T}-{S}",
    ],
    "x-amzn-trace-id": [
        "",
        "Root=",
        f"1-{T[:8]}-{T[8:]}",
        f"Root=2-{T[:8]}-{T[8:]}",
        f"Root=1-{T[:7]}-{T[8:]}",
        f"Root=1-{T[:8]}-{T[9:]}",
        f"Root=1-{'0' * 8}-{'0' * 24}",
        f"Root=1-{T[:8]}-{T[8:]};Parent=1",
        f"Root=1-{T[:8]}-{T[8:]};Parent={ZERO_S}",
        f"Root=1-{T[:8]}-{T[8:]};Sampled=2",
        f"Root=1-{T[:8]}-{T[8:]};Root=1-{T[:8]}-{T[8:]}",
        f"Self=1-{T[:8]}-{T[8:]}",
        f"Root=1-{T[:8]}-{T[8:]};what",
    ],
    "grpc-trace-bin": [
        "",
        "AA",
        "!!!!",
        "A",
        "AQBL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE",
        "AABL+S81d7NNpqPOkp0ODkc",
        "AAAAAAAAAAAAAAAAAAAAAAAAAQDwZ6oLqQK3AgE",
        "AABL+S81d7NNpqPOkp0ODkc2AQAAAAAAAAAAAgE",
        "AQDwZ6oLqQK3AgE",
        "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3Ag",
        "A" * 400,
    ],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in MALFORMED.items() for value in values]
)
def test_a_malformed_context_counts_as_none(name: str, value: str) -> None:
    """Case R30: ten malformed of every trace format, and more."""
    headers = fields((name, value), ("tracestate", f"mesh={EXCHANGE}"))

    found = read(headers)

    assert found.best is None
    assert found.claim is None
    assert with_mesh_member(headers, OTHER) == headers


@pytest.mark.parametrize(
    "pairs",
    [
        [("x-b3-traceid", T)],
        [("x-b3-spanid", S)],
        [("x-b3-traceid", T), ("x-b3-spanid", ZERO_S)],
        [("x-b3-traceid", ZERO_T), ("x-b3-spanid", S)],
        [("x-b3-traceid", T[1:]), ("x-b3-spanid", S)],
        [("x-b3-traceid", T), ("x-b3-spanid", S[1:])],
        [("x-b3-traceid", f"{T}-"), ("x-b3-spanid", S)],
        [("x-b3-traceid", T), ("x-b3-spanid", "g" * 16)],
        [("x-b3-traceid", ""), ("x-b3-spanid", "")],
        [("x-b3-sampled", "1")],
        [("x-b3-flags", "1")],
        [("x-datadog-trace-id", "7"), ("x-datadog-parent-id", "seven")],
        [("x-datadog-parent-id", "7")],
    ],
)
def test_a_context_of_several_fields_needs_all_of_them_well_formed(pairs: list[tuple[str, str]]) -> None:
    """Case R30: malformed, where a context is spread over several fields."""
    assert read(fields(*pairs)).best is None


def test_the_first_format_counts_and_all_are_kept() -> None:
    """Case R30: two formats at once that disagree."""
    found = read(
        fields(
            ("x-amzn-trace-id", f"Root=1-{'a' * 8}-{'b' * 24}"),
            ("sentry-trace", f"{'c' * 32}-{S}-1"),
            ("uber-trace-id", f"{'d' * 32}:{S}:0:1"),
            ("X-B3-TraceId", "e" * 32),
            ("X-B3-SpanId", S),
            ("b3", f"{'f' * 32}-{S}-1"),
            ("traceparent", f"00-{T}-{S}-01"),
        )
    )

    assert [context.trace_id[0] for context in found.all] == [T[0], "f", "e", "d", "c", "a"]
    assert found.best == found.all[0]


def test_a_malformed_format_leaves_the_word_to_the_next_one() -> None:
    found = read(fields(("traceparent", f"00-{ZERO_T}-{S}-01"), ("b3", f"{T}-{S}-1")))

    assert found.best == TraceContext(T, S, True, TraceOrigin.B3)


def test_two_traceparents_are_none() -> None:
    headers = (PARENT, PARENT, (b"tracestate", f"mesh={EXCHANGE}".encode()))

    assert read(headers).best is None
    assert mesh_member(headers) is None
    assert with_mesh_member(headers, OTHER) == headers


def test_the_same_context_in_two_forms_is_kept_once() -> None:
    found = read(fields(("b3", f"{T}-{S}-1"), ("X-B3-TraceId", T), ("X-B3-SpanId", S), ("X-B3-Sampled", "1")))

    assert len(found.all) == 1


def test_a_request_id_is_kept_beside_the_context_and_correlation_ids_are_not() -> None:
    found = read((PARENT, (b"X-Request-ID", b" caf\xe9 "), (b"x-correlation-id", b"session")))

    assert found.request_id == "caf\xe9"
    assert read(((b"x-request-id", b" "), (b"x-request-id", b"second"))).request_id == "second"
    assert read(((b"x-correlation-id", b"session"),)) == read(())


def test_a_request_id_gives_every_sidecar_the_same_trace_id() -> None:
    trace_id = trace_id_of_request_id("req-1")

    assert trace_id == trace_id_of_request_id("req-1")
    assert trace_id != trace_id_of_request_id("req-2")
    assert len(bytes.fromhex(trace_id)) == 16
    assert trace_id == "b1e80a9245e6a1bef302f1559e82fd06", (
        "stored traces are found by it: it must never change"
    )


def test_our_member_comes_right_after_traceparent_where_there_is_no_tracestate() -> None:
    headers = (*fields(("Host", "shop")), PARENT, *fields(("Accept", "*/*")))

    changed = with_mesh_member(headers, EXCHANGE)

    assert changed == (headers[0], PARENT, (b"tracestate", f"mesh={EXCHANGE}".encode()), headers[2])
    assert mesh_member(changed) == EXCHANGE


def test_our_member_comes_first_and_all_else_stays_byte_for_byte() -> None:
    headers = (*fields(("TraceState", "congo=t61rcWkgMzE ,\trojo=00f067aa0ba902b7,,x@y=1")), PARENT)

    changed = with_mesh_member(headers, EXCHANGE)

    assert changed == (
        (b"TraceState", f"mesh={EXCHANGE},congo=t61rcWkgMzE ,\trojo=00f067aa0ba902b7,,x@y=1".encode()),
        PARENT,
    )


def test_an_older_member_of_ours_is_replaced() -> None:
    headers = (PARENT, *fields(("tracestate", f"a=1, mesh={OTHER} ,b=2")))

    assert tracestate_of(with_mesh_member(headers, EXCHANGE)) == [f"mesh={EXCHANGE},a=1,b=2".encode()]


def test_several_tracestate_fields_become_one_in_the_first_ones_place() -> None:
    headers = (*fields(("tracestate", "a=1"), ("Host", "shop"), ("Tracestate", f"b=2,mesh={OTHER}")), PARENT)

    changed = with_mesh_member(headers, EXCHANGE)

    assert mesh_member(headers) == OTHER
    assert changed == (*fields(("tracestate", f"mesh={EXCHANGE},a=1,b=2"), ("Host", "shop")), PARENT)


@pytest.mark.parametrize(
    "value",
    [
        "no-equals",
        "a=1,a=2",
        "UPPER=1",
        "a=",
        "a=b=c",
        "a=\x7f",
        "a=\xe9",
        "=1",
        "a b=1",
        f"{'k' * 257}=1",
        f"a={'v' * 257}",
        f"mesh={OTHER},mesh={EXCHANGE}",
        ",".join(f"k{n}=v" for n in range(33)),
    ],
)
def test_a_malformed_tracestate_is_passed_on_as_it_came_and_claims_nothing(value: str) -> None:
    headers = (PARENT, *fields(("tracestate", value)))
    claiming = (PARENT, *fields(("tracestate", f"{value},mesh={OTHER}")))

    assert with_mesh_member(headers, EXCHANGE) == headers
    assert mesh_member(claiming) is None


def test_beside_thirty_two_others_none_is_added_and_beside_thirty_one_it_is() -> None:
    full = (PARENT, *fields(("tracestate", ",".join(f"k{n}=v" for n in range(32)))))
    nearly = (PARENT, *fields(("tracestate", ",".join(f"k{n}=v" for n in range(31)))))

    assert with_mesh_member(full, EXCHANGE) == full
    assert mesh_member(with_mesh_member(nearly, EXCHANGE)) == EXCHANGE


def test_a_tracestate_never_grows_beyond_what_sdks_read() -> None:
    full = (PARENT, *fields(("tracestate", f"a={'v' * 250},b={'v' * 250}")))

    assert with_mesh_member(full, EXCHANGE) == full


def test_an_empty_tracestate_becomes_ours() -> None:
    assert tracestate_of(with_mesh_member((PARENT, (b"tracestate", b" ")), EXCHANGE)) == [
        f"mesh={EXCHANGE}".encode()
    ]


@pytest.mark.parametrize("claim", ["", "nothing", EXCHANGE.upper(), EXCHANGE[1:], EXCHANGE + "0"])
def test_a_member_that_is_no_exchange_id_claims_nothing(claim: str) -> None:
    """Case R40: a forged member."""
    assert mesh_member((PARENT, *fields(("tracestate", f"mesh={claim}")))) is None


def test_an_edge_drops_members_from_outside_and_nothing_else() -> None:
    """Case R40: a forged member at an edge service."""
    headers = (
        PARENT,
        *fields(("tracestate", f"mesh={OTHER}"), ("Host", "shop"), ("TraceState", f"a=1, b=2,mesh={OTHER}")),
    )

    assert without_mesh_member(headers) == (PARENT, *fields(("Host", "shop"), ("TraceState", "a=1, b=2")))


def test_an_edge_drops_a_member_out_of_a_malformed_header_too() -> None:
    headers = (PARENT, *fields(("tracestate", f"what,mesh={OTHER}")))

    assert tracestate_of(without_mesh_member(headers)) == [b"what"]


def test_an_edge_leaves_headers_without_a_member_alone() -> None:
    headers = (PARENT, *fields(("tracestate", "a=1,,b=2")))

    assert without_mesh_member(headers) is headers
