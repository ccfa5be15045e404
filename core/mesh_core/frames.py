"""Spool segments: how what was recorded is written down between traffic and store. Pure.

1. A segment is a header and blocks; every one is length, CRC-32C, number, count, then payload.
2. A block holds frames with consecutive numbers, compressed together: one by one they cost ten times as much.
3. (recorder run, sequence) names a frame for ever: shipping twice stores once.
4. A reader never accepts a payload whose checksum does not fit, and reads on as far as it can.
5. In segments of the first version every block was one frame, without a count; they are read for ever.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import google_crc32c
import msgspec
import zstandard

from mesh_core.model import Exchange

MAGIC = b"MESHSEG2"
FIRST_MAGIC = b"MESHSEG1"
_HEAD = struct.Struct(">IIQI")
"""Length of the payload, CRC-32C of all that follows, sequence of the first frame, how many there are."""
_FIRST_HEAD = struct.Struct(">IIQ")
"""The same without the count: of a segment's header, and of all in the first version."""
_SUMMED = 8
"""Bytes of a head that its checksum leaves out."""
MAX_BLOCK = 256 * 1024 * 1024
"""No block is longer, in bytes, nor what it holds: a longer length is damage."""
_MOST_CLAIMED = 4096
"""Frames that a damaged block is believed to hold."""
_MOST_SEARCHED = 8
"""How often the bytes of a damaged segment may be read in search of its next block."""


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


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One exchange with its bodies, or a gap, under its number."""

    seq: int
    exchange: Exchange | None = None
    bodies: dict[str, bytes] = msgspec.field(default_factory=dict)
    gap: Gap | None = None

    def __post_init__(self) -> None:
        if (self.exchange is None) == (self.gap is None):
            raise ValueError("a frame holds an exchange or a gap, never both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Bytes of a segment that no block could be read from."""

    offset: int
    length: int
    torn: bool
    """Whether it is the tail of the segment: a write that was cut off."""
    between: bool = False
    """Whether frames could be read before and after it, whose numbers tell how many are missing."""
    frames: int | None = None
    """How many frames the heads in it tell of, where they can be believed."""


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
    return MAGIC + _framed(payload, _FIRST_HEAD, 0)


def pack_frame(frame: Frame) -> bytes:
    """One frame as a block holds it.

    Raises:
        OverflowError, UnicodeError: it holds a number over 64 bits, or a text that is none.
    """
    return _PACKER.encode(frame)


def encode_block(first: int, packed: Sequence[bytes]) -> bytes:
    """Frames that were packed, as one block: compressed, and with its checksum.

    Args:
        first: the first frame's number; the others follow it without a hole.
        packed: at least one.
    """
    payload = _compressor().compress(b"".join((b"\xdd", len(packed).to_bytes(4), *packed)))
    return _framed(payload, _HEAD, first, len(packed))


def encode_frame(frame: Frame) -> bytes:
    """A block of one frame."""
    return encode_block(frame.seq, [pack_frame(frame)])


def decode_frame(data: bytes) -> Frame | None:
    """Read back the bytes of one `encode_frame`; None where they are damaged."""
    read = _Reader(_HEAD, _several).block_at(memoryview(data), 0)
    return read[0][0] if read is not None else None


def decode_segment(data: bytes) -> Segment:
    """Read a segment, passing over what is damaged.

    Raises:
        SegmentUnreadable: the header cannot be read, so the run is unknown.
    """
    if not data.startswith((MAGIC, FIRST_MAGIC)):
        raise SegmentUnreadable("not a spool segment, or one of a newer version")
    view = memoryview(data)
    header = _payload_at(view, len(MAGIC), _FIRST_HEAD)
    if header is None:
        raise SegmentUnreadable("the segment's header is damaged")
    try:
        run = msgspec.msgpack.decode(header[1], type=Run)
    except msgspec.MsgspecError as cause:
        raise SegmentUnreadable("the segment's header is of an unknown version") from cause
    frames: list[Frame] = []
    damage: list[Damage] = []
    reader = _Reader(_HEAD, _several) if data.startswith(MAGIC) else _Reader(_FIRST_HEAD, _single)
    for found in _blocks(data, view, header[2], reader):
        if isinstance(found, Damage):
            damage.append(found)
        else:
            frames += found
    return Segment(run=run, frames=tuple(frames), damage=tuple(damage))


def is_whole(data: bytes) -> bool:
    """Whether every checksum of a segment fits, which is told without reading what is in it.

    False also for a segment of another version.
    """
    view = memoryview(data)
    found = _payload_at(view, len(MAGIC), _FIRST_HEAD) if data.startswith(MAGIC) else None
    while found is not None and found[2] < len(view):
        found = _payload_at(view, found[2], _HEAD)
    return found is not None


def _blocks(data: bytes, view: memoryview, offset: int, reader: "_Reader") -> Iterator[list[Frame] | Damage]:
    """The frames of each block from `offset` on; after damage, the next place where a checksum fits."""
    end, expected = len(view), 0
    search = _Search(data, view, reader, left=_MOST_SEARCHED * end)
    while offset < end:
        read = reader.block_at(view, offset)
        if read is not None:
            frames, offset = read
            expected = frames[-1].seq + 1
            yield frames
            continue
        resume = search.block_after(offset)
        yield Damage(
            offset=offset,
            length=resume - offset,
            torn=resume == end,
            between=bool(expected) and resume < end,
            frames=reader.claimed(view, offset, resume, expected),
        )
        offset = resume


@dataclass(slots=True)
class _Search:
    """Looks for the next whole block; every one's payload begins as zstd does."""

    data: bytes
    view: memoryview
    reader: "_Reader"
    left: int
    """Bytes whose checksum may still be tried: content made for it could ask for each byte over and over."""

    def block_after(self, offset: int) -> int:
        """Where it begins, or the end."""
        head = self.reader.head
        at = self.data.find(zstandard.FRAME_HEADER, offset + 1 + head.size)
        while at >= 0 and self.left > 0:
            length = head.unpack_from(self.view, at - head.size)[0]
            if at + length <= len(self.view):
                self.left -= length
                if self.reader.block_at(self.view, at - head.size):
                    return at - head.size
            at = self.data.find(zstandard.FRAME_HEADER, at + 1)
        return len(self.view)


class _Reader:
    """Reads blocks of one version; what it unpacks with serves for all, as each costs as much as a frame."""

    def __init__(self, head: struct.Struct, decode: "_Decode") -> None:
        self.head = head
        self._decode = decode
        self._unpack = zstandard.ZstdDecompressor()

    def block_at(self, view: memoryview, offset: int) -> tuple[list[Frame], int] | None:
        """The block's frames, at least one, and the offset after it; None where it is damaged."""
        found = _payload_at(view, offset, self.head)
        if found is None:
            return None
        (first, *count), payload, following = found
        try:
            if zstandard.frame_content_size(payload) > MAX_BLOCK:  # else it is believed whatever it says
                return None
            frames = self._decode(self._unpack.decompress(payload, max_output_size=MAX_BLOCK))
        except (zstandard.ZstdError, msgspec.MsgspecError, ValueError):
            return None
        if not frames or [len(frames)] != (count or [1]):
            return None
        numbered = all(frame.seq == number for number, frame in enumerate(frames, first))
        return (frames, following) if numbered else None

    def claimed(self, view: memoryview, offset: int, end: int, expected: int) -> int | None:
        """How many frames damaged blocks say that they hold; None where their heads do not fit."""
        total = 0
        while offset + self.head.size <= end:
            length, _, first, *count = self.head.unpack_from(view, offset)
            frames = (count or [1])[0]
            if frames > _MOST_CLAIMED or first != (expected or first):
                return None
            total, expected, offset = total + frames, first + frames, offset + self.head.size + length
        fits = offset == end or (offset > end == len(view))
        return total if total and fits else None


type _Decode = Callable[[bytes], list[Frame]]

_PACKER = msgspec.msgpack.Encoder()
_several: _Decode = msgspec.msgpack.Decoder(list[Frame]).decode
_FRAME = msgspec.msgpack.Decoder(Frame)


def _single(plain: bytes) -> list[Frame]:
    return [_FRAME.decode(plain)]


def _payload_at(
    view: memoryview, offset: int, head: struct.Struct
) -> tuple[tuple[int, ...], memoryview, int] | None:
    """The head's numbers after the checksum, the payload and the offset after it, where the checksum fits."""
    start = offset + head.size
    if start > len(view):
        return None
    length, checksum, *numbers = head.unpack_from(view, offset)
    if length > MAX_BLOCK or start + length > len(view):
        return None
    if _checksum(bytes(view[offset + _SUMMED : start + length])) != checksum:
        return None
    return tuple(numbers), view[start : start + length], start + length


def _framed(payload: bytes, head: struct.Struct, *numbers: int) -> bytes:
    rest = head.pack(0, 0, *numbers)[_SUMMED:] + payload
    return len(payload).to_bytes(4) + _checksum(rest).to_bytes(4) + rest


def _checksum(data: bytes) -> int:
    checksum: int = google_crc32c.value(data)
    return checksum


@cache  # one thread writes a spool, and only it encodes
def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=1, write_content_size=True)
