"""The x that are worth pricing when a decision is made: those near an actor's, and the faces of the cube that matter.

Optima lie on faces more often than inside (no patches; the whole image), and an actor that has saturated in one corner
cannot leave it by gradients. Every row here is a configuration that logs and warm-up also draw, or near one.
"""

from itertools import product

import numpy as np

from ntnsim.arrays import Float32Array
from ntnsim.protocols.configuration import ConfigurationSpace

STEP = 0.1  # to a neighbour, in each entry
QUALITIES = 21  # values of what carries the low ranks, on a face
GROWTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
FRACTIONS = (0.0, 0.1, 0.3, 1.0)


def around(x: Float32Array, space: ConfigurationSpace) -> Float32Array:
    """Return the candidates [rows, dimension] of a search from *x* [dimension]; *x* comes first, so it wins ties.

    Then its neighbours in each entry; *x* with β = 1; and, at β = 0 and at the β of *x*, a grid of what carries the
    low ranks: q without patches, or where there is no coarse layer one p for all of them.
    """
    steps = STEP * np.eye(space.dimension, dtype=np.float32)
    whole = x.copy()
    whole[0] = 1.0
    faces = np.zeros((2, QUALITIES, space.dimension), dtype=np.float32)
    faces[1, :, 0] = x[0]
    grid = np.linspace(0.0, 1.0, QUALITIES, dtype=np.float32)
    if space.has_coarse_layer:
        faces[..., -1] = grid
    else:
        faces[..., 1:] = grid[:, None]
    rows = np.concatenate((x[None], x + steps, x - steps, whole[None], faces.reshape(-1, space.dimension)))
    candidates: Float32Array = np.clip(rows, 0.0, 1.0)
    return candidates


def whole_grid(space: ConfigurationSpace) -> Float32Array:
    """Return a grid over the cube [rows, dimension], fine in q: for policies that have no actor to start from."""
    fine = tuple(np.linspace(0.0, 1.0, QUALITIES).tolist())
    fractions = [FRACTIONS if space.has_coarse_layer else fine] * (space.n_ranks - 1)
    qualities = [fine] * int(space.has_coarse_layer)
    return np.array(list(product(GROWTHS, *fractions, *qualities)), dtype=np.float32)
