"""Filling what a component does not carry, so that it costs the component's codec next to nothing.

Used by the encoder only. The decoder's fills, which a viewer sees, are in ``fill.py``.

Measured on the crops of six photographs, AVIF quality 65, mean bytes: block means 17,061; one mean 17,142; a smooth
pull–push continuation 17,703; nearest carried pixel 21,000. A codec's transform spends nothing on a flat block.
"""

import numpy as np
from numpy.typing import NDArray

from ntnsim.spiff.box import tight_box
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
    # Only blocks around what is missing change: cut them out, on the block grid.
    box = tight_box(~carried)
    assert box is not None
    rows = slice(box.top // BLOCK_PX * BLOCK_PX, box.bottom)
    columns = slice(box.left // BLOCK_PX * BLOCK_PX, box.right)
    filled = pixels.copy()
    overall = pixels[::4, ::4][carried[::4, ::4]].mean(axis=0) if carried[::4, ::4].any() else None
    kept = carried[rows, columns]
    counts = block_reduce(kept.view(np.uint8), BLOCK_PX, np.add, np.int32)
    for channel in range(3):
        values = pixels[rows, columns, channel]
        sums = block_reduce(np.where(kept, values, np.uint8(0)), BLOCK_PX, np.add, np.int32)
        mean = pixels[carried].mean(axis=0)[channel] if overall is None else overall[channel]
        means = np.rint(np.where(counts > 0, sums / np.maximum(counts, 1), mean)).astype(np.uint8)
        flat = expand_blocks(means, BLOCK_PX, (kept.shape[0], kept.shape[1]))
        filled[rows, columns, channel] = np.where(kept, values, flat)
    return filled
