"""Grain: noise that stands for the texture which a coded layer lost, as AV1's film grain does.

The encoder sends, per cell of 32×32 pixels, how strong the layer's error is, times a gain; the decoder adds luma noise
of that strength. Of the error that part is taken which is lost texture: in a cell whose own texture has
the energy k, an error of energy e counts as e/(e + k) of its deviation. The noise is a band around periods of five
pixels: most of white noise lies elsewhere, where it costs squared error and brings little. ``ntnsim models evaluate``
measures what it brings to the coarse layer.

The noise is made of integers only, so that it is the same on every machine.
"""

import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import CorruptStreamError
from ntnsim.spiff.box import Box
from ntnsim.spiff.hashing import mixed
from ntnsim.spiff.mask import inflated
from ntnsim.spiff.patches import block_reduce
from ntnsim.spiff.row_bands import row_bands

CELL_PX = 32

# The noise's deviation as a share of the lost texture's, chosen on training photographs: one for persons and for what
# surrounds them, at every quality.
GAIN = 0.65
# Deviations, in sixteenths of a grey level, of the strengths 0…15: each √2 times the one before, from a half up.
_DEVIATIONS = np.array([0] + [round(8 * 2 ** (step / 2)) for step in range(15)], dtype=np.int32)
# Between two strengths the nearer by ratio is taken; below the first, zero.
_BOUNDS = np.sqrt(np.concatenate([[_DEVIATIONS[1] ** 2 / 2.0], _DEVIATIONS[1:-1] * _DEVIATIONS[2:]]))
_NIBBLES, _DEFLATED_DIFFERENCES, _NOTHING = 0, 1, 2
_LUMA = np.array([77, 150, 29], dtype=np.int32)  # ITU-R BT.601, of 256
_TILE_PX = 256  # the noise repeats with this period
_BINOMIAL = (1, 4, 6, 4, 1)  # a blur of deviation one, times 16
_NOISE_DEVIATION = 1024  # of the shaped noise


def lost_texture_grey(strengths: NDArray[np.uint8], gain: float = GAIN) -> NDArray[np.float32]:
    """Return the deviation in grey levels of the texture that *strengths* 0…15, found with *gain*, say is lost."""
    return (_DEVIATIONS[strengths] / (16 * gain)).astype(np.float32)


def grain_strengths(
    original: NDArray[np.uint8], coded: NDArray[np.uint8], wanted: NDArray[np.bool_], gain: float = GAIN
) -> NDArray[np.uint8]:
    """Return the strength 0…15 of each cell [rows, columns], from the luma error over the pixels *wanted* [H, W].

    Where what was coded is smooth, its error is texture that is gone. Where texture stands, little of it is missing:
    the error is that it is not quite the right one, and noise on top is one more error.
    """
    error, kept, counts = _energies(original, coded, wanted)
    lost_share = error / np.maximum(error + kept, 1)
    deviation = gain * lost_share * np.sqrt(error / counts)
    return np.searchsorted(_BOUNDS, 16 * deviation).astype(np.uint8)


def _energies(
    original: NDArray[np.uint8], coded: NDArray[np.uint8], wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return per cell [rows, columns] the luma error's energy, that of the coded texture, and the pixels counted."""
    # Every second pixel of every second row tells as much, in a quarter of the time.
    original, coded, wanted = original[::2, ::2], coded[::2, ::2], wanted[::2, ::2]
    luma = coded.astype(np.int32) @ _LUMA
    error = (original.astype(np.int32) @ _LUMA - luma) >> 8
    texture = (256 * (luma >> 8) - _blurred(np.pad(luma >> 8, 2, mode="edge"))[2:-2, 2:-2]) >> 8

    def energy(values: NDArray[np.int32]) -> NDArray[np.int64]:
        return block_reduce(np.where(wanted, values.astype(np.int64) ** 2, 0), CELL_PX // 2, np.add)

    counts = block_reduce(wanted.astype(np.int64), CELL_PX // 2, np.add)
    return energy(error), energy(texture), np.maximum(counts, 1)


def touched_cells(box: Box) -> tuple[slice, slice]:
    """Return the index, among an image's cells [rows, columns], of those that *box* touches."""
    return (
        slice(box.top // CELL_PX, -(-box.bottom // CELL_PX)),
        slice(box.left // CELL_PX, -(-box.right // CELL_PX)),
    )


def encode_grain(strengths: NDArray[np.uint8]) -> bytes:
    """Return the shortest code of *strengths*.

    Nothing, if all are zero; half a byte each; or differences modulo 16 to the mean of the neighbours above and to the
    left, deflated.
    """
    if not strengths.any():
        return bytes([_NOTHING])
    flat = np.append(strengths.ravel(), np.zeros(strengths.size % 2, dtype=np.uint8))
    nibbles = (flat[::2] << 4 | flat[1::2]).tobytes()
    above = np.pad(strengths, ((1, 0), (0, 0)))[:-1]
    left = np.pad(strengths, ((0, 0), (1, 0)))[:, :-1]
    differences = (strengths - (above + left + 1) // 2) & 15
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    deflated = compressor.compress(differences.tobytes()) + compressor.flush()
    return min(bytes([_NIBBLES]) + nibbles, bytes([_DEFLATED_DIFFERENCES]) + deflated, key=len)


def decode_grain(code: bytes, shape: tuple[int, int], part: str) -> NDArray[np.uint8]:
    """Return the strengths [rows, columns] of an image of *shape* (H, W) in pixels.

    part: what an error message calls this part of the stream.
    """
    rows, columns = -(-shape[0] // CELL_PX), -(-shape[1] // CELL_PX)
    if code == bytes([_NOTHING]):
        return np.zeros((rows, columns), dtype=np.uint8)
    if code[:1] not in (bytes([_NIBBLES]), bytes([_DEFLATED_DIFFERENCES])):
        raise CorruptStreamError(
            f"{part}: grain method {code[:1].hex() or 'missing'} is unknown; allowed are 0, 1 and 2"
        )
    n_bytes = (rows * columns + 1) // 2 if code[0] == _NIBBLES else rows * columns
    symbols = code[1:] if code[0] == _NIBBLES else inflated(code[1:], n_bytes, part)
    if len(symbols) != n_bytes:
        raise CorruptStreamError(
            f"{part}: the grain holds {len(symbols)} bytes, {rows}x{columns} cells need {n_bytes}"
        )
    packed = np.frombuffer(symbols, dtype=np.uint8)
    if code[0] == _NIBBLES:
        flat = np.stack([packed >> 4, packed & 15], axis=1).ravel()
        return flat[: rows * columns].reshape(rows, columns)
    return _summed(packed.reshape(rows, columns))


def _summed(differences: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo the differences to the mean of the neighbours above and to the left."""
    strengths = []
    above = [0] * differences.shape[1]
    for row in differences.tolist():
        left = 0
        line = []
        for over, difference in zip(above, row, strict=True):
            left = (difference + (over + left + 1) // 2) & 15
            line.append(left)
        strengths.append(line)
        above = line
    return np.array(strengths, dtype=np.uint8)


def with_grain(
    image: NDArray[np.uint8], strengths: NDArray[np.uint8], known: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return *image* [H, W, 3] with grain where *known* [H, W] is false; always the same noise."""
    if not strengths.any():
        return image
    height, width = known.shape
    # Deviations hold at cell centres; between them they are interpolated in steps of 1/64 of a cell.
    level = _between_centres(_between_centres(_DEVIATIONS[strengths], height).T, width).T
    unit = 16 * _NOISE_DEVIATION
    rows, columns = (np.arange(side) % _TILE_PX for side in (height, width))
    grainy = np.empty_like(image)
    for band in row_bands(height):
        noise = _noise_tile()[rows[band, None], columns]
        offset = np.where(known[band], 0, (noise * level[band] + unit // 2) // unit)
        grainy[band] = np.clip(image[band] + offset[..., None], 0, 255)
    return grainy


def _between_centres(values: NDArray[np.int32], size_px: int) -> NDArray[np.int32]:
    """Return *values* [cells, n], given at cell centres, at each of *size_px* pixels: [size_px, n]."""
    place = np.clip(2 * np.arange(size_px) + 1 - CELL_PX, 0, 2 * CELL_PX * (len(values) - 1))
    first, share = np.divmod(place, 2 * CELL_PX)
    second = np.minimum(first + 1, len(values) - 1)
    share = share[:, None]
    mixed_ = values[first] * (2 * CELL_PX - share) + values[second] * share
    return np.asarray((mixed_ + CELL_PX) // (2 * CELL_PX), dtype=np.int32)


@lru_cache(maxsize=1)
def _noise_tile() -> NDArray[np.int32]:
    """Return band-passed Gaussian noise [_TILE_PX, _TILE_PX] of deviation ``_NOISE_DEVIATION``; its edges meet."""
    words = mixed(np.arange(_TILE_PX * _TILE_PX, dtype=np.uint64))
    # The sum of eight bytes is Gaussian enough; its variance is 8·(256² − 1)/12, its deviation 209.
    white = words.view(np.uint8).reshape(_TILE_PX, _TILE_PX, 8).sum(axis=2, dtype=np.int32) - 1020
    narrow = _blurred(white)
    band = 256 * narrow - _blurred(narrow)
    # The difference's kernel has an energy of 7045², so that the band's deviation is 209·7045 = 1438·1024.
    return np.asarray(band // 1438, dtype=np.int32)


def _blurred(field: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return 256 times the binomial blur of a periodic *field*."""
    for axis in (0, 1):
        taps = zip(_BINOMIAL, range(-2, 3), strict=True)
        field = np.sum([tap * np.roll(field, shift, axis) for tap, shift in taps], axis=0, dtype=np.int32)
    return field
