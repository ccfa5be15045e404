"""What is stored of an exchange reads back for years."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_core.model import Exchange, Message, Redaction, Sender
from mesh_store import document
from support.nasty import exchanges
from support.recorded import an_exchange

WRITTEN_BY_FORM_1 = (
    "0VuUE{a^(G%?AL42-zSoF*!J6Fl1#gFfcGTFfcGUFlJ`iAYo##V`RglaxF1sq+?-nbf#lra&#>*r*L6;ZDnqB&HxWW"
    "K&xeLWWd0#I503Wl9I#(NN;m=!~tQF!~|$>b9BT4{{WGa!~t}~0KlfEV_{~)sQ|#Jb75&@AmW&Vk%R@LbY*yS!~+0m"
    "X_11a0x2Lc0wWTE1o;RPa$y*{*jxx-m|jUk7wK}ltX$bL_XxugY)o;!iWeb|b)<ot1BQDTYR|1|R0<zQT__X_SZ>pX"
    "m?BD2H5aNHo|@v!3%`zbkqjp^QEY&`Zg9>a5g~H?*$Wb+TWc6N^BN2g"
)
"""Of an exchange with everything in it; never written anew: stores have such bytes."""
WHOLE = an_exchange(
    id="0198c0de0000700080000000000000ff",
    trace_id="ab" * 16,
    span_id="cd" * 8,
    sampled=True,
    request_id="r-1",
    claim="0198c0de0000700080000000000000fe",
    peer="payment",
    request_headers=((b"Host", b"a"), (b"host", b"\xff\x00")),
    request_trailers=((b"t", b""),),
    reason="caf\xe9\0",
    messages=(Message(sender=Sender.SERVER, offset=5, type="text", payload=b"\x00hi"),),
    redactions=(Redaction(rule="header", count=2),),
    error="said \u2603",
)


def test_what_form_1_wrote_is_read_for_ever() -> None:
    assert document.decode(base64.b85decode(WRITTEN_BY_FORM_1)) == WHOLE


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_every_exchange_survives(seed: int) -> None:
    for exchange, _ in exchanges(5, seed=seed):
        assert document.decode(document.encode(exchange)) == exchange


def test_it_is_compact() -> None:
    assert len(document.encode(WHOLE)) < 400


@given(st.data())
def test_damage_is_an_error_or_another_exchange_never_a_crash(data: st.DataObject) -> None:
    content = bytearray(document.encode(WHOLE))
    at = data.draw(st.integers(0, len(content) * 8 - 1))
    content[at // 8] ^= 1 << (at % 8)
    try:
        assert isinstance(document.decode(bytes(content)), Exchange)
    except ValueError:
        return


@pytest.mark.parametrize("content", [b"", b"\x02abc", b"\x01"])
def test_what_is_no_document_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"form|damaged"):
        document.decode(content)
