"""Classical fills: what unsent pixels hold before any network sees them.

``nearest`` copies the closest received pixel, ``pull_push`` diffuses from all of them; a mean of both is what the tiny
bundle's residual refers to. Three parts of the one and one of the other were chosen on training photographs, where the
bundle's pictures come closer (ST-LPIPS) than with halves or with the nearest alone.
Telea's and the Navier–Stokes method are OpenCV's.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.protocols.inpainter import check_canvas
from ntnsim.spiff.row_bands import row_bands

MID_GREY = 128  # where nothing at all was received
INPAINT_RADIUS_PX = 3.0


def grey_fill(pixels: UInt8Image, known: BoolMask) -> UInt8Image:
    """Return *pixels* where known, mid-grey elsewhere."""
    check_canvas(pixels, known)
    return np.where(known[:, :, None], pixels, np.uint8(MID_GREY))


def nearest_fill(pixels: UInt8Image, known: BoolMask) -> UInt8Image:
    """Return the image with every unknown pixel copied from the closest known one."""
    check_canvas(pixels, known)
    if not known.any():
        return grey_fill(pixels, known)
    rows, columns = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    filled = np.empty_like(pixels)
    for band in row_bands(len(pixels)):  # NumPy copies indices to 64 bits
        filled[band] = pixels[rows[band], columns[band]]
    return filled


def pull_push_fill(pixels: UInt8Image, known: BoolMask) -> UInt8Image:
    """Return the image with unknown pixels from a pyramid of known means (Gortler et al., "The Lumigraph", 1996).

    Pull: each coarser level holds the mean of the known pixels below it. Push: what is unknown takes the smoothly
    enlarged coarser level.
    """
    check_canvas(pixels, known)
    if not known.any():
        return grey_fill(pixels, known)
    filled = pixels.copy()
    for channel in range(3):  # one by one: the pyramid of a large photograph takes much memory
        smooth = _pulled_and_pushed(pixels[..., channel], known)
        np.copyto(filled[..., channel], smooth, where=~known)
    return filled


def _pulled_and_pushed(values: NDArray[np.uint8], known: BoolMask) -> NDArray[np.uint8]:
    """Return one channel [H, W] with the unknown *values* from the pyramid; the known ones may be rounded."""
    colour = np.where(known, values, 0).astype(np.float32)
    weight = known.astype(np.float32)
    levels: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    while True:
        levels.append((colour, weight))
        height, width = weight.shape
        if max(height, width) == 1:
            break
        counted = _sums_of_four(weight)
        colour = np.divide(_sums_of_four(colour * weight), np.maximum(counted, np.float32(1e-6)))
        weight = np.minimum(counted, 1.0)
    coarse = levels.pop()[0]
    while levels:
        colour, weight = levels.pop()
        height, width = weight.shape
        doubled = cv2.resize(
            coarse, (2 * coarse.shape[1], 2 * coarse.shape[0]), interpolation=cv2.INTER_LINEAR
        )
        coarse = weight * colour + (1 - weight) * doubled[:height, :width]
    return np.clip(np.rint(coarse), 0, 255).astype(np.uint8)


def _sums_of_four(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sums of *values* [H, W] over squares of two by two; beyond the edge lies zero."""
    height, width = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2)))
    return even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]


def blended_fill(pixels: UInt8Image, known: BoolMask) -> UInt8Image:
    """Return three quarters nearest and one pull-push fill: edges from the one, smoothness from the other."""
    nearest, smooth = nearest_fill(pixels, known), pull_push_fill(pixels, known)
    for band in row_bands(len(pixels)):
        nearest[band] = (3 * nearest[band].astype(np.uint16) + smooth[band] + 2) // 4
    return nearest


def opencv_fill(pixels: UInt8Image, known: BoolMask, method: str) -> UInt8Image:
    """Return OpenCV's inpainting: *method* "telea" (fast marching, 2004) or "ns" (Navier–Stokes, 2001)."""
    check_canvas(pixels, known)
    if known.all() or not known.any():
        return grey_fill(pixels, known)
    flag = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}[method]
    unknown = np.where(known, 0, 255).astype(np.uint8)
    filled = cv2.inpaint(np.ascontiguousarray(grey_fill(pixels, known)), unknown, INPAINT_RADIUS_PX, flag)
    return np.where(known[:, :, None], pixels, filled.astype(np.uint8))
