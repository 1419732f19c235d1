"""Exploration noise that remembers: the Ornstein–Uhlenbeck process (paper Sec. VII, θ = σ = 0.15)."""

import numpy as np

from ntnsim.arrays import FloatArray


def ou_step(state: FloatArray, theta: float, sigma: float, rng: np.random.Generator) -> FloatArray:
    """Return the process one decision later: n − θ·n + σ·N(0, 1), entry by entry.

    Its stationary standard deviation is σ/√(1 − (1 − θ)²): 0.285 at the paper's values.
    """
    return state - theta * state + sigma * rng.standard_normal(state.shape)


def decayed_share(count: float, half_life: float, floor: float) -> float:
    """Return the factor on a noise or a step after *count* images or updates: halving, down to *floor*."""
    return max(0.5 ** (count / half_life), floor)
