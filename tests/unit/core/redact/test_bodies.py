"""Bodies and messages: what is hidden in them, what stays, and what is not kept at all."""

import base64
import gzip
import hashlib
import json
import zlib

import pytest
from msgspec import structs

from mesh_core.config import Places, Redact, RedactMode
from mesh_core.model import BodyRef, Message, Redaction, Sender
from mesh_core.redact import Redactor, find_secrets
from support.canaries import Body, field, frame, message, multipart, recorded
from support.recorded import an_exchange

REDACTOR = Redactor(b"k" * 32)
JSON = "application/json"


def stored(
    content: bytes, content_type: str = JSON, *, truncated: bool = False, redactor: Redactor = REDACTOR
) -> bytes:
    """What is kept of a body."""
    exchange, bodies = redactor.apply(*recorded(Body(content, content_type), truncated=truncated))
    assert exchange.response_body is not None
    assert exchange.response_body.stored == len(bodies[exchange.response_body.hash])
    return bodies[exchange.response_body.hash]


def ruled(**places: tuple[str, ...]) -> Redactor:
    return Redactor(b"k" * 32, redact=Redact(hide=Places(**places)))


def allowed(**places: tuple[str, ...]) -> Redactor:
    return Redactor(b"k" * 32, redact=Redact(allow=Places(**places)))


def only(**places: tuple[str, ...]) -> Redactor:
    return Redactor(b"k" * 32, RedactMode.ALLOWLIST, Redact(allow=Places(**places)))


def test_every_byte_around_a_secret_stays() -> None:
    before = b'{ "a" : 1.50,\t"password":"hunter2" , "b":[1e5, "\xc3\xa9\\u00e9"],"a":2}\n'

    after = stored(before)

    head, tail = before.split(b"hunter2")
    assert after.startswith(head)
    assert after.endswith(tail)
    assert b"hunter2" not in after


def test_a_body_without_secrets_stays_as_on_the_wire() -> None:
    exchange, bodies = recorded(Body(b'{"a":1}', JSON), encoding="gzip")

    after = REDACTOR.apply(exchange, bodies)

    assert after[0] is exchange
    assert after[1] is bodies


def test_a_changed_body_is_stored_decoded_under_its_own_hash() -> None:
    exchange, bodies = recorded(Body(b'{"password":"hunter2"}', JSON), encoding="gzip")

    after, kept = REDACTOR.apply(exchange, bodies)

    ref = after.response_body
    assert ref is not None
    assert exchange.response_body is not None
    assert json.loads(kept[ref.hash])["password"].startswith("mr1_secret_")
    assert ref.hash == hashlib.sha256(kept[ref.hash]).hexdigest()
    assert (ref.full_hash, ref.size, ref.decoded) == (None, exchange.response_body.size, True)
    assert ref.content_encoding == "gzip"
    assert list(kept) == [ref.hash]
    assert after.redactions == (Redaction(rule="json", count=1),)


def test_both_bodies_are_kept_where_one_changes() -> None:
    plain, secret = b'{"a":1}', b'{"token":"hunter2"}'
    refs = [
        BodyRef(hash=hashlib.sha256(raw).hexdigest(), size=len(raw), stored=len(raw), content_type=JSON)
        for raw in (plain, secret)
    ]
    exchange = an_exchange(request_body=refs[0], response_body=refs[1])

    after, kept = REDACTOR.apply(exchange, {refs[0].hash: plain, refs[1].hash: secret})

    assert after.request_body is refs[0]
    assert kept[refs[0].hash] == plain
    assert after.response_body is not None
    assert set(kept) == {refs[0].hash, after.response_body.hash}


@pytest.mark.parametrize(
    ("content", "content_type", "why"),
    [
        (b'{"password": "hunter2"', JSON, "json"),
        (b"{'password': 'hunter2'}", JSON, "json"),
        (b"oops, no json: hunter2", JSON, "json"),
        (b"[" * 100_000, JSON, "json"),
        (b'{"a":1}\nhunter2', "application/x-ndjson", "json"),
        (b"PK\x03\x04hunter2\xff\xfe\x80", "application/zip", "binary"),
        (b"%PDF-1.7 hunter2 \x80\xff", "application/pdf", "binary"),
        (b"hunter2\x00\x80\xff", "application/octet-stream", "binary"),
        (b"hunter2\x00\x80", "text/plain", "binary"),
        (b"hunter2", "text/plain; charset=x-secret", "charset"),
        (b"password=hunter2 password=hunter2!", "text/plain; charset=utf-16", "charset"),
        (b"hunter2", "multipart/form-data", "multipart"),
        (b"\0\0\0\0\x09hunter2", "application/grpc", "grpc"),
        (frame(b"\xff\xffhunter2"), "application/grpc", "grpc"),
        (frame(b"hunter2", compressed=True), "application/grpc", "grpc"),
        (b"\xff\xffhunter2", "application/x-protobuf", "protobuf"),
        (b"\x89PNG\r\n" + b"AKIAIOSFODNN7EXAMPLE", "image/png", "credential"),
        (b"\x89PNG\r\n-----BEGIN PRIVATE KEY-----hunter2", "image/png", "credential"),
    ],
)
def test_what_cannot_be_looked_through_is_dropped_and_marked(
    content: bytes, content_type: str, why: str
) -> None:
    after, kept = REDACTOR.apply(*recorded(Body(content, content_type)))

    ref = after.response_body
    assert ref is not None
    assert (ref.stored, ref.truncated, ref.full_hash, ref.size) == (0, True, None, len(content))
    assert kept == {ref.hash: b""}
    assert after.redactions == (Redaction(rule=f"dropped:{why}", count=1),)


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"hunter2", "gzip"),
        (gzip.compress(b"hello", mtime=0) + b"hunter2", "gzip"),
        (b"hunter2", "br"),
        (b"hunter2", "zstd"),
        (b"hunter2", "deflate"),
        (zlib.compress(b"hello") + b"hunter2", "deflate"),
        (b"hunter2", "exi"),
        (gzip.compress(b"hello", mtime=0), "gzip, gzip, gzip, gzip, gzip"),
    ],
)
def test_a_damaged_or_unknown_encoding_is_dropped(raw: bytes, encoding: str) -> None:
    ref = BodyRef(hash="h", size=9, stored=9, content_type="text/plain", content_encoding=encoding)

    after, kept = REDACTOR.apply(an_exchange(response_body=ref), {"h": raw})

    assert list(kept.values()) == [b""]
    assert after.redactions == (Redaction(rule="dropped:encoding", count=1),)


def test_a_bomb_is_read_as_far_as_it_may_grow() -> None:
    exchange, bodies = recorded(Body(b"hello bob@x.org\n" * 2_000_000, "text/plain"), encoding="gzip")

    after, kept = REDACTOR.apply(exchange, bodies)

    [content] = kept.values()
    assert len(content) < 16_000_000
    assert b"bob@x.org" not in content
    assert after.response_body is not None
    assert after.response_body.truncated


@pytest.mark.parametrize(
    "content_type", ["image/png", "audio/ogg", "video/mp4", "font/woff2", "application/wasm"]
)
def test_media_stays(content_type: str) -> None:
    content = bytes(range(256)) * 9

    assert stored(content, content_type) == content


def test_svg_is_markup() -> None:
    assert b"bob@" not in stored(b"<svg><text>bob@shop.org</text></svg>", "image/svg+xml")


def test_a_binary_type_can_be_kept() -> None:
    redactor = Redactor(b"k" * 32, redact=Redact(keep_types=("application/pdf",)))

    assert stored(b"%PDF \x80\xff", "application/pdf", redactor=redactor) == b"%PDF \x80\xff"


@pytest.mark.parametrize(
    ("content", "content_type", "kept"),
    [
        (b'{"a":"x y","b":"ghp_aaaa', JSON, b'{"a":"x y","b":'),
        (b'{"a":1,"card":411111', JSON, b'{"a":1,"card":'),
        (b'{"a":1,"passw', JSON, b'{"a":1,'),
        (b'{"a":"q\\"","b":"bob@exam\\', JSON, b'{"a":"q\\"","b":'),
        (b"hello all 4111 1111 11", "text/plain", b"hello all "),
        (b"hello all DE89 3704 0044 05", "text/plain", b"hello all "),
        (b"hello all bob@exam", "text/plain", b"hello all "),
        (b"a=1&b=bob%40exa", "application/x-www-form-urlencoded", b"a=1&b="),
        (b"a=1&passwor", "application/x-www-form-urlencoded", b"a=1&"),
        (b"<a>x</a><b>bob@ex", "application/xml", b"<a>x</a><b>"),
        (b'{"a":1}\n{"b":"bob@', "application/x-ndjson", b'{"a":1}\n'),
        (b"data: x\n\ndata: bob@ex", "text/event-stream", b"data: x\n\n"),
        (frame(b"\x08\x01") + b"\0\0\0\0\x09bob@", "application/grpc", frame(b"\x08\x01")),
        (b"\x08\x01" + field(2, b"bob@shop")[:-2], "application/x-protobuf", b"\x08\x01"),
    ],
)
def test_of_a_body_that_was_cut_off_the_last_piece_goes(
    content: bytes, content_type: str, kept: bytes
) -> None:
    assert stored(content, content_type, truncated=True) == kept


def test_a_cut_body_is_still_looked_through_and_stays_truncated() -> None:
    exchange, bodies = recorded(Body(b'{"password":"hunter2","b":"ta', JSON), truncated=True)

    after, kept = REDACTOR.apply(exchange, bodies)

    assert b"hunter2" not in b"".join(kept.values())
    assert after.response_body is not None
    assert after.response_body.truncated
    assert REDACTOR.apply(after, kept)[0] == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"cvv": "123", "pin": 1234}, {"cvv": "000", "pin": 1000}),
        ({"ssn": "123-45-6789"}, {"ssn": "000-00-0000"}),
        ({"dob": "1990-01-31"}, {"dob": "1900-01-01"}),
        ({"password": None, "token": True, "secret": ""}, {"password": None, "token": True, "secret": ""}),
        ({"tokens": 512, "max_tokens": 9}, {"tokens": 512, "max_tokens": 9}),
        ({"session": {"room": "blue"}}, {"session": {"room": "blue"}}),
        ({"card": {"brand": "visa", "last4": "4242"}}, {"card": {"brand": "visa", "last4": "4242"}}),
        (
            {"token": {"expires_in": 3600, "type": "Bearer"}},
            {"token": {"expires_in": 3600, "type": "Bearer"}},
        ),
    ],
)
def test_values_of_few_kinds_become_constants_and_types_stay(before: object, after: object) -> None:
    assert json.loads(stored(json.dumps(before).encode())) == after


def test_an_oauth_code_is_a_secret_beside_its_grant() -> None:
    assert b"hunter2" not in stored(b'{"grant_type":"authorization_code","code":"hunter2"}')
    assert stored(b'{"code":"EUR"}') == b'{"code":"EUR"}'


def test_json_behind_a_guard_with_nan_or_on_lines_is_json() -> None:
    assert stored(b')]}\',\n{"a":1}') == b')]}\',\n{"a":1}'
    assert stored(b'{"a":NaN}') == b'{"a":NaN}'
    assert stored(b'{"a":1}\n{"b":2}\n') == b'{"a":1}\n{"b":2}\n'


def test_text_loses_pairs_and_credentials() -> None:
    after = stored(b'curl -H "Authorization: Bearer hunter2" ; export DB_PASSWORD=hunter2\n', "text/plain")

    assert b"hunter2" not in after
    assert after.startswith(b'curl -H "Authorization: Bearer mr1_')
    assert (
        stored(b"our basic subscription, token expired", "text/plain")
        == b"our basic subscription, token expired"
    )


def test_a_part_that_cannot_be_read_goes_alone() -> None:
    content = multipart('f"; filename="x.zip', "PK\x00\x01", "application/zip")

    after = stored(content, "multipart/form-data; boundary=XX")

    assert b"sku-9 zebra" in after
    assert b"\r\n\r\nmr1_dropped\r\n--XX--" in after


def test_a_binary_message_of_which_nothing_is_known_goes() -> None:
    sent = Message(sender=Sender.CLIENT, offset=0, type="binary", payload=b"\xff\xfe\x80hunter2")

    after, _ = REDACTOR.apply(an_exchange(messages=(sent,)), {})

    assert after.messages[0].payload == b""
    assert after.redactions == (Redaction(rule="dropped:binary", count=1),)


def test_protobuf_keeps_its_fields_and_lengths() -> None:
    before = message("4539578763621486") + b"\x38" + b"\x80\xc8\xaf\xa0\x8a\x80\x02"
    after = stored(before, "application/x-protobuf")

    assert len(after) == len(before)
    assert after != before
    assert field(1, b"sku-9 zebra") in after


def test_a_project_names_places() -> None:
    doc = b'{"a":{"b":["x1","x2"]},"c":[{"id":"y","n":7}],"d":"ACME-1234-z"}'

    by_path = json.loads(stored(doc, redactor=ruled(json=("$.a.b[1]", "$..id"))))
    assert by_path["a"]["b"][0] == "x1"
    assert by_path["a"]["b"][1].startswith("mr1_secret")
    assert by_path["c"][0]["id"].startswith("mr1_secret")
    assert by_path["c"][0]["n"] == 7

    assert json.loads(stored(doc, redactor=ruled(pattern=("ACME-####-*",))))["d"].startswith("mr1_custom")
    assert b"hunter2" not in stored(
        b"answer=hunter2", "application/x-www-form-urlencoded", redactor=ruled(form=("answer",))
    )
    exchange = an_exchange(path="/a?invite=hunter2", request_headers=((b"X-Tenant", b"hunter2"),))
    assert "hunter2" not in repr(ruled(query=("invite",), header=("x-tenant",)).apply(exchange, {})[0])


def test_what_is_allowed_stays_whatever_it_is() -> None:
    doc = b'{"token":"page-2","support":{"mail":"help@shop.org"},"password":"hunter2"}'

    after = json.loads(stored(doc, redactor=allowed(json=("$.token", "$.support"))))
    assert after["token"] == "page-2"
    assert after["support"] == {"mail": "help@shop.org"}
    assert after["password"] != "hunter2"

    assert (
        stored(b'{"m":"help@shop.org"}', redactor=allowed(pattern=("*@shop.org",)))
        == b'{"m":"help@shop.org"}'
    )
    assert (
        stored(b"token=a", "application/x-www-form-urlencoded", redactor=allowed(form=("token",)))
        == b"token=a"
    )
    exchange = an_exchange(
        path="/a?token=x1y", request_headers=((b"Cookie", b"theme=dark"), (b"X-Session-Id", b"s1"))
    )
    redactor = allowed(query=("token",), cookie=("theme",), header=("x-session-id",))
    assert redactor.apply(exchange, {})[0] is exchange


def test_an_allow_list_keeps_nothing_else() -> None:
    doc = b'{"sku":"sku-9","name":"Ada","n":7,"ok":true,"by":{"who":"Bob"}}'

    after = json.loads(stored(doc, redactor=only(json=("$.sku",))))
    assert after["sku"] == "sku-9"
    assert after["ok"] is True
    assert "Ada" not in repr(after)
    assert "Bob" not in repr(after)
    assert after["n"] != 7
    assert stored(b"free text", "text/plain", redactor=only()) == b""
    exchange = an_exchange(
        path="/users/4711/orders?a=1&b=22",
        request_headers=(
            (b"X-Note", b"hello"),
            (b"Content-Type", b"text/plain"),
            (b"traceparent", b"00-1-2-01"),
        ),
    )
    kept = only(query=("a",)).apply(exchange, {})[0]
    assert "4711" not in kept.path
    assert kept.path.endswith(tuple("abcdefghijklmnopqrstuvwxyz234567"))
    assert "?a=1&b=mr1_" in kept.path
    assert kept.request_headers[0][1].startswith(b"mr1_unnamed")
    assert kept.request_headers[1:] == exchange.request_headers[1:]


def test_equal_secrets_are_equal_tokens_in_every_place() -> None:
    value = "s3cr3t-Value"
    contents = [
        (json.dumps({"token": value}).encode(), JSON),
        (f'{{"token":"{value}","a":"\\n"}}'.encode(), JSON),
        (f"token={value}".encode(), "application/x-www-form-urlencoded"),
        (f"<token>{value}</token>".encode(), "text/xml"),
        (multipart("token", value), "multipart/form-data; boundary=XX"),
        (f"token={value}\n".encode(), "text/plain"),
        (f'data: {{"token":"{value}"}}\n\n'.encode(), "text/event-stream"),
    ]

    token = REDACTOR.token(value.encode())

    assert all(token in stored(content, kind) for content, kind in contents)


def test_the_scan_names_place_and_rule_and_not_the_value() -> None:
    exchange, bodies = recorded(Body(b'{"password":"hunter2"}', JSON))

    [leak] = find_secrets(exchange, bodies)

    assert (leak.place, leak.rule, leak.count) == ("response_body", "json", 1)
    assert "hunter2" not in repr(leak)
    assert find_secrets(*Redactor(None).apply(exchange, bodies)) == ()


def test_a_secret_deeper_than_anybody_looks_is_hidden_whole() -> None:
    value = "bob@shop.example.org"
    for _ in range(7):
        value = base64.b64encode(value.encode()).decode()

    after = stored(json.dumps({"a": value}).encode())

    for _ in range(8):
        assert b"bob@" not in after
        after = base64.b64decode(
            json.loads(after)["a"] if after.startswith(b"{") else after + b"=" * (-len(after) % 4)
        )
        if after.startswith(b"mr1_deep"):
            break
    assert after.startswith(b"mr1_deep")


@pytest.mark.parametrize(
    "text",
    [r"write to bob\u0040shop.org now", "write to bob&#64;shop.org now", "write to bob%40shop.org now"],
)
def test_escapes_of_other_formats_hide_nothing(text: str) -> None:
    for content, kind in ((text.encode(), "text/plain"), (json.dumps({"a": text}).encode(), JSON)):
        after = stored(content, kind)

        assert b"mr1_email_" in after
        assert b"shop.org" not in after


def test_in_json_secrets_are_found_side_by_side() -> None:
    doc = {
        "password": "hunter2",
        "a": "\t4111111111111111\n",
        "b": "set api_key=hunter3 now",
        "c": "bob@shop.org",
    }

    after = json.loads(stored(json.dumps(doc).encode()))

    assert not [value for value in ("hunter", "4111111", "bob@") if value in repr(after)]
    assert after["b"].startswith("set api_key=mr1_")
    assert after["a"].startswith("\t4999999")


def test_an_encoded_body_that_was_cut_off_is_stored_decoded_and_keeps_its_hash() -> None:
    stream = zlib.compressobj(wbits=31)
    raw = stream.compress(b"ordinary words all along ") + stream.flush(zlib.Z_SYNC_FLUSH)
    ref = BodyRef(
        hash="h",
        full_hash="f",
        size=99,
        stored=9,
        truncated=True,
        content_type="text/plain",
        content_encoding="gzip",
    )

    after, kept = REDACTOR.apply(an_exchange(response_body=ref), {"h": raw})

    [content] = kept.values()
    assert content == b"ordinary words all along "
    assert after.response_body is not None
    assert (after.response_body.decoded, after.response_body.truncated) == (True, True)
    assert after.response_body.full_hash == "f"
    assert after.redactions == ()


def test_a_compressed_grpc_message_is_decoded_where_it_changed() -> None:
    body = frame(gzip.compress(message("bob@shop.example.org")), compressed=True)
    exchange, bodies = recorded(Body(body, "application/grpc"))
    headers = (*exchange.response_headers, (b"grpc-encoding", b"gzip"))

    _, kept = REDACTOR.apply(structs.replace(exchange, response_headers=headers), bodies)

    [content] = kept.values()
    assert content[0] == 0
    assert int.from_bytes(content[1:5], "big") == len(content) - 5
    assert b"mr1_email_" in content
