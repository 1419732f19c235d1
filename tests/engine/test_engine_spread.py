"""The spread of outcomes about what trials tell: found again from draws, with the gradient of its differences."""

import numpy as np
import pytest

from ntnsim.engine.effective import effective
from ntnsim.engine.spread import Spread
from ntnsim.protocols.configuration import ConfigurationSpace

SPACE = ConfigurationSpace(n_ranks=2, has_coarse_layer=True)
KNOTS = (0.3, 0.5, 0.75)


def drawn_acts(n_rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.random((n_rows, 3), dtype=np.float32)
    x[rng.random((n_rows, 3)) < 0.3] = 0.0
    return effective(x, np.ones((n_rows, 1), dtype=np.float32), SPACE)


def test_where_trials_are_only_the_constant_is_left_and_between_them_it_is_by_hand():
    spread = Spread(np.array([[0.01, 0.16, 0.04]]), KNOTS)
    x = [(0, 0, 0.3), (0, 0, 0.5), (1, 0, 0), (0, 0, 0.4), (0, 0.5, 0.5), (0.2, 0, 0.95)]
    acts = effective(np.array(x, dtype=np.float32), np.ones((6, 1), dtype=np.float32), SPACE)
    # One step of 0.1 from a trial; half of the image; u = 0.8 at two steps, which count 0.8 each.
    wanted = [0.01, 0.01, 0.01, 0.01 + 0.04, 0.01 + 0.16, 0.01 + 0.16 * 0.64**2 + 0.04 * 1.6**2]
    np.testing.assert_allclose(spread.of(acts)[0] ** 2, wanted, rtol=1e-4)


def test_variances_are_found_again_from_draws():
    acts, rng = drawn_acts(40_000), np.random.default_rng(1)
    true = Spread(np.array([[0.01, 0.09, 0.04], [0.04, 0.0, 0.01]]), KNOTS)
    residuals = (true.of(acts) * rng.standard_normal((2, len(acts)))).T
    found = Spread.fitted(residuals, acts, KNOTS)
    np.testing.assert_allclose(found.variances, true.variances, rtol=0.1, atol=0.002)
    assert Spread.fitted(residuals, acts, ()).variances == pytest.approx((residuals**2).mean(0)[:, None])


def test_no_variance_is_ever_nothing():
    assert (Spread.fitted(np.zeros((20, 3)), drawn_acts(20), KNOTS).of(drawn_acts(5)) > 0.0).all()


def test_gradient_is_that_of_differences():
    spread = Spread(np.array([[0.01, 0.09, 0.04], [0.04, 0.02, 0.01]]), KNOTS)
    acts, rng = drawn_acts(200).astype(np.float64), np.random.default_rng(2)
    gradient, direction = rng.standard_normal((2, 200)), rng.standard_normal((200, 3))
    step = 1e-4 * direction
    change = spread.of((acts + step).astype(np.float32)) - spread.of((acts - step).astype(np.float32))
    found = (spread.pulled_back(gradient.astype(np.float32), acts.astype(np.float32)) * direction).sum(1)
    agree = np.isclose(found, (gradient * change).sum(0) / 2e-4, rtol=0.02, atol=0.01)
    assert agree.mean() > 0.95  # but where the nearest trial is another one on each side
