"""Where learning begins: at the cheapest x that the trials tell of, worked by hand; and which outcomes then count."""

import numpy as np
import pytest
from pydantic import ValidationError

from ntnsim.engine.build import build_bandit
from ntnsim.engine.replay import Replay
from ntnsim.engine.synthetic import SPACE, network_state
from ntnsim.errors import ScenarioError
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import ImageState, Requirement, Trial
from ntnsim.scenario.policy import LinearBanditSpec, NeuralContextualBanditSpec, SpiffEngineSpec

COARSE = ConfigurationSpace(n_ranks=2, has_coarse_layer=True)
ASKED = Requirement(20.0, pf_min=(0.9, 0.0), sf_min=(0.0, 0.0), lambda_pf=(5.0, 1.0), lambda_sf=(1.0, 1.0))
NETWORK = network_state(1e6)


def image(whole_share: float) -> ImageState:
    """Layers at q 0.3 and 0.55 of 0.10 and 0.20 of the bits; PF misses 0.9 by 0.2 at the first and keeps it after."""
    trials = [
        Trial(COARSE.configuration(x), round(1e6 * share), (pf, 1.0), (1.0, 1.0))
        for x, share, pf in (
            ((0.0, 0.0, 0.3), 0.10, 0.70),
            ((0.0, 0.0, 0.55), 0.20, 0.92),
            ((1.0, 0.0, 0.0), whole_share, 0.95),
        )
    ]
    return ImageState((0.6, 0.4), 1_000_000, 640, 480, trials=tuple(trials))


@pytest.mark.parametrize("spec", [SpiffEngineSpec, NeuralContextualBanditSpec, LinearBanditSpec])
def test_the_first_images_are_sent_about_the_cheapest_x_that_trials_tell_of(spec):
    policy = build_bandit(spec(trial_state=True, warm_up="trials"), COARSE, seed=0)

    def sent(whole_share: float) -> np.ndarray:
        chosen = [policy.choose(image(whole_share), NETWORK, ASKED).configuration for _ in range(200)]
        return np.median([COARSE.vector(x) for x in chosen], axis=0)

    # In logarithms 0.31 of distance falls to 0.09 over 0.25 of q; times exp 0.3, PF is kept from q = 0.57 on.
    beta, _, quality = sent(0.5)
    assert beta < 0.15
    assert quality == pytest.approx(0.57, abs=0.05)
    # A whole image that is cheaper than any layer is taken; half the draws about β = 1 are clipped to it.
    assert sent(0.02)[0] > 0.9


def test_trials_must_be_seen_and_told_of():
    with pytest.raises(ValidationError, match="warm_up: trials needs trial_state: true"):
        LinearBanditSpec(warm_up="trials")
    with pytest.raises(ScenarioError, match="needs a codec with a coarse layer, such as spiff"):
        build_bandit(LinearBanditSpec(trial_state=True, warm_up="trials"), SPACE, seed=0)


def filled(half_life: float | None, n_rows: int) -> Replay:
    memory = Replay(100, n_features=1, dimension=1, n_ranks=2, half_life=half_life)
    for number in range(n_rows):
        memory.append(state=[number])
    return memory


@pytest.mark.parametrize("n_rows", [60, 100, 130])
def test_rows_are_drawn_as_often_as_they_weigh(n_rows):
    memory = filled(20.0, n_rows)
    weights, state = memory.weights(), memory.part("state")[:, 0]
    assert weights[state == n_rows - 1] == 1.0
    assert weights[state == n_rows - 21] == pytest.approx(0.5)
    drawn = memory.draw(200_000, np.random.default_rng(0))["state"][:, 0]
    shares = np.array([(drawn == number).mean() for number in state])
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.002)


def test_without_a_half_life_all_rows_count_alike():
    assert filled(None, 7).weights().tolist() == [1.0] * 7
