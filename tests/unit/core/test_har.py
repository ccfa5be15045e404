"""Capture files: what other tools wrote, what was edited, what cannot be read."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mesh_core.errors import CaptureInvalid
from mesh_core.har import dump_har, load_har, reading
from mesh_core.model import Bodies, BodyRef, Direction, Exchange, Lane, Sender, TraceOrigin
from mesh_core.outcome import Outcome
from mesh_core.times import parse_rfc3339
from mesh_core.tracecontext.requestid import trace_id_of_request_id
from support.recorded import an_exchange

CAPTURES = Path(__file__).parents[3] / "fixtures" / "captures"


def body_of(ref: BodyRef | None, bodies: Bodies) -> bytes:
    assert ref is not None
    return bodies[ref.hash]


def an_entry(**changes: Any) -> dict[str, Any]:
    return {
        "startedDateTime": "2026-11-24T10:00:00.000Z",
        "request": {"method": "GET", "url": "http://h/", "headers": []},
        "response": {"status": 200, "headers": []},
    } | changes


def read(*entries: dict[str, Any]) -> list[tuple[Exchange, Bodies]]:
    return load_har(json.dumps({"log": {"entries": entries}}).encode(), where="a.har")


def refused(har: bytes) -> str:
    with pytest.raises(CaptureInvalid) as raised:
        load_har(har, where="a.har")
    assert str(raised.value).isprintable()
    return raised.value.problem


def with_body(content: bytes, **changes: Any) -> tuple[Exchange, Bodies]:
    digest = hashlib.sha256(content).hexdigest()
    fields = {"hash": digest, "full_hash": digest, "size": len(content), "stored": len(content)}
    ref = BodyRef(**(fields | changes))
    return an_exchange(request_body=ref, response_body=ref), {digest: content}


def test_a_request_from_chrome_is_an_inbound_exchange_of_its_trace() -> None:
    """Case P20."""
    checkout, bodies = load_har((CAPTURES / "chrome.har").read_bytes(), where="chrome.har")[0]
    start = parse_rfc3339("2026-11-24T10:00:00.123Z")

    assert (checkout.direction, checkout.service, checkout.instance) == (
        Direction.INBOUND,
        "shop.test",
        "shop.test",
    )
    assert (checkout.trace_id, checkout.span_id) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert (checkout.trace_origin, checkout.sampled) == (TraceOrigin.W3C, True)
    assert (checkout.method, checkout.scheme, checkout.authority) == ("POST", "https", "shop.test")
    assert checkout.path == "/checkout?cart=7&note=a%20b"
    assert checkout.request_headers == (
        (b"content-length", b"18"),
        (b"content-type", b"application/json"),
        (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        (b"x-name", "José".encode()),
    )
    assert checkout.response_headers[2:] == ((b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2; Path=/"))
    assert (checkout.http_version, checkout.status, checkout.outcome) == ("HTTP/2", 500, Outcome.HTTP_5XX)
    assert (checkout.started_at, checkout.duration) == (start, 40_500_000)
    assert (checkout.request_end, checkout.first_byte) == (start + 14_500_000, start + 34_500_000)
    assert (checkout.connect_time, checkout.tls_time) == (6_000_000, 4_000_000)
    assert (checkout.lane, checkout.recorder) == (Lane.IMPORTED, "WebInspector 537.36")
    assert body_of(checkout.request_body, bodies) == b'{"currency":"JPY"}'
    assert body_of(checkout.response_body, bodies) == '{"error":"no rate for ¥"}'.encode()
    assert checkout.response_body is not None
    assert (checkout.response_body.content_encoding, checkout.response_body.decoded) == ("gzip", True)
    assert checkout.response_body.full_hash is None


def test_the_rest_of_chrome_is_read_too() -> None:
    _, (logo, images), (refused_, _), (live, _) = load_har(
        (CAPTURES / "chrome.har").read_bytes(), where="c.har"
    )

    assert body_of(logo.response_body, images) == b"\x89PNG"
    assert (logo.http_version, logo.trace_origin) == ("HTTP/3", TraceOrigin.SYNTHETIC)
    assert (refused_.status, refused_.outcome) == (None, Outcome.CONNECT_FAILED)
    assert refused_.error == "net::ERR_CONNECTION_REFUSED"
    assert [(m.sender, m.type, m.payload, m.offset) for m in live.messages] == [
        (Sender.CLIENT, "text", b"hello", 500_000_000),
        (Sender.SERVER, "binary", b"\xff\xfe", 1_250_000_000),
    ]


def test_firefox_gives_parameters_zones_and_bodies_that_it_did_not_keep() -> None:
    """Case P20."""
    (login, bodies), (upload, _) = load_har((CAPTURES / "firefox.har").read_bytes(), where="firefox.har")

    assert login.started_at == parse_rfc3339("2026-11-24T10:00:00.25Z")
    assert (login.service, login.instance) == ("localhost", "localhost:8002")
    assert (login.request_id, login.trace_origin) == ("req-42", TraceOrigin.REQUEST_ID)
    assert login.trace_id == trace_id_of_request_id("req-42")
    assert body_of(login.request_body, bodies) == b"user=ann&note=a+b%26c"
    assert body_of(login.response_body, bodies) == b"moved"
    assert (upload.duration, upload.request_end, upload.first_byte) == (0, None, None)
    for ref, size in ((upload.request_body, 900), (upload.response_body, 5_000_000)):
        assert ref is not None
        assert (ref.truncated, ref.stored, ref.size) == (True, 0, size)


def test_what_mitmproxy_wrote_is_read_also_bytes_that_are_no_utf_8() -> None:
    """Case P20."""
    first, second, third = load_har((CAPTURES / "mitmproxy.har").read_bytes(), where="mitmproxy.har")
    posted, bodies = first

    assert (posted.method, posted.authority) == ("POST", "cart:8080")
    assert posted.path.encode("latin-1") == "/café?x=1".encode()
    assert posted.request_headers[:2] == ((b"Host", b"cart:8080"), (b"X-Bytes", b"\xff"))
    assert body_of(posted.request_body, bodies) == "été and more text".encode()
    assert body_of(posted.response_body, bodies) == b'{"ok": true}'
    assert (second[0].status, second[0].error) == (None, "error")
    assert [m.payload for m in third[0].messages] == [b"hello binary", b"hello text", b"it's me"]


def test_the_same_file_gives_the_same_ids_and_equal_entries_different_ones() -> None:
    first, second = (exchange for exchange, _ in read(an_entry(), an_entry()))

    assert [exchange for exchange, _ in read(an_entry(), an_entry())] == [first, second]
    assert first.id != second.id
    assert first.trace_id != second.trace_id


def test_a_bare_minimum_is_enough() -> None:
    [(exchange, bodies)] = read(
        {"startedDateTime": "2026-11-24T10:00:00", "request": {"method": "GET", "url": "http://H:1"}}
    )

    assert (exchange.path, exchange.authority, exchange.service) == ("/", "H:1", "h")
    assert (exchange.status, exchange.outcome, bodies) == (None, Outcome.CLIENT_DISCONNECTED, {})
    assert load_har(b'\xef\xbb\xbf{"log": {"entries": []}}', where="a.har") == []


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("net::ERR_NAME_NOT_RESOLVED", Outcome.DNS_FAILED),
        ("net::ERR_CONNECTION_TIMED_OUT", Outcome.UPSTREAM_TIMEOUT),
        ("net::ERR_CERT_AUTHORITY_INVALID", Outcome.TLS_FAILED),
        ("net::ERR_CONNECTION_RESET", Outcome.UPSTREAM_RESET),
        ("net::ERR_EMPTY_RESPONSE", Outcome.UPSTREAM_RESET),
        ("net::ERR_HTTP2_PROTOCOL_ERROR", Outcome.PROTOCOL_ERROR),
        ("net::ERR_ABORTED", Outcome.CLIENT_DISCONNECTED),
        ("Connection refused", Outcome.CONNECT_FAILED),
        ("server closed connection", Outcome.UPSTREAM_RESET),
    ],
)
def test_why_there_is_no_response_is_told_by_the_tools_own_words(error: str, outcome: Outcome) -> None:
    [(exchange, _)] = read(an_entry(response={"status": 0, "_error": error}))

    assert (exchange.status, exchange.outcome, exchange.error) == (None, outcome, error)


def test_a_grpc_status_decides_over_the_http_status() -> None:
    [(exchange, _)] = read(
        an_entry(response={"status": 200, "headers": [{"name": "grpc-status", "value": "14"}]})
    )

    assert (exchange.grpc_status, exchange.outcome) == (14, Outcome.GRPC_ERROR)


def test_a_text_goes_back_into_the_charset_that_its_type_names() -> None:
    content = {"mimeType": "text/plain; charset=iso-8859-1", "text": "é"}
    euro = content | {"text": "€"}

    found = read(*(an_entry(response={"status": 200, "content": each}) for each in (content, euro)))

    assert [body_of(exchange.response_body, bodies) for exchange, bodies in found] == [
        "é".encode("latin-1"),
        "€".encode(),
    ]


def test_a_time_that_is_shorter_than_its_parts_is_theirs() -> None:
    [(exchange, _)] = read(
        an_entry(time=5, timings={"blocked": -1, "send": 1, "wait": 8, "receive": 2, "ssl": 9})
    )

    assert exchange.duration == 11_000_000


def test_a_body_that_was_not_kept_has_the_size_on_the_wire_where_that_is_known() -> None:
    def size(on_wire: int) -> int | None:
        content = {"size": 500, "mimeType": "video/mp4"}
        [(exchange, _)] = read(an_entry(response={"status": 200, "content": content, "bodySize": on_wire}))
        return exchange.response_body.size if exchange.response_body else None

    assert (size(70), size(-1), size(0)) == (70, 500, 500)


def test_a_size_that_a_tool_made_up_does_not_count_where_the_body_is_there() -> None:
    [(exchange, _)] = read(an_entry(response={"status": 200, "content": {"text": "four"}, "bodySize": 900}))

    assert exchange.response_body is not None
    assert (exchange.response_body.size, exchange.response_body.truncated) == (4, False)


def test_no_body_is_seen_where_there_can_be_none() -> None:
    head = an_entry(
        request={"method": "HEAD", "url": "http://h/"}, response={"status": 200, "content": {"size": 9}}
    )
    empty = an_entry(response={"status": 200, "content": {"size": 0, "text": ""}})
    post = an_entry(request={"method": "POST", "url": "http://h/", "bodySize": 0, "postData": {"text": ""}})

    assert [(e.request_body, e.response_body) for e, _ in read(head, empty, post)] == [(None, None)] * 3


def test_our_files_are_har_1_2_with_texts_that_people_can_read() -> None:
    plain = with_body(b'{"sku":"sku-9"}', content_type="application/json")
    packed = with_body(gzip.compress(b"sku-9"), content_encoding="gzip")
    binary = with_body(b"\xff\x00")
    unknown = with_body(b"\x1f\x9d\x90", content_encoding="compress")
    har = json.loads(dump_har([plain, packed, binary, unknown]))
    entries = har["log"]["entries"]

    assert (har["log"]["version"], har["log"]["creator"]["name"]) == ("1.2", "mesh-replay")
    for entry in entries:
        assert entry.keys() >= {"startedDateTime", "time", "request", "response", "cache", "timings"}
        assert entry["request"].keys() >= {
            "method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize",
        }  # fmt: skip
        assert entry["response"].keys() >= {
            "status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL",
            "headersSize", "bodySize",
        }  # fmt: skip
    assert (
        entries[0]["response"]["content"]["text"]
        == entries[0]["request"]["postData"]["text"]
        == '{"sku":"sku-9"}'
    )
    assert "base64" not in entries[0]["_mesh"]["response_body"]
    assert entries[1]["response"]["content"]["text"] == "sku-9"
    assert entries[2]["response"]["content"] == {
        "size": 2,
        "mimeType": "",
        "text": "/wA=",
        "encoding": "base64",
    }
    assert "text" not in entries[3]["response"]["content"]


def test_the_timings_of_an_entry_add_up_to_its_time() -> None:
    exchange = an_exchange(
        started_at=0,
        request_end=1_000_000,
        first_byte=8_000_000,
        ended_at=10_000_000,
        connect_time=2_000_000,
        tls_time=1_000_000,
    )
    [entry] = json.loads(dump_har([(exchange, {})]))["log"]["entries"]
    timings = entry["timings"]

    assert timings == {
        "blocked": -1,
        "dns": -1,
        "connect": 3.0,
        "ssl": 1.0,
        "send": 1.0,
        "wait": 4.0,
        "receive": 2.0,
    }
    assert entry["time"] == sum(value for name, value in timings.items() if value > 0 and name != "ssl")


def test_what_a_person_edits_in_a_file_counts() -> None:
    recorded = with_body(
        gzip.compress(b'{"amount": 1}'), content_encoding="gzip", content_type="application/json"
    )
    har = json.loads(dump_har([recorded]))
    entry = har["log"]["entries"][0]
    entry["response"]["content"]["text"] = '{"amount": 2}'
    entry["response"]["status"] = 503
    entry["request"]["url"] = "http://elsewhere:1/x"
    entry["request"]["headers"].append({"name": "X-€", "value": "ü"})

    [(exchange, bodies)] = load_har(json.dumps(har).encode(), where="a.har")

    assert body_of(exchange.response_body, bodies) == b'{"amount": 2}'
    assert exchange.response_body is not None
    assert (exchange.response_body.decoded, exchange.response_body.full_hash) == (True, None)
    assert body_of(exchange.request_body, bodies) == gzip.compress(b'{"amount": 1}')
    assert (exchange.status, exchange.authority, exchange.path) == (503, "elsewhere:1", "/x")
    assert exchange.request_headers == (("X-€".encode(), b"\xfc"),)


def test_bytes_that_do_not_have_the_hash_that_they_claim_get_their_own() -> None:
    """A file must not put other bytes under the hash of a body that the store has."""
    har = json.loads(dump_har([with_body(b"good")]))
    har["log"]["entries"][0]["response"]["content"]["text"] = "evil"

    [(exchange, bodies)] = load_har(json.dumps(har).encode(), where="a.har")

    assert all(hashlib.sha256(content).hexdigest() == key for key, content in bodies.items())
    assert body_of(exchange.response_body, bodies) == b"evil"


DEEP = b"[" * 100_000 + b"]" * 100_000
NO_HAR = "a.har is no HAR: "


@pytest.mark.parametrize(
    ("har", "problem"),
    [
        (b"", NO_HAR + "Input data was truncated"),
        (b"<html>", NO_HAR + "JSON is malformed: invalid character (byte 0)"),
        (b"\x1f\x8b\x08", NO_HAR + "JSON is malformed: invalid character (byte 0)"),
        (b"[]", NO_HAR + "Expected `object`, got `array`"),
        (b"{}", NO_HAR + "Object missing required field `log`"),
        (b'{"log": {}}', NO_HAR + "Object missing required field `entries` - at `$.log`"),
        (b'{"log": {"entries": {}}}', NO_HAR + "Expected `array` - at `$.log.entries`"),
        (b'{"log": {"entries": [', NO_HAR + "Input data was truncated"),
        (b'{"log": {"entries": [{}]}}', "a.har: entry 1: Object missing required field `startedDateTime`"),
        (b'{"log": {"entries": [], "_mesh": {"version": 2}}}', "a.har was written by a newer mesh-replay"),
        (b'{"x":' + DEEP + b"}", NO_HAR + "it is nested too deeply"),
        (b'{"log":{"entries":[' + DEEP + b"]}}", NO_HAR + "it is nested too deeply"),
        (b'{"log":{"entries":["\\ud800",' + DEEP + b"]}}", NO_HAR + "it is nested too deeply"),
    ],
    ids=range(13),
)
def test_what_is_no_har_is_one_line_that_says_why(har: bytes, problem: str) -> None:
    """Case P20: damaged, 100,000 levels deep."""
    assert refused(har) == problem


def a_request(**changes: Any) -> dict[str, Any]:
    return {"request": {"method": "GET", "url": "http://h/"} | changes}


def a_response(**changes: Any) -> dict[str, Any]:
    return {"response": {"status": 200} | changes}


@pytest.mark.parametrize(
    ("changes", "problem", "place"),
    [
        (
            {"startedDateTime": "yesterday"},
            "Expected a time like 2026-11-24T10:00:00.000Z",
            "startedDateTime",
        ),
        ({"startedDateTime": 5}, "Expected `str`, got `int`", "startedDateTime"),
        ({"time": 1e300}, "Expected a time within reach", "startedDateTime"),
        ({"request": []}, "Expected `object`, got `array`", "request"),
        (a_request(url="/x"), "Expected what can be sent", "request.url"),
        (a_request(url="http://h/a b"), "Expected what can be sent", "request.url"),
        (a_request(method="GET\r\nX: 1"), "Expected what can be sent", "request.method"),
        (
            a_request(headers=[{"name": "a", "value": "1\rX: 2"}]),
            "Expected a header that can be sent",
            "request.headers[0]",
        ),
        (
            a_response(headers=[{"name": "a"}, {"name": "a b"}]),
            "Expected a header that can be sent",
            "response.headers[1]",
        ),
        (a_request(headers=[{"name": "a"}] * 10_001), "Expected at most 10,000 headers", "request.headers"),
        (a_response(status=42), "Expected a status from 100 to 999", "response.status"),
        (a_response(status="many"), "Expected `int | null`, got `str`", "response.status"),
        (
            a_response(content={"text": "abc", "encoding": "base64"}),
            "Expected base64 (Incorrect padding)",
            "response.content.text",
        ),
        ({"_mesh": {"id": "x"}}, r"Expected `str` matching regex '\\A[0-9a-f]{32}\\Z'", "_mesh.id"),
    ],
)
def test_an_entry_that_cannot_be_read_is_named_with_the_place_in_it(
    changes: dict[str, Any], problem: str, place: str
) -> None:
    """Case P20: wrong types."""
    har = json.dumps({"log": {"entries": [an_entry(), an_entry(**changes)]}}).encode()

    assert refused(har) == f"a.har: entry 2: {problem} - at `$.{place}`"


def test_an_id_from_a_file_cannot_be_anything_but_hex() -> None:
    har = json.loads(dump_har([(an_exchange(), {})]))
    for value in ("0" * 31 + "\n", "0" * 32 + "\n", "A" * 32, "0" * 33):
        har["log"]["entries"][0]["_mesh"]["id"] = value
        assert "_mesh.id" in refused(json.dumps(har).encode())


def test_an_exchange_that_ends_before_it_starts_is_refused() -> None:
    har = json.loads(dump_har([(an_exchange(), {})]))
    har["log"]["entries"][0]["_mesh"]["ended_at"] = 0

    assert refused(json.dumps(har).encode()) == "a.har: entry 1: an exchange cannot end before it starts"


def test_too_much_is_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    har = dump_har([(an_exchange(), {}), (an_exchange(), {})])
    monkeypatch.setattr(reading, "MOST_ENTRIES", 1)
    assert refused(har) == "a.har has more than 1 entries"
    monkeypatch.setattr(reading, "MOST_BYTES", len(har) - 1)
    assert refused(har) == "a.har is larger than 0 MiB"
