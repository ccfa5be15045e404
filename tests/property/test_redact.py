"""A planted secret is in nothing that leaves the redactor, and neighbours keep every byte."""

import string

from hypothesis import assume, given
from hypothesis import strategies as st

from mesh_core.redact import Redactor
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
