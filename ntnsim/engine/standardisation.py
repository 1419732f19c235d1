"""How a requirement's targets are counted for networks that are conditioned on it: in spreads of their terms."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray

SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Standardisation:
    """offset, scale: [2R+2], in the order of critics."""

    offset: FloatArray
    scale: FloatArray

    @classmethod
    def none(cls, n_terms: int) -> "Standardisation":
        """Return the one that changes nothing."""
        return cls(np.zeros(n_terms), np.ones(n_terms))

    @classmethod
    def of(cls, outcomes: FloatArray) -> "Standardisation":
        """Return the one by mean and spread of *outcomes* [n, 2R+2]."""
        scale = np.maximum(outcomes.std(0), SMALLEST_SPREAD)
        return cls(outcomes.mean(0), scale)

    def variables(self) -> dict[str, Any]:
        """Return the arrays as JSON values."""
        return {"offset": self.offset.tolist(), "scale": self.scale.tolist()}
