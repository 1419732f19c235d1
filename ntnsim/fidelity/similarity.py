"""PSNR, SSIM and MS-SSIM: the classical scores, beside the perceptual ones."""

from math import log10

import cv2
import numpy as np
from numpy.typing import NDArray

IDENTICAL_PSNR_DB = 100.0  # stands for "identical", and caps everything above

_SIGMA_PX, _RADIUS_PX = 1.5, 5  # Wang et al. 2004: an 11×11 Gaussian window
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang, Simoncelli & Bovik 2003


def psnr_db(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two images [H, W, 3], in dB, at most ``IDENTICAL_PSNR_DB``."""
    error = float(np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2))
    return min(IDENTICAL_PSNR_DB, 10 * log10(255**2 / error)) if error > 0 else IDENTICAL_PSNR_DB


def ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the mean structural similarity over pixels and channels, windows inside the image only."""
    luminance, structure = _ssim_terms(*_wide_enough(first, second))
    return min(1.0, float(np.mean(luminance * structure)))  # float32 variances can end a hair above


def ms_ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the multi-scale SSIM over up to five scales; a small image has fewer, its weights scaled to sum to one."""
    a, b = _wide_enough(first, second)
    product, used = 1.0, 0.0
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        luminance, structure = _ssim_terms(a, b)
        height, width = a.shape[0] // 2, a.shape[1] // 2
        last = scale == len(_SCALE_WEIGHTS) - 1 or min(height, width) <= 2 * _RADIUS_PX
        value = float(np.mean(luminance * structure if last else structure))
        product *= max(value, 0.0) ** weight
        used += weight
        if last:
            break
        a, b = _shrunk(a, (width, height)), _shrunk(b, (width, height))
    return min(1.0, float(product ** (1 / used)))


def _wide_enough(
    first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return both as float32, completed by their own border to the window's size if smaller."""
    window = 2 * _RADIUS_PX + 1
    height, width = first.shape[:2]
    pad = ((0, max(0, window - height)), (0, max(0, window - width)), (0, 0))
    a, b = (np.pad(image, pad, mode="edge").astype(np.float32) for image in (first, second))
    return a, b


def _ssim_terms(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the luminance term and the contrast-structure term, [H−10, W−10, 3] each."""
    inside = slice(_RADIUS_PX, -_RADIUS_PX)

    def local_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        size = 2 * _RADIUS_PX + 1
        blurred = cv2.GaussianBlur(values, (size, size), _SIGMA_PX, borderType=cv2.BORDER_REFLECT)
        return np.asarray(blurred, dtype=np.float32)[inside, inside]

    mean_a, mean_b = local_mean(a), local_mean(b)
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    covariance = local_mean(a * b) - product
    variances = local_mean(a * a + b * b) - squares
    luminance = (2 * product + _C1) / (squares + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    return luminance.astype(np.float32), structure.astype(np.float32)


def _shrunk(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
