"""A HAR as exchanges, whoever wrote it. Pure.

1. The file's frame is read first, then one entry at a time, so that memory is bounded by what is kept.
2. Whatever is wrong with it becomes one CaptureInvalid that says where.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from mesh_core.errors import CaptureInvalid
from mesh_core.har.foreign import foreign_exchange
from mesh_core.har.format import VERSION, Entry, Har, Log, LooseHar
from mesh_core.har.ours import our_exchange
from mesh_core.model import Bodies, Exchange

MOST_BYTES = 256 * 1024 * 1024
"""Of a file; who reads it from a disk need not read more."""
MOST_ENTRIES = 100_000
_LONGEST_PROBLEM = 300
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[][{},]', re.DOTALL)
"""A text, which is passed over, or what elements are counted by."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_MOST_LOOSE = 64 * 1024 * 1024
"""Bytes of a file with lone surrogates: it is read at once, which takes more memory."""
_WRONG = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


def load_har(data: bytes, *, where: str) -> list[tuple[Exchange, Bodies]]:
    """The exchanges of a HAR, in its order, each with its bodies by hash.

    One that we wrote gives back what was written. One from elsewhere becomes inbound exchanges:
    the service is the host, the trace what the request's headers say, else one of its own; ids
    are made of the content, so that the same file gives the same ids again.

    Args:
        data: the file's bytes, out of any compression.
        where: the file's name, for errors.

    Raises:
        CaptureInvalid: it is none, it is damaged, or it is too large.
    """
    if len(data) > MOST_BYTES:
        problem = f"{where} is larger than {MOST_BYTES // 1024**2} MiB"
        raise CaptureInvalid(problem, hint="split it, or export fewer exchanges")
    creator, entries = _frame(data.removeprefix(_BOM), where)
    found: list[tuple[Exchange, Bodies]] = []
    for number, raw in enumerate(entries, 1):
        if number > MOST_ENTRIES:
            problem = f"{where} has more than {MOST_ENTRIES:,} entries"
            raise CaptureInvalid(problem, hint="split it, or export fewer exchanges")
        try:
            found.append(_exchange(raw, number, creator))
        except _WRONG as cause:
            hint = "correct that entry or take it out; export the file again if it is damaged"
            raise CaptureInvalid(f"{where}: entry {number}: {_in_words(cause)}", hint=hint) from cause
    return found


def _frame(data: bytes, where: str) -> tuple[str, Iterator[bytes]]:
    """Who wrote the file, and the JSON of each entry."""
    try:
        log, entries = _log(data)
    except _WRONG as cause:
        hint = "give a HAR file: JSON with log.entries, as browsers, proxies and mesh-replay export it"
        raise CaptureInvalid(f"{where} is no HAR: {_in_words(cause)}", hint=hint) from cause
    if log.mesh is not None and log.mesh.version > VERSION:
        problem = f"{where} was written by a newer mesh-replay"
        raise CaptureInvalid(problem, hint="update this one, or export the file again with it")
    creator = f"{log.creator.name or ''} {log.creator.version or ''}".strip() if log.creator else ""
    return creator or "a HAR", entries


def _log(data: bytes) -> tuple[Log, Iterator[bytes]]:
    try:
        log = msgspec.json.decode(data, type=Har, strict=False).log
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if not _may_be_loose(data):
            raise
        return _loose(data)
    array = memoryview(log.entries)
    if bytes(array[:1]) != b"[":
        raise msgspec.ValidationError("Expected `array` - at `$.log.entries`")
    return log, _elements(array)


def _may_be_loose(data: bytes) -> bool:
    """Whether msgspec may have refused lone surrogates, mitmproxy's way to write bytes that are no UTF-8."""
    return len(data) <= _MOST_LOOSE and _SURROGATE.search(data) is not None


def _loose(data: bytes) -> tuple[Log, Iterator[bytes]]:
    log = msgspec.convert(json.loads(data), type=LooseHar, strict=False).log
    return Log(msgspec.Raw(), log.creator, log.mesh), (json.dumps(entry).encode() for entry in log.entries)


def _elements(array: memoryview) -> Iterator[bytes]:
    """The elements of an array whose JSON was checked, one at a time: a list of all could be huge."""
    depth, begin = 0, 1
    for token in _TOKEN.finditer(array):
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
        if depth == 0 or (depth == 1 and sign == b","):
            element = bytes(array[begin : token.start()]).strip()
            begin = token.end()
            if element:
                yield element


def _exchange(raw: bytes, number: int, creator: str) -> tuple[Exchange, Bodies]:
    entry = _entry(raw)
    if entry.mesh is not None:
        exchange, bodies = our_exchange(entry, entry.mesh)
    else:
        exchange, bodies = foreign_exchange(entry, identity=b"%d:" % number + raw, creator=creator)
    msgspec.msgpack.encode(exchange)  # fails where a text or a number is one that no store can hold
    return exchange, bodies


def _entry(raw: bytes) -> Entry:
    try:
        return msgspec.json.decode(raw, type=Entry, strict=False)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if not _may_be_loose(raw):
            raise
        return msgspec.convert(json.loads(raw), type=Entry, strict=False)


def _in_words(cause: Exception) -> str:
    """What is wrong, on one line."""
    if isinstance(cause, RecursionError):
        return "it is nested too deeply"
    said = "".join(character if character.isprintable() else "?" for character in str(cause))
    return said[:_LONGEST_PROBLEM] or type(cause).__name__
