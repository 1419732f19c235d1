"""The SPIFF decoder's first half: stream to partial image, mask of received pixels, coarse layer and caption.

The second half, restoring the rest, is an Inpainter's (``inpaint.py``). No segmenter is needed.
"""

from dataclasses import dataclass
from zlib import MAX_WBITS, decompressobj
from zlib import error as zlib_error

import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import BitstreamError, CorruptStreamError
from ntnsim.spiff.bitstream import Kind, Part, Stream, coarse_shares, read_stream
from ntnsim.spiff.box import Box, tight_box
from ntnsim.spiff.components import (
    COMPONENT_CODECS,
    GRAIN_FOLLOWS,
    RESTORABLE,
    ComponentCodec,
    decode_component,
    unpacked,
)
from ntnsim.spiff.encoder import MAX_CAPTION_BYTES
from ntnsim.spiff.grain import CELL_PX, decode_grain, touched_cells, with_grain
from ntnsim.spiff.mask import decode_bitmap
from ntnsim.spiff.patches import TileGeometry, block_reduce, grid_shape, paste_grid
from ntnsim.spiff.region import decode_region
from ntnsim.spiff.resize import resized
from ntnsim.spiff.tile_map import decode_tile_map
from ntnsim.spiff.varint import read_varint


@dataclass(frozen=True, slots=True, eq=False)
class PartialImage:
    """What a stream brings before anything is restored.

    pixels: uint8 [H, W, 3], the received pixels where *known*, zero elsewhere.
    known: bool [H, W]. received: bool [H, W], the known ones and those of a crop that is to be restored.
    coarse: uint8 [H, W, 3], the coarse layer at full size, with a crop that is to be restored in its place; or None.
    grain: uint8 [rows, columns], strength of the texture that the coarse layer lost (``grain.py``), or None.
    top: bool [H, W], the top rank's mask where the stream carries it, else None.
    damage: what a partial reading left out, one line each.
    """

    pixels: NDArray[np.uint8]
    known: NDArray[np.bool_]
    received: NDArray[np.bool_]
    coarse: NDArray[np.uint8] | None
    grain: NDArray[np.uint8] | None
    top: NDArray[np.bool_] | None
    caption: str
    damage: tuple[str, ...]


def decode_partial_image(payload: bytes, *, partial: bool = False) -> PartialImage:
    """Return what the stream *payload* brings; with *partial*, whatever of it is intact."""
    return recomposed(read_stream(payload, partial=partial), partial=partial)


def recomposed(stream: Stream, *, partial: bool = False) -> PartialImage:
    """Return the partial image that the parts of *stream* make up."""
    return _Recomposition(stream, partial).result()


class _Recomposition:
    """One stream on its way to a partial image. With *partial*, a part that fails is noted and left out."""

    def __init__(self, stream: Stream, partial: bool) -> None:
        self._stream = stream
        self._partial = partial
        self._damage = list(stream.damage)
        self._shape = stream.frame.shape
        self._top_rank = stream.frame.n_ranks - 1

    def result(self) -> PartialImage:
        """Return what the stream says of the picture: known pixels, and what is to be filled in."""
        region, top, chosen = self._region(), self._top(), None
        if self._stream.find(Kind.TILES) is not None:
            chosen = self._tiles(region)
        coarse, grain = self._coarse()
        grids = [
            (chosen[part.rank], grid)
            for part in self._stream.parts
            if part.kind == Kind.GRID
            and (grid := self._grid(part, chosen)) is not None
            and chosen is not None
        ]
        crop, lost = self._crop(region)
        # Everything has been checked against the frame by now; only here is the canvas made.
        pixels = np.zeros((*self._shape, 3), dtype=np.uint8)
        known = np.zeros(self._shape, dtype=np.bool_)
        frame = self._stream.frame
        geometry = TileGeometry(frame.height_px, frame.width_px, frame.tile_px)
        for positions, grid in grids:
            paste_grid(grid, positions, geometry, pixels, known)
        received = known
        if crop is not None and region is not None:
            box = tight_box(region)
            assert box is not None
            received = known | region
            if lost is not None and (coarse is not None or region.all()):
                # The crop owns its region: what tiles at its edge reach into it gives way, as to a crop as it is.
                coarse, grain = _with_crop(coarse, grain, region, box, crop, lost)
                known = known & ~region
                pixels[region] = 0
            else:
                pixels[region] = crop[region[box.slices]]
                known = received
        caption, damage = self._caption(), tuple(self._damage)
        return PartialImage(pixels, known, received, coarse, grain, top, caption, damage)

    def _failed(self, error: BitstreamError) -> None:
        if not self._partial:
            raise error
        self._damage.append(str(error))

    def _missing(self, part: str, needed: str) -> None:
        self._failed(CorruptStreamError(f"{part}: the stream lacks the {needed} that it needs"))

    def _region(self) -> NDArray[np.bool_] | None:
        part = self._stream.find(Kind.REGION)
        if part is None:
            return None
        try:
            return decode_region(part.payload, self._shape)
        except BitstreamError as error:
            self._failed(error)
            return None

    def _top(self) -> NDArray[np.bool_] | None:
        part = self._stream.find(Kind.MASK)
        if part is None:
            return None
        try:
            return decode_bitmap(part.payload, self._shape, part.name)
        except BitstreamError as error:
            self._failed(error)
            return None

    def _tiles(self, region: NDArray[np.bool_] | None) -> list[NDArray[np.int64]] | None:
        part = self._stream.find(Kind.TILES)
        assert part is not None
        if region is None and self._stream.find(Kind.CROP) is not None:
            self._missing("tiles", "region")  # without it the candidates are unknown
            return None
        frame = self._stream.frame
        geometry = TileGeometry(frame.height_px, frame.width_px, frame.tile_px)
        inside = np.zeros(self._shape, dtype=np.bool_) if region is None else region
        try:
            return decode_tile_map(part.payload, inside, geometry, frame.n_ranks)
        except BitstreamError as error:
            self._failed(error)
            return None

    def _grid(self, part: Part, chosen: list[NDArray[np.int64]] | None) -> NDArray[np.uint8] | None:
        if chosen is None:
            self._missing(part.name, "tile map")
            return None
        if part.rank >= self._top_rank or not len(chosen[part.rank]):
            self._failed(CorruptStreamError(f"{part.name}: the tile map has no tile of that rank"))
            return None
        rows, columns = grid_shape(len(chosen[part.rank]))
        tile_px = self._stream.frame.tile_px
        return self._component(part, part.payload, 1, (rows * tile_px, columns * tile_px))

    def _crop(
        self, region: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]:
        """Return the crop [h, w, 3] of the region's box, and the texture that it lost where it is to be restored."""
        part = self._stream.find(Kind.CROP)
        if part is None:
            return None, None
        box = None if region is None else tight_box(region)
        if region is None or box is None:
            self._missing(part.name, "region")
            return None, None
        shape = (box.height_px, box.width_px)
        payload, offset, strengths = part.payload, 1, None
        flag = payload[0] & (GRAIN_FOLLOWS | RESTORABLE) if payload else 0
        if flag in (GRAIN_FOLLOWS, RESTORABLE):
            touched = touched_cells(box)
            cells = (
                CELL_PX * (touched[0].stop - touched[0].start),
                CELL_PX * (touched[1].stop - touched[1].start),
            )
            try:
                strengths, offset = self._grain(part, offset, shape if flag == GRAIN_FOLLOWS else cells)
            except BitstreamError as error:
                self._failed(error)
                return None, None
            payload = bytes([payload[0] ^ flag]) + payload[1:]
        crop = self._component(part, payload, offset, shape)
        if crop is not None and strengths is not None and flag == GRAIN_FOLLOWS:
            return with_grain(crop, strengths, ~region[box.slices]), None
        return crop, strengths

    def _grain(self, part: Part, offset: int, shape: tuple[int, int]) -> tuple[NDArray[np.uint8] | None, int]:
        """Return the strengths of the grain at *offset*, None if none was sent, and where it ends."""
        n_bytes, offset = read_varint(part.payload, offset, part.name)
        code = part.payload[offset : offset + n_bytes]
        return decode_grain(code, shape, part.name) if n_bytes else None, offset + n_bytes

    def _coarse(self) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]:
        part = self._stream.find(Kind.COARSE)
        if part is None:
            return None, None
        try:
            if len(part.payload) < 3 or not 1 <= part.payload[1] <= 16:
                raise CorruptStreamError(f"{part.name}: the scale must be in 1 to 16 sixteenths")
            n_ranks = self._stream.frame.n_ranks
            _, offset = coarse_shares(part, n_ranks)
            grain, offset = self._grain(part, offset, self._shape)
        except BitstreamError as error:
            self._failed(error)
            return None, None
        height, width = self._shape
        scale = part.payload[1]
        shape = (max(1, round(height * scale / 16)), max(1, round(width * scale / 16)))
        small = self._component(part, part.payload, offset, shape)
        return (None, None) if small is None else (resized(small, self._shape), grain)

    def _component(
        self, part: Part, payload: bytes, offset: int, shape: tuple[int, int]
    ) -> NDArray[np.uint8] | None:
        """Return the coded image whose codec is payload[0] and whose data starts at *offset*."""
        try:
            if len(payload) <= offset:
                raise CorruptStreamError(f"{part.name}: holds {len(payload)} bytes, an image needs more")
            if payload[0] >= len(COMPONENT_CODECS):
                raise CorruptStreamError(
                    f"{part.name}: codec {payload[0]} is unknown; allowed are 0 to {len(COMPONENT_CODECS) - 1}"
                )
            codec: ComponentCodec = COMPONENT_CODECS[payload[0]]
            return decode_component(unpacked(payload[offset:], part.name), codec, shape, part.name)
        except BitstreamError as error:
            self._failed(error)
            return None

    def _caption(self) -> str:
        part = self._stream.find(Kind.CAPTION)
        if part is None:
            return ""
        try:
            return caption_text(part)
        except BitstreamError as error:
            self._failed(error)
            return ""


def _with_crop(
    coarse: NDArray[np.uint8] | None,
    grain: NDArray[np.uint8] | None,
    region: NDArray[np.bool_],
    box: Box,
    crop: NDArray[np.uint8],
    lost: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the coarse layer [H, W, 3] with *crop* in its *region* [H, W], and the strengths of both.

    coarse, grain: the layer and its strengths, None where none came. lost: the crop's, of the cells that *box* touches.
    A cell that both share has the strength of the part that covers more of it.
    """
    layer = np.zeros((*region.shape, 3), np.uint8) if coarse is None else coarse.copy()
    layer[region] = crop[region[box.slices]]
    counts = block_reduce(region, CELL_PX, np.add, np.int64)
    of_crop = np.zeros(counts.shape, np.uint8)
    of_crop[touched_cells(box)] = lost
    pixels = block_reduce(np.ones_like(region), CELL_PX, np.add, np.int64)
    strengths = np.zeros(counts.shape, np.uint8) if grain is None else grain
    return layer, np.where(2 * counts >= pixels, of_crop, strengths)


def caption_text(part: Part) -> str:
    """Return the text of a caption part."""
    method, data = part.payload[:1], part.payload[1:]
    try:
        if method == b"\1":
            data = decompressobj(wbits=-MAX_WBITS).decompress(data, MAX_CAPTION_BYTES)
        elif method != b"\0":
            raise CorruptStreamError(f"{part.name}: method {method.hex() or 'missing'} is unknown")
        return data[:MAX_CAPTION_BYTES].decode()
    except (zlib_error, UnicodeDecodeError) as error:
        raise CorruptStreamError(f"{part.name}: the text is damaged ({error})") from None
