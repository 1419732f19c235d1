"""Classical fills: what they must do whatever the picture."""

import tracemalloc

import numpy as np
import pytest

from ntnsim.spiff.fill import MID_GREY, blended_fill, nearest_fill, opencv_fill, pull_push_fill

FILLS = {
    "nearest": nearest_fill,
    "pull_push": pull_push_fill,
    "blended": blended_fill,
    "telea": lambda pixels, known: opencv_fill(pixels, known, "telea"),
    "ns": lambda pixels, known: opencv_fill(pixels, known, "ns"),
}


@pytest.mark.parametrize("name", FILLS)
def test_constant_picture_is_stays_constant(name):
    pixels = np.full((37, 50, 3), (10, 120, 240), np.uint8)
    known = np.zeros((37, 50), bool)
    known[5:9, 30:40] = True
    filled = FILLS[name](np.where(known[:, :, None], pixels, 77).astype(np.uint8), known)
    # OpenCV rounds at every pixel it marches over, and Telea extrapolates from what was rounded before.
    drift = {"telea": 8, "ns": 1}.get(name, 0)
    assert np.abs(filled.astype(int) - pixels).max() <= drift


@pytest.mark.parametrize("name", FILLS)
def test_nothing_known_is_mid_grey_and_all_known_is_kept(name):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert (FILLS[name](pixels, np.zeros((9, 7), bool)) == MID_GREY).all()
    np.testing.assert_array_equal(FILLS[name](pixels, np.ones((9, 7), bool)), pixels)


def test_nearest_takes_the_closest_received_pixel():
    pixels = np.zeros((1, 5, 3), np.uint8)
    pixels[0, 0], pixels[0, 4] = 10, 50
    known = np.array([[True, False, False, False, True]])
    # Pixel 2 is as far from both; the others have one answer.
    assert nearest_fill(pixels, known)[0, [1, 3], 0].tolist() == [10, 50]


def test_pull_push_stays_between_the_values_received():
    rng = np.random.default_rng(1)
    pixels = rng.integers(60, 90, (33, 41, 3), dtype=np.uint8)
    known = rng.random((33, 41)) < 0.1
    filled = pull_push_fill(pixels, known)
    assert filled.min() >= pixels[known].min()
    assert filled.max() <= pixels[known].max()


def test_pull_push_interpolates_between_two_halves():
    pixels = np.zeros((16, 48, 3), np.uint8)
    known = np.zeros((16, 48), bool)
    pixels[:, 32:] = 200
    known[:, :16] = known[:, 32:] = True
    middle = pull_push_fill(pixels, known)[8, :, 0].astype(int)
    assert (np.diff(middle) >= -1).all()  # rises from 0 to 200, up to rounding
    assert 60 < middle[24] < 140


def test_memory_of_a_fill_is_a_few_bytes_a_pixel_whatever_the_channels():
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (900, 1100, 3), dtype=np.uint8)
    known = rng.random((900, 1100)) < 0.1
    tracemalloc.start()
    filled = blended_fill(pixels, known)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert filled.shape == pixels.shape
    # Two indices of four bytes, a pyramid of one channel in single precision, and a few copies of it.
    assert peak_bytes < 40 * known.size
