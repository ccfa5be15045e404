"""Any bytes through the wire lane: `PYTHONPATH=tests python -m fuzz.fuzz_wire [atheris options]`.

Needs `atheris`, which is no dependency; the same property runs bounded, without it, as
`tests/property/test_wire_fuzz.py`.
"""

import sys

from mesh_recorder.settings import TraceHeaders
from support.wire_bytes import Relay


def check(data: bytes) -> None:
    """The first byte says how the rest is cut and whose each piece is; both sides get what was sent."""
    relay = Relay(TraceHeaders.NEVER)
    sent: dict[bool, bytes] = {True: b"", False: b""}
    size = data[0] % 50 + 1 if data else 1
    at = 1
    while at < len(data) and not (relay.client.closed or relay.server.closed):
        by_client, piece = not data[at] & 1, data[at + 1 : at + 1 + size]
        (relay.asks if by_client else relay.answers)(piece)
        sent[by_client] += piece
        at += 1 + size
    closed = relay.server.closed
    relay.over()
    assert bytes(relay.client.written) == sent[False]
    assert closed or bytes(relay.server.written) == sent[True]


def main() -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
