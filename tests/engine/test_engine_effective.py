"""The critics' coordinates of x: equal for what does the same, and differentiated as autograd does."""

import numpy as np
import pytest
import torch

from ntnsim.engine.effective import effective, has_box, pulled_back
from ntnsim.protocols.configuration import ConfigurationSpace

BOX = torch.ones(1, 1)
SPACES = [ConfigurationSpace(2, False), ConfigurationSpace(2, True), ConfigurationSpace(4, True)]


def test_what_does_the_same_has_the_same_coordinates():
    x = torch.tensor([[1.0, 0.3, 0.9], [1.0, 0.8, 0.1], [0.2, 1.0, 0.4], [0.2, 1.0, 0.0]])
    seen = effective(x, BOX, ConfigurationSpace(2, True))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[1], seen[2])


def test_a_tight_box_without_patches_is_seen_as_it_is():
    x = torch.tensor([[0.0, 0.0, 0.0, 0.7], [0.0, 0.0, 0.4, 0.2]])
    assert torch.equal(effective(x, BOX, ConfigurationSpace(3, True)), x)


@pytest.mark.parametrize("space", SPACES)
def test_gradient_is_autograds(space):
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.random((50, space.dimension)).astype(np.float32)).requires_grad_()
    weights = torch.from_numpy(rng.standard_normal((50, space.dimension)).astype(np.float32))
    boxed = torch.from_numpy((np.arange(50) % 3 > 0).astype(np.float32))[:, None]
    (effective(x, boxed, space) * weights).sum().backward()
    torch.testing.assert_close(pulled_back(weights, x.detach(), boxed, space), x.grad)


def test_without_a_top_rank_box_growth_is_nothing_and_the_rest_stands_alone():
    space = ConfigurationSpace(2, True)
    x = torch.tensor([[1.0, 0.25, 0.5], [0.3, 0.25, 0.5]])
    seen = effective(x, torch.zeros(2, 1), space)
    assert torch.equal(seen[0], seen[1])
    assert seen[0].tolist() == pytest.approx([0.0, 0.25, 0.375])


def test_a_state_tells_whether_there_is_a_box():
    space = ConfigurationSpace(2, True)
    fractions = ((1.0, 0.0), (0.999, 0.001), (0.0, 1.0))
    states = torch.tensor([[2 * a - 1, 2 * b - 1, 0.5] for a, b in fractions])
    assert has_box(states, space).flatten().tolist() == [0.0, 1.0, 1.0]
