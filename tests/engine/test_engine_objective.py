"""C^agg (Eq. 5) by hand and against autograd; the realised cost of Eq. 2."""

import numpy as np
import pytest
import torch

from ntnsim.engine.conditioning import Priced
from ntnsim.engine.least_squares import SMALLEST_DISTANCE, from_log_terms, log_terms
from ntnsim.engine.objective import (
    Hinges,
    aggregate_cost,
    expected_cost,
    hinges,
    read_position,
    realised_cost,
)


def priced(batch: int) -> Priced:
    rng = np.random.default_rng(0)
    return Priced(
        rng.uniform(0.5, 5.0, (batch, 4)).astype(np.float32),
        rng.uniform(0.6, 1.0, (batch, 4)).astype(np.float32),
        np.full(batch, 10.0, dtype=np.float32),
        rng.uniform(0.3, 1.0, batch).astype(np.float32),
    )


def penalties(batch: int) -> Hinges:
    return hinges(priced(batch), np.full(batch, 0.1, dtype=np.float32))


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
    # R = 1 would have 4 critics: bits, per_0, sem_0, delay; three unsorted quantiles each; α = 1/6 reads the worst.
    eps = SMALLEST_DISTANCE
    shown = [[[0.6, 0.7, 0.8]], [[0.1 + eps, 0.4 + eps, 0.3 + eps]], [[0.05, 0.01, 0.03]], [[0.8, 1.0, 1.2]]]
    terms = torch.tensor(shown).log()
    hinged = hinges(
        Priced(
            np.array([[2.0, 5.0]], dtype=np.float32),
            np.array([[0.8, 0.9]], dtype=np.float32),
            np.array([10.0], dtype=np.float32),
            np.array([1.0], dtype=np.float32),
        ),
        np.array([0.1], dtype=np.float32),
    )
    cost, _ = aggregate_cost(terms, hinged, 1.0 / 6.0)
    # Mean bits 0.7; PF 2·(0.8 − (1 − 0.4)) = 0.4; SF met; with 0.1 elapsed 10·(1.3/1 − 1) = 3.
    assert cost.tolist() == pytest.approx([0.7 + 0.4 + 3.0], abs=1e-5)


def test_gradient_equals_autograd_through_sorting():
    batch, n, alpha = 9, 51, 0.1
    generator = torch.Generator().manual_seed(6)
    terms = (torch.randn(6, batch, n, generator=generator) - 2.5).requires_grad_(True)
    hinged = penalties(batch)
    cost, gradient = aggregate_cost(terms.detach(), hinged, alpha)

    low, share = read_position(alpha, n)
    ordered = terms[1:].exp().sort(-1, descending=True).values
    read = (1.0 - share) * ordered[..., low] + share * ordered[..., low + 1]
    excess = (read - torch.from_numpy(hinged.ceilings)).relu()
    expected = terms[0].exp().mean(-1) + (torch.from_numpy(hinged.weights) * excess).sum(0)
    expected.sum().backward()
    np.testing.assert_allclose(cost, expected.detach().numpy(), rtol=1e-5)
    torch.testing.assert_close(gradient, terms.grad, rtol=1e-5, atol=1e-7)
    assert 0 < (excess > 0).float().mean() < 1  # both sides of the hinge were met
    np.testing.assert_allclose(expected_cost(terms.detach().numpy(), hinged, alpha), cost, rtol=1e-5)


def test_hinges_price_terms_as_the_realised_cost_prices_outcomes():
    rng = np.random.default_rng(2)
    price = priced(7)
    outcomes = rng.uniform(0.2, 0.95, (7, 6))
    # Three equal quantiles: every read is the outcome itself.
    terms = np.repeat(log_terms(outcomes).T[..., None], 3, -1).astype(np.float32)
    late = outcomes.copy()
    late[:, -1] += 0.1
    direct = realised_cost(late, price.weights, price.targets, price.delay_weight, price.deadline)
    np.testing.assert_allclose(expected_cost(terms, penalties(7), 0.1), direct, rtol=1e-4)
    np.testing.assert_allclose(from_log_terms(log_terms(outcomes)), outcomes)


def test_realised_cost_by_hand():
    # 0.25 + 1.25·(0.8 − 0.7) + 5·0 + 10·(1 − 0.98) + 10·0 + 10·(1.1 − 1)
    outcome = np.array([0.25, 0.7, 0.95, 0.98, 1.0, 1.1])
    weights, targets = np.array([1.25, 5.0, 10.0, 10.0]), np.array([0.8, 0.9, 1.0, 1.0])
    cost = realised_cost(outcome, weights, targets, np.array(10.0), np.array(1.0))
    assert float(cost) == pytest.approx(0.25 + 0.125 + 0.2 + 1.0)
