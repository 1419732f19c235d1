"""Filling what a component does not carry, so that it costs the component's codec next to nothing.

Used by the encoder only. The decoder's fills, which a viewer sees, are in ``fill.py``.
"""

import cv2
import numpy as np
from numpy.typing import NDArray


def smooth_fill(pixels: NDArray[np.uint8], carried: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return *pixels* [H, W, 3] with everything outside *carried* [H, W] replaced by a smooth continuation.

    Pull–push: averages of the carried pixels on a pyramid of halved images, pushed back where a finer level
    knows nothing. With nothing carried the result is mid grey.
    """
    if carried.all():
        return pixels
    if not carried.any():
        return np.full_like(pixels, 128)
    levels: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    weight: NDArray[np.float32] = carried.astype(np.float32)
    colour: NDArray[np.float32] = pixels * weight[..., None]
    while True:
        levels.append((colour, weight))
        height, width = weight.shape
        if height == 1 and width == 1:
            break
        size = ((width + 1) // 2, (height + 1) // 2)
        colour, weight = _halved(colour, size), _halved(weight, size)
    colour, weight = levels.pop()
    filled = colour / np.maximum(weight, 1e-12)[..., None]
    for colour, weight in reversed(levels):
        height, width = weight.shape
        coarse = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, 3)
        known = np.minimum(weight, 1.0)[..., None]
        # A partly known pixel of a coarse level keeps its own mean; an unknown one takes the coarser level's.
        own = colour / np.maximum(weight, 1e-12)[..., None]
        filled = np.where(known > 0, own, coarse).astype(np.float32)
    return np.where(carried[..., None], pixels, np.clip(np.rint(filled), 0, 255).astype(np.uint8))


def _halved(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    smaller = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, dtype=np.float32).reshape(size[1], size[0], *values.shape[2:])
