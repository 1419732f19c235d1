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
HINGE = -1  # stands for the hinge where an entry of x is named
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
    """The columns Φ of state and x: both, squares and products of x, and x, its squares and its hinge times the state.

    What x does depends on the image and on the network: the same bits take longer on a slow link.

    n_of_image: the state's leading entries that tell of the image; x's squares and hinge are crossed with these alone.
    trials: q of the trials, ascending. From the second on the last entry of x may act otherwise than below: with u the
    share of the image that shows the coarse layer, the hinge is u·(q − that)⁺. Empty: there is no hinge.
    """

    n_features: int
    dimension: int
    n_of_image: int
    trials: tuple[float, ...] = ()

    @property
    def n_columns(self) -> int:
        """Number of the columns."""
        squares = self.dimension * (self.dimension + 1) // 2
        by_entry = self.n_features + self.n_of_image
        hinge = 1 + self.n_of_image if self.trials else 0
        return 1 + self.n_features + self.dimension + squares + self.dimension * by_entry + hinge

    def place(self, entry: int | None = None, feature: int | None = None) -> int:
        """Return the column of the product of an *entry* of x, or `HINGE`, and a *feature* of the state; None: 1."""
        if entry == HINGE:
            return self.n_columns - self.n_of_image + (-1 if feature is None else feature)
        if entry is None:
            return 0 if feature is None else 1 + feature
        start = 1 + self.n_features
        if feature is None:
            return start + entry
        squares = self.dimension * (self.dimension + 1) // 2
        return start + self.dimension + squares + entry * self.n_features + feature

    def monomials(self, acts: Float32Array) -> FloatArray:
        """Return 1, x, the products of two of its entries and its hinge [rows, monomials]: what Φ holds of x alone."""
        first, second = _pairs(self.dimension)
        n_of_x = 1 + self.dimension + len(first)
        found = np.ones((len(acts), n_of_x + bool(self.trials)))
        found[:, 1 : 1 + self.dimension] = acts
        np.multiply(acts[:, first], acts[:, second], out=found[:, 1 + self.dimension : n_of_x])
        if self.trials:
            found[:, -1] = self._hinge(acts)
        return found

    def _hinge(self, acts: Float32Array) -> Float32Array:
        """Return the hinge [rows]; *acts* ends with u·q, and 1 − u is β and the mean of the p, as they act."""
        shown = 1.0 - acts[:, 0] - acts[:, 1:-1].mean(1)
        return np.maximum(acts[:, -1] - np.float32(self.trials[1]) * shown, 0.0)

    def expansion(self, state: Float32Array) -> FloatArray:
        """Return what the columns of one *state* [n_features] are of the monomials of x [columns, monomials].

        Many x of one state then need no column of Φ: Φ = monomials · expansionᵀ.
        """
        rows, monomials, sources = _layout(self)
        found = np.zeros((self.n_columns, monomials.max() + 1))
        found[rows, monomials] = np.concatenate((np.ones(1), state))[sources]
        return found

    def columns(self, states: Float32Array, acts: Float32Array) -> FloatArray:
        """Return Φ [rows, columns]; states: [rows, n_features]; acts: x by what it acts on [rows, dimension]."""
        first, second = _pairs(acts.shape[1])
        entries = range(acts.shape[1])
        of_image = states[:, : self.n_of_image]
        parts: list[npt.NDArray[np.floating]] = [np.ones((len(acts), 1)), states, acts]
        parts.append(acts[:, first] * acts[:, second])
        parts += [states * acts[:, entry, None] for entry in entries]
        parts += [of_image * acts[:, entry, None] ** 2 for entry in entries]
        if self.trials:
            hinge = self._hinge(acts)[:, None]
            parts += [hinge, of_image * hinge]
        return np.concatenate(parts, 1).astype(np.float64)

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
        of_image = states[:, : self.n_of_image]
        for entry in range(dimension):
            by_square = (gradient[:, start : start + self.n_of_image] * of_image).sum(1)
            result[:, entry] += 2.0 * acts[:, entry] * by_square
            start += self.n_of_image
        if self.trials:
            by_hinge = gradient[:, start] + (gradient[:, start + 1 :] * of_image).sum(1)
            by_hinge *= self._hinge(acts) > 0.0
            result[:, -1] += by_hinge
            result[:, 0] += self.trials[1] * by_hinge
            result[:, 1:-1] += self.trials[1] * by_hinge[:, None] / (dimension - 2)
        return result


@lru_cache(maxsize=8)
def _pairs(dimension: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the entries of x in each product of two."""
    return np.triu_indices(dimension)


@lru_cache(maxsize=8)
def _layout(
    regressors: Regressors,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return of each product in Φ its column, its monomial of x, and its feature: 0 for none, else 1 + place."""
    n_features, dimension = regressors.n_features, regressors.dimension
    first, second = _pairs(dimension)
    features = np.arange(1, 1 + n_features)
    of_image = features[: regressors.n_of_image]
    squares = 1 + dimension + np.flatnonzero(first == second)
    n_of_x = dimension + len(first)
    alone = np.zeros(n_of_x, dtype=np.intp)
    monomials = [np.zeros(1 + n_features), 1 + np.arange(n_of_x)]
    sources = [np.zeros(1), features, alone]
    for entry in range(dimension):
        monomials.append(np.full(n_features, 1 + entry))
        sources.append(features)
    for square in squares:
        monomials.append(np.full(len(of_image), square))
        sources.append(of_image)
    if regressors.trials:
        monomials.append(np.full(1 + len(of_image), 1 + n_of_x))
        sources += [np.zeros(1), of_image]
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
    start: FloatArray | float = 0.0,
    groups: npt.NDArray[np.intp] | None = None,
) -> Fit:
    """Return the fit of *terms* [rows, terms] to *phi* [rows, columns].

    ridge: in rows; weights: of the rows, below 1 where one outcome stands in several. start: the coefficients
    [columns, terms] that the ridge holds them at. groups: number [rows] of what is left out together; each row by
    itself unless given.
    """
    expected = phi @ np.broadcast_to(start, (phi.shape[1], terms.shape[1]))
    left = terms - expected
    weights = np.broadcast_to(weights, len(phi))
    gram = phi.T @ (weights[:, None] * phi) + ridge * np.eye(phi.shape[1])
    root = np.linalg.inv(np.linalg.cholesky(gram))
    roots = phi @ root.T  # of each row; products of two of them are the hat matrix
    change = root.T @ (roots.T @ (weights[:, None] * left))
    residuals = left - phi @ change
    unseen = np.maximum(1.0 - weights * (roots**2).sum(1), SMALLEST_UNSEEN)
    left_out = residuals / unseen[:, None]
    for rows in _shared(groups):
        hat = roots[rows] @ roots[rows].T
        left_out[rows] = np.linalg.solve(np.eye(len(rows)) - hat * weights[rows], residuals[rows])
    return Fit(start + change, root, left_out)


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
