"""The quantile Huber loss against its limits, autograd and a closed-form distribution."""

import numpy as np
import pytest
import torch
from scipy.stats import lognorm, norm

from ntnsim.engine.critics import QuantileCritics
from ntnsim.engine.losses import quantile_huber_gradient, quantile_midpoints
from ntnsim.engine.stacked_mlp import small_network_mode


def quantile_huber_loss(quantiles, targets, levels, kappa):
    """Σ_i ρ_τi^κ(target − q_i) as the paper prints it (Eqs. 3–4), averaged over the batch, for autograd to differentiate."""
    error = targets.unsqueeze(-1) - quantiles
    size = error.abs()
    huber = torch.where(size <= kappa, 0.5 * error.square(), kappa * (size - 0.5 * kappa))
    return ((levels - (error < 0).float()).abs() * huber / kappa).sum(-1).mean(-1)


def test_levels_are_midpoints():
    assert quantile_midpoints(4).tolist() == [0.125, 0.375, 0.625, 0.875]


def test_quantile_huber_tends_to_pinball_loss_as_kappa_vanishes():
    quantiles = torch.tensor([[[0.0, 1.0, 2.5]]])
    targets = torch.tensor([[1.5]])
    levels = torch.tensor([0.1, 0.5, 0.9])
    # u = 1.5, 0.5, −1.0: ρ = 0.1·1.5 + 0.5·0.5 + (0.9 − 1)·(−1.0) = 0.15 + 0.25 + 0.1
    assert quantile_huber_loss(quantiles, targets, levels, 1e-6).item() == pytest.approx(0.5, abs=1e-5)


def test_loss_is_divided_by_kappa():
    # u = 0.5 ≤ κ = 1: J = 0.125; u = 2 > 1: J = 2 − 0.5 = 1.5; both over κ, times |τ − 0| = 0.5.
    loss = quantile_huber_loss(
        torch.tensor([[[0.5, -1.0]]]), torch.tensor([[1.0]]), torch.tensor([0.5, 0.5]), 1.0
    )
    assert loss.item() == pytest.approx(0.5 * 0.125 + 0.5 * 1.5)
    # At κ = 0.25 both lie outside: (|u| − κ/2) each, undivided by nothing else.
    loss = quantile_huber_loss(
        torch.tensor([[[0.5, -1.0]]]), torch.tensor([[1.0]]), torch.tensor([0.5, 0.5]), 0.25
    )
    assert loss.item() == pytest.approx(0.5 * (0.5 - 0.125) + 0.5 * (2.0 - 0.125))


def test_gradient_equals_autograd():
    generator = torch.Generator().manual_seed(3)
    quantiles = torch.randn(6, 8, 51, generator=generator, requires_grad=True)
    targets = torch.randn(6, 8, generator=generator)
    levels = quantile_midpoints(51)
    quantile_huber_loss(quantiles, targets, levels, 0.05).sum().backward()
    ours = quantile_huber_gradient(quantiles.detach(), targets, levels, 0.05)
    torch.testing.assert_close(ours, quantiles.grad, rtol=1e-5, atol=1e-7)


def test_critic_quantiles_match_a_log_normal_whose_spread_depends_on_the_input():
    # y = exp(σ(x)·ε), σ = 0.2 + 0.4·x: quantiles exp(σ·z_τ). Worst error over τ in [0.1, 0.9] and three inputs.
    stated_error = 0.12  # median quantile 1, spread of y up to 0.9
    rng = np.random.default_rng(5)
    critics = QuantileCritics(
        n_critics=1, n_inputs=1, n_hidden=64, n_quantiles=51, kappa=0.05, learning_rate=1e-3, rng=rng
    )
    with small_network_mode():
        for step in range(4000):
            if step == 2500:
                critics.network.learning_rate = 1e-4
            x = rng.random((128, 1), dtype=np.float32)
            y = np.exp((0.2 + 0.4 * x[:, 0]) * rng.standard_normal(128)).astype(np.float32)
            critics.fit(torch.from_numpy(2.0 * x - 1.0), torch.from_numpy(y)[None])
    levels = quantile_midpoints(51).numpy()
    inner = (levels > 0.1) & (levels < 0.9)
    for x in (0.1, 0.5, 0.9):
        predicted = np.sort(critics.network.forward_one(np.array([2.0 * x - 1.0], dtype=np.float32))[0])
        exact = lognorm.ppf(levels, 0.2 + 0.4 * x)
        assert np.abs(predicted - exact)[inner].max() < stated_error


@pytest.mark.parametrize(("kappa", "covered"), [(0.01, 0.105), (0.05, 0.123)])
def test_low_quantile_covers_more_than_its_level_when_kappa_nears_the_spread(kappa, covered):
    spread = 0.15
    draws = torch.from_numpy(spread * norm.ppf((np.arange(20_001) + 0.5) / 20_001)).float()
    candidates = torch.linspace(-2.0 * spread, 0.0, 601).expand(1, 1, -1)
    # The stationary point of the loss over all draws: where the mean gradient crosses zero.
    levels = torch.full((601,), 0.1)
    gradient = sum(
        quantile_huber_gradient(candidates, draw.view(1, 1), levels, kappa) for draw in draws[::20]
    )
    stationary = candidates[0, 0, int(gradient[0, 0].abs().argmin())].item()
    assert norm.cdf(stationary / spread) == pytest.approx(covered, abs=0.004)
