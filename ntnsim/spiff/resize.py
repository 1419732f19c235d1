"""Resizing that gives the same bytes on every machine: Pillow's, which computes in fixed point."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resized(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return *pixels* [h, w, 3] resized to *shape* (H, W) with an antialiased Lanczos filter."""
    if pixels.shape[:2] == shape:
        return pixels
    image = Image.fromarray(pixels).resize((shape[1], shape[0]), Image.Resampling.LANCZOS)
    return np.array(image)
