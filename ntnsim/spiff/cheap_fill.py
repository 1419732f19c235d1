"""Filling what a component does not carry, so that it costs the component's codec next to nothing.

Used by the encoder only. The decoder's fills, which a viewer sees, are in ``fill.py``.

Measured on crop and coarse layer of twelve photographs, cut along 16 px cells, AVIF quality 45, as bytes beyond those
of the whole image in one piece: one mean 13 %; the nearest block's mean 16 %; a smooth pull–push continuation 18 %. A
codec's transform spends nothing on a flat area.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

_EVERY_PX = 4  # of each side: a sample tells the mean as well


def cheap_fill(pixels: NDArray[np.uint8], carried: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return *pixels* [H, W, 3] with everything outside *carried* [H, W] in one colour: the mean of what is carried.

    Mid grey if nothing is carried.
    """
    if carried.all():
        return pixels
    if not carried.any():
        return np.full_like(pixels, 128)
    sample, sampled = pixels[::_EVERY_PX, ::_EVERY_PX], carried[::_EVERY_PX, ::_EVERY_PX]
    colours = sample[sampled] if sampled.any() else pixels[carried]
    colour = np.rint(colours.mean(axis=0)).astype(np.uint8)
    height, width = carried.shape
    filled = np.tile(colour, (height, width)).reshape(height, width, 3)
    cv2.copyTo(np.ascontiguousarray(pixels), carried.astype(np.uint8), filled)
    return filled
