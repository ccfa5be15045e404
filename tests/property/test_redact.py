"""A planted secret is in nothing that leaves the redactor, and neighbours keep every byte."""

import string

from hypothesis import assume, given
from hypothesis import strategies as st

from mesh_core.redact import Redactor
from support.canaries import Body, recorded
from support.recorded import an_exchange

REDACTOR = Redactor(b"k" * 32)
TOKEN_CHARS = string.ascii_letters + string.digits + "-._~+"
SECRETS = st.text(TOKEN_CHARS, min_size=12, max_size=60).map(lambda text: f"Zq{text}")
NAMES = st.text(string.ascii_lowercase, min_size=4, max_size=12).map(lambda text: f"n{text}n".encode())
HARMLESS = st.binary(max_size=40).filter(lambda value: not any(sign in value for sign in b"=@?#;&\r\n"))
PLACES = st.sampled_from(
    [
        lambda s: {"request_headers": ((b"Authorization", b"Bearer " + s),)},
        lambda s: {"request_headers": ((b"X-API-KEY", s),)},
        lambda s: {"request_headers": ((b"Cookie", b"a=" + s + b"; b=" + s),)},
        lambda s: {"response_headers": ((b"set-cookie", b"a=" + s + b"; Path=/"),)},
        lambda s: {"response_headers": ((b"Location", b"https://h/x?refresh_token=" + s),)},
        lambda s: {"response_trailers": ((b"x-session-token", s),)},
        lambda s: {"path": f"/a?b=1&api_key={s.decode()}&c=2"},
        lambda s: {"path": f"/a/b;sessionid={s.decode()}"},
        lambda s: {"authority": f"user:{s.decode()}@h:80"},
        lambda s: {"error": f"https://u:{s.decode()}@h/ refused"},
    ]
)


@given(secret=SECRETS, place=PLACES)
def test_no_planted_secret_gets_through(secret: str, place) -> None:
    after, _ = REDACTOR.apply(an_exchange(**place(secret.encode())), {})

    assert secret not in repr(after)
    assert sum(redaction.count for redaction in after.redactions) >= 1


@given(headers=st.lists(st.tuples(NAMES, HARMLESS), max_size=8), secret=SECRETS)
def test_the_neighbours_of_a_secret_keep_order_case_and_bytes(
    headers: list[tuple[bytes, bytes]], secret: str
) -> None:
    assume(not any(b"eyJ" in value for _, value in headers))
    fields = (*headers, (b"X-Api-Key", secret.encode()))

    after, _ = REDACTOR.apply(an_exchange(request_headers=fields), {})

    assert after.request_headers[:-1] == fields[:-1]
    assert after.request_headers[-1] == (b"X-Api-Key", REDACTOR.token(secret.encode()))


@given(raw=st.binary(max_size=80))
def test_no_path_makes_it_fail_and_twice_is_once(raw: bytes) -> None:
    once, _ = REDACTOR.apply(an_exchange(path=raw.decode("latin-1")), {})
    twice, _ = REDACTOR.apply(once, {})

    assert once.path == twice.path


@given(text=st.text(max_size=200))
def test_no_message_makes_it_fail(text: str) -> None:
    assert isinstance(REDACTOR.text(text), str)


TYPES = st.sampled_from(
    [
        "application/json",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=X",
        "application/xml",
        "text/html",
        "text/plain",
        "text/event-stream",
        "application/grpc",
        "application/x-protobuf",
        "application/octet-stream",
        "text/plain; charset=utf-16",
        "image/png",
        "nonsense",
        "",
    ]
)
PIECES = st.sampled_from(
    [
        b'{"password":"',
        b'"}',
        b"{",
        b"[",
        b"]",
        b'"',
        b"\\",
        b"\\u0040",
        b",",
        b":",
        b"bob@shop.org",
        b"4111111111111111",
        b"=",
        b"&",
        b"%40",
        b"eyJhbGciOiJIUzI1NiJ9.",
        b"e30.",
        b"<password>",
        b"<![CDATA[",
        b"</a>",
        b"--X\r\n",
        b"\r\n\r\n",
        b"data: ",
        b"\n",
        b"\0",
        b"\x00\x00\x00\x00\x05",
        b"\x0a\x05",
        b"-----BEGIN PRIVATE KEY-----",
        b"Ym9iQHNob3Aub3Jn",
        b"\xff",
        b"1",
        b"token: ",
        b"mr1_secret_" + b"a" * 20,
        b"ghp_" + b"a" * 36,
        b"+491701234567",
        b"DE89370400440532013000",
        b" ",
    ]
)


@given(
    pieces=st.lists(PIECES | st.binary(max_size=6), max_size=24), content_type=TYPES, truncated=st.booleans()
)
def test_no_body_makes_it_fail(pieces: list[bytes], content_type: str, truncated: bool) -> None:
    exchange, bodies = recorded(Body(b"".join(pieces), content_type), truncated=truncated)

    after, kept = REDACTOR.apply(exchange, bodies)

    ref = after.response_body
    assert ref is not None
    assert len(kept[ref.hash]) == ref.stored


@given(
    pieces=st.lists(PIECES, max_size=14),
    between=st.sampled_from([b" ", b"\n", b", "]),
    content_type=TYPES,
)
def test_a_body_that_was_redacted_stays_as_it_is(
    pieces: list[bytes], between: bytes, content_type: str
) -> None:
    exchange, bodies = recorded(Body(between.join(pieces), content_type))

    once = REDACTOR.apply(exchange, bodies)
    twice = REDACTOR.apply(*once)

    assert twice[0].response_body == once[0].response_body
