"""The policy that draws each configuration uniformly: a floor for comparisons, and a way to sample outcomes."""

import numpy as np

from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, ImageState, Policy, Requirement


class RandomPolicy(Policy):
    """Draws x uniformly in the codec's unit cube."""

    def __init__(self, space: ConfigurationSpace, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return a uniformly drawn configuration."""
        return Decision(self._space.configuration(self._rng.random(self._space.dimension).tolist()))
