"""The x that are worth pricing when a decision is made: those near an actor's, and the faces of the cube that matter.

Optima lie on faces more often than inside (no patches; the whole image), and an actor that has saturated in one corner
cannot leave it by gradients. Every row here is a configuration that logs and warm-up also draw, or near one: without
the coarse layer (q = 0) where pixels show it, an image is another one than at the smallest q, which critics that never
saw it take for a bargain.
"""

from functools import lru_cache
from itertools import product

import numpy as np

from ntnsim.arrays import Float32Array
from ntnsim.protocols.configuration import ConfigurationSpace

STEP = 0.1  # to a neighbour, in each entry
QUALITIES = 21  # values of what carries the low ranks, on a face
# Decisions lie on multiples of 1/20: critics tell nothing finer apart, and photographs decided alike are coded once.
PARTS = 20
SMALLEST_QUALITY = 0.05  # q of a coarse layer that can be seen
GROWTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
FRACTIONS = (0.0, 0.1, 0.3, 1.0)


def around(x: Float32Array, space: ConfigurationSpace) -> Float32Array:
    """Return the candidates [rows, dimension] of a search from *x* [dimension], on a lattice; *x* comes first, so it
    wins ties.

    Then its neighbours in each entry; *x* with β = 1; and, at β = 0 and between, grids of what carries the low ranks: q
    without patches, or where there is no coarse layer one p for all of them. Each as `sensible` has it.
    """
    rows = _faces(space).copy()
    n_near = 2 * space.dimension + 2
    rows[:n_near] += x
    rows[n_near - 1, 0] = 1.0
    np.multiply(rows, PARTS, out=rows)
    np.rint(rows, out=rows)
    np.divide(rows, PARTS, out=rows)
    np.maximum(rows, 0.0, out=rows)
    np.minimum(rows, 1.0, out=rows)
    return sensible(rows, space)


@lru_cache(maxsize=8)
def _faces(space: ConfigurationSpace) -> Float32Array:
    """Return the rows of `around` as far as they do not depend on x."""
    steps = STEP * np.eye(space.dimension, dtype=np.float32)
    nothing = np.zeros((1, space.dimension), dtype=np.float32)
    grid = np.linspace(0.0, 1.0, QUALITIES, dtype=np.float32)
    between = [(growth, value) for growth in GROWTHS[1:-1] for value in grid[2::2]]
    growths, values = np.array([(0.0, value) for value in grid] + between, dtype=np.float32).T
    faces = np.zeros((len(growths), space.dimension), dtype=np.float32)
    faces[:, 0] = growths
    if space.has_coarse_layer:
        faces[:, -1] = values
    else:
        faces[:, 1:] = values[:, None]
    return np.concatenate((nothing, steps, -steps, nothing, faces))


def sensible(rows: Float32Array, space: ConfigurationSpace) -> Float32Array:
    """Change *rows* [rows, dimension] where they send a coarse layer that nobody sees, or none that is needed.

    Where the box or the tiles hold every pixel, q = 0, and at β = 1 p = 0 too; elsewhere q is `SMALLEST_QUALITY` or
    more. Without a coarse layer *rows* stay as they are.
    """
    if space.has_coarse_layer:
        whole = rows[:, 0] == 1.0
        rows[whole, 1:] = 0.0
        covered = whole | (rows[:, 1 : space.n_ranks].min(1) == 1.0)
        rows[:, -1] = np.where(covered, 0.0, np.maximum(rows[:, -1], SMALLEST_QUALITY))
    return rows


def whole_grid(space: ConfigurationSpace) -> Float32Array:
    """Return a grid over the cube [rows, dimension], fine in q: for policies that have no actor to start from."""
    fine = tuple(np.linspace(0.0, 1.0, QUALITIES).tolist())
    fractions = [FRACTIONS if space.has_coarse_layer else fine] * (space.n_ranks - 1)
    qualities = [fine] * int(space.has_coarse_layer)
    rows = np.array(list(product(GROWTHS, *fractions, *qualities)), dtype=np.float32)
    return np.unique(sensible(rows, space), axis=0)
