"""Low quantiles that cover what they say: conformal calibration on outcomes that the critics had not learned from.

Critics that know a few hundred photographs are too sure of the next one. The shift is the α-quantile of what outcomes
lay above the predicted low quantile; with it, a share α of new ones lies below (split conformal prediction, Romano,
Patterson and Candès, NeurIPS 2019: conformalized quantile regression). All in spreads of the critics' terms.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from ntnsim.arrays import FloatArray

REMEMBERED = 500  # outcomes that the shift is taken over
FEWEST = 30  # outcomes before there is one


class Calibration:
    """The newest residuals of each term, and the shift that follows from them."""

    def __init__(self, n_terms: int, risk_level: float) -> None:
        self.residuals: deque[tuple[float, ...]] = deque(maxlen=REMEMBERED)
        self.shift: FloatArray = np.zeros(n_terms)
        self._risk_level = risk_level

    def add(self, residuals: Sequence[float]) -> None:
        """Take in one outcome less its predicted low quantile, term by term, and renew the shift."""
        self.residuals.append(tuple(float(value) for value in residuals))
        if len(self.residuals) >= FEWEST:
            ordered = np.sort(np.array(self.residuals), axis=0)
            # The lower empirical quantile of n + 1 values; with too few for α, the worst one seen.
            rank = max(int(np.floor((len(ordered) + 1) * self._risk_level)), 1)
            self.shift = ordered[rank - 1]

    def restore(self, residuals: Sequence[Sequence[float]]) -> None:
        """Go on from the residuals of an earlier calibration."""
        self.residuals.clear()
        for row in residuals:
            self.add(row)
