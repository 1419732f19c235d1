"""Tiles and patch grids: which P×P tiles of the lower ranks travel, and how they are packed.

A tile belongs to the highest rank that it touches outside the kept region. Each rank's tiles are put in
one order per image; the first round(p·N) of it are kept, so that kept sets nest as p grows. The orders ``random`` and
``spread`` follow from the seed alone and use integer hashes only, so that a stream replays on any NumPy version.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ntnsim.spiff.hashing import mixed

Selection = Literal["random", "spread", "content"]

INSIDE = 255  # rank of a tile that lies wholly in the kept region: it is no tile
MAX_RANKS = 250
PASTED_PIXELS = 1 << 20  # at once: their indices take sixteen bytes each


@dataclass(frozen=True, slots=True)
class TileGeometry:
    """How an image of H×W pixels is cut: tiles of tile_px, the last row and column possibly cut short."""

    height_px: int
    width_px: int
    tile_px: int

    @property
    def rows(self) -> int:
        """Number of tile rows."""
        return -(-self.height_px // self.tile_px)

    @property
    def columns(self) -> int:
        """Number of tile columns."""
        return -(-self.width_px // self.tile_px)

    @property
    def count(self) -> int:
        """Number of tile positions."""
        return self.rows * self.columns


def block_reduce(values: NDArray, block_px: int, reduce: np.ufunc, dtype: DTypeLike | None = None) -> NDArray:
    """Return *values* [H, W] reduced over blocks of block_px: [ceil(H/b), ceil(W/b)]; edge blocks are cut short.

    dtype: of the result, where the values' own is too narrow for it.
    """
    rows = np.arange(0, values.shape[0], block_px)
    columns = np.arange(0, values.shape[1], block_px)
    by_rows = reduce.reduceat(values, rows, axis=0, dtype=dtype)
    reduced: NDArray = reduce.reduceat(by_rows, columns, axis=1, dtype=dtype)
    return reduced


def expand_blocks(blocks: NDArray, block_px: int, shape: tuple[int, int]) -> NDArray:
    """Return *blocks* [rows, columns] with every entry repeated over its block, cut to *shape* (H, W)."""
    return blocks.repeat(block_px, axis=0)[: shape[0]].repeat(block_px, axis=1)[:, : shape[1]]


def tile_ranks(
    rank_map: NDArray[np.uint8], kept: NDArray[np.bool_], n_ranks: int, tile_px: int
) -> NDArray[np.uint8]:
    """Return each tile's rank [rows, columns], or ``INSIDE`` where *kept* [H, W] covers the whole tile.

    A tile's rank is the highest that it touches outside *kept*. Where the caller left top-rank pixels outside,
    the tile counts as the rank below: the top rank has no patches.
    """
    outside = np.where(kept, np.int16(-1), rank_map.astype(np.int16))
    highest = block_reduce(outside, tile_px, np.maximum)
    return np.where(highest < 0, INSIDE, np.minimum(highest, n_ranks - 2)).astype(np.uint8)


def kept_count(n_tiles: int, fraction: float) -> int:
    """Return round(p·N) with halves up, so that every language agrees."""
    return min(n_tiles, int(np.floor(fraction * n_tiles + 0.5)))


def random_keys(positions: NDArray[np.int64], seed: int, rank: int) -> NDArray[np.uint64]:
    """Return one sort key per tile position: a seeded permutation once sorted.

    A hash of seed, rank and position; distinct for distinct positions of an image.
    """
    position = positions.astype(np.uint64)
    start = np.uint64((seed * 0x9E3779B97F4A7C15 + rank * 0xD1B54A32D192ED03) & 0xFFFF_FFFF_FFFF_FFFF)
    return mixed(mixed(position) + start)


def spread_keys(
    positions: NDArray[np.int64], geometry: TileGeometry, seed: int, rank: int
) -> NDArray[np.uint64]:
    """Return sort keys of the tile *positions* whose every prefix covers the image evenly.

    A Bayer matrix: the bits of row and column, interleaved and reversed, after a seeded digital shift.
    """
    bits = max(1, int(max(geometry.rows, geometry.columns) - 1).bit_length())
    shift = int(mixed(np.array([seed * 2 + 1], dtype=np.uint64) + np.uint64(rank * 7919))[0])
    rows, columns = np.divmod(positions.astype(np.uint64), np.uint64(geometry.columns))
    rows = rows ^ np.uint64(shift & ((1 << bits) - 1))
    columns = columns ^ np.uint64((shift >> 20) & ((1 << bits) - 1))
    diagonal = rows ^ columns
    keys = np.zeros(positions.size, dtype=np.uint64)
    for bit in range(bits):
        # The lowest bit decides most: neighbours are far apart in the order.
        keys = (keys << np.uint64(2)) | (((diagonal >> np.uint64(bit)) & np.uint64(1)) << np.uint64(1))
        keys |= (rows >> np.uint64(bit)) & np.uint64(1)
    return keys


def content_keys(pixels: NDArray[np.uint8], geometry: TileGeometry) -> NDArray[np.uint64]:
    """Return sort keys [count], of all tiles, that put the most detailed first: those with most gradient in luma."""
    luma = pixels.astype(np.int32) @ np.array([77, 150, 29], dtype=np.int32)
    gradient = np.zeros(luma.shape, dtype=np.int64)
    gradient[:, 1:] += np.abs(np.diff(luma, axis=1))
    gradient[1:] += np.abs(np.diff(luma, axis=0))
    total = block_reduce(gradient, geometry.tile_px, np.add).ravel()
    return (np.uint64(1 << 62) - total.astype(np.uint64)).astype(np.uint64)


def selected_tiles(candidates: NDArray[np.int64], count: int, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return, ascending, the *count* of the positions *candidates* whose *keys* are smallest."""
    order = np.argsort(keys, kind="stable")
    return np.sort(candidates[order[:count]])


def grid_shape(n_tiles: int) -> tuple[int, int]:
    """Return rows and columns of the near-square grid that holds *n_tiles*."""
    columns = int(np.ceil(np.sqrt(n_tiles)))
    return -(-n_tiles // columns), columns


def packed_grid(
    pixels: NDArray[np.uint8], positions: NDArray[np.int64], geometry: TileGeometry
) -> NDArray[np.uint8]:
    """Return the patch grid [rows·P, columns·P, 3] of the tiles at *positions*, in that order.

    Tiles cut by the image border are completed by repeating their last pixels; free places repeat the last
    tile's mean colour, which costs a codec next to nothing.
    """
    tile_px = geometry.tile_px
    n_rows, n_columns = grid_shape(len(positions))
    tiles = _tiles_of(pixels, positions, geometry)
    places = np.empty((n_rows * n_columns, tile_px, tile_px, 3), dtype=np.uint8)
    places[: len(tiles)] = tiles
    places[len(tiles) :] = np.rint(tiles[-1].mean(axis=(0, 1))).astype(np.uint8)
    grid = places.reshape(n_rows, n_columns, tile_px, tile_px, 3).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(n_rows * tile_px, n_columns * tile_px, 3))


def paste_grid(
    grid: NDArray[np.uint8],
    positions: NDArray[np.int64],
    geometry: TileGeometry,
    canvas: NDArray[np.uint8],
    known: NDArray[np.bool_],
) -> None:
    """Put the tiles of *grid* back at *positions*: writes *canvas* [H, W, 3] and *known* [H, W] in place."""
    tile_px = geometry.tile_px
    n_rows, n_columns = grid_shape(len(positions))
    tiles = grid.reshape(n_rows, tile_px, n_columns, tile_px, 3).swapaxes(1, 2)
    tiles = tiles.reshape(-1, tile_px, tile_px, 3)[: len(positions)]
    at_once = max(1, PASTED_PIXELS // tile_px**2)
    for start in range(0, len(positions), at_once):
        rows, columns = _pixel_indices(positions[start : start + at_once], geometry)
        inside = (rows < geometry.height_px) & (columns < geometry.width_px)
        canvas[rows[inside], columns[inside]] = tiles[start : start + at_once][inside]
        known[rows[inside], columns[inside]] = True


def _tiles_of(
    pixels: NDArray[np.uint8], positions: NDArray[np.int64], geometry: TileGeometry
) -> NDArray[np.uint8]:
    rows, columns = _pixel_indices(positions, geometry)
    return pixels[np.minimum(rows, geometry.height_px - 1), np.minimum(columns, geometry.width_px - 1)]


def _pixel_indices(
    positions: NDArray[np.int64], geometry: TileGeometry
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column indices [n, P, P] of the pixels of the tiles at *positions*."""
    tile_rows, tile_columns = np.divmod(positions, geometry.columns)
    offset = np.arange(geometry.tile_px)
    rows = (tile_rows * geometry.tile_px)[:, None, None] + offset[None, :, None]
    columns = (tile_columns * geometry.tile_px)[:, None, None] + offset[None, None, :]
    rows, columns = np.broadcast_arrays(rows, columns)
    return rows, columns
