"""Stand-ins that the codec's tests share."""

import pytest

from ntnsim.spiff.classical import ClassicalInpainter


@pytest.fixture(scope="session")
def plain_fill() -> object:
    """The decoder without any network."""
    return ClassicalInpainter("none")
