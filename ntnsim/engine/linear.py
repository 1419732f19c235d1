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
from ntnsim.engine.least_squares import fitted, from_log_terms, log_terms
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.queue_price import backlog_price
from ntnsim.engine.search import whole_grid
from ntnsim.engine.stacked_mlp import StackedMlp
from ntnsim.engine.trials import expected_coefficients, regressors_of
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import ImageState, Requirement
from ntnsim.scenario.policy import LinearBanditSpec


class LinearBandit(Bandit):
    """Ridge regression of 2R+2 terms."""

    settings: LinearBanditSpec

    def __init__(self, settings: LinearBanditSpec, space: ConfigurationSpace, seed: int) -> None:
        super().__init__(settings, space, seed)
        self._grid = whole_grid(space)
        self._regressors = regressors_of(space, self.n_features, trial_state=settings.trial_state)
        self._start = expected_coefficients(self._regressors, space, trial_state=settings.trial_state)
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
        return self._regressors.columns(states, acts)

    def _take_updates(self, n_updates: int) -> None:
        if n_updates == 0:
            return
        phi = self._columns(self.replay.part("state"), self.replay.part("action"))
        terms = log_terms(self.replay.part("outcome").astype(np.float64))
        fit = fitted(phi, terms, self.settings.ridge, start=self._start)
        self._factor, self._coefficients = fit.factor, fit.coefficients
        self._spread = fit.left_out.std(0)
        self._margin = np.quantile(fit.left_out, 1.0 - self.settings.risk_level, axis=0)
        self._margin[0] = 0.5 * self._spread[0] ** 2  # bits count at their mean: that of a log-normal
        self.n_updates += n_updates

    def predicted_costs(
        self, state: Float32Array, actions: Float32Array, requirement: Requirement, elapsed: float
    ) -> Float32Array:
        """Return C^agg (Eq. 5) of *actions* [rows, dimension]."""
        phi = self._columns(np.tile(state, (len(actions), 1)), actions)
        return self._cost(phi @ self._coefficients, requirement, elapsed)

    def predicted_bits(self, state: Float32Array, actions: Float32Array) -> Float32Array:
        """Return the expected bits share of *actions* [rows, dimension]."""
        phi = self._columns(np.tile(state, (len(actions), 1)), actions)
        return from_log_terms(phi @ self._coefficients + self._margin)[:, 0].astype(np.float32)

    def _cost(self, predicted: FloatArray, requirement: Requirement, elapsed: float) -> Float32Array:
        outcomes = from_log_terms(predicted + self._margin)
        outcomes[:, -1] += elapsed
        price = Priced.of(requirement_vector(requirement, self.settings.nominal_deadline_s)[None])
        cost = realised_cost(outcomes, price.weights, price.targets, price.delay_weight, price.deadline)
        return cost.astype(np.float32)

    def best_action(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Float32Array:
        """Return the cheapest x of the grid."""
        cost = self.decision_costs(image, network, requirement, self._grid)
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
        price = backlog_price(network, requirement.deadline_s, self.settings.queue_price)
        cost += np.float32(price) * from_log_terms(predicted + self._margin)[:, 0].astype(np.float32)
        best: Float32Array = self._grid[int(cost.argmin())]
        return best

    def restore(self, directory: Path) -> None:
        """Go on from the checkpoint in *directory*: the memory is read, and the fit made from it."""
        super().restore(directory)
        if self.standardised:
            n_updates = self.n_updates
            self._take_updates(1)
            self.n_updates = n_updates
