"""What an agent from outside sees and does: numbers in, numbers out, and such an agent as a policy of any run."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.features import feature_names, state_features
from ntnsim.errors import InputError
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, ImageState, Policy, Requirement

BOUND = 10.0  # of observations: features are of order one, and log(1 + FAR_DEADLINES) is 9.2


class AgentView:
    """Turns an image in its network into an observation, and an action into a configuration.

    names: what each entry of an observation is: the engine's state, with times in the image's own deadlines.
    """

    def __init__(
        self, space: ConfigurationSpace, *, paper_state: bool = False, trial_state: bool = False
    ) -> None:
        self.space = space
        self._paper_state, self._trial_state = paper_state, trial_state
        self.names = feature_names(space.n_ranks, paper_state=paper_state, trial_state=trial_state)

    def observation(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Float32Array:
        """Return the observation float32 [len(names)], in −10 … 10."""
        state = state_features(
            image,
            network,
            paper_state=self._paper_state,
            nominal_deadline_s=requirement.deadline_s,
            trial_state=self._trial_state,
        )
        return np.clip(state, -BOUND, BOUND)

    def configuration(self, action: Any) -> Configuration:
        """Return the x that *action* [dimension] means, clipped to [0, 1]."""
        try:
            vector: FloatArray = np.asarray(action, dtype=np.float64)
        except (TypeError, ValueError):
            vector = np.empty(0)
        if vector.shape != (self.space.dimension,) or not np.isfinite(vector).all():
            raise InputError(f"action: must be {self.space.dimension} finite numbers, got {action!r}")
        return self.space.configuration(np.clip(vector, 0.0, 1.0).tolist())


class AgentPolicy(Policy):
    """An agent that has learned, as a policy: it decides, and learns no more."""

    def __init__(self, act: Callable[[Float32Array], Any], view: AgentView) -> None:
        self._act, self._view = act, view

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Ask the agent."""
        observation = self._view.observation(image, network, requirement)
        return Decision(self._view.configuration(self._act(observation)))


def acting(agent: Any) -> Callable[[Float32Array], Any]:
    """Return how *agent* acts: by Stable-Baselines3's ``predict``, without exploring, or as the function that it is."""
    if hasattr(agent, "predict"):
        return lambda observation: agent.predict(observation, deterministic=True)[0]
    if not callable(agent):
        raise InputError(
            f"agent: must have predict, as Stable-Baselines3's agents do, or be a function from an observation to an "
            f"action; got a {type(agent).__name__}"
        )
    return agent
