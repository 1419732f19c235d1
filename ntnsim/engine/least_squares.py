"""Ridge regression of BITS's terms on state and x: the whole of policy `linear`, and where the engine's critics start.

Terms are logarithms: of the bits share, of the distances 1 − fidelity, of the delay. Small is good in each, their
residuals are of like size for easy and hard images, and where a fidelity nears 1 its last thousandth still counts.
"""

from dataclasses import dataclass

import numpy as np

from ntnsim.arrays import Float32Array, FloatArray

SMALLEST_DISTANCE = 1e-2  # added to 1 − fidelity before the logarithm: noise about 1 must not count for much
SMALLEST_SHARE = 1e-5  # of bits, for the logarithm
LARGEST_LOG = 2.0  # of any predicted term: far extrapolations stay finite
LARGEST_LEVERAGE = 0.99


def log_terms(outcomes: FloatArray) -> FloatArray:
    """Return what is fitted [rows, 2R+2] of *outcomes* [rows, 2R+2]: bits share, fidelities, delay."""
    terms = outcomes.copy()
    terms[:, 0] = np.log(np.maximum(outcomes[:, 0], SMALLEST_SHARE))
    terms[:, 1:-1] = np.log(np.maximum(1.0 - outcomes[:, 1:-1], 0.0) + SMALLEST_DISTANCE)
    terms[:, -1] = np.log(np.maximum(outcomes[:, -1], SMALLEST_DISTANCE))
    return terms


def from_log_terms(terms: FloatArray) -> FloatArray:
    """Return the outcomes [rows, 2R+2] whose terms are *terms* [rows, 2R+2]."""
    outcomes = np.exp(np.minimum(terms, LARGEST_LOG))
    outcomes[:, 1:-1] = 1.0 + SMALLEST_DISTANCE - outcomes[:, 1:-1]
    return outcomes


@dataclass(frozen=True, slots=True)
class Regressors:
    """The columns Φ of state and x: both, squares and products of x, and x and its squares times the state.

    What x does depends on the image and on the network: the same bits take longer on a slow link.

    n_of_image: the state's leading entries that tell of the image; x's squares are crossed with these alone.
    """

    n_features: int
    dimension: int
    n_of_image: int

    @property
    def n_columns(self) -> int:
        """Number of the columns."""
        squares = self.dimension * (self.dimension + 1) // 2
        by_entry = self.n_features + self.n_of_image
        return 1 + self.n_features + self.dimension + squares + self.dimension * by_entry

    def place(self, entry: int | None = None, feature: int | None = None) -> int:
        """Return the column of the product of an *entry* of x and a *feature* of the state; None stands for 1."""
        if entry is None:
            return 0 if feature is None else 1 + feature
        start = 1 + self.n_features
        if feature is None:
            return start + entry
        squares = self.dimension * (self.dimension + 1) // 2
        return start + self.dimension + squares + entry * self.n_features + feature

    def columns(self, states: Float32Array, acts: Float32Array) -> FloatArray:
        """Return Φ [rows, columns]; states: [rows, n_features]; acts: x by what it acts on [rows, dimension]."""
        first, second = np.triu_indices(acts.shape[1])
        entries = range(acts.shape[1])
        crossed = [states * acts[:, entry, None] for entry in entries]
        curved = [states[:, : self.n_of_image] * acts[:, entry, None] ** 2 for entry in entries]
        squares = acts[:, first] * acts[:, second]
        ones = np.ones((len(acts), 1))
        return np.concatenate((ones, states, acts, squares, *crossed, *curved), 1).astype(np.float64)

    def pulled_back(self, gradient: FloatArray, states: Float32Array, acts: Float32Array) -> FloatArray:
        """Return the gradient by *acts* [rows, dimension] of what has *gradient* by Φ [rows, columns]."""
        n_features, dimension = states.shape[1], acts.shape[1]
        first, second = np.triu_indices(dimension)
        start = 1 + n_features
        result = gradient[:, start : start + dimension].copy()
        start += dimension
        for place, (one, other) in enumerate(zip(first, second, strict=True)):
            result[:, one] += gradient[:, start + place] * acts[:, other]
            result[:, other] += gradient[:, start + place] * acts[:, one]
        start += len(first)
        for entry in range(dimension):
            result[:, entry] += (gradient[:, start : start + n_features] * states).sum(1)
            start += n_features
        for entry in range(dimension):
            by_square = (gradient[:, start : start + self.n_of_image] * states[:, : self.n_of_image]).sum(1)
            result[:, entry] += 2.0 * acts[:, entry] * by_square
            start += self.n_of_image
        return result


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A regression's result: coefficients [columns, terms]; factor, Cholesky's of ΦᵀΦ + ridge [columns, columns];
    left_out [rows, terms], each row's residual had the fit been made without it."""

    coefficients: FloatArray
    factor: FloatArray
    left_out: FloatArray


def fitted(
    phi: FloatArray,
    terms: FloatArray,
    ridge: float,
    weight: float = 1.0,
    start: FloatArray | float = 0.0,
) -> Fit:
    """Return the fit of *terms* [rows, terms] to *phi* [rows, columns].

    ridge: in rows; weight: of each row, below 1 where one outcome stands in several rows. Such a row is left out
    together with its copies. start: the coefficients [columns, terms] that the ridge holds them at.
    """
    expected = phi @ np.broadcast_to(start, (phi.shape[1], terms.shape[1]))
    left = terms - expected
    gram = weight * phi.T @ phi + ridge * np.eye(phi.shape[1])
    factor = np.linalg.cholesky(gram).astype(np.float64)
    change = np.linalg.solve(gram, weight * phi.T @ left).astype(np.float64)
    leverage = (np.linalg.solve(factor, phi.T) ** 2).sum(0)
    unseen_share = (1.0 - np.minimum(leverage, LARGEST_LEVERAGE))[:, None]
    left_out: FloatArray = (left - phi @ change) / unseen_share
    return Fit(start + change, factor, left_out)
