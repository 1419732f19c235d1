"""The map of kept tiles in a stream: replayed from a seed where that is shorter, else bitmaps.

Payload (numbers are varints, "block" is a length and a bitmap of ``mask.py`` over one row of candidate tiles):

    0 · selection (0 random, 1 spread) · seed (4 bytes) · count of kept tiles for each rank 0 … R−2
      · for each rank 1 … R−2: block over all tiles outside the region, true where a tile's rank is at least that
    1 · for each rank 0 … R−2: block over all tiles outside the region, true where that rank's grid holds the tile

With two ranks every tile outside the region is rank 0's, so a replayed map is a dozen bytes whatever p is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import CorruptStreamError
from ntnsim.spiff.mask import decode_bitmap, encode_bitmap
from ntnsim.spiff.patches import (
    INSIDE,
    Selection,
    TileGeometry,
    block_reduce,
    content_keys,
    kept_count,
    random_keys,
    selected_tiles,
    spread_keys,
)
from ntnsim.spiff.varint import read_varint, varint

_REPLAY, _BITMAPS = 0, 1
_REPLAYED: tuple[Selection, ...] = ("random", "spread")
_PART = "tiles"


def chosen_tiles(
    pixels: NDArray[np.uint8],
    ranks: NDArray[np.uint8],
    geometry: TileGeometry,
    fractions: Sequence[float],
    selection: Selection,
    seed: int,
) -> list[NDArray[np.int64]]:
    """Return, for each rank below the top, the positions of the tiles to keep.

    fractions: p(l) [R−1], lowest rank first.
    seed: 32 bits.
    """
    chosen = []
    for rank, fraction in enumerate(fractions):
        candidates = np.flatnonzero(ranks.ravel() == rank)
        count = kept_count(candidates.size, fraction)
        keys = (
            content_keys(pixels, geometry)[candidates]
            if selection == "content"
            else _keys(candidates, geometry, selection, seed, rank)
        )
        chosen.append(selected_tiles(candidates, count, keys))
    return chosen


def encode_tile_map(
    ranks: NDArray[np.uint8], chosen: Sequence[NDArray[np.int64]], selection: Selection, seed: int
) -> bytes:
    """Return the shorter of the two codes of the kept tiles *chosen* (one array of positions per rank)."""
    candidates = np.flatnonzero(ranks.ravel() != INSIDE)
    bitmaps = bytes([_BITMAPS]) + b"".join(_block(np.isin(candidates, positions)) for positions in chosen)
    if selection not in _REPLAYED:
        return bitmaps
    replay = bytes([_REPLAY, _REPLAYED.index(selection)]) + seed.to_bytes(4, "little")
    replay += b"".join(varint(len(positions)) for positions in chosen)
    outside = ranks.ravel()[candidates]
    replay += b"".join(_block(outside >= rank) for rank in range(1, len(chosen)))
    return min(replay, bitmaps, key=len)


def decode_tile_map(
    payload: bytes, region: NDArray[np.bool_], geometry: TileGeometry, n_ranks: int
) -> list[NDArray[np.int64]]:
    """Return, for each rank below the top, the positions of the kept tiles.

    region: pixels [H, W] that the crop carries; tiles wholly inside are no candidates.
    """
    inside = block_reduce(region, geometry.tile_px, np.logical_and).ravel()
    candidates = np.flatnonzero(~inside)
    if not payload:
        raise CorruptStreamError(f"{_PART}: the map is empty")
    method = payload[0]
    if method == _BITMAPS:
        return _mapped(payload, candidates, n_ranks)
    if method != _REPLAY:
        raise CorruptStreamError(f"{_PART}: method {method} is unknown; allowed are {_REPLAY} and {_BITMAPS}")
    if len(payload) < 6 or payload[1] >= len(_REPLAYED):
        raise CorruptStreamError(f"{_PART}: the choice that is to be replayed is damaged")
    selection, seed = _REPLAYED[payload[1]], int.from_bytes(payload[2:6], "little")
    offset, counts = 6, []
    for _ in range(n_ranks - 1):
        count, offset = read_varint(payload, offset, _PART)
        counts.append(count)
    ranks = np.zeros(candidates.size, dtype=np.uint8)
    for rank in range(1, n_ranks - 1):
        bits, offset = _read_block(payload, offset, candidates.size)
        ranks[bits] = rank
    chosen = []
    for rank, count in enumerate(counts):
        of_rank = candidates[ranks == rank] if count else candidates[:0]
        if count > of_rank.size:
            raise CorruptStreamError(
                f"{_PART}: {count} tiles of rank {rank} are to be replayed, the image has {of_rank.size}"
            )
        chosen.append(selected_tiles(of_rank, count, _keys(of_rank, geometry, selection, seed, rank)))
    return chosen


def _mapped(payload: bytes, candidates: NDArray[np.int64], n_ranks: int) -> list[NDArray[np.int64]]:
    """Return each rank's tiles from its bitmap; a tile is of one rank, so that all grids together hold one image."""
    offset, chosen = 1, []
    taken = np.zeros(candidates.size, dtype=np.bool_)
    for rank in range(n_ranks - 1):
        bits, offset = _read_block(payload, offset, candidates.size)
        if (bits & taken).any():
            raise CorruptStreamError(f"{_PART}: a tile of rank {rank} is a lower rank's too")
        taken |= bits
        chosen.append(candidates[bits])
    return chosen


def _keys(
    positions: NDArray[np.int64], geometry: TileGeometry, selection: Selection, seed: int, rank: int
) -> NDArray[np.uint64]:
    if selection == "random":
        return random_keys(positions, seed, rank)
    return spread_keys(positions, geometry, seed, rank)


def _block(bits: NDArray[np.bool_]) -> bytes:
    code = encode_bitmap(bits[None]) if bits.size else b""
    return varint(len(code)) + code


def _read_block(payload: bytes, offset: int, n_bits: int) -> tuple[NDArray[np.bool_], int]:
    length, offset = read_varint(payload, offset, _PART)
    if n_bits == 0:
        return np.zeros(0, dtype=np.bool_), offset + length
    return decode_bitmap(payload[offset : offset + length], (1, n_bits), _PART)[0], offset + length
