"""Least squares in the engine's place: each term of BITS a linear form, searched over a grid of x. The honest rival.

It sees what the engine's critics see (state, and x by what it acts on), has the same memory, warm-up and requirement,
and reads fidelities and delay at the same risk level: by residuals of deliveries that the fit was not made on. Bits,
distances 1 − fidelity and delay are fitted in logarithms. While it learns it explores by Thompson sampling or by
optimism (LinUCB: Li et al., WWW 2010; Agrawal and Goyal, ICML 2013), on every term apart.
"""

from pathlib import Path

import numpy as np

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.bandit import Bandit
from ntnsim.engine.effective import effective, has_box
from ntnsim.engine.least_squares import fitted, from_log_terms, log_terms, pictures_of
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.queue_price import backlog_price
from ntnsim.engine.search import whole_grid
from ntnsim.engine.spread import Spread
from ntnsim.engine.stacked_mlp import StackedMlp
from ntnsim.engine.trials import TrialCurves, regressors_of
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
        self._told = TrialCurves(space, trial_state=settings.trial_state)
        # [columns, 2R+2], of what the trials do not tell
        self._coefficients: FloatArray = np.zeros((self._regressors.n_columns, 2 * space.n_ranks + 2))
        self._root: FloatArray = np.zeros((self._regressors.n_columns,) * 2)  # of the fit
        self._spread = Spread.one(2 * space.n_ranks + 2)  # of each term's left-out residuals
        self._margin: FloatArray = np.zeros(
            2 * space.n_ranks + 2
        )  # to a reading at the risk level, in spreads

    def networks(self) -> dict[str, StackedMlp]:
        """Return none: the fit follows from the memory."""
        return {}

    def _acts(self, states: Float32Array, x: Float32Array) -> Float32Array:
        """Return *x* [rows, dimension] by what it acts on; states: [rows or 1, n_features]."""
        return effective(x, has_box(states, self.space), self.space)

    def _take_updates(self, n_updates: int) -> None:
        if n_updates == 0:
            return
        states = self.replay.part("state")
        acts = self._acts(states, self.replay.part("action"))
        phi = self._regressors.columns(states, acts)
        terms = log_terms(self.replay.part("outcome").astype(np.float64)) - self._told.of(states, acts)
        groups = pictures_of(states[:, : self._regressors.n_of_image])
        weights = self.replay.weights()
        fit = fitted(phi, terms, self.settings.ridge, weights, groups)
        self._root, self._coefficients = fit.root, fit.coefficients
        self._spread = Spread.fitted(fit.left_out, acts, self._told.qualities)
        counted = fit.left_out / self._spread.of(acts).T
        self._margin = np.quantile(counted, 1.0 - self.settings.risk_level, axis=0)
        self.n_updates += n_updates

    def _predicted(self, state: Float32Array, acts: Float32Array) -> FloatArray:
        """Return the terms [rows, 2R+2] at *acts* [rows, dimension] in one *state*."""
        of_monomials = self._regressors.expansion(state).T @ self._coefficients
        learned: FloatArray = self._regressors.monomials(acts) @ of_monomials
        return learned + self._told.of(state[None], acts)

    def _at_risk(self, terms: FloatArray, acts: Float32Array) -> FloatArray:
        """Return *terms* [rows, 2R+2] as decisions read them: at the risk level, bits at their mean."""
        spread = self._spread.of(acts).T.astype(np.float64)
        read = terms + self._margin * spread
        read[:, 0] = terms[:, 0] + 0.5 * spread[:, 0] ** 2  # the mean of a log-normal
        return read

    def _readings(self, state: Float32Array, x: Float32Array) -> FloatArray:
        """Return the terms [rows, 2R+2] of *x* [rows, dimension] in one *state*, as decisions read them."""
        acts = self._acts(state[None], x)
        return self._at_risk(self._predicted(state, acts), acts)

    def predicted_costs(
        self, state: Float32Array, actions: Float32Array, requirement: Requirement, elapsed: float
    ) -> Float32Array:
        """Return C^agg (Eq. 5) of *actions* [rows, dimension]."""
        return self._cost(self._readings(state, actions), requirement, elapsed)

    def predicted_bits(self, state: Float32Array, actions: Float32Array) -> Float32Array:
        """Return the expected bits share of *actions* [rows, dimension]."""
        return _bits(self._readings(state, actions))

    def _cost(self, readings: FloatArray, requirement: Requirement, elapsed: float) -> Float32Array:
        outcomes = from_log_terms(readings)
        outcomes[:, -1] += elapsed
        price = self._priced(requirement)
        cost = realised_cost(outcomes, price.weights, price.targets, price.delay_weight, price.deadline)
        return cost.astype(np.float32)

    def candidates(self, state: Float32Array, requirement: Requirement) -> Float32Array:
        """Return the grid of x [rows, dimension]."""
        return self._grid

    def best_action(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Float32Array:
        """Return the cheapest x of the grid."""
        cost = self.decision_costs(self.state_of(image, network), image, network, requirement, self._grid)
        best: Float32Array = self._grid[int(cost.argmin())]
        return best

    def exploring_action(
        self, image: ImageState, network: NetworkState, requirement: Requirement
    ) -> Float32Array:
        """Return the cheapest x under drawn coefficients, or under optimism about each term."""
        explore = self.settings.explore
        if explore == "none":
            return self.best_action(image, network, requirement)
        state = self.state_of(image, network)
        acts = self._acts(state[None], self._grid)
        terms, spread = self._predicted(state, acts), self._spread.of(acts).T
        # Each row's Φ · rootᵀ.
        roots = self._regressors.monomials(acts) @ (self._root @ self._regressors.expansion(state)).T
        if explore == "thompson":
            terms += roots @ self.exploration_rng.standard_normal(self._coefficients.shape) * spread
        else:
            error = np.sqrt((roots**2).sum(1))  # of what is predicted, in spreads
            terms -= self.settings.optimism * error[:, None] * spread
        readings = self._at_risk(terms, acts)
        cost = self._cost(readings, requirement, self.elapsed(image))
        price = backlog_price(network, requirement.deadline_s, self.settings.queue_price)
        cost += np.float32(price) * _bits(readings)
        best: Float32Array = self._grid[int(cost.argmin())]
        return best

    def restore(self, directory: Path) -> None:
        """Go on from the checkpoint in *directory*: the memory is read, and the fit made from it."""
        super().restore(directory)
        if self.standardised:
            n_updates = self.n_updates
            self._take_updates(1)
            self.n_updates = n_updates


def _bits(readings: FloatArray) -> Float32Array:
    return from_log_terms(readings)[:, 0].astype(np.float32)
