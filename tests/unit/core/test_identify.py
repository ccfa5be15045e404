"""Every form of id that people have in hand (Case P24)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_core.identify import Candidate, Lookup, candidates

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LOW = TRACE[16:]
DECIMAL = str(int(LOW, 16))
UUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def kinds(text: str) -> list[Lookup]:
    return [candidate.lookup for candidate in candidates(text)]


def means(text: str, lookup: Lookup, value: str) -> bool:
    return Candidate(lookup, value) in candidates(text)


@pytest.mark.parametrize(
    "text",
    [
        TRACE,
        TRACE.upper(),
        f"0x{TRACE}",
        f"  {TRACE}\n",
        f'"{TRACE}"',
        UUID,
        f"00-{TRACE}-{SPAN}-01",
        f"traceparent: 00-{TRACE}-{SPAN}-01",
        f"Traceparent:00-{TRACE}-{SPAN}-00",
        f"{TRACE}-{SPAN}-1",
        f"b3: {TRACE}-{SPAN}-1",
        f"{TRACE}:{SPAN}:0:1",
        f"uber-trace-id: {TRACE}:{SPAN}:0:1",
        f"sentry-trace: {TRACE}-{SPAN}-1",
        f"x-cloud-trace-context: {TRACE}/123;o=1",
        f"1-{TRACE[:8]}-{TRACE[8:]}",
        f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1",
        f"x-amzn-trace-id: Root=1-{TRACE[:8]}-{TRACE[8:]}",
        f"x-b3-traceid: {TRACE}",
        f"trace_id={TRACE}",
        f"traceId: {TRACE}",
        str(int(TRACE, 16)),
        f"https://app.datadoghq.eu/apm/trace/{TRACE}?colorBy=service",
        f"https://jaeger.test/trace/{TRACE}?uiFind=x",
        f"https://zipkin.test/zipkin/traces/{TRACE}",
        f"https://shop.sentry.io/performance/trace/{TRACE}/?project=1",
        f"https://grafana.test/explore?left=%7B%22query%22%3A%22x%22%7D&traceId={TRACE}",
        f"http://127.0.0.1:8400/traces/{TRACE}#exchange",
        f"https://anything.test/{UUID}",
    ],
)
def test_a_trace_is_meant_by_every_form_of_its_id(text: str) -> None:
    assert means(text, Lookup.TRACE, TRACE)


@pytest.mark.parametrize(
    "text",
    [
        LOW,
        f"0x{LOW}",
        DECIMAL,
        f"dd.trace_id={DECIMAL}",
        f"x-datadog-trace-id: {DECIMAL}",
        f"https://app.datadoghq.com/apm/trace/{DECIMAL}",
    ],
)
def test_the_low_half_is_enough_in_hex_and_as_datadog_prints_it(text: str) -> None:
    assert means(text, Lookup.TRACE_LOW, LOW)


def test_jaeger_leaves_leading_zeros_out() -> None:
    assert means("https://jaeger.test/trace/a3ce929d0e0e47", Lookup.TRACE, "a3ce929d0e0e47".rjust(32, "0"))
    assert means("https://jaeger.test/trace/a3ce929d0e0e47", Lookup.TRACE_LOW, "00a3ce929d0e0e47")


def test_32_digits_can_be_an_exchange_first_and_a_trace_whose_low_half_was_seen_alone() -> None:
    assert candidates(TRACE)[:3] == (
        Candidate(Lookup.EXCHANGE, TRACE),
        Candidate(Lookup.TRACE, TRACE),
        Candidate(Lookup.TRACE, LOW.rjust(32, "0")),
    )


def test_16_digits_can_be_a_low_half_a_fingerprint_or_a_span() -> None:
    assert kinds(LOW)[:3] == [Lookup.TRACE_LOW, Lookup.FINGERPRINT, Lookup.SPAN]


def test_a_few_digits_are_a_prefix_but_not_fewer_than_four() -> None:
    assert kinds("4bf9") == [
        Lookup.EXCHANGE_PREFIX, Lookup.TRACE_PREFIX, Lookup.FINGERPRINT_PREFIX, Lookup.REQUEST_ID,
    ]  # fmt: skip
    assert kinds("4bf") == [Lookup.REQUEST_ID]
    assert Lookup.FINGERPRINT_PREFIX not in kinds(TRACE[:20])


def test_digits_can_be_decimal_and_hex() -> None:
    assert kinds("1234")[:2] == [Lookup.TRACE_LOW, Lookup.EXCHANGE_PREFIX]
    assert means("1234", Lookup.TRACE_LOW, f"{1234:016x}")
    assert means(str(2**128), Lookup.REQUEST_ID, str(2**128))
    assert Lookup.TRACE not in kinds(str(2**128))
    assert Lookup.TRACE_LOW not in kinds("0000")


@pytest.mark.parametrize("text", ["checkout-7", "x-request-id: checkout-7", "request_id=checkout-7"])
def test_anything_may_be_a_request_id(text: str) -> None:
    assert means(text, Lookup.REQUEST_ID, "checkout-7")
    assert means(UUID, Lookup.REQUEST_ID, UUID)
    assert means("Last", Lookup.REQUEST_ID, "Last")


def test_last_is_the_newest() -> None:
    assert candidates("last")[0] == candidates("LAST")[0] == Candidate(Lookup.LAST, "")


@pytest.mark.parametrize("text", ["", "  ", '""', "https://shop.test/", "https://shop.test/cart?id=7"])
def test_what_holds_no_id_means_nothing(text: str) -> None:
    assert candidates(text) == ()


def test_the_largest_low_half_is_one_and_the_next_number_a_whole_id() -> None:
    assert means(str(2**64 - 1), Lookup.TRACE_LOW, "f" * 16)
    assert means(str(2**64), Lookup.TRACE, f"{2**64:032x}")
    assert means("1", Lookup.TRACE_LOW, f"{1:016x}")


def test_16_digits_are_a_whole_fingerprint_and_15_a_prefix_of_one() -> None:
    assert Lookup.FINGERPRINT_PREFIX not in kinds("a" * 16)
    assert means("a" * 15, Lookup.FINGERPRINT_PREFIX, "a" * 15)


@pytest.mark.parametrize(
    ("word", "padded"), [("a" * 7, False), ("a" * 8, True), ("a" * 31, True), ("g" * 8, False)]
)
def test_a_shortened_id_in_an_address_has_eight_digits_at_least(word: str, padded: bool) -> None:
    assert means(f"https://jaeger.test/trace/{word}", Lookup.TRACE, word.rjust(32, "0")) == padded


def test_a_malformed_header_is_no_trace() -> None:
    assert kinds(f"00-{'0' * 32}-{SPAN}-01") == [Lookup.REQUEST_ID]
    assert kinds(f"traceparent: ff-{TRACE}-{SPAN}-01") == [Lookup.REQUEST_ID]


@given(st.text(max_size=80) | st.from_regex(r"[a-z]{2,5}://[a-z./:?=%0-9-]{0,60}", fullmatch=True))
def test_any_text_is_understood_somehow(text: str) -> None:
    found = candidates(text)

    assert len(set(found)) == len(found)
    assert all(c.value for c in found if c.lookup is not Lookup.LAST)
    for candidate in found:
        if candidate.lookup in (Lookup.TRACE, Lookup.EXCHANGE):
            assert len(candidate.value) == 32
        if candidate.lookup in (Lookup.TRACE_LOW, Lookup.FINGERPRINT, Lookup.SPAN):
            assert len(candidate.value) == 16
