"""Ridge regression of BITS's terms on state and x: the whole of policy `linear`, and where the engine's critics start.

Terms are logarithms: of the bits share, of the distances 1 − fidelity, of the delay. Small is good in each, their
residuals are of like size for easy and hard images, and where a fidelity nears 1 its last thousandth still counts.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import Float32Array, FloatArray

SMALLEST_DISTANCE = 1e-2  # added to 1 − fidelity before the logarithm: noise about 1 must not count for much
SMALLEST_SHARE = 1e-5  # of bits, for the logarithm
FEWEST_PICTURES = 30  # in a memory that can tell of a picture that it does not hold
SMALLEST_UNSEEN = 0.01  # share of a row that its own fit cannot explain
LARGEST_LOG = 2.0  # of any predicted term: far extrapolations stay finite


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

    def monomials(self, acts: Float32Array) -> FloatArray:
        """Return 1, x and the products of two of its entries [rows, monomials]: what Φ holds of x alone."""
        first, second = _pairs(self.dimension)
        found = np.ones((len(acts), 1 + self.dimension + len(first)))
        found[:, 1 : 1 + self.dimension] = acts
        np.multiply(acts[:, first], acts[:, second], out=found[:, 1 + self.dimension :])
        return found

    def expansion(self, state: Float32Array) -> FloatArray:
        """Return what the columns of one *state* [n_features] are of the monomials of x [columns, monomials].

        Many x of one state then need no column of Φ: Φ = monomials · expansionᵀ.
        """
        rows, monomials, sources = _layout(self.n_features, self.dimension, self.n_of_image)
        found = np.zeros((self.n_columns, 1 + self.dimension + self.dimension * (self.dimension + 1) // 2))
        found[rows, monomials] = np.concatenate((np.ones(1), state))[sources]
        return found

    def columns(self, states: Float32Array, acts: Float32Array) -> FloatArray:
        """Return Φ [rows, columns]; states: [rows, n_features]; acts: x by what it acts on [rows, dimension]."""
        first, second = _pairs(acts.shape[1])
        entries = range(acts.shape[1])
        crossed = [states * acts[:, entry, None] for entry in entries]
        curved = [states[:, : self.n_of_image] * acts[:, entry, None] ** 2 for entry in entries]
        squares = acts[:, first] * acts[:, second]
        ones = np.ones((len(acts), 1))
        return np.concatenate((ones, states, acts, squares, *crossed, *curved), 1).astype(np.float64)

    def pulled_back(self, gradient: FloatArray, states: Float32Array, acts: Float32Array) -> FloatArray:
        """Return the gradient by *acts* [rows, dimension] of what has *gradient* by Φ [rows, columns]."""
        n_features, dimension = states.shape[1], acts.shape[1]
        first, second = _pairs(dimension)
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


@lru_cache(maxsize=8)
def _pairs(dimension: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the entries of x in each product of two."""
    return np.triu_indices(dimension)


@lru_cache(maxsize=8)
def _layout(
    n_features: int, dimension: int, n_of_image: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return of each product in Φ its column, its monomial of x, and its feature: 0 for none, else 1 + place."""
    first, second = _pairs(dimension)
    features = np.arange(1, 1 + n_features)
    squares = 1 + dimension + np.flatnonzero(first == second)
    alone = np.zeros(dimension + len(first), dtype=np.intp)
    monomials = [np.zeros(1 + n_features), 1 + np.arange(len(alone))]
    sources = [np.zeros(1), features, alone]
    for entry in range(dimension):
        monomials.append(np.full(n_features, 1 + entry))
        sources.append(features)
    for square in squares:
        monomials.append(np.full(n_of_image, square))
        sources.append(features[:n_of_image])
    of_x = np.concatenate(monomials).astype(np.intp)
    return np.arange(len(of_x)), of_x, np.concatenate(sources).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A regression's result.

    coefficients [columns, terms]; root [columns, columns], the inverse of Cholesky's factor of ΦᵀΦ + ridge; left_out
    [rows, terms], each row's residual had the fit been made without its group.
    """

    coefficients: FloatArray
    root: FloatArray
    left_out: FloatArray


def fitted(
    phi: FloatArray,
    terms: FloatArray,
    ridge: float,
    weights: FloatArray | float = 1.0,
    groups: npt.NDArray[np.intp] | None = None,
) -> Fit:
    """Return the fit of *terms* [rows, terms] to *phi* [rows, columns].

    ridge: in rows; weights: of the rows, below 1 where one outcome stands in several. groups: number [rows] of what is
    left out together; each row by itself unless given.
    """
    weights = np.broadcast_to(weights, len(phi))
    gram = phi.T @ (weights[:, None] * phi) + ridge * np.eye(phi.shape[1])
    root = np.linalg.inv(np.linalg.cholesky(gram))
    roots = phi @ root.T  # of each row; products of two of them are the hat matrix
    coefficients = root.T @ (roots.T @ (weights[:, None] * terms))
    residuals = terms - phi @ coefficients
    unseen = np.maximum(1.0 - weights * (roots**2).sum(1), SMALLEST_UNSEEN)
    left_out = residuals / unseen[:, None]
    for rows in _shared(groups):
        hat = roots[rows] @ roots[rows].T
        left_out[rows] = np.linalg.solve(np.eye(len(rows)) - hat * weights[rows], residuals[rows])
    return Fit(coefficients, root, left_out)


def pictures_of(of_image: Float32Array) -> npt.NDArray[np.intp] | None:
    """Return the number of the picture [rows] that each row of *of_image* [rows, n_of_image] is about.

    Two deliveries of one picture tell of each other what a new one will not. None where there are too few pictures
    for the others to tell of one: rows are then left out by themselves.
    """
    _, numbers = np.unique(of_image, axis=0, return_inverse=True)
    numbers = numbers.reshape(-1)
    return numbers if numbers.max(initial=-1) + 1 >= FEWEST_PICTURES else None


def _shared(groups: npt.NDArray[np.intp] | None) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each group of several."""
    if groups is None:
        return []
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    return [rows for rows in np.split(order, starts) if len(rows) > 1]
