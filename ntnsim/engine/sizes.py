"""How large an image will be, learned from what was sent: for the deadline guard, whatever policy it guards."""

from dataclasses import dataclass
from math import log1p

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.engine.features import feature_names
from ntnsim.engine.trials import trial_features, trial_names
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import ImageState

BITS_PER_PIXEL = "source_bits_per_pixel"  # of `features`: log(1 + bits per pixel) − 1


@dataclass(frozen=True, slots=True)
class Looks:
    """What tells a size before coding: the higher ranks' fractions and, where known, source bits per pixel and trials.

    A noisy capture is a large file, of which coding leaves a smaller share. Trials count as the mean of their readings
    of the bits share (`trials.py`). What is not known is 0.
    """

    density: bool = True
    trials: bool = True

    def of(self, image: ImageState) -> FloatArray:
        """Return the looks of *image* [R + 1]."""
        density = log1p(image.source_bits / max(image.width_px * image.height_px, 1)) - 1.0
        told = 0.0
        if self.trials and any(trial.configuration.box_growth == 0.0 for trial in image.trials):
            told = float(np.mean(trial_features(image)[:: 2 * len(image.rank_fractions) + 1]))
        return np.array((*image.rank_fractions[1:], density if self.density else 0.0, told))

    def of_states(self, states: FloatArray, n_ranks: int) -> FloatArray:
        """Return the looks [rows, R + 1] of images remembered as *states* [rows, features] with what is known here."""
        names = feature_names(n_ranks, paper_state=not self.density, trial_state=self.trials)
        density, told = np.zeros((2, len(states)))
        if self.density:
            density = states[:, names.index(BITS_PER_PIXEL)]
        if self.trials:
            readings = [names.index(name) for name in trial_names(n_ranks) if name.endswith("_bits")]
            told = states[:, readings].mean(1)
        fractions = 0.5 * (states[:, 1:n_ranks] + 1.0)  # `features.py`
        return np.column_stack((fractions, density, told))


@dataclass(frozen=True, slots=True)
class SeenSizes:
    """What a policy remembers of sizes.

    what: of images it knows; looks [rows, R + 1]; x [rows, dimension]; log_shares [rows]: of bits over source bits.
    """

    what: Looks
    looks: FloatArray
    x: FloatArray
    log_shares: FloatArray


class SizePredictor:
    """log(bits / source bits) as a quadratic form of (`Looks`, x), by recursive least squares."""

    def __init__(self, space: ConfigurationSpace) -> None:
        n_linear = 1 + space.n_ranks + 1 + space.dimension
        self._pairs = np.triu_indices(n_linear)
        n_terms = len(self._pairs[0])
        self._space = space
        self._coefficients: FloatArray = np.zeros(n_terms)
        self._covariance: FloatArray = np.eye(n_terms) * 1e3  # a weak prior: ridge of 1e-3

    def terms(self, seen: FloatArray, x: FloatArray) -> FloatArray:
        """Return the regression's terms: all products of two of (1, `Looks` *seen* [R + 1], *x* [dimension])."""
        linear = np.concatenate((np.ones(1), seen, x))
        products: FloatArray = linear[self._pairs[0]] * linear[self._pairs[1]]
        return products

    def log_share(self, terms: FloatArray) -> float:
        """Return the predicted log of bits over source bits."""
        return float(terms @ self._coefficients)

    def update(self, terms: FloatArray, log_share: float) -> None:
        """Take in one delivery."""
        gain = self._covariance @ terms
        gain /= 1.0 + terms @ gain
        self._coefficients += gain * (log_share - terms @ self._coefficients)
        self._covariance -= np.outer(gain, terms @ self._covariance)
