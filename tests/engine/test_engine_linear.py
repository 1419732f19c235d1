"""Least squares as a policy: its fit against numpy's own, its left-out residuals against fits really made without a row."""

import numpy as np
import pytest
from drawn_memory import fill_memory
from pydantic import ValidationError

from ntnsim.engine.build import build_linear
from ntnsim.engine.effective import effective
from ntnsim.engine.least_squares import Regressors, fitted, log_terms, pictures_of
from ntnsim.engine.practice import learn_online
from ntnsim.engine.search import around, whole_grid
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits
from ntnsim.engine.trials import TrialCurves
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import ImageState, Trial
from ntnsim.scenario.policy import LinearBanditSpec
from ntnsim.streams import stream

INSTANCE = SyntheticBits()
COARSE = ConfigurationSpace(n_ranks=2, has_coarse_layer=True)


def filled(n_images: int, **settings):
    policy = build_linear(LinearBanditSpec(**settings), SPACE, seed=0)
    fill_memory(policy, INSTANCE, [REQUIREMENT], n_images, stream(0, "offline"))
    policy.update(1)
    return policy


def test_margins_are_quantiles_of_residuals_of_fits_made_without_the_row():
    policy = filled(90, ridge=2.0, risk_level=0.2)
    states = policy.replay.part("state")
    acts = policy._acts(states, policy.replay.part("action"))
    phi = policy._regressors.columns(states, acts)
    terms = log_terms(policy.replay.part("outcome").astype(np.float64))
    residuals = np.empty_like(terms)
    for row in range(len(phi)):
        kept = np.arange(len(phi)) != row
        # Ridge as plain least squares: sqrt(ridge)·I below the rows, zeros below the terms.
        below = np.sqrt(2.0) * np.eye(phi.shape[1])
        stacked = np.vstack((phi[kept], below))
        coefficients, *_ = np.linalg.lstsq(
            stacked, np.vstack((terms[kept], np.zeros((len(below), terms.shape[1])))), rcond=None
        )
        residuals[row] = terms[row] - phi[row] @ coefficients
    spread = policy._spread.of(acts).T
    np.testing.assert_allclose(spread, np.tile(np.sqrt((residuals**2).mean(0)), (90, 1)), rtol=1e-5)
    margins = np.quantile(residuals, 0.8, axis=0)
    np.testing.assert_allclose((policy._margin * spread[0])[1:], margins[1:], atol=1e-5)


def test_gradient_of_the_regressors_is_that_of_differences():
    rng = np.random.default_rng(0)
    states = rng.standard_normal((5, 7)).astype(np.float32)
    acts, direction = rng.random((5, 3)), rng.standard_normal((5, 3))
    regressors = Regressors(n_features=7, dimension=3, n_of_image=4)
    weights = rng.standard_normal((5, regressors.columns(states, acts).shape[1]))
    step = 1e-5 * direction
    change = regressors.columns(states, acts + step) - regressors.columns(states, acts - step)
    found = (regressors.pulled_back(weights, states, acts) * direction).sum(1)
    np.testing.assert_allclose(found, (weights * change).sum(1) / 2e-5, rtol=1e-6)


def test_columns_of_one_state_are_products_of_its_expansion():
    rng = np.random.default_rng(0)
    state, acts = rng.standard_normal(7).astype(np.float32), rng.random((5, 3)).astype(np.float32)
    regressors = Regressors(n_features=7, dimension=3, n_of_image=4)
    assert regressors.n_columns == len(regressors.expansion(state))
    columns = regressors.columns(np.tile(state, (5, 1)), acts)
    found = regressors.monomials(acts) @ regressors.expansion(state).T
    np.testing.assert_allclose(found, columns, rtol=1e-6, atol=1e-7)


def test_groups_are_left_out_whole():
    rng = np.random.default_rng(1)
    phi, terms = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    groups, weights = np.arange(30) % 8, rng.uniform(0.2, 1.0, 30)
    found = fitted(phi, terms, ridge=0.5, weights=weights, groups=groups)
    for group in range(8):
        away = groups != group
        weighted = weights[away, None] * phi[away]
        coefficients = np.linalg.solve(weighted.T @ phi[away] + 0.5 * np.eye(4), weighted.T @ terms[away])
        inside = ~away
        np.testing.assert_allclose(found.left_out[inside], terms[inside] - phi[inside] @ coefficients)


def test_copies_of_an_outcome_count_once():
    rng = np.random.default_rng(1)
    phi, terms = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    once = fitted(phi, terms, ridge=1.0)
    copies = np.tile(np.arange(30), 3)
    thrice = fitted(phi[copies], terms[copies], ridge=1.0, weights=1.0 / 3.0, groups=copies)
    np.testing.assert_allclose(thrice.coefficients, once.coefficients)
    np.testing.assert_allclose(thrice.left_out[:30], once.left_out)


def test_a_picture_is_told_by_what_the_state_says_of_it_once_there_are_many():
    seen = np.repeat(np.arange(30.0), 2)[:, None].astype(np.float32)
    assert pictures_of(seen).tolist() == np.repeat(np.arange(30), 2).tolist()
    assert pictures_of(seen[:58]) is None


def test_readings_at_the_risk_level_cover_new_deliveries_about_as_often_as_they_say():
    policy = filled(1500, risk_level=0.1)
    fresh = build_linear(LinearBanditSpec(), SPACE, seed=1)
    fill_memory(fresh, INSTANCE, [REQUIREMENT], 600, stream(9, "fresh"))
    terms = log_terms(fresh.replay.part("outcome").astype(np.float64))
    states, x = fresh.replay.part("state"), fresh.replay.part("action")
    read = np.concatenate([policy._readings(state, x[row : row + 1]) for row, state in enumerate(states)])
    beyond = (terms > read)[:, 1:].mean(0)
    np.testing.assert_allclose(beyond, 0.1, atol=0.05)  # within half of alpha


@pytest.mark.parametrize("explore", ["thompson", "ucb", "none"])
def test_it_learns_online_to_a_fraction_of_uniform_draws(explore):
    policy = build_linear(LinearBanditSpec(explore=explore), SPACE, seed=0)
    learn_online(policy, INSTANCE, [REQUIREMENT], 400, stream(0, "training"))
    rng, gaps, uniform = stream(7, "test"), [], []
    for _ in range(40):
        image, network = INSTANCE.context(rng)
        high, rate_bps = image.rank_fractions[1], network.satellite_link.rate_bps
        _, best = INSTANCE.optimum(high, rate_bps, REQUIREMENT, 0.1, steps=50)
        for x, kept in (
            (policy.best_action(image, network, REQUIREMENT).astype(float), gaps),
            (rng.random(2), uniform),
        ):
            cost = INSTANCE.aggregate_cost(high, rate_bps, x, REQUIREMENT, 0.1)
            kept.append(float(cost) - best)
    assert np.mean(gaps) < 0.2 * np.mean(uniform)


def test_a_search_starts_with_the_actors_x_and_holds_the_faces():
    space = ConfigurationSpace(n_ranks=3, has_coarse_layer=True)
    x = np.array([0.3, 0.95, 0.2, 0.5], dtype=np.float32)
    rows = around(x, space)
    assert rows.min() >= 0.0
    assert rows.max() <= 1.0
    np.testing.assert_array_equal(rows[0], x)
    wanted = [(1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.05), (0.0, 0.0, 0.0, 1.0), (0.5, 0.0, 0.0, 0.3)]
    wanted += [(0.3, 1.0, 0.2, 0.5), (0.2, 0.95, 0.2, 0.5)]  # neighbours, the first one clipped
    for row in wanted:
        assert np.abs(rows - np.array(row, dtype=np.float32)).max(1).min() < 1e-6


def test_searches_from_near_places_offer_the_same_configurations():
    space = ConfigurationSpace(n_ranks=2, has_coarse_layer=True)
    one, other = (
        around(np.array(x, dtype=np.float32), space) for x in ((0.31, 0.11, 0.52), (0.29, 0.09, 0.48))
    )
    assert one.tolist() == other.tolist()
    # To the last bit those of the grid, so that outcomes are found again.
    grid = set(map(tuple, whole_grid(space)[:, [2]].tolist()))
    assert set(map(tuple, one[:, [2]].tolist())) <= grid


def test_grid_without_a_coarse_layer_is_fine_in_p():
    assert whole_grid(SPACE).shape == (5 * 21, 2)
    # Of q 20 values where it is seen, at three p below 1; one row each at p = 1; the whole image once.
    assert whole_grid(ConfigurationSpace(2, has_coarse_layer=True)).shape == (4 * (3 * 20 + 1) + 1, 3)


def test_no_search_offers_a_layer_that_nobody_sees_or_none_where_it_is_needed():
    space = ConfigurationSpace(2, has_coarse_layer=True)
    for rows in (whole_grid(space), around(np.array([0.0, 0.9, 0.0], dtype=np.float32), space)):
        hidden = (rows[:, 0] == 1.0) | (rows[:, 1] == 1.0)
        assert hidden.any()
        assert (rows[hidden, 2] == 0.0).all()
        assert rows[~hidden, 2].min() == pytest.approx(0.05)


def test_evaluation_without_a_checkpoint_is_refused():
    with pytest.raises(ValidationError, match="needs a checkpoint"):
        LinearBanditSpec(evaluate=True)


def test_a_changed_network_is_learned_sooner_where_old_outcomes_fade():
    def error(half_life: float | None) -> float:
        policy = build_linear(
            LinearBanditSpec(memory_half_life_images=half_life, explore="none"), SPACE, seed=0
        )
        fill_memory(policy, INSTANCE, [REQUIREMENT], 400, stream(0, "before"))
        n_before = len(policy.replay)
        fill_memory(policy, INSTANCE, [REQUIREMENT], 100, stream(1, "after"))
        # From then on the same x takes twice the bits; nothing in the state tells it.
        policy.replay.part("outcome")[n_before:, 0] *= 2.0
        policy.update(1)
        image, network = INSTANCE.context(stream(2, "test"))
        x = np.array([(0.3, 0.4)], dtype=np.float32)
        true = 2.0 * INSTANCE.bits_share(image.rank_fractions[1], x[0].astype(float))
        [found] = policy.predicted_bits(policy.state_of(image, network), x)
        return abs(float(np.log(found / true)))

    assert error(50.0) < 0.5 * error(None)


def test_before_learning_the_trials_themselves_are_predicted():
    space = ConfigurationSpace(n_ranks=2, has_coarse_layer=True)
    known = {  # x: bits share and distances; a straight line of logarithms through the layers
        (0.0, 0.0, 0.3): (0.10, 0.16, 0.08, 0.02, 0.01),
        (0.0, 0.0, 0.5): (0.18, 0.04, 0.04, 0.02, 0.01),
        (0.0, 0.0, 0.75): (0.36, 0.02, 0.03, 0.02, 0.01),
        (1.0, 0.0, 0.0): (0.15, 0.03, 0.02, 0.04, 0.02),
    }
    trials = tuple(
        Trial(space.configuration(x), round(1e6 * bits), (1.01 - pf, 1.01 - top), (1.01 - sf, 1.01 - top_sf))
        for x, (bits, pf, sf, top, top_sf) in known.items()
    )
    image = ImageState((0.6, 0.4), 1_000_000, 640, 480, trials=trials)
    policy = build_linear(LinearBanditSpec(trial_state=True), space, seed=0)
    _, network = INSTANCE.context(stream(0, "one"))
    state = policy.state_of(image, network)
    x = np.array(
        [*known, (0.0, 0.0, 0.4), (0.0, 0.0, 0.625), (0.0, 1.0, 0.7), (0.25, 0.5, 0.5)], dtype=np.float32
    )
    found = policy._predicted(state, policy._acts(state[None], x))
    low, middle, high, whole = (np.array(terms) for terms in known.values())
    wanted = [low, middle, high, whole, np.sqrt(low * middle), np.sqrt(middle * high)]
    np.testing.assert_allclose(np.exp(found[:6, :-1]), wanted, rtol=1e-4)
    np.testing.assert_allclose(
        np.exp(found[6, :-1]), whole, rtol=2e-2
    )  # all tiles sent: as in the whole image
    # A quarter in the box, half of the rest in tiles: bits and distances of what is shown add up.
    np.testing.assert_allclose(np.exp(found[7, :-1]), 0.375 * middle + 0.625 * whole, rtol=1e-4)


def test_gradient_of_what_trials_tell_is_that_of_differences():
    curves, rng = TrialCurves(COARSE, trial_state=True), np.random.default_rng(4)
    states = rng.uniform(-1.0, 1.0, (200, 2 + 20)).astype(np.float32)
    x = rng.uniform(0.05, 0.9, (200, 3)).astype(np.float32)
    acts = effective(x, np.ones((200, 1), dtype=np.float32), COARSE)
    weights, direction = rng.standard_normal((200, 6)), rng.standard_normal((200, 3))
    step = (1e-3 * direction).astype(np.float32)
    change = curves.of(states, acts + step).astype(np.float64) - curves.of(states, acts - step)
    found = (curves.pulled_back(weights.astype(np.float32), states, acts) * direction).sum(1)
    agree = np.isclose(found, (weights * change).sum(1) / 2e-3, rtol=0.03, atol=0.03)
    assert agree.mean() > 0.95  # but at the bend
