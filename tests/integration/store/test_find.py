"""Every form of id finds its thing, or says why not."""

import pytest

from mesh_core.errors import IdAmbiguous, NotRecorded
from mesh_core.fingerprint import fingerprint
from mesh_core.ids import uuid7
from mesh_core.model import Exchange, TraceOrigin
from mesh_core.outcome import Outcome
from mesh_store.store import Found, Store
from support.recorded import an_exchange
from support.segments import a_gap, a_run, a_segment

SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND
TRACE = "0af7651916cd43dd8448eb211c80319c"
SHORT = "0" * 16 + "00c0ffee00c0ffee"
XRAY = f"{NOW // SECOND:08x}" + "a" * 24
UUID = "7f3a7a70-52b1-4a19-a1b2-5f6f0a4b1d11"


def recorded(number: int, **changes: object) -> Exchange:
    started_at = NOW + number * SECOND
    fields: dict[str, object] = {"id": uuid7(started_at, number.to_bytes(8)), "started_at": started_at}
    return an_exchange(**(fields | {"trace_id": f"{number:016x}" * 2} | changes))


FIRST = recorded(1, trace_id=TRACE, span_id="b7ad6b7169203331", trace_origin=TraceOrigin.W3C)
FAILED = recorded(2, trace_id=SHORT, status=500, outcome=Outcome.HTTP_5XX, trace_origin=TraceOrigin.DATADOG)
OF_XRAY = recorded(3, trace_id=XRAY, trace_origin=TraceOrigin.XRAY)
BY_REQUEST = recorded(4, request_id=UUID, trace_id="ab" * 16, trace_origin=TraceOrigin.REQUEST_ID)
ODD = recorded(5, request_id="café".encode().decode("latin-1"), span_id="00000000000000ff")
SAME_SPAN = [recorded(n, trace_id="cd" * 16, span_id="eeeeeeeeeeeeeeee") for n in (6, 7)]
LAST = recorded(9)
BESIDE = uuid7(NOW + 3 * SECOND, bytes(8))
"""Of a time at which a sidecar recorded everything."""
FINGERPRINT = fingerprint(FAILED, {}).hash


@pytest.fixture
def filled(store: Store) -> Store:
    everything = [FIRST, FAILED, OF_XRAY, BY_REQUEST, ODD, *SAME_SPAN, LAST]
    store.ingest(a_segment([(exchange, {}) for exchange in everything]))
    return store


FORMS = {
    FIRST.id: Found("exchange", FIRST.id),
    FIRST.id.upper(): Found("exchange", FIRST.id),
    TRACE: Found("trace", TRACE),
    f" {TRACE}\n": Found("trace", TRACE),
    TRACE[16:]: Found("trace", TRACE),
    str(int(TRACE[16:], 16)): Found("trace", TRACE),
    str(int(TRACE, 16)): Found("trace", TRACE),
    f"00-{TRACE}-b7ad6b7169203331-01": Found("trace", TRACE),
    f"traceparent: 00-{TRACE}-b7ad6b7169203331-01": Found("trace", TRACE),
    "ffffffffffffffff" + SHORT[16:]: Found("trace", SHORT),
    str(int(SHORT, 16)): Found("trace", SHORT),
    f"https://app.datadoghq.com/apm/trace/{int(SHORT, 16)}?env=prod": Found("trace", SHORT),
    f"1-{XRAY[:8]}-{XRAY[8:]}": Found("trace", XRAY),
    f"Root=1-{XRAY[:8]}-{XRAY[8:]};Sampled=1": Found("trace", XRAY),
    f"{TRACE[:8]}-{TRACE[8:12]}-{TRACE[12:16]}-{TRACE[16:20]}-{TRACE[20:]}": Found("trace", TRACE),
    UUID: Found("trace", "ab" * 16),
    f"x-request-id: {UUID}": Found("trace", "ab" * 16),
    "café": Found("trace", ODD.trace_id),
    "b7ad6b7169203331": Found("exchange", FIRST.id),
    "eeeeeeeeeeeeeeee": Found("trace", "cd" * 16),
    "00000000000000ff": Found("exchange", ODD.id),
    FINGERPRINT: Found("fingerprint", FINGERPRINT),
    FINGERPRINT[:7]: Found("fingerprint", FINGERPRINT),
    TRACE[:7]: Found("trace", TRACE),
    FIRST.id[:31]: Found("exchange", FIRST.id),
    "last": Found("trace", LAST.trace_id),
}


def test_every_form_of_id_finds_its_thing(filled: Store) -> None:
    """Case P24: found."""
    assert {text: filled.find(text) for text in FORMS} == FORMS


def test_a_prefix_of_several_things_lists_them(filled: Store) -> None:
    prefix = FIRST.id[:6]

    with pytest.raises(IdAmbiguous) as raised:
        filled.find(prefix)

    assert raised.value.problem.startswith(f"{prefix} may be exchange {FIRST.id}, exchange {FAILED.id}, ")
    assert raised.value.problem.endswith(", …")
    assert raised.value.hint == "give more of it"


def test_two_traces_with_the_same_low_half_are_listed(filled: Store) -> None:
    filled.add([(recorded(20, trace_id="f" * 16 + TRACE[16:]), {})])

    with pytest.raises(IdAmbiguous, match="trace 0af7651916cd43dd8448eb211c80319c, trace ffffffffffffffff"):
        filled.find(TRACE[16:])
    assert filled.find(TRACE) == Found("trace", TRACE)


def test_a_request_id_names_the_trace_that_used_it_last(filled: Store) -> None:
    later = [
        recorded(
            7300 + n, request_id=UUID, trace_id=f"{n:032x}", trace_origin=TraceOrigin.W3C, id=f"{n:032x}"
        )
        for n in (1, 2)
    ]
    filled.add([(exchange, {}) for exchange in later])

    assert filled.find(UUID) == Found("trace", later[0].trace_id)


def test_an_empty_store_says_that_nothing_is_recorded(store: Store) -> None:
    for text in ("last", "", TRACE, "cafe"):
        with pytest.raises(NotRecorded, match=r"nothing is.* yet.*; start a sidecar: `mesh-record"):
            store.find(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nope", "no trace or exchange nope is recorded; `mesh-replay list` shows what is recorded"),
        ("", "no id was given; "),
        ("abcdef0123456789" * 2, " abcdef0123456789abcdef0123456789 is recorded; "),
        (uuid7(NOW - 3600 * SECOND, bytes(8)), "no sidecar recorded at 2026-11-18T10:06:40Z; "),
        (f"1-{NOW // SECOND + 7200:08x}-{'b' * 24}", "no sidecar recorded at 2026-11-18T13:06:40Z; "),
        (BESIDE, f" {BESIDE} is recorded; "),
    ],
)
def test_what_is_not_there_says_why_where_that_can_be_known(filled: Store, text: str, why: str) -> None:
    """Case P24: the reason why not."""
    with pytest.raises(NotRecorded) as raised:
        filled.find(text)

    assert why in str(raised.value)


def test_an_id_from_a_gap_says_so(filled: Store) -> None:
    at = NOW + 100 * SECOND
    gap = a_gap(41, started_at=at, ended_at=at + SECOND, reason="spool_full")
    filled.ingest(a_segment([gap], run=a_run(3, service="payment")))

    with pytest.raises(NotRecorded, match=r"sidecar of payment dropped 41 exchanges at .* \(spool_full\)"):
        filled.find(uuid7(at + SECOND // 2, bytes(8)))
