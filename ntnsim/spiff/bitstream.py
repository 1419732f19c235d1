"""The ``.spiff`` stream, format version 1: one page.

All numbers are varints (``varint.py``) unless a width is given; all CRCs are CRC-32, little endian, 4 bytes.

    stream   magic "SPIF" · version (1 byte) · n (length of the directory) · directory · CRC of all before · parts
    directory  width · height · R (ranks) · P (tile size in pixels) · k (number of parts)
               then k times: kind (1 byte) · rank · length of the payload in bytes
    parts    k times, in the directory's order: payload · CRC of the payload

Kinds of parts and their payloads:

    1 region   what the crop carries. 0 · number of boxes · (top, left, height, width) each
               or: c > 0 · bitmap of cells of c×c pixels, row by row over the whole image
    2 mask     bitmap [H, W] of the top-rank pixels (sent where the receiver asks for it; the decoder needs none)
    3 tiles    the map of kept tiles: see ``tile_map.py``
    4 coarse   codec (1 byte) · scale (1 byte, sixteenths) · R−1 shares if R > 2 · length of the grain
               · grain (``grain.py``) · packed image of max(1, round(H·scale/16)) × max(1, round(W·scale/16)) pixels
    5 grid     rank l: codec (1 byte) · packed image of the kept tiles of rank l, near square, row by row
    6 crop     rank R−1: codec (1 byte) · packed image of the region's bounding box
               or: codec + 128 (1 byte) · length of the grain · grain, over that box, added to it · packed image
               or: codec + 64 (1 byte) · length of the grain · grain, over the image's cells that the box touches
               · packed image: restored as the coarse layer is, where one came or the region is the whole image
    7 caption  0 · UTF-8 text, or 1 · deflated UTF-8 text

A bitmap is a method byte and data (``mask.py``); a packed image has its constant header deflated (``components.py``).
Codecs: 0 JPEG, 1 WebP, 2 AVIF, 3 JPEG XL.

The directory comes first and has its own CRC, so that a damaged or missing part never hides the others
(``decode --partial``). Accounting is exact: a crop's payload counts for rank R−1, a grid's for its rank, the coarse
layer's is shared by the ranks below R−1 (its shares are their pixels outside the region; with R = 2 all of it is rank
0's). Everything else (magic, directory, CRCs, region, mask, tile map, caption) is overhead. The sum is 8 ×
the file's bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

from ntnsim.errors import (
    BitstreamError,
    CorruptStreamError,
    ImageError,
    TruncatedStreamError,
    UnsupportedVersionError,
)
from ntnsim.spiff.patches import MAX_RANKS
from ntnsim.spiff.varint import read_varint, varint

MAGIC = b"SPIF"
FORMAT_VERSION = 1

MAX_SIDE_PX = 65_535
MAX_PIXELS = 1 << 26  # 67 megapixels: a stream may not ask its reader for more memory than that
# A few bytes may not ask for much work either: a picture larger than this needs a byte for every so many pixels more.
SMALL_STREAM_PIXELS = 1 << 24
PIXELS_PER_BYTE = 1 << 12
MIN_TILE_PX, MAX_TILE_PX = 4, 256
MAX_PARTS = 2 * MAX_RANKS


class Kind(IntEnum):
    """What a part of the stream carries."""

    REGION = 1
    MASK = 2
    TILES = 3
    COARSE = 4
    GRID = 5
    CROP = 6
    CAPTION = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """What the directory says of the whole image."""

    width_px: int
    height_px: int
    n_ranks: int
    tile_px: int

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.height_px, self.width_px


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its kind, the rank it serves, and its payload."""

    kind: Kind
    rank: int
    payload: bytes

    @property
    def name(self) -> str:
        """What messages call this part."""
        return part_name(self.kind, self.rank)


@dataclass(frozen=True, slots=True)
class Stream:
    """A parsed stream. *damage* lists what a partial reading had to leave out, one line each."""

    frame: Frame
    parts: tuple[Part, ...]
    size_bytes: int
    damage: tuple[str, ...] = ()

    def find(self, kind: Kind) -> Part | None:
        """Return the first part of *kind*, or None."""
        return next((part for part in self.parts if part.kind == kind), None)


def part_name(kind: Kind, rank: int) -> str:
    """Return what messages call a part: 'crop', or 'grid of rank 0'."""
    return f"grid of rank {rank}" if kind == Kind.GRID else kind.name.lower()


def write_stream(frame: Frame, parts: Sequence[Part]) -> bytes:
    """Return the stream that holds *parts*."""
    directory = bytearray()
    for value in (frame.width_px, frame.height_px, frame.n_ranks, frame.tile_px, len(parts)):
        directory += varint(value)
    for part in parts:
        directory += bytes([part.kind]) + varint(part.rank) + varint(len(part.payload))
    head = MAGIC + bytes([FORMAT_VERSION]) + varint(len(directory)) + directory
    body = b"".join(part.payload + _crc(part.payload) for part in parts)
    stream = head + _crc(head) + body
    if frame.width_px * frame.height_px > most_pixels(len(stream)):
        raise ImageError(
            f"a stream of {len(stream)} bytes may not hold {frame.width_px}x{frame.height_px} pixels, at most "
            f"{most_pixels(len(stream))}: send more of the image, or make it smaller"
        )
    return stream


def most_pixels(stream_bytes: int) -> int:
    """Return how many pixels a stream of *stream_bytes* may say that its image has."""
    return min(MAX_PIXELS, SMALL_STREAM_PIXELS + PIXELS_PER_BYTE * stream_bytes)


def read_stream(data: bytes, *, partial: bool = False) -> Stream:
    """Return the parts of the stream *data*, every checksum verified.

    partial: leave damaged and missing parts out and list them, instead of raising. The directory must be intact.
    """
    frame, entries, offset = _read_head(data)
    parts: list[Part] = []
    damage: list[str] = []
    for kind, rank, length in entries:
        name, end = part_name(kind, rank), offset + length + 4
        payload = data[offset : offset + length]
        problem: BitstreamError | None = None
        if end > len(data):
            problem = TruncatedStreamError(
                f"{name}: needs bytes {offset} to {end - 1}, the stream ends after byte {len(data) - 1}"
            )
        elif _crc(payload) != data[offset + length : end]:
            problem = CorruptStreamError(f"{name}: the checksum of bytes {offset} to {end - 1} does not hold")
        if problem is None:
            parts.append(Part(kind, rank, payload))
        elif partial:
            damage.append(str(problem))
        else:
            raise problem
        offset = end
    if offset < len(data) and not partial:
        raise CorruptStreamError(
            f"end of the stream: {len(data) - offset} bytes follow the last part at byte {offset}"
        )
    return Stream(frame, tuple(parts), len(data), tuple(damage))


def is_spiff(data: bytes) -> bool:
    """Return whether *data* starts as a SPIFF stream."""
    return data[: len(MAGIC)] == MAGIC


def split_bits(total_bits: int, shares: Sequence[int]) -> tuple[int, ...]:
    """Return *total_bits* divided in proportion to *shares*, as integers of the same sum (largest remainders).

    With all shares zero, everything goes to the first.
    """
    whole = sum(shares)
    if whole == 0:
        return (total_bits, *(0 for _ in shares[1:]))
    portions = [total_bits * share // whole for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda index: -(total_bits * shares[index] % whole))
    for index in by_remainder[: total_bits - sum(portions)]:
        portions[index] += 1
    return tuple(portions)


def bits_per_rank(stream: Stream) -> tuple[int, ...]:
    """Return the bits that each rank's content takes, lowest rank first (see the module's docstring)."""
    n_ranks = stream.frame.n_ranks
    bits = [0] * n_ranks
    for part in stream.parts:
        if part.kind in (Kind.GRID, Kind.CROP):
            bits[part.rank] += 8 * len(part.payload)
        elif part.kind == Kind.COARSE:
            shares, _ = coarse_shares(part, n_ranks)
            for rank, portion in enumerate(split_bits(8 * len(part.payload), shares)):
                bits[rank] += portion
    return tuple(bits)


def coarse_shares(part: Part, n_ranks: int) -> tuple[tuple[int, ...], int]:
    """Return the shares [R−1] by which the ranks below the top divide the coarse layer, and where its image starts."""
    offset, shares = 2, []
    if n_ranks == 2:
        return (1,), offset
    for _ in range(n_ranks - 1):
        share, offset = read_varint(part.payload, offset, part.name)
        shares.append(share)
    return tuple(shares), offset


def _crc(data: bytes) -> bytes:
    return crc32(data).to_bytes(4, "little")


def _read_head(data: bytes) -> tuple[Frame, list[tuple[Kind, int, int]], int]:
    """Return the frame, the directory's entries (kind, rank, length) and the offset of the first part."""
    if len(data) <= len(MAGIC):
        raise TruncatedStreamError(f"magic: needs bytes 0 to {len(MAGIC)}, the stream has {len(data)} bytes")
    if not is_spiff(data):
        raise CorruptStreamError(f"magic: the stream starts with {data[:4]!r}, a SPIFF stream with {MAGIC!r}")
    version = data[len(MAGIC)]
    if version != FORMAT_VERSION:
        raise UnsupportedVersionError(
            f"version: byte {len(MAGIC)} says {version}; this program reads version {FORMAT_VERSION}"
        )
    try:
        directory_bytes, start = read_varint(data, len(MAGIC) + 1, "directory")
    except CorruptStreamError:
        if len(data) > len(MAGIC) + 5:
            raise
        directory_bytes, start = len(data), len(data)
    end = start + directory_bytes
    if end + 4 > len(data):
        raise TruncatedStreamError(
            f"directory: needs bytes {start} to {end + 3}, the stream ends after byte {len(data) - 1}"
        )
    if _crc(data[:end]) != data[end : end + 4]:
        raise CorruptStreamError(f"directory: the checksum of bytes 0 to {end + 3} does not hold")
    frame, entries = _parsed_directory(data[start:end])
    _check(
        f"width x height in {len(data)} bytes", frame.width_px * frame.height_px, 1, most_pixels(len(data))
    )
    return frame, entries, end + 4


def _parsed_directory(directory: bytes) -> tuple[Frame, list[tuple[Kind, int, int]]]:
    offset, values = 0, []
    for _ in range(5):
        value, offset = read_varint(directory, offset, "directory")
        values.append(value)
    width, height, n_ranks, tile_px, n_parts = values
    _check("width", width, 1, MAX_SIDE_PX)
    _check("height", height, 1, MAX_SIDE_PX)
    _check("width x height", width * height, 1, MAX_PIXELS)
    _check("number of ranks", n_ranks, 2, MAX_RANKS)
    _check("tile size", tile_px, MIN_TILE_PX, MAX_TILE_PX)
    _check("number of parts", n_parts, 0, MAX_PARTS)
    entries: list[tuple[Kind, int, int]] = []
    seen: set[tuple[int, int]] = set()
    for _ in range(n_parts):
        if offset >= len(directory):
            raise CorruptStreamError(f"directory: names {n_parts} parts, lists {len(entries)}")
        kind = directory[offset]
        rank, offset = read_varint(directory, offset + 1, "directory")
        length, offset = read_varint(directory, offset, "directory")
        _check("kind of part", kind, min(Kind), max(Kind))
        _check("rank of a part", rank, 0, n_ranks - 1)
        if (kind, rank) in seen:
            raise CorruptStreamError(f"directory: lists the {part_name(Kind(kind), rank)} twice")
        seen.add((kind, rank))
        entries.append((Kind(kind), rank, length))
    if offset != len(directory):
        raise CorruptStreamError(f"directory: {len(directory) - offset} bytes follow its last entry")
    return Frame(width, height, n_ranks, tile_px), entries


def _check(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise CorruptStreamError(f"directory: {what} is {value}, allowed are {low} to {high}")
