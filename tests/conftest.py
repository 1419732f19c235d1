"""Photographs that the tests of several rooms share."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """Eileen Collins at 160x144: a photograph that scikit-image ships."""
    return np.ascontiguousarray(data.astronaut()[20:180, 150:294])


@pytest.fixture(scope="session")
def astronaut_mask() -> NDArray[np.bool_]:
    """An ellipse about the face."""
    rows, columns = np.mgrid[0:160, 0:144]
    return ((rows - 90) / 60) ** 2 + ((columns - 74) / 40) ** 2 <= 1
