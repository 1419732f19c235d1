"""What a canvas holds before any network sees it: received pixels, and elsewhere the coarse layer or a fill."""

from collections.abc import Callable

import numpy as np

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.fill import blended_fill
from ntnsim.spiff.grain import with_grain


def filled(canvas: Canvas, method: Callable[[UInt8Image, BoolMask], UInt8Image] = blended_fill) -> UInt8Image:
    """Return the received pixels, and elsewhere the coarse layer where one was sent, else *method*'s fill."""
    if canvas.coarse is not None:
        return np.where(canvas.known[:, :, None], canvas.pixels, canvas.coarse)
    return method(canvas.pixels, canvas.known)


def textured(canvas: Canvas, image: UInt8Image) -> UInt8Image:
    """Return *image* with grain of the strength that was sent, on what was not received."""
    return image if canvas.grain is None else with_grain(image, canvas.grain, canvas.known)
