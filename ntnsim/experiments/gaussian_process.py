"""A contextual Gaussian process as a rival: what trials leave of each term of BITS, over x and what the trials tell.

Inputs are x by what it acts on, the terms that the trials tell at x, and the share of the top rank; one process each
for bits and fidelities, with a length of its own for every input (Krause and Ong, NIPS 2011: contextual GP bandits).
The delay is that of least squares. Decisions read the level of the process's own distribution that the others read.
"""

import warnings
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.least_squares import log_terms
from ntnsim.engine.linear import LinearBandit

LENGTHS = (0.05, 50.0)  # bounds of a length, in standard deviations of its input
NOISES = (1e-4, 1.0)  # bounds of the noise's variance, in the term's own


class GaussianProcessBandit(LinearBandit):
    """Least squares' place, memory and search; a Gaussian process for each term but the delay."""

    _processes: list[Any]
    _inputs_scale: tuple[FloatArray, FloatArray]  # mean and standard deviation of each input

    def _take_updates(self, n_updates: int) -> None:
        super()._take_updates(n_updates)
        states, actions = self.replay.part("state"), self.replay.part("action")
        inputs, told = self._inputs(states, actions)
        left = log_terms(self.replay.part("outcome").astype(np.float64))[:, :-1] - told
        self._inputs_scale = inputs.mean(0), inputs.std(0) + 1e-6
        scaled = self._scaled(inputs)
        self._processes = []
        for term in left.T:
            kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(np.ones(scaled.shape[1]), LENGTHS)
            kernel += WhiteKernel(0.1, NOISES)
            process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: no influence
                self._processes.append(process.fit(scaled, term))

    def _inputs(self, states: Float32Array, x: Float32Array) -> tuple[FloatArray, FloatArray]:
        """Return the inputs [rows, dimension + 2R + 2], and what the trials tell of all terms but the delay."""
        acts = self._acts(states, x)
        told = self._told.of(states, acts)[:, :-1].astype(np.float64)
        top_share = states[:, self.space.n_ranks - 1 : self.space.n_ranks]
        return np.concatenate((acts, told, top_share), 1).astype(np.float64), told

    def _scaled(self, inputs: FloatArray) -> FloatArray:
        mean, spread = self._inputs_scale
        scaled: FloatArray = (inputs - mean) / spread
        return scaled

    def _readings(self, state: Float32Array, x: Float32Array) -> FloatArray:
        """Return the terms [rows, 2R+2] of *x* [rows, dimension], as decisions read them."""
        readings = super()._readings(state, x)  # the delay's stays
        inputs, told = self._inputs(np.tile(state, (len(x), 1)), x)
        scaled = self._scaled(inputs)
        level = norm.ppf(1.0 - self.settings.risk_level)
        for place, process in enumerate(self._processes):
            mean, spread = process.predict(scaled, return_std=True)
            # Bits count at their mean: that of a log-normal.
            readings[:, place] = told[:, place] + mean + (level * spread if place else 0.5 * spread**2)
        return readings
