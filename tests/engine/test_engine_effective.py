"""The critics' coordinates of x: equal for what does the same, and differentiated as autograd does."""

import numpy as np
import pytest
import torch

from ntnsim.engine.effective import effective, pulled_back
from ntnsim.spiff.configuration import ConfigurationSpace

SPACES = [ConfigurationSpace(2, False), ConfigurationSpace(2, True), ConfigurationSpace(4, True)]


def test_what_does_the_same_has_the_same_coordinates():
    x = torch.tensor([[1.0, 0.3, 0.9], [1.0, 0.8, 0.1], [0.2, 1.0, 0.4], [0.2, 1.0, 0.0]])
    seen = effective(x, ConfigurationSpace(2, True))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[1], seen[2])


def test_a_tight_box_without_patches_is_seen_as_it_is():
    x = torch.tensor([[0.0, 0.0, 0.0, 0.7], [0.0, 0.0, 0.4, 0.2]])
    assert torch.equal(effective(x, ConfigurationSpace(3, True)), x)


@pytest.mark.parametrize("space", SPACES)
def test_gradient_is_autograds(space):
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.random((50, space.dimension)).astype(np.float32)).requires_grad_()
    weights = torch.from_numpy(rng.standard_normal((50, space.dimension)).astype(np.float32))
    (effective(x, space) * weights).sum().backward()
    torch.testing.assert_close(pulled_back(weights, x.detach(), space), x.grad)
