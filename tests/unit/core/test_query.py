"""Searches: what they are read as, what they find, and what an error says."""

import gzip
import hashlib

import pytest

from mesh_core.errors import QueryInvalid
from mesh_core.model import BodyRef, Direction
from mesh_core.outcome import FAILURES, Outcome
from mesh_core.query import And, Field, Not, Number, Op, Or, Text, matches, parse_query
from support.recorded import an_exchange

NOW = 1_795_500_000_000_000_000
HOUR = 3_600_000_000_000


def read(text: str) -> object:
    return parse_query(text, now=NOW).node


def finds(text: str, bodies: dict[str, bytes] | None = None, **changes: object) -> bool:
    return matches(parse_query(text, now=NOW), an_exchange(**changes), bodies or {})


def refused(text: str) -> QueryInvalid:
    with pytest.raises(QueryInvalid) as raised:
        parse_query(text, now=NOW)
    assert "\n" not in str(raised.value)
    return raised.value


def a_body(content: bytes, **changes: object) -> tuple[BodyRef, dict[str, bytes]]:
    digest = hashlib.sha256(content).hexdigest()
    return BodyRef(hash=digest, size=len(content), stored=len(content), **changes), {digest: content}  # type: ignore[arg-type]  # checked where it is read


def test_a_blank_query_finds_everything() -> None:
    assert read("") is read(" \t ") is None
    assert finds("")


def test_terms_side_by_side_bind_more_than_or_and_minus_most() -> None:
    cart, payment = Text(Field.SERVICE, Op.EQUALS, ("cart",)), Text(Field.SERVICE, Op.EQUALS, ("payment",))
    failed = Number(Field.STATUS, 500, 599)

    assert read("service:cart status:5xx OR service:payment") == Or((And((cart, failed)), payment))
    assert read("status:5xx (service:cart OR service:payment)") == And((failed, Or((cart, payment))))
    assert read("-service:cart status:5xx") == And((Not(cart), failed))
    assert read("-(service:cart status:5xx)") == Not(And((cart, failed)))
    assert read("NOT service:cart AND status:5xx") == read("-service:cart status:5xx")


def test_the_example_of_the_design_is_read_term_by_term() -> None:
    text = (
        "service:cart status:5xx method:POST path:/checkout* since:2h until:10m duration:>500ms"
        ' outcome:upstream_timeout header:x-tenant=42 body~"sku-9"'
    )

    assert read(text) == And(
        (
            Text(Field.SERVICE, Op.EQUALS, ("cart",)),
            Number(Field.STATUS, 500, 599),
            Text(Field.METHOD, Op.EQUALS, ("POST",)),
            Text(Field.PATH, Op.GLOB, ("/checkout*",)),
            Number(Field.STARTED, NOW - 2 * HOUR, None),
            Number(Field.STARTED, None, NOW - HOUR // 6),
            Number(Field.DURATION, 500_000_001, None),
            Text(Field.OUTCOME, Op.EQUALS, ("upstream_timeout",)),
            Text(Field.HEADER, Op.EQUALS, ("42",), "x-tenant"),
            Text(Field.BODY, Op.CONTAINS, ("sku-9",)),
        )
    )


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("status:>=500", Number(Field.STATUS, 500, None)),
        ("status:>500", Number(Field.STATUS, 501, None)),
        ("status:<=500", Number(Field.STATUS, None, 500)),
        ("status:<500", Number(Field.STATUS, None, 499)),
        ("status:=500", Number(Field.STATUS, 500, 500)),
        ("status:500,503", Or((Number(Field.STATUS, 500, 500), Number(Field.STATUS, 503, 503)))),
        ("grpc-status:unavailable", Number(Field.GRPC_STATUS, 14, 14)),
        ("GRPC_STATUS:14", Number(Field.GRPC_STATUS, 14, 14)),
        ("size:>=64KiB", Number(Field.SIZE, 65536, None)),
        ("duration:<1.5s", Number(Field.DURATION, None, 1_499_999_999)),
        ("since:1970-01-01T00:00:01.5Z", Number(Field.STARTED, 1_500_000_000, None)),
        ("since:1970-01-01T02:00:00+01:00", Number(Field.STARTED, HOUR, None)),
        ("until:1970-01-02", Number(Field.STARTED, None, 24 * HOUR)),
        (f"size:<={2**63 - 1}", Number(Field.SIZE, None, 2**63 - 1)),
        ("since:99999999d", Number(Field.STARTED, 0, None)),
    ],
)
def test_numbers_and_times_are_read_with_their_units(text: str, node: object) -> None:
    assert read(text) == node


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("method:get,Head", Text(Field.METHOD, Op.EQUALS, ("GET", "HEAD"))),
        ("service:Cart", Text(Field.SERVICE, Op.EQUALS, ("cart",))),
        ("outcome:*_failed", Text(Field.OUTCOME, Op.EQUALS, ("connect_failed", "dns_failed", "tls_failed"))),
        ("trace:4BF9*", Text(Field.TRACE, Op.GLOB, ("4bf9*",))),
        ("exchange:0193-f3a2", Text(Field.EXCHANGE, Op.EQUALS, ("0193f3a2",))),
        ('error:"a * b"', Text(Field.ERROR, Op.EQUALS, ("a * b",))),
        (r'error:"say \"no\" \\ \n"', Text(Field.ERROR, Op.EQUALS, (r'say "no" \ \n',))),
        ('peer:"127.0.0.1:80"', Text(Field.PEER, Op.EQUALS, ("127.0.0.1:80",))),
        ('peer:""', Text(Field.PEER, Op.EQUALS, ("",))),
        ("peer:a,b*", Or((Text(Field.PEER, Op.EQUALS, ("a",)), Text(Field.PEER, Op.GLOB, ("b*",))))),
        ("header:X-Tenant", Text(Field.HEADER, Op.GLOB, ("*",), "x-tenant")),
        ("header:X-Tenant=", Text(Field.HEADER, Op.EQUALS, ("",), "x-tenant")),
        ("header:x-tenant~4,2", Text(Field.HEADER, Op.CONTAINS, ("4", "2"), "x-tenant")),
        ("failed:true", read("is:failure")),
    ],
)
def test_texts_are_read_in_the_form_that_they_are_compared_in(text: str, node: object) -> None:
    assert read(text) == node


def test_a_word_alone_is_looked_for_in_path_error_and_bodies() -> None:
    ref, bodies = a_body(b'{"sku": "sku-9"}')

    assert finds("sku-9", path="/items/sku-9?x=1")
    assert finds("refused", status=None, outcome=Outcome.CONNECT_FAILED, error="payment refused it")
    assert finds('"sku-9"', bodies, response_body=ref)
    assert finds("sku-9", bodies, request_body=ref)
    assert not finds("sku-8", bodies, request_body=ref)


def test_what_cannot_be_a_fields_name_before_a_colon_is_part_of_a_word() -> None:
    assert finds("10:30", path="/at/10:30")
    assert finds('"service":cart', error='"service:cart', outcome=Outcome.TLS_FAILED, status=None)
    assert finds("/a:b~c", path="/x/a:b~c")


def test_failures_are_the_failing_outcomes() -> None:
    for outcome in Outcome:
        assert finds("is:failure", outcome=outcome) == (outcome in FAILURES)
        assert finds("failed:false", outcome=outcome) == (outcome not in FAILURES)


def test_a_path_without_a_question_mark_fits_whatever_query_follows() -> None:
    assert finds("path:/checkout", path="/checkout?x=1")
    assert finds("path:/checkout", path="/checkout")
    assert finds("path:/a/*/c", path="/a/b/c?x=1")
    assert not finds("path:/checkout", path="/checkout/x")
    assert not finds("path:/checkout?", path="/checkout?x=1")
    assert finds('path:"/a*"', path="/a*")
    assert not finds('path:"/a*"', path="/ab")


def test_a_star_is_the_only_thing_that_is_special_in_a_glob() -> None:
    assert finds("path:/a*z*", path="/a.z?")
    assert finds("peer:*", peer="payment")
    assert not finds("peer:*", peer=None)
    assert not finds("peer:[pq]ayment", peer="payment")
    assert not finds("peer:p.*t", peer="payment")
    assert finds("peer:p%_*", peer="p%_x")
    assert not finds("peer:ab*ba", peer="aba")


def test_case_counts_but_for_service_method_and_header_names() -> None:
    tenant = ((b"X-Tenant", b"Acme"),)

    assert finds("service:CART method:post", service="Cart", method="POST")
    assert finds("header:x-tenant=Acme", request_headers=tenant)
    assert finds("header:x-tenant~cm", response_headers=tenant)
    assert not finds("header:x-tenant=acme", request_headers=tenant)
    assert not finds("path:/A", path="/a")
    assert not finds("peer:Payment", peer="payment")


def test_letters_outside_ascii_fit_utf_8_and_latin_1_bytes() -> None:
    assert finds("path:/café", path="/café".encode().decode("latin-1"))
    assert finds("path:/café", path="/café")
    assert finds("header:x-name=é", request_headers=((b"x-name", "é".encode()),))
    assert finds("header:x-name=é", request_headers=((b"x-name", b"\xe9"),))


def test_a_body_is_looked_through_out_of_its_encoding_and_charset() -> None:
    for content, kind, encoding in [
        (gzip.compress("größe 9".encode()), "text/plain", "gzip"),
        ("größe 9".encode("latin-1"), 'text/plain; charset="ISO-8859-1"', None),
        ("größe 9".encode("utf-16"), "text/plain; charset=utf-16", None),
        (b"\x00\x01\xff\xfe" + "größe 9".encode(), "application/grpc", None),
        ("größe 9".encode(), "text/plain; charset=rot13", None),
        ("größe 9".encode(), "text/plain; charset=nothing-known", None),
    ]:
        ref, bodies = a_body(content, content_type=kind, content_encoding=encoding)
        assert finds('body~"größe 9"', bodies, response_body=ref)
        assert not finds('body~"größe 8"', bodies, response_body=ref)
    redacted, bodies = a_body(b"plain", content_encoding="gzip", decoded=True)
    assert finds("body~plain", bodies, request_body=redacted)
    assert not finds("body~plain", request_body=redacted)


def test_what_an_exchange_lacks_fits_nothing_and_its_opposite() -> None:
    gone = {"status": None, "outcome": Outcome.DNS_FAILED}

    assert not finds("status:<600", **gone)
    assert finds("-status:<600", **gone)
    assert not finds("size:>=0")
    assert finds("-size:>=0")
    assert finds("-error~x -peer:x -request_id:x")


def test_times_durations_and_sizes_are_compared_with_both_ends_included() -> None:
    ref, _ = a_body(b"x" * 10)
    at = NOW - HOUR

    assert finds("since:1h until:1h", started_at=at, ended_at=at)
    assert not finds("since:1h", started_at=at - 1, ended_at=at)
    assert not finds("until:1h", started_at=at + 1, ended_at=at + 1)
    assert finds("duration:>=5ms duration:<=5ms", started_at=0, ended_at=5_000_000)
    assert not finds("duration:>5ms", started_at=0, ended_at=5_000_000)
    assert finds("size:10 size:<11", request_body=ref)
    assert finds("direction:outbound", direction=Direction.OUTBOUND)


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("service:cart foo:1", 14, "unknown field foo"),
        ("(a OR b", 1, 'a "(" is never closed'),
        ("a) b", 2, 'a ")" without its "("'),
        ("a OR", 5, "a term is missing before the end"),
        ("OR a", 1, 'a term is missing before "OR"'),
        ("a OR OR b", 6, 'a term is missing before "OR"'),
        ("()", 2, 'a term is missing before ")"'),
        ("a -", 4, "a term is missing before the end"),
        ('body~"x', 6, 'a quote " never ends'),
        ("service:", 1, "service: has no value"),
        ("status:500,", 11, "'' is no value for status"),
        ("status:500,abc", 12, "'abc' is no value for status"),
        ("status~5", 1, "status is no text for ~"),
        ("status:>99999999999999999999", 8, "'>99999999999999999999' is no value for status"),
        ("status:>9300000000000000000", 8, "'>9300000000000000000' is too large"),
        ("size:" + "9" * 401, 6, f"'{'9' * 40}' is no value for size"),
        ("size:5xx", 6, "'5xx' is no value for size"),
        (f"size:{2**63}", 6, f"'{2**63}' is too large"),
        ("duration:500ms", 10, "'500ms' is no value for duration"),
        ("duration:>500", 10, "'>500' is no value for duration"),
        ("since:yesterday", 7, "'yesterday' is no value for since"),
        ("since:2026-02-30", 7, "'2026-02-30' is no value for since"),
        ("since:2026-11-24T10:00:00", 7, "'2026-11-24T10:00:00' is no value for since"),
        ("since:9999-01-01", 7, "'9999-01-01' is no value for since"),
        ("outcome:ok,bad", 12, "no outcome is called 'bad'"),
        ("outcome:x*", 9, "no outcome is called 'x*'"),
        ("direction:up", 11, "no direction is called 'up'"),
        ("is:nice", 4, "is does not know 'nice'"),
        ("body:x", 6, "a body is looked through with ~"),
        ("body~a*", 6, "after ~ a * would stand for itself"),
        ("body~", 1, "body~ has no value"),
        ('body~""', 6, "an empty text is found everywhere"),
        ("header:=4", 8, "no header has such a name"),
        ("header~x", 8, "header cannot be looked through"),
        ("outcome~x", 9, "outcome cannot be looked through"),
        ('path:a*"*"', 6, "one value cannot have a * in quotes and one as a glob"),
        ("check*", 1, "a word alone is looked for as it is, without *"),
        ('""', 1, "an empty text is found everywhere"),
        ("path:/a(b)", 8, "a bracket directly after a word"),
        ("path:/\0", 7, r"'\x00' cannot be searched for"),
        ("path:\udce9", 6, r"'\udce9' cannot be searched for"),
        ("a" * 4097, 4097, "the query is longer than 4,096 characters"),
        ("(" * 17 + "a" + ")" * 17, 17, "more than 16 levels deep"),
        ("-" * 17 + "a", 17, "more than 16 levels deep"),
        ("a " * 65, 129, "more than 64 terms"),
        ("status:" + ",".join(["500"] * 65), 1, "more than 64 terms"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_character(text: str, position: int, problem: str) -> None:
    error = refused(text)

    assert error.position == position
    assert error.problem == f"{problem} (character {position} of the query)"


def test_as_much_as_the_limits_allow_is_read() -> None:
    assert read("(" * 16 + "a" + ")" * 16) == read("a")
    assert read(" ".join(["a"] * 64))
    assert read('"' + "a" * 4094 + '"')
