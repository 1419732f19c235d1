"""The SPIFF encoder: pixels and rank map to stream (paper Sec. IV-B, steps 2, 3, 5–7). Segmentation happens before."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from zlib import MAX_WBITS, compress

import cv2
import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import ImageError
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.spiff import bitstream
from ntnsim.spiff.bitstream import Frame, Kind, Part
from ntnsim.spiff.box import Box, tight_box
from ntnsim.spiff.cheap_fill import cheap_fill
from ntnsim.spiff.components import (
    COMPONENT_CODECS,
    RESTORABLE,
    decode_component,
    encode_component,
    packed,
)
from ntnsim.spiff.grain import encode_grain, grain_strengths, touched_cells
from ntnsim.spiff.mask import encode_bitmap
from ntnsim.spiff.patches import TileGeometry, packed_grid, tile_ranks
from ntnsim.spiff.region import box_region
from ntnsim.spiff.resize import resized
from ntnsim.spiff.settings import FULL_SCALE, SpiffSettings, layer_coding
from ntnsim.spiff.tile_map import chosen_tiles, encode_tile_map
from ntnsim.spiff.varint import varint

MAX_CAPTION_BYTES = 4096
# The coarse layer still holds a rim of what the crop carries: its loop filters would otherwise draw the smooth hole's
# edge into what surrounds it. On eight training photographs 2 px cost 3 % more bytes and take 12 % off the top rank's
# and the whole picture's distances by every judge but squared error (3 %); 4 and 8 px cost more and bring no more.
RIM_PX = 2


def encode_image(
    pixels: NDArray[np.uint8],
    rank_map: NDArray[np.uint8],
    configuration: Configuration,
    settings: SpiffSettings,
    *,
    n_ranks: int,
    seed: int,
    caption: str = "",
) -> EncodedImage:
    """Return the stream of one image.

    pixels: uint8 RGB [H, W, 3]. rank_map: uint8 [H, W], ranks 0 … n_ranks−1.
    seed: decides which tiles are kept; its low 32 bits travel in the stream.
    caption: text for the decoder's prompt; empty sends none.
    """
    _check(pixels, rank_map, configuration, n_ranks)
    seed &= 0xFFFF_FFFF
    height, width = rank_map.shape
    frame = Frame(width, height, n_ranks, settings.tile_px)
    geometry = TileGeometry(height, width, settings.tile_px)
    top = rank_map == n_ranks - 1
    region, region_code = box_region(top, configuration.box_growth, settings)
    ranks = tile_ranks(rank_map, region, n_ranks, settings.tile_px)
    chosen = chosen_tiles(pixels, ranks, geometry, configuration.patch_fractions, settings.selection, seed)

    parts: list[Part] = []
    box = tight_box(region)
    if box is not None:
        parts.append(Part(Kind.REGION, 0, region_code))
        if settings.sends_mask:
            parts.append(Part(Kind.MASK, 0, encode_bitmap(top)))
    if any(len(positions) for positions in chosen):
        parts.append(Part(Kind.TILES, 0, encode_tile_map(ranks, chosen, settings.selection, seed)))
    pictures: list[Callable[[], Part]] = [
        partial(_grid, pixels, positions, geometry, rank, settings)
        for rank, positions in enumerate(chosen)
        if len(positions)
    ]
    sent = region.all() or all(fraction == 1.0 for fraction in configuration.patch_fractions)
    has_coarse = configuration.coarse_quality > 0 and not sent
    if has_coarse:
        pictures.append(
            partial(_coarse, pixels, region, rank_map, configuration.coarse_quality, settings, n_ranks)
        )
    if box is not None:
        # Restoring needs something to restore from everywhere.
        settings_of_crop = settings if has_coarse or region.all() else replace(settings, restores_crop=False)
        pictures.append(partial(_crop, pixels, region, box, rank=n_ranks - 1, settings=settings_of_crop))
    if pictures:
        # Nearly all time passes here, in libraries that let other threads run.
        with ThreadPoolExecutor(len(pictures)) as pool:
            parts += pool.map(lambda coded: coded(), pictures)
    if caption:
        parts.append(Part(Kind.CAPTION, 0, _caption(caption)))

    payload = bitstream.write_stream(frame, parts)
    bits = bitstream.bits_per_rank(bitstream.Stream(frame, tuple(parts), len(payload)))
    return EncodedImage(payload, bits, 8 * len(payload) - sum(bits))


def encode_caption(caption: str, shape: tuple[int, ...], n_ranks: int) -> bytes:
    """Return a stream that holds nothing but the *caption* of an image of *shape* (H, W)."""
    frame = Frame(shape[1], shape[0], n_ranks, SpiffSettings().tile_px)
    return bitstream.write_stream(frame, [Part(Kind.CAPTION, 0, _caption(caption))])


def _check(
    pixels: NDArray[np.uint8], rank_map: NDArray[np.uint8], configuration: Configuration, n_ranks: int
) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ValueError(f"pixels must be uint8 [H, W, 3], got {pixels.dtype} {pixels.shape}")
    if rank_map.shape != pixels.shape[:2]:
        raise ValueError(f"rank_map must be {pixels.shape[:2]}, got {rank_map.shape}")
    if int(rank_map.max()) >= n_ranks:
        raise ValueError(f"rank_map holds rank {int(rank_map.max())}, allowed are 0 to {n_ranks - 1}")
    if len(configuration.patch_fractions) != n_ranks - 1:
        raise ValueError(
            f"{n_ranks} ranks need {n_ranks - 1} patch fractions, got {len(configuration.patch_fractions)}"
        )
    height, width = rank_map.shape
    if max(height, width) > bitstream.MAX_SIDE_PX or height * width > bitstream.MAX_PIXELS:
        raise ImageError(
            f"the image is {width}x{height}; a SPIFF stream carries sides up to {bitstream.MAX_SIDE_PX} "
            f"and {bitstream.MAX_PIXELS} pixels"
        )


def _grid(
    pixels: NDArray[np.uint8],
    positions: NDArray[np.int64],
    geometry: TileGeometry,
    rank: int,
    settings: SpiffSettings,
) -> Part:
    grid = packed_grid(pixels, positions, geometry)
    code = bytes([COMPONENT_CODECS.index(settings.grid.codec)])
    return Part(Kind.GRID, rank, code + packed(encode_component(grid, settings.grid), settings.grid.codec))


def _crop(
    pixels: NDArray[np.uint8], region: NDArray[np.bool_], box: Box, rank: int, settings: SpiffSettings
) -> Part:
    """Return the crop: *pixels* [H, W, 3] in *box*, smooth outside *region* [H, W]."""
    component = settings.crop
    code = COMPONENT_CODECS.index(component.codec)
    # Loop filters would draw the smooth surroundings into the crop, as they would the hole into the layer.
    carried = _grown(region, RIM_PX) if settings.restores_crop and component.loop_filters else region
    data = encode_component(cheap_fill(pixels[box.slices], carried[box.slices]), component)
    if not settings.restores_crop:
        return Part(Kind.CROP, rank, bytes([code]) + packed(data, component.codec))
    coded = pixels.copy()
    crop = decode_component(data, component.codec, (box.height_px, box.width_px), "crop")
    coded[region] = crop[region[box.slices]]
    grain = encode_grain(grain_strengths(pixels, coded, region)[touched_cells(box)])
    head = bytes([code | RESTORABLE]) + varint(len(grain)) + grain
    return Part(Kind.CROP, rank, head + packed(data, component.codec))


def _coarse(
    pixels: NDArray[np.uint8],
    region: NDArray[np.bool_],
    rank_map: NDArray[np.uint8],
    coarse_quality: float,
    settings: SpiffSettings,
    n_ranks: int,
) -> Part:
    """Return the coarse layer: the whole frame, made smooth where the crop travels, so that nothing is paid twice.

    Kept tiles stay in it: smoothing scattered tiles away makes edges that cost more than their texture.
    """
    height, width = rank_map.shape
    component, scale = layer_coding(settings, coarse_quality)
    share = scale / FULL_SCALE
    shape = (max(1, round(height * share)), max(1, round(width * share)))
    small = resized(cheap_fill(pixels, _grown(~region, RIM_PX)), shape)
    payload = bytes([COMPONENT_CODECS.index(component.codec), scale])
    if n_ranks > 2:
        counts = np.bincount(rank_map[~region].ravel(), minlength=n_ranks)
        payload += b"".join(varint(int(count)) for count in counts[: n_ranks - 1])
    data = encode_component(small, component)
    grain = b""
    if settings.sends_grain:
        decoded = resized(decode_component(data, component.codec, shape, "coarse"), (height, width))
        grain = encode_grain(grain_strengths(pixels, decoded, ~region))
    payload += varint(len(grain)) + grain
    return Part(Kind.COARSE, 0, payload + packed(data, component.codec))


def _grown(mask: NDArray[np.bool_], margin_px: int) -> NDArray[np.bool_]:
    """Return the pixels that lie within *margin_px* of *mask* along rows and columns."""
    side = 2 * margin_px + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)


def _caption(caption: str) -> bytes:
    text = caption.encode()[:MAX_CAPTION_BYTES].decode(errors="ignore").encode()
    deflated = compress(text, 9, wbits=-MAX_WBITS)
    return bytes([1]) + deflated if len(deflated) < len(text) else bytes([0]) + text
