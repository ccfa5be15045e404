"""Any exchange that a sidecar could record, for property tests."""

import gzip
import hashlib
import zlib

from hypothesis import strategies as st

from mesh_core.model import (
    Bodies,
    BodyRef,
    Direction,
    Exchange,
    Lane,
    Message,
    Redaction,
    Sender,
    Synthesized,
    TraceOrigin,
)
from mesh_core.outcome import Outcome

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WIRE = st.binary(max_size=20).map(lambda content: content.decode("latin-1"))
PATHS = st.one_of(WIRE, WIRE.map(lambda rest: f"/{rest}"), st.just("*"), st.just("http://h:1/x?a=b#c"))
HEADERS = st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=20)), max_size=5).map(tuple)
HEX = st.binary(min_size=16, max_size=16).map(bytes.hex)
NANOSECONDS = st.integers(-(2**62), 2**62)
CONTENTS = st.one_of(
    st.binary(max_size=60),
    TEXT.map(str.encode),
    st.just(b'{"sku": "sku-9"}'),
    st.binary(max_size=60).map(gzip.compress),
    TEXT.map(lambda text: gzip.compress(text.encode())),
    TEXT.map(lambda text: zlib.compress(text.encode())),
    TEXT.map(lambda text: text.encode("utf-16")),
)
TYPES = st.one_of(
    st.none(), TEXT, st.sampled_from(["application/json", "text/html; charset=utf-16", "image/png"])
)
ENCODINGS = st.one_of(st.none(), TEXT, st.sampled_from(["gzip", "deflate", "br", "gzip, gzip", "identity"]))


@st.composite
def a_body(draw: st.DrawFn) -> tuple[BodyRef, bytes]:
    content = draw(CONTENTS)
    digest = hashlib.sha256(content).hexdigest()
    ref = BodyRef(
        hash=digest,
        full_hash=draw(st.sampled_from([None, digest, "0" * 64])),
        size=draw(st.integers(0, 2**40)),
        stored=len(content),
        truncated=draw(st.booleans()),
        content_type=draw(TYPES),
        content_encoding=draw(ENCODINGS),
        decoded=draw(st.booleans()),
    )
    return ref, content


MESSAGES = st.builds(
    Message,
    sender=st.sampled_from(Sender),
    offset=st.integers(0, 2**40),
    type=st.sampled_from(["text", "binary", "close", "event", "grpc"]),
    payload=st.one_of(st.binary(max_size=20), TEXT.map(str.encode)),
)


@st.composite
def recorded(draw: st.DrawFn) -> tuple[Exchange, Bodies]:
    """An exchange with all, some or none of its bodies at hand."""
    request_body, response_body = draw(st.none() | a_body()), draw(st.none() | a_body())
    started, took = draw(NANOSECONDS), draw(st.integers(0, 2**50))
    times = st.none() | NANOSECONDS
    exchange = Exchange(
        id=draw(HEX),
        trace_id=draw(HEX),
        span_id=draw(st.none() | HEX.map(lambda digits: digits[:16])),
        sampled=draw(st.sampled_from([None, True, False])),
        trace_origin=draw(st.sampled_from(TraceOrigin)),
        request_id=draw(st.none() | WIRE),
        request_id_made=draw(st.booleans()),
        claim=draw(st.none() | HEX),
        synthesized=draw(st.sampled_from(Synthesized)),
        service=draw(TEXT),
        instance=draw(TEXT),
        direction=draw(st.sampled_from(Direction)),
        peer=draw(st.none() | TEXT),
        connection=draw(st.none() | TEXT),
        started_at=started,
        request_end=draw(times),
        first_byte=draw(times),
        ended_at=started + took,
        connect_time=draw(st.none() | st.integers(0, 2**50)),
        tls_time=draw(st.none() | st.integers(0, 2**50)),
        scheme=draw(st.sampled_from(["http", "https"])),
        http_version=draw(st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/2"])),
        method=draw(WIRE),
        authority=draw(WIRE),
        path=draw(PATHS),
        request_headers=draw(HEADERS),
        request_trailers=draw(HEADERS),
        request_body=request_body[0] if request_body else None,
        status=draw(st.none() | st.integers(0, 999)),
        reason=draw(WIRE),
        response_headers=draw(HEADERS),
        response_trailers=draw(HEADERS),
        response_body=response_body[0] if response_body else None,
        grpc_status=draw(st.none() | st.integers(0, 20)),
        outcome=draw(st.sampled_from(Outcome)),
        error=draw(st.none() | TEXT),
        messages=tuple(draw(st.lists(MESSAGES, max_size=3))),
        opaque=draw(st.booleans()),
        redactions=tuple(
            draw(st.lists(st.builds(Redaction, rule=TEXT, count=st.integers(0, 2**31)), max_size=2))
        ),
        recorder=draw(TEXT),
        lane=draw(st.sampled_from(Lane)),
    )
    at_hand = {ref.hash: content for ref, content in filter(None, (request_body, response_body))}
    return exchange, draw(st.sampled_from([at_hand, dict(list(at_hand.items())[:1]), {}]))
