"""Spool segments: how what was recorded is written down between traffic and store. Pure.

1. A segment is a header and frames; every one is length, CRC-32C, then payload.
2. (recorder run, sequence) names a frame for ever: shipping twice stores once.
3. A reader never accepts a payload whose checksum does not fit, and reads on as far as it can.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from struct import Struct

import google_crc32c
import msgspec
import zstandard

from mesh_core.model import Exchange

MAGIC = b"MESHSEG1"
_HEAD = Struct(">IIQ")
"""Length of the payload, CRC-32C of sequence and payload, sequence."""
MAX_FRAME = 256 * 1024 * 1024
"""No frame is longer, in bytes, nor what it holds: a longer length is damage."""
_MOST_SEARCHED = 8
"""How often the bytes of a damaged segment may be read in search of its next frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One worker process of a recorder, from start to end."""

    run_id: str
    """32 hex digits."""
    project: str
    service: str
    instance: str
    recorder: str
    """Version."""
    started_at: int
    """Nanoseconds since the Unix epoch."""
    key_id: str | None = None
    """Names the redaction key in use, None where redaction is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Exchanges that were offered and not recorded."""

    reason: str
    """`queue_full`, `disk_full`, `capture_error`, `frame_damaged`, `bypass`, …"""
    count: int
    started_at: int
    """Nanoseconds since the Unix epoch."""
    ended_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One exchange with its bodies, or a gap, under its number."""

    seq: int
    exchange: Exchange | None = None
    bodies: dict[str, bytes] = field(default_factory=dict)
    gap: Gap | None = None

    def __post_init__(self) -> None:
        if (self.exchange is None) == (self.gap is None):
            raise ValueError("a frame holds an exchange or a gap, never both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Bytes of a segment that no frame could be read from."""

    offset: int
    length: int
    torn: bool
    """Whether it is the tail of the segment: a write that was cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What could be read of a segment."""

    run: Run
    frames: tuple[Frame, ...]
    damage: tuple[Damage, ...] = ()


class SegmentUnreadable(ValueError):
    """The header is damaged, or of a version that this program does not know."""


def encode_header(run: Run) -> bytes:
    """The first bytes of a segment of `run`."""
    payload = msgspec.msgpack.encode(run)
    return MAGIC + _framed(0, payload)


def encode_frame(frame: Frame) -> bytes:
    """One frame, compressed and with its checksum."""
    payload = _compressor().compress(msgspec.msgpack.encode(frame))
    return _framed(frame.seq, payload)


def decode_frame(data: bytes) -> Frame | None:
    """Read back the bytes of one `encode_frame`; None where they are damaged."""
    read = _frame_at(memoryview(data), 0, zstandard.ZstdDecompressor())
    return read[0] if read is not None else None


def decode_segment(data: bytes) -> Segment:
    """Read a segment, passing over what is damaged.

    Raises:
        SegmentUnreadable: the header cannot be read, so the run is unknown.
    """
    if not data.startswith(MAGIC):
        raise SegmentUnreadable("not a spool segment, or one of a newer version")
    view = memoryview(data)
    header = _payload_at(view, len(MAGIC))
    if header is None:
        raise SegmentUnreadable("the segment's header is damaged")
    try:
        run = msgspec.msgpack.decode(header[1], type=Run)
    except msgspec.MsgspecError as cause:
        raise SegmentUnreadable("the segment's header is of an unknown version") from cause
    frames: list[Frame] = []
    damage: list[Damage] = []
    for found in _frames(data, view, header[2]):
        (frames if isinstance(found, Frame) else damage).append(found)  # type: ignore[arg-type]  # narrowed by the test
    return Segment(run=run, frames=tuple(frames), damage=tuple(damage))


def _frames(data: bytes, view: memoryview, offset: int) -> Iterator[Frame | Damage]:
    """Frames from `offset` on; after damage, the next place where a checksum fits."""
    end = len(view)
    unpack = zstandard.ZstdDecompressor()  # one for all: each costs as much as a frame
    search = _Search(data, view, unpack, left=_MOST_SEARCHED * end)
    while offset < end:
        read = _frame_at(view, offset, unpack)
        if read is not None:
            frame, offset = read
            yield frame
            continue
        resume = search.frame_after(offset)
        yield Damage(offset=offset, length=resume - offset, torn=resume == end)
        offset = resume


@dataclass(slots=True)
class _Search:
    """Looks for the next whole frame; every one's payload begins as zstd does."""

    data: bytes
    view: memoryview
    unpack: zstandard.ZstdDecompressor
    left: int
    """Bytes whose checksum may still be tried: content made for it could ask for each byte over and over."""

    def frame_after(self, offset: int) -> int:
        """Where it begins, or the end."""
        at = self.data.find(zstandard.FRAME_HEADER, offset + 1 + _HEAD.size)
        while at >= 0 and self.left > 0:
            length = _HEAD.unpack_from(self.view, at - _HEAD.size)[0]
            if at + length <= len(self.view):
                self.left -= length
                if _frame_at(self.view, at - _HEAD.size, self.unpack):
                    return at - _HEAD.size
            at = self.data.find(zstandard.FRAME_HEADER, at + 1)
        return len(self.view)


def _frame_at(view: memoryview, offset: int, unpack: zstandard.ZstdDecompressor) -> tuple[Frame, int] | None:
    found = _payload_at(view, offset)
    if found is None:
        return None
    seq, payload, following = found
    try:
        if zstandard.frame_content_size(payload) > MAX_FRAME:  # else it is believed whatever it says
            return None
        plain = unpack.decompress(payload, max_output_size=MAX_FRAME)
        frame = msgspec.msgpack.decode(plain, type=Frame)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError):
        return None
    return (frame, following) if frame.seq == seq else None


def _payload_at(view: memoryview, offset: int) -> tuple[int, memoryview, int] | None:
    """Sequence, payload and the offset after it, where the checksum fits."""
    start = offset + _HEAD.size
    if start > len(view):
        return None
    length, checksum, seq = _HEAD.unpack_from(view, offset)
    if length > MAX_FRAME or start + length > len(view):
        return None
    payload = view[start : start + length]
    if _checksum(seq, bytes(payload)) != checksum:
        return None
    return seq, payload, start + length


def _framed(seq: int, payload: bytes) -> bytes:
    return _HEAD.pack(len(payload), _checksum(seq, payload), seq) + payload


def _checksum(seq: int, payload: bytes) -> int:
    checksum: int = google_crc32c.extend(google_crc32c.value(seq.to_bytes(8, "big")), payload)
    return checksum


@cache  # one thread writes a spool, and only it encodes
def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=1, write_content_size=True)
