"""Filling what a component does not carry, so that it costs the component's codec next to nothing.

Used by the encoder only. The decoder's fills, which a viewer sees, are in ``fill.py``.

Measured on the crops of six photographs, AVIF quality 65, mean bytes: block means 17,061; one mean 17,142; a smooth
pull–push continuation 17,703; nearest carried pixel 21,000. A codec's transform spends nothing on a flat block.
"""

import numpy as np
from numpy.typing import NDArray

from ntnsim.spiff.patches import block_reduce, expand_blocks

BLOCK_PX = 16


def cheap_fill(pixels: NDArray[np.uint8], carried: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return *pixels* [H, W, 3] with everything outside *carried* [H, W] replaced by flat colour.

    A block that holds carried pixels is completed by their mean, any other takes the mean of all carried pixels; mid
    grey if nothing is carried.
    """
    if carried.all():
        return pixels
    if not carried.any():
        return np.full_like(pixels, 128)
    counts = block_reduce(carried.astype(np.int32), BLOCK_PX, np.add)
    filled = np.empty_like(pixels)
    for channel in range(3):
        values = pixels[..., channel]
        sums = block_reduce(values * carried.astype(np.int32), BLOCK_PX, np.add)
        overall = sums.sum() / counts.sum()
        means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
        flat = expand_blocks(np.rint(means).astype(np.uint8), BLOCK_PX, carried.shape)
        filled[..., channel] = np.where(carried, values, flat)
    return filled
