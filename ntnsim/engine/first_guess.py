"""What to send before anything was learned: the cheapest x by what the trial encodings tell, with some spread.

Uniform draws teach a learner the whole cube, at the price of many bad images. Where the gateway has coded a photograph
on trial, it knows nearly what each x comes to; draws about the cheapest one cost little, and teach what is needed.
"""

import numpy as np

from ntnsim.arrays import Float32Array
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.effective import effective, has_box
from ntnsim.engine.least_squares import from_log_terms
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.search import sensible, whole_grid
from ntnsim.engine.trials import TrialCurves
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import Requirement

SPREAD = 0.05  # standard deviation of the draws about the cheapest x
MARGIN = 0.3  # added to the logarithms of distances: what is learned of them first is how far trials are off


class FirstGuess:
    """The cheapest x of a grid by the trials alone: without patches, which none has, and without delays."""

    def __init__(self, space: ConfigurationSpace) -> None:
        if not space.has_coarse_layer:
            raise ValueError("trials tell of codecs with a coarse layer alone")
        self._space = space
        grid = whole_grid(space)
        self._grid = grid[(grid[:, 1 : space.n_ranks] == 0.0).all(1)]
        self._told = TrialCurves(space, trial_state=True)

    def cheapest(self, state: Float32Array, requirement: Requirement) -> Float32Array:
        """Return the cheapest x [dimension] for the image of *state* [n_features]."""
        acts = effective(self._grid, has_box(state[None], self._space), self._space)
        terms = self._told.of(state[None], acts).astype(np.float64)
        terms[:, 1:-1] += MARGIN
        outcomes = from_log_terms(terms)
        cost = realised_cost(
            outcomes,
            np.array(interleaved(requirement.lambda_pf, requirement.lambda_sf)),
            np.array(interleaved(requirement.pf_min, requirement.sf_min)),
            np.array(0.0),
            np.array(1.0),
        )
        best: Float32Array = self._grid[int(cost.argmin())]
        return best

    def drawn(self, state: Float32Array, requirement: Requirement, rng: np.random.Generator) -> Float32Array:
        """Return an x [dimension] drawn about the cheapest one."""
        noise = SPREAD * rng.standard_normal(self._space.dimension)
        noisy = np.clip(self.cheapest(state, requirement) + noise, 0.0, 1.0).astype(np.float32)
        return sensible(noisy[None], self._space)[0]
