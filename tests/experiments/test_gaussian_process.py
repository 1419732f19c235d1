"""The Gaussian process among the rivals: its upper readings cover fresh outcomes as often as they say."""

import numpy as np

from ntnsim.engine.least_squares import log_terms
from ntnsim.engine.practice import learn_online
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits
from ntnsim.experiments.gaussian_process import GaussianProcessBandit
from ntnsim.scenario.policy import LinearBanditSpec
from ntnsim.streams import stream

INSTANCE = SyntheticBits()


def fresh(policy, n_images):
    """Return what was read [rows, 2R+2] and what came [rows, 2R+2] of deliveries that were not learned from."""
    rng = stream(5, "fresh")
    read, came = [], []
    for _ in range(n_images):
        image, network = INSTANCE.context(rng)
        x = rng.random(SPACE.dimension).astype(np.float32)
        delivered = INSTANCE.deliver(image, network, REQUIREMENT, SPACE.configuration(x.tolist()), rng)
        outcome = policy.outcome_of(delivered)
        read.append(policy._readings(policy.state_of(image, network), x[None])[0])
        came.append(log_terms(outcome[None])[0])
    return np.array(read), np.array(came)


def test_readings_cover_as_often_as_they_say_and_lie_as_close_as_noise_allows():
    settings = LinearBanditSpec(explore="none", warm_up_images=150, risk_level=0.1)
    policy = GaussianProcessBandit(settings, SPACE, seed=0)
    learn_online(policy, INSTANCE, [REQUIREMENT], 150, stream(0, "process"))
    read, came = fresh(policy, 400)
    low_rank = slice(1, 3)  # the high rank's fidelities are noise about a constant
    covered = (came <= read)[:, low_rank].mean(0)
    assert ((covered > 0.83) & (covered < 0.96)).all(), covered
    bits_error = np.abs(came[:, 0] - read[:, 0]).mean()
    assert bits_error < 1.2 * INSTANCE.bits_spread * np.sqrt(2 / np.pi)  # what the noise alone leaves
