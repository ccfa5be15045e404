"""Planted secrets on real sockets: requests and answers that carry them, and where nothing of them may be."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mesh_core.model import BodyRef, Exchange, Headers, Message
from support.canaries import (
    BODIES,
    BODY,
    BY_FORM,
    BY_NAME,
    LINES,
    NAMED,
    NEIGHBOUR,
    Recorded,
    recorded,
    traces,
)

CASE = b"x-case"
TWIN = "the same secret in two places"
PIECE = 7
"""Bytes of a chunk: less than any secret is long."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A secret in one place of a request and its answer."""

    number: int
    name: str
    secret: str
    exchange: Exchange
    body: bytes

    @property
    def message(self) -> Message | None:
        """What goes over a WebSocket, where that is the place."""
        found = self.exchange.messages[0] if self.exchange.messages else None
        return found if found and found.type in ("text", "binary") else None

    def request(self, port: int) -> bytes:
        """In the request: the same content that is in the answer."""
        head = [
            f"POST {self.exchange.path} HTTP/1.1".encode("latin-1"),
            b"Host: 127.0.0.1:%d" % port,
            b"Connection: close",
            CASE + b": %d" % self.number,
        ]
        return self._message(head, self.exchange.request_headers, ())

    def answer(self) -> bytes:
        """In the response, chunked where the number is odd or trailers follow."""
        head = [f"HTTP/1.1 200 {NEIGHBOUR}".encode(), b"Connection: close"]
        return self._message(head, self.exchange.response_headers, self.exchange.response_trailers)

    def _message(self, head: list[bytes], headers: Headers, trailers: Headers) -> bytes:
        ref = self.exchange.response_body
        fields = [name + b": " + value for name, value in headers if name.lower() != b"content-type"]
        fields += _described(ref) if ref is not None else [b"Content-Type: text/plain"]
        if not (trailers or self.number % 2):
            return b"\r\n".join((*head, *fields, b"Content-Length: %d" % len(self.body), b"", self.body))
        pieces = [self.body[at : at + PIECE] for at in range(0, len(self.body), PIECE)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        end = b"".join(name + b": " + value + b"\r\n" for name, value in trailers)
        return (
            b"\r\n".join((*head, *fields, b"Transfer-Encoding: chunked", b"", chunks + b"0"))
            + b"\r\n"
            + end
            + b"\r\n"
        )


def _described(ref: BodyRef) -> list[bytes]:
    kind = f"Content-Type: {ref.content_type}".encode()
    return [kind, f"Content-Encoding: {ref.content_encoding}".encode()] if ref.content_encoding else [kind]


def planted(rng: random.Random, *, everything: bool) -> list[Planted]:
    """Each kind and each place at least once; every kind in every place where `everything` is asked for."""
    one_line = {kind: make for kind, make in BY_FORM.items() if not kind.startswith(("pem", "pgp"))}
    found: list[tuple[str, str, Recorded]] = []
    encodings = [*BODY]

    def plant(place: str, kind: str) -> None:
        secret = (BY_FORM | BY_NAME)[kind](rng)
        if place in BODIES:
            found.append(
                (
                    f"{kind} in {place}",
                    secret,
                    recorded(BODIES[place](secret), encoding=rng.choice(encodings)),
                )
            )
        elif all(letter.isascii() for letter in secret) or place not in LINES:
            found.append((f"{kind} in {place}", secret, (LINES | NAMED)[place](secret)))

    for place in (BODIES | LINES | NAMED).keys() - ELSEWHERE:
        kinds = [*(BY_FORM if place in BODIES else one_line), *(BY_NAME if place in NAMED else ())]
        for kind in kinds if everything else rng.sample(kinds, 2):
            plant(place, kind)
    for kind in BY_FORM:
        plant(rng.choice([*BODIES]), kind)
    for kind in BY_NAME:
        plant(rng.choice([*NAMED.keys() - ELSEWHERE]), kind)
    twin = f"Zq{rng.getrandbits(128):x}"
    found += [(TWIN, twin, NAMED[place](twin)) for place in ("api key", "json password")]
    return [
        Planted(number, name, secret, exchange, next(iter(bodies.values()), NEIGHBOUR.encode()))
        for number, (name, secret, (exchange, bodies)) in enumerate(found)
    ]


ELSEWHERE = frozenset(
    {"error", "userinfo", "userinfo in text", "grpc frame", "grpc bare", "event", "path plain"}
)
"""Places that no plain request has: errors, other protocols, and the targets of a forward proxy."""


def websocket(payload: bytes, *, text: bool, mask: bytes) -> bytes:
    """One frame with a message, and one that closes (RFC 6455, section 5.2)."""
    masked = 0x80 if mask else 0
    size = (
        bytes([len(payload) | masked])
        if len(payload) < 126
        else bytes([126 | masked]) + len(payload).to_bytes(2)
    )
    key = mask * (len(payload) // 4 + 1)
    data = bytes(a ^ b for a, b in zip(payload, key, strict=False)) if mask else payload
    return bytes([0x81 if text else 0x82]) + size + mask + data + bytes([0x88, masked]) + mask


class Traces:
    """All that may not be found of many secrets, looked for at once."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.found: dict[bytes, dict[bytes, str]] = {}
        for secret in secrets:
            for trace in traces(secret):
                self.found.setdefault(trace[:8], {})[trace] = secret
        self.heads = np.sort(
            np.array([int.from_bytes(head, "little") for head in self.found], dtype=np.uint64)
        )

    def within(self, haystack: bytes) -> Iterator[str]:
        """The secrets of which something is left, whole or in an encoding."""
        for offset in range(8):
            cut = haystack[offset : offset + (len(haystack) - offset) // 8 * 8]
            words = np.frombuffer(cut, dtype="<u8")
            at = np.searchsorted(self.heads, words)
            at[at == len(self.heads)] = 0
            for index in np.flatnonzero(self.heads[at] == words):
                start = offset + int(index) * 8
                for trace, secret in self.found[haystack[start : start + 8]].items():
                    if haystack.startswith(trace, start):
                        yield secret


def files_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file, raw."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()
