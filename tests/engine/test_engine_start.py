"""Where the engine's critics start: at least squares and the spread that these leave; and the gradient through both."""

import numpy as np
import pytest
from drawn_memory import fill_memory

from ntnsim.engine.build import build_engine
from ntnsim.engine.conditioning import Priced, requirement_vector
from ntnsim.engine.least_squares import from_log_terms
from ntnsim.engine.objective import hinges
from ntnsim.engine.spiff_engine import SpiffEngine
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits
from ntnsim.scenario.policy import SpiffEngineSpec
from ntnsim.streams import stream

INSTANCE = SyntheticBits()


def filled(n_images: int, n_updates: int) -> SpiffEngine:
    engine = build_engine(SpiffEngineSpec(hidden_units=32), SPACE, seed=0)
    fill_memory(engine, INSTANCE, [REQUIREMENT], n_images, stream(0, "offline"))
    engine.update(n_updates)
    assert isinstance(engine, SpiffEngine)
    return engine


def base_of(engine, state, x):
    """Return what least squares say of each term of x [2R+2]."""
    return engine._base(state[None], engine._acts(state[None], np.array([x], dtype=np.float32)))[:, 0]


def added_to(engine, state, x):
    """Return what the critics add to least squares [2R+2, N]."""
    terms = engine._terms(state, np.array([x], dtype=np.float32))[:, 0]
    return terms - base_of(engine, state, x)[:, None]


def test_before_the_first_update_quantiles_are_least_squares_and_their_residuals():
    engine = filled(200, 0)
    image, network = INSTANCE.context(stream(1, "test"))
    state, x = engine.state_of(image, network), (0.3, 0.6)
    predicted = engine.predicted_quantiles(state, x)
    base = base_of(engine, state, x)
    levels = (np.arange(51) + 0.5) / 51
    residuals = engine.replay.part("residual").astype(np.float64)
    spread = engine._spread_of(state, np.array([x], dtype=np.float32))[:, 0]
    terms = base + spread * np.quantile(residuals, levels, axis=0)
    np.testing.assert_allclose(predicted, np.sort(from_log_terms(terms).T, -1), rtol=1e-4)


def test_a_new_fit_keeps_what_the_critics_have_added_in_spreads():
    engine = filled(200, 150)
    image, network = INSTANCE.context(stream(1, "test"))
    state, x = engine.state_of(image, network), (0.3, 0.6)
    before = engine._spread_of(state, np.array([x], dtype=np.float32)).copy()
    added = added_to(engine, state, x) / before
    fill_memory(engine, INSTANCE, [REQUIREMENT], 100, stream(2, "offline"))
    engine._fit_least_squares()
    after = engine._spread_of(state, np.array([x], dtype=np.float32))
    assert not np.allclose(after, before)
    np.testing.assert_allclose(added_to(engine, state, x) / after, added, rtol=1e-4, atol=1e-4)


def test_a_delivery_is_remembered_with_what_least_squares_leave_of_it():
    engine = filled(200, 0)
    fill_memory(engine, INSTANCE, [REQUIREMENT], 1, stream(2, "offline"))
    row = {name: engine.replay.part(name)[-1:] for name in ("state", "action", "outcome", "residual")}
    left = np.log(row["outcome"][0, 0]) - base_of(engine, row["state"][0], row["action"][0])[0]
    spread = engine._spread_of(row["state"][0], row["action"])[0, 0]
    assert row["residual"][0, 0] == pytest.approx(left / spread, abs=1e-3)


def test_the_actors_gradient_is_that_of_the_predicted_cost():
    engine = filled(400, 200)
    rng, checked = stream(3, "test"), 0
    price = Priced.of(requirement_vector(REQUIREMENT, 20.0)[None])
    for _ in range(40):
        image, network = INSTANCE.context(rng)
        state = engine.state_of(image, network)
        x = rng.uniform(0.1, 0.9, (1, 2)).astype(np.float32)
        acts = engine._acts(state[None], x)
        pricing = engine.critics.price(
            engine._inputs(state[None], acts),
            engine._base(state[None], acts),
            engine.spread.of(acts),
            penalties=hinges(price, np.zeros(1, dtype=np.float32)),
            risk_level=engine.settings.risk_level,
            dimension=2,
            n_proposed=1,
        )
        found = engine._gradient(pricing, state[None], x)[0]
        step = 2e-3
        ahead, behind = (
            engine.predicted_costs(state, x + sign * step * np.eye(2, dtype=np.float32), REQUIREMENT, 0.0)
            for sign in (1.0, -1.0)
        )
        differences = (ahead - behind) / (2 * step)
        # Hinges and ReLUs have corners; away from them both agree.
        checked += np.allclose(found, differences, rtol=0.03, atol=0.01)
    assert checked >= 32
