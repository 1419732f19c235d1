"""What the SPIFF engine and NCB have in common: the actor, its exploration, the search around it, the pace of updates.

What their critics are, and how they move the actor, is the subclass's matter.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.actor import Actor
from ntnsim.engine.bandit import Bandit
from ntnsim.engine.exploration import decayed_share, ou_step
from ntnsim.engine.search import around, sensible
from ntnsim.engine.stacked_mlp import small_network_mode
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import ImageState, Requirement
from ntnsim.scenario.policy import NetworkLearningSpec
from ntnsim.streams import stream


class ActorBandit(Bandit):
    """A learning policy with a deterministic, requirement-conditioned actor, and critics that can be searched."""

    settings: NetworkLearningSpec

    def __init__(self, settings: NetworkLearningSpec, space: ConfigurationSpace, seed: int) -> None:
        super().__init__(settings, space, seed)
        self.actor = self.new_actor("actor")
        self.noise: FloatArray = np.zeros(space.dimension)

    @abstractmethod
    def _update(self) -> None:
        """Take one step of the critics and one of the actor on a minibatch."""

    def new_actor(self, name: str) -> Actor:
        """Return an actor that has learned nothing; *name* is that of its random stream."""
        return Actor(
            n_inputs=self.n_features + self.n_conditions,
            dimension=self.space.dimension,
            n_hidden=self.settings.hidden_units,
            learning_rate=self.settings.actor_learning_rate,
            rng=stream(self.seed, "engine", name),
        )

    def greedy_action(self, state: Float32Array, requirement: Requirement) -> Float32Array:
        """Return the actor's x [dimension], without exploration."""
        return self.actor.act_one(np.concatenate((state, self._condition(requirement))))

    def candidates(self, state: Float32Array, requirement: Requirement) -> Float32Array:
        """Return the x [rows, dimension] of a search around the actor's."""
        return around(self.greedy_action(state, requirement), self.space)

    def best_action(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Float32Array:
        """Return the actor's x [dimension], or what a search around it finds cheaper by the critics."""
        state = self.state_of(image, network)
        action = self.greedy_action(state, requirement)
        if self.settings.decide == "actor":
            return action
        tried = around(action, self.space)
        cost = self.decision_costs(state, image, network, requirement, tried)
        best: Float32Array = tried[int(cost.argmin())]
        return best

    def exploring_action(
        self, image: ImageState, network: NetworkState, requirement: Requirement
    ) -> Float32Array:
        """Return the best action with Ornstein–Uhlenbeck noise; where it is searched for, `sensible` as all others."""
        settings = self.settings
        action = self.best_action(image, network, requirement)
        self.noise = ou_step(self.noise, settings.noise_theta, settings.noise_sigma, self.exploration_rng)
        noisy = np.clip(action + self._noise_share() * self.noise, 0.0, 1.0).astype(np.float32)
        return noisy if settings.decide == "actor" else sensible(noisy[None], self.space)[0]

    def _noise_share(self) -> float:
        settings = self.settings
        return decayed_share(self.replay.n_seen, settings.noise_half_life_images, settings.noise_floor)

    def _take_updates(self, n_updates: int) -> None:
        settings = self.settings
        steps = [(network, network.learning_rate) for network in self.networks().values()]
        with small_network_mode():
            for _ in range(n_updates):
                share = decayed_share(
                    self.n_updates, settings.learning_rate_half_life_updates, settings.learning_rate_floor
                )
                for network, full_step in steps:
                    network.learning_rate = full_step * share
                self._update()
                self.n_updates += 1
        for network, full_step in steps:
            network.learning_rate = full_step

    def diagnostics(self) -> Mapping[str, float]:
        """Return the bandit's figures, and the share of the first exploration noise that is left."""
        return {**super().diagnostics(), "noise_share": self._noise_share()}

    def variables(self) -> dict[str, Any]:
        """Return the bandit's variables and the noise's state."""
        return {**super().variables(), "noise": self.noise.tolist()}

    def restore_variables(self, variables: dict[str, Any]) -> None:
        """Take over what `variables` returned."""
        super().restore_variables(variables)
        self.noise = np.array(variables["noise"])
