"""Images and stand-ins that the codec's tests share."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from ntnsim.spiff.inpaint import inpainter_named


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """Eileen Collins at 160x144: a photograph that scikit-image ships."""
    return np.ascontiguousarray(data.astronaut()[20:180, 150:294])


@pytest.fixture(scope="session")
def astronaut_mask() -> NDArray[np.bool_]:
    """An ellipse about the face."""
    rows, columns = np.mgrid[0:160, 0:144]
    return ((rows - 90) / 60) ** 2 + ((columns - 74) / 40) ** 2 <= 1


@pytest.fixture(scope="session")
def plain_fill() -> object:
    """The decoder without any network."""
    return inpainter_named("none", None)


def random_image(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return smooth random colours [H, W, 3]: noise would cost codecs too much time."""
    coarse = rng.integers(0, 256, (max(2, shape[0] // 8), max(2, shape[1] // 8), 3)).astype(np.uint8)
    from PIL import Image

    return np.array(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def all_equal(arrays: Sequence[NDArray[np.uint8]], others: Sequence[NDArray[np.uint8]]) -> bool:
    """Return whether two lists of arrays are the same."""
    return len(arrays) == len(others) and all(
        np.array_equal(a, b) for a, b in zip(arrays, others, strict=True)
    )
