"""How critics count their terms: each in spreads about its mean, so that one network serves bits and fidelities alike.

A term is offset + scale · z. The delay's scale is negative: its z is slack, and the high quantile 1 − α of the delay
is the low quantile α of z.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ntnsim.arrays import Float32Array, FloatArray

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
        scale[-1] *= -1.0
        return cls(outcomes.mean(0), scale)

    @property
    def bits(self) -> tuple[float, float]:
        """Offset and scale of the bits."""
        return float(self.offset[0]), float(self.scale[0])

    def applied(self, outcomes: FloatArray | Float32Array) -> Float32Array:
        """Return z [n, 2R+2] of *outcomes* [n, 2R+2]."""
        z: Float32Array = ((outcomes - self.offset) / self.scale).astype(np.float32)
        return z

    def undone(self, ordered: Float32Array) -> FloatArray:
        """Return terms of rising quantiles z [2R+2, N], rising again: the delay's order is the reverse."""
        return np.sort(self.offset[:, None] + self.scale[:, None] * ordered, axis=-1)

    def variables(self) -> dict[str, Any]:
        """Return the arrays as JSON values."""
        return {"offset": self.offset.tolist(), "scale": self.scale.tolist()}
