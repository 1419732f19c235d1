"""Conformal calibration: its shift by hand, and the coverage that it promises on deliveries never learned from."""

import numpy as np
import pytest
from drawn_memory import fill_memory

from ntnsim.engine.build import build_engine
from ntnsim.engine.calibration import FEWEST, REMEMBERED, Calibration
from ntnsim.engine.critics import quantile_at
from ntnsim.engine.least_squares import SMALLEST_DISTANCE
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits
from ntnsim.scenario.policy import SpiffEngineSpec
from ntnsim.streams import stream

INSTANCE = SyntheticBits()


def test_shift_is_the_lower_conformal_quantile_of_the_residuals():
    calibration = Calibration(2, risk_level=0.1)
    values = np.random.default_rng(0).permutation(59)
    for count, value in enumerate(values, 1):
        calibration.add([float(value), -float(value)])
        if count < FEWEST:
            assert not calibration.shift.any()
    # floor(60 · 0.1) = 6: the sixth smallest of 0 … 58, and of −58 … 0.
    assert calibration.shift.tolist() == [5.0, -53.0]


def test_with_too_few_outcomes_for_the_level_the_worst_one_counts():
    calibration = Calibration(1, risk_level=0.01)
    for value in range(40):
        calibration.add([float(value)])
    assert calibration.shift.tolist() == [0.0]


def test_new_exchangeable_outcomes_lie_below_as_often_as_the_level_says():
    rng = np.random.default_rng(1)
    below = []
    for _ in range(400):
        calibration = Calibration(1, risk_level=0.05)
        for value in rng.standard_t(3, 99):
            calibration.add([value])
        below.append(rng.standard_t(3) <= calibration.shift[0])
    # Exactly 5 of 100 ranks: 0.05, here with a standard error of 0.011.
    assert np.mean(below) == pytest.approx(0.05, abs=0.03)


def test_old_residuals_are_forgotten():
    calibration = Calibration(1, risk_level=0.1)
    for value in [-100.0] * 50 + [1.0] * REMEMBERED:
        calibration.add([value])
    assert calibration.shift.tolist() == [1.0]


def fresh(seed: int, n_images: int):
    rng = stream(seed, "fresh")
    for _ in range(n_images):
        image, network = INSTANCE.context(rng)
        x = SPACE.configuration(rng.random(2).tolist())
        yield INSTANCE.deliver(image, network, REQUIREMENT, x, rng)


def test_engine_of_few_outcomes_covers_too_little_until_it_is_calibrated():
    engine = build_engine(SpiffEngineSpec(hidden_units=64, calibrated=True), SPACE, seed=0)
    fill_memory(engine, INSTANCE, [REQUIREMENT], 64, stream(0, "offline"))
    engine.update(1500)  # 64 outcomes, learned by heart
    state_of = [(engine.state_of(seen.image, seen.network), seen) for seen in fresh(1, 800)]

    def below() -> np.ndarray:
        residuals = [
            engine._compared(
                engine._terms(state, x)[:, 0], engine._spread_of(state, x)[:, 0], engine.outcome_of(seen)
            )[1]
            for state, seen in state_of
            for x in [np.array([SPACE.vector(seen.configuration)], np.float32)]
        ]
        return (np.array(residuals) <= engine.calibration.shift).mean(0)

    assert below().max() > 0.15  # α is 0.1
    engine.calibrate(fresh(2, 500))
    np.testing.assert_allclose(below(), 0.1, atol=0.05)  # within half of α, for every term


def test_uncalibrated_engine_reads_its_quantiles_as_they_are():
    [seen] = fresh(3, 1)
    x = np.array([[0.3, 0.4]], dtype=np.float32)
    raised = {}
    for calibrated in (False, True):
        engine = build_engine(SpiffEngineSpec(calibrated=calibrated), SPACE, seed=0)
        fill_memory(engine, INSTANCE, [REQUIREMENT], 100, stream(0, "offline"))
        engine.update(50)
        state = engine.state_of(seen.image, seen.network)
        [before] = engine.predicted_costs(state, x, REQUIREMENT, 0.0)
        low = quantile_at(engine.predicted_quantiles(state, (0.3, 0.4))[1:2], engine.settings.risk_level)[0]
        engine.critics.offset[1] = 1.0
        [after] = engine.predicted_costs(state, x, REQUIREMENT, 0.0)
        raised[calibrated] = float(after - before)
    assert raised[False] == 0.0
    # PF of rank 0 is missed at this x: its distance is believed a spread larger, at its weight of 1.25.
    distance = 1.0 + SMALLEST_DISTANCE - low
    growth = np.exp(engine._spread_of(state, x)[1, 0]) - 1.0
    assert raised[True] == pytest.approx(1.25 * distance * growth, rel=1e-3)
