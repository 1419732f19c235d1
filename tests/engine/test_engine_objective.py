"""C^agg (Eq. 5) by hand and against autograd; the realised cost of Eq. 2."""

import numpy as np
import pytest
import torch

from ntnsim.engine.conditioning import Priced
from ntnsim.engine.objective import Hinges, aggregate_cost, hinges, read_position, realised_cost
from ntnsim.engine.standardisation import Standardisation

OFFSET = np.array([0.5, 0.7, 0.8, 0.9, 0.95, 0.6])
SCALE = np.array([0.2, 0.1, 0.05, 0.02, 0.01, -0.3])  # the delay is learned as slack


def penalties(batch: int) -> Hinges:
    rng = np.random.default_rng(0)
    ones = np.ones(batch, dtype=np.float32)
    return hinges(
        Priced(
            rng.uniform(0.5, 5.0, (batch, 4)).astype(np.float32),
            rng.uniform(0.6, 1.0, (batch, 4)).astype(np.float32),
            10.0 * ones,
            rng.uniform(0.3, 1.0, batch).astype(np.float32),
        ),
        0.1 * ones,
        Standardisation(OFFSET, SCALE),
    )


def test_median_of_three_midpoints_is_the_middle_one():
    assert read_position(0.5, 3) == (1, 0.0)


def test_tenth_of_51_midpoints_lies_between_the_fifth_and_the_sixth():
    lower, share = read_position(0.1, 51)  # 0.1 · 51 − 0.5 = 4.6
    assert lower == 4
    assert share == pytest.approx(0.6)


def test_levels_beyond_the_outermost_midpoint_read_it():
    assert read_position(0.001, 5) == (0, 0.0)
    assert read_position(0.999, 5) == (3, 1.0)


def test_cost_of_one_row_by_hand():
    # R = 1 would have 4 critics: bits, per_0, sem_0, delay; three unsorted quantiles each; α = 1/6 reads the lowest.
    quantiles = torch.tensor([[[1.0, 2.0, 3.0]], [[0.9, 0.6, 0.7]], [[0.95, 0.99, 0.97]], [[0.4, 0.0, -0.4]]])
    standard = Standardisation(np.array([0.5, 0.0, 0.0, 1.0]), np.array([0.1, 1.0, 1.0, -0.5]))
    hinged = hinges(
        Priced(
            np.array([[2.0, 5.0]], dtype=np.float32),
            np.array([[0.8, 0.9]], dtype=np.float32),
            np.array([10.0], dtype=np.float32),
            np.array([1.0], dtype=np.float32),
        ),
        np.array([0.1], dtype=np.float32),
        standard,
    )
    cost, _ = aggregate_cost(quantiles, standard, hinged, 1.0 / 6.0)
    # bits 0.5 + 0.1·2 = 0.7; PF 2·(0.8 − 0.6) = 0.4; SF met; delay's upper value 1 + 0.5·0.4 = 1.2,
    # with 0.1 elapsed 10·(1.3/1 − 1) = 3.
    assert cost.tolist() == pytest.approx([0.7 + 0.4 + 3.0], abs=1e-5)


def test_gradient_equals_autograd_through_sorting():
    batch, n, alpha = 9, 51, 0.1
    quantiles = torch.randn(6, batch, n, generator=torch.Generator().manual_seed(6), requires_grad=True)
    hinged = penalties(batch)
    cost, gradient = aggregate_cost(quantiles.detach(), Standardisation(OFFSET, SCALE), hinged, alpha)

    low, share = read_position(alpha, n)
    ordered = quantiles[1:].sort(-1).values
    read = (1.0 - share) * ordered[..., low] + share * ordered[..., low + 1]
    shortfall = (torch.from_numpy(hinged.floors) - read).relu()
    expected = (
        OFFSET[0] + SCALE[0] * quantiles[0].mean(-1) + (torch.from_numpy(hinged.weights) * shortfall).sum(0)
    )
    expected.sum().backward()
    np.testing.assert_allclose(cost, expected.detach().numpy(), rtol=1e-5)
    torch.testing.assert_close(gradient, quantiles.grad, rtol=1e-5, atol=1e-7)
    assert 0 < (shortfall > 0).float().mean() < 1  # both sides of the hinge were met


def test_slack_hinge_is_the_high_quantile_of_the_delay():
    # λ [(e + d)/d^max − 1]^+ for any z, with d = offset + scale·z.
    hinged = penalties(batch=4)
    z = np.array([-2.0, -0.5, 0.5, 2.0])
    rng = np.random.default_rng(0)
    rng.uniform(0.5, 5.0, (4, 4)), rng.uniform(0.6, 1.0, (4, 4))
    deadline = rng.uniform(0.3, 1.0, 4)
    direct = 10.0 * np.maximum((0.1 + OFFSET[-1] + SCALE[-1] * z) / deadline - 1.0, 0.0)
    np.testing.assert_allclose(hinged.weights[-1] * np.maximum(hinged.floors[-1] - z, 0.0), direct, rtol=1e-5)


def test_realised_cost_by_hand():
    # 0.25 + 1.25·(0.8 − 0.7) + 5·0 + 10·(1 − 0.98) + 10·0 + 10·(1.1 − 1)
    outcome = np.array([0.25, 0.7, 0.95, 0.98, 1.0, 1.1])
    weights, targets = np.array([1.25, 5.0, 10.0, 10.0]), np.array([0.8, 0.9, 1.0, 1.0])
    cost = realised_cost(outcome, weights, targets, np.array(10.0), np.array(1.0))
    assert float(cost) == pytest.approx(0.25 + 0.125 + 0.2 + 1.0)
