"""The panel of judges, each against its formula or its own tool."""

import shutil

import numpy as np
import pytest
from skimage import data
from skimage.metrics import mean_squared_error

from ntnsim.errors import InputError
from ntnsim.fidelity.metrics import scorer_named
from ntnsim.fidelity.panel import (
    JUDGES,
    available_judges,
    judged,
    kernel_distance,
    lite0_map,
    patch_features,
    patch_set_distance,
)


@pytest.fixture(scope="module")
def photograph():
    return np.ascontiguousarray(data.astronaut()[:160, 100:260])


@pytest.fixture(scope="module")
def noisy(photograph):
    noise = np.random.default_rng(1).normal(0, 12, photograph.shape)
    return np.clip(photograph + noise, 0, 255).astype(np.uint8)


def test_identical_pictures_are_at_no_distance(photograph):
    for judge, distance in judged(photograph, photograph).items():
        assert distance == pytest.approx(0, abs=1e-3), judge


def test_more_noise_is_further_away_for_every_judge(photograph, noisy):
    worse = np.clip(photograph + 2.5 * (noisy.astype(float) - photograph), 0, 255).astype(np.uint8)
    near, far = judged(photograph, noisy), judged(photograph, worse)
    assert near.keys() == set(available_judges())
    for judge, distance in near.items():
        assert 0 < distance < far[judge], judge


def test_judges_agree_with_the_scores_of_the_same_name(photograph, noisy):
    found = judged(photograph, noisy, judges=("alex", "ms-ssim", "mse"))
    ranks = np.zeros(photograph.shape[:2], np.uint8)
    [score] = scorer_named().score([photograph], [noisy], [ranks], 1)
    assert found["alex"] == pytest.approx(1 - score.pf, abs=1e-6)
    assert found["ms-ssim"] == pytest.approx(1 - score.ms_ssim, abs=1e-6)
    assert found["mse"] == pytest.approx(mean_squared_error(photograph, noisy))
    assert 10 * np.log10(255**2 / found["mse"]) == pytest.approx(score.psnr_db, abs=1e-3)


def test_judges_with_maps_look_only_where_they_are_told(photograph, noisy):
    left = np.zeros(photograph.shape[:2], bool)
    left[:, :60] = True
    half = np.where(left[..., None], photograph, noisy)
    found = judged(photograph, half, where=left, judges=("alex", "lite0", "mse"))
    whole = judged(photograph, noisy, judges=("alex", "lite0", "mse"))
    assert found["mse"] == 0
    assert found["alex"] < 0.2 * whole["alex"] and found["lite0"] < 0.5 * whole["lite0"]
    assert lite0_map(photograph, half).shape == photograph.shape[:2]


@pytest.mark.skipif("ssimulacra2" not in available_judges(), reason="package ssimulacra2 is not installed")
def test_ssimulacra2_tells_light_from_heavy_coding(photograph, noisy):
    assert 10 < judged(photograph, noisy, judges=("ssimulacra2",))["ssimulacra2"] < 120


@pytest.mark.skipif(shutil.which("butteraugli_main") is None, reason="libjxl's tools are not installed")
def test_butteraugli_is_the_tools_norm(photograph, noisy):
    distance = judged(photograph, noisy, judges=("butteraugli",))["butteraugli"]
    assert 0.5 < distance < 20


def test_kernel_distance_is_about_zero_within_a_set_and_large_between_sets():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 300, 16))
    shifted = second + 1.0
    assert abs(kernel_distance(first, second)) < 0.15 * kernel_distance(first, shifted)
    # By hand, two vectors of one dimension each: kernels (x·y + 1)³.
    a, b = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    expected = 1.0 + 27.0 - 2 * np.mean([1.0, 1.0, 8.0, 27.0])
    assert kernel_distance(a, b) == pytest.approx(expected)


def test_patches_are_whole_and_in_place(photograph):
    features = patch_features(photograph)  # 160 x 160: two by two patches of 64
    assert features.shape == (4, 1280)
    np.testing.assert_allclose(features[1], patch_features(photograph[:64, 64:128])[0], rtol=1e-4, atol=1e-5)


def test_what_cannot_be_judged_is_one_clear_line(photograph):
    with pytest.raises(InputError, match="cannot be compared"):
        judged(photograph, photograph[:-1])
    with pytest.raises(InputError, match="at least 16 pixels a side"):
        judged(photograph[:8], photograph[:8])
    with pytest.raises(InputError, match=r"judge 'taste' is not available; available are alex, lite0"):
        judged(photograph, photograph, judges=("taste",))
    with pytest.raises(InputError, match="no pixel to be judged"):
        judged(photograph, photograph, where=np.zeros((160, 160), bool))
    assert set(available_judges()) <= set(JUDGES)


def test_patch_set_distance_is_that_of_mean_features_under_the_kernel():
    """The cubic kernel's features are all products of three coordinates, so that the distance can be told in full."""
    rng = np.random.default_rng(5)
    original = rng.integers(0, 256, (64, 128, 3), dtype=np.uint8)
    restored = np.clip(original.astype(int) + rng.integers(-40, 40, original.shape), 0, 255).astype(np.uint8)
    where = np.zeros((64, 128), bool)
    where[:, 70] = True  # the second patch alone
    x, y = (patch_features(picture)[1] / np.sqrt(1280) for picture in (original, restored))
    dots = [(x @ x + 1) ** 3, (y @ y + 1) ** 3, (x @ y + 1) ** 3]
    expected = dots[0] + dots[1] - 2 * dots[2]
    assert patch_set_distance(original, restored, where) == pytest.approx(expected)
    assert patch_set_distance(original, original, where) == 0.0
    assert patch_set_distance(original, restored, np.ones_like(where)) > 0
    assert patch_set_distance(original[:50], restored[:50], where[:50]) > 0, "borders are repeated"
    with pytest.raises(InputError, match="no pixel"):
        patch_set_distance(original, restored, np.zeros_like(where))
