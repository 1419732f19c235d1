"""The critics' coordinates of x: equal for what does the same, with the gradient of their differences."""

import numpy as np
import pytest

from ntnsim.engine.effective import effective, has_box, pulled_back
from ntnsim.protocols.configuration import ConfigurationSpace

BOX = np.ones((1, 1))
SPACES = [ConfigurationSpace(2, False), ConfigurationSpace(2, True), ConfigurationSpace(4, True)]


def test_what_does_the_same_has_the_same_coordinates():
    x = np.array([[1.0, 0.3, 0.9], [1.0, 0.8, 0.1], [0.2, 1.0, 0.4], [0.2, 1.0, 0.0]])
    seen = effective(x, BOX, ConfigurationSpace(2, True))
    assert (seen[0] == seen[1]).all()
    assert (seen[2] == seen[3]).all()
    assert (seen[1] != seen[2]).any()


def test_a_tight_box_without_patches_is_seen_as_it_is():
    x = np.array([[0.0, 0.0, 0.0, 0.7], [0.0, 0.0, 0.4, 0.2]])
    assert (effective(x, BOX, ConfigurationSpace(3, True)) == x).all()


@pytest.mark.parametrize("space", SPACES)
def test_gradient_is_that_of_differences(space):
    rng = np.random.default_rng(1)
    x, weights, way = rng.random((50, space.dimension)), *rng.standard_normal((2, 50, space.dimension))
    boxed = (np.arange(50) % 3 > 0).astype(float)[:, None]
    step = 1e-6 * way
    change = effective(x + step, boxed, space) - effective(x - step, boxed, space)
    found = (pulled_back(weights, x, boxed, space) * way).sum(1)
    np.testing.assert_allclose(found, (weights * change).sum(1) / 2e-6, rtol=1e-6, atol=1e-8)


def test_without_a_top_rank_box_growth_is_nothing_and_the_rest_stands_alone():
    space = ConfigurationSpace(2, True)
    x = np.array([[1.0, 0.25, 0.5], [0.3, 0.25, 0.5]])
    seen = effective(x, np.zeros((2, 1)), space)
    assert (seen[0] == seen[1]).all()
    assert seen[0].tolist() == pytest.approx([0.0, 0.25, 0.375])


def test_a_state_tells_whether_there_is_a_box():
    space = ConfigurationSpace(2, True)
    fractions = ((1.0, 0.0), (0.999, 0.001), (0.0, 1.0))
    states = np.array([[2 * a - 1, 2 * b - 1, 0.5] for a, b in fractions])
    assert has_box(states, space).flatten().tolist() == [0.0, 1.0, 1.0]
