"""Least squares in the engine's place: each term of BITS a linear form, searched over a grid of x. The honest rival.

It sees what the engine's critics see (state, and x by what it acts on), has the same memory, warm-up and requirement,
and reads fidelities and delay at the same risk level: by residuals of deliveries that the fit was not made on. Bits,
distances 1 − fidelity and delay are fitted in logarithms. While it learns it explores by Thompson sampling or by
optimism (LinUCB: Li et al., WWW 2010; Agrawal and Goyal, ICML 2013), on every term apart.
"""

from pathlib import Path

import numpy as np
import torch

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.bandit import Bandit
from ntnsim.engine.conditioning import Priced, requirement_vector
from ntnsim.engine.effective import effective, has_box
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.search import whole_grid
from ntnsim.engine.stacked_mlp import StackedMlp
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import ImageState, Requirement
from ntnsim.scenario.policy import LinearBanditSpec

SMALLEST_DISTANCE = 1e-3  # added to 1 − fidelity before the logarithm
SMALLEST_SHARE = 1e-5  # of bits, for the logarithm
LARGEST_LOG = 2.0  # of any predicted term: far extrapolations stay finite
LARGEST_LEVERAGE = 0.99


class LinearBandit(Bandit):
    """Ridge regression of 2R+2 terms."""

    settings: LinearBanditSpec

    def __init__(self, settings: LinearBanditSpec, space: ConfigurationSpace, seed: int) -> None:
        super().__init__(settings, space, seed)
        self._grid = whole_grid(space)
        self._n_of_image = space.n_ranks + (1 + space.n_ranks if settings.trial_state else 0)
        self._coefficients: FloatArray = np.zeros((0, 0))  # [columns, 2R+2]
        self._factor: FloatArray = np.zeros((0, 0))  # Cholesky factor of ΦᵀΦ + ridge [columns, columns]
        self._spread: FloatArray = np.zeros(0)  # standard deviation of each term's left-out residuals
        self._margin: FloatArray = np.zeros(0)  # what a reading at the risk level adds to each term

    def networks(self) -> dict[str, StackedMlp]:
        """Return none: the fit follows from the memory."""
        return {}

    def _columns(self, states: Float32Array, x: Float32Array) -> FloatArray:
        """Return the regressors Φ [rows, columns] of *states* [rows, n_features] and *x* [rows, dimension]."""
        as_tensor = torch.from_numpy(states)
        acts = effective(torch.from_numpy(x), has_box(as_tensor, self.space), self.space).numpy()
        first, second = np.triu_indices(acts.shape[1])
        squares = acts[:, first] * acts[:, second]
        # What x does depends on the image and on the network: the same bits take longer on a slow link.
        entries = range(acts.shape[1])
        crossed = [states * acts[:, entry, None] for entry in entries]
        curved = [states[:, : self._n_of_image] * acts[:, entry, None] ** 2 for entry in entries]
        return np.concatenate((np.ones((len(x), 1)), states, acts, squares, *crossed, *curved), 1).astype(
            np.float64
        )

    def _take_updates(self, n_updates: int) -> None:
        if n_updates == 0:
            return
        phi = self._columns(self.replay.part("state"), self.replay.part("action"))
        terms = self._terms(self.replay.part("outcome").astype(np.float64))
        gram = phi.T @ phi + self.settings.ridge * np.eye(phi.shape[1])
        self._factor = np.linalg.cholesky(gram).astype(np.float64)
        self._coefficients = np.linalg.solve(gram, phi.T @ terms).astype(np.float64)
        leverage = (np.linalg.solve(self._factor, phi.T) ** 2).sum(0)
        # What each delivery's residual would be, had the fit been made without it.
        unseen_share = (1.0 - np.minimum(leverage, LARGEST_LEVERAGE))[:, None]
        left_out: FloatArray = (terms - phi @ self._coefficients) / unseen_share
        self._spread = left_out.std(0)
        self._margin = np.quantile(left_out, 1.0 - self.settings.risk_level, axis=0)
        self._margin[0] = 0.5 * self._spread[0] ** 2  # bits count at their mean: that of a log-normal
        self.n_updates += n_updates

    @staticmethod
    def _terms(outcomes: FloatArray) -> FloatArray:
        """Return what is fitted [rows, 2R+2]: logarithms of bits share, distances and delay; small is good in each."""
        terms = outcomes.copy()
        terms[:, 0] = np.log(np.maximum(outcomes[:, 0], SMALLEST_SHARE))
        terms[:, 1:-1] = np.log(np.maximum(1.0 - outcomes[:, 1:-1], 0.0) + SMALLEST_DISTANCE)
        terms[:, -1] = np.log(np.maximum(outcomes[:, -1], SMALLEST_DISTANCE))
        return terms

    def predicted_costs(
        self, state: Float32Array, actions: Float32Array, requirement: Requirement, elapsed: float
    ) -> Float32Array:
        """Return C^agg (Eq. 5) of *actions* [rows, dimension]."""
        phi = self._columns(np.tile(state, (len(actions), 1)), actions)
        return self._cost(phi @ self._coefficients, requirement, elapsed)

    def _cost(self, predicted: FloatArray, requirement: Requirement, elapsed: float) -> Float32Array:
        terms = predicted + self._margin
        outcomes = np.exp(np.minimum(terms, LARGEST_LOG))
        outcomes[:, 1:-1] = 1.0 + SMALLEST_DISTANCE - outcomes[:, 1:-1]
        outcomes[:, -1] += elapsed
        price = Priced.of(requirement_vector(requirement, self.settings.nominal_deadline_s)[None])
        cost = realised_cost(outcomes, price.weights, price.targets, price.delay_weight, price.deadline)
        return cost.astype(np.float32)

    def best_action(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Float32Array:
        """Return the cheapest x of the grid."""
        state = self.state_of(image, network)
        cost = self.predicted_costs(state, self._grid, requirement, self.elapsed(image))
        best: Float32Array = self._grid[int(cost.argmin())]
        return best

    def exploring_action(
        self, image: ImageState, network: NetworkState, requirement: Requirement
    ) -> Float32Array:
        """Return the cheapest x under drawn coefficients, or under optimism about each term."""
        explore = self.settings.explore
        if explore == "none":
            return self.best_action(image, network, requirement)
        phi = self._columns(np.tile(self.state_of(image, network), (len(self._grid), 1)), self._grid)
        predicted = phi @ self._coefficients
        if explore == "thompson":
            drawn = self.exploration_rng.standard_normal(self._coefficients.shape)
            predicted += phi @ np.linalg.solve(self._factor.T, drawn) * self._spread
        else:
            error = np.sqrt((np.linalg.solve(self._factor, phi.T) ** 2).sum(0))
            predicted -= self.settings.optimism * error[:, None] * self._spread
        cost = self._cost(predicted, requirement, self.elapsed(image))
        best: Float32Array = self._grid[int(cost.argmin())]
        return best

    def restore(self, directory: Path) -> None:
        """Go on from the checkpoint in *directory*: the memory is read, and the fit made from it."""
        super().restore(directory)
        if self.standardised:
            n_updates = self.n_updates
            self._take_updates(1)
            self.n_updates = n_updates
