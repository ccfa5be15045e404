"""Plain text, and events of `text/event-stream`. Pure."""

import re

from mesh_core.redact.json_text import hide_json
from mesh_core.redact.sweep import LOOKING, Sweep, Unreadable
from mesh_core.redact.values import look_through

_WINDOW = 4096
"""Bytes at the end of a text that was cut off, in which its last whole word is looked for."""
OURS_LAST = re.compile(rb"mr1_[a-z]+(?:_[a-z2-7]{20})?\s{0,4}\Z")
"""A token of ours at the end is no half of a secret."""
_BLANK = re.compile(rb"[\s\"'<>,;&]")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_DATA = re.compile(rb"data:[ ]?")


def hide_text(sweep: Sweep, raw: bytes, *, cut: bool = False) -> bytes:
    """Text without secrets; where it was cut off, also without the word that may be half a secret.

    Raises:
        Unreadable: only what is named may stay, and nothing in a text has a name.
    """
    if sweep.rules.only_named:
        document = None if cut else hide_json(sweep, raw)
        if document is None:
            raise Unreadable("unnamed")
        return document
    return look_through(sweep, whole_words(raw) if cut else raw)


def whole_words(raw: bytes) -> bytes:
    """`raw` without its last word, and without groups of digits before that: `4111 1111 11`.

    A token of ours stays.
    """
    if OURS_LAST.search(raw, max(0, len(raw) - 64)):
        return raw
    start = max(0, len(raw) - _WINDOW)
    window = raw[start:]
    last = max((match.end() for match in _BLANK.finditer(window)), default=0)
    window = window[:last]
    for _ in range(12):
        bare = window.rstrip(b" -")
        word = bare[max(bare.rfind(b" "), bare.rfind(b"-"), bare.rfind(b"\n")) + 1 :]
        if not word or len(word) > 8 or not any(48 <= byte <= 57 for byte in word):
            break
        window = bare[: len(bare) - len(word)]
    return raw[:start] + window


def hide_events(sweep: Sweep, raw: bytes, *, cut: bool = False) -> bytes:
    """Server-sent events; of a stream that was cut off, the last line goes.

    Lines of data of one event are one text, as a reader would join them.

    Source: HTML Standard, section 9.2.
    """
    out: list[bytes] = []
    data: list[tuple[bytes, bytes, bytes]] = []
    for match in _LINE.finditer(raw):
        sweep.spend(LOOKING)
        line = match[0]
        bare = line.rstrip(b"\r\n")
        if cut and bare == line:
            break
        field = _DATA.match(bare)
        if field is not None:
            data.append((field[0], bare[field.end() :], line[len(bare) :]))
            continue
        out += _data(sweep, data)
        data = []
        out.append(look_through(sweep, bare) + line[len(bare) :])
    return b"".join((*out, *_data(sweep, data)))


def _data(sweep: Sweep, lines: list[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    if not lines:
        return []
    before = b"\n".join(text for _, text, _ in lines)
    after = hide_json(sweep, before)
    if after is None:
        after = hide_text(sweep, before)
    if after == before:
        return [field + text + end for field, text, end in lines]
    field, _, end = lines[0]
    return [field + text + (end or b"\n") for text in after.split(b"\n")]
