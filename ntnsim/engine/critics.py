"""2R+2 distributional critics, stacked: each predicts N quantiles of one term of BITS (paper Sec. VI-A).

They begin as least squares do, with one spread of residuals everywhere, and learn what least squares leave: where the
curve is another, where the spread is wider. A network that begins from nothing knows the logged photographs by heart
before it knows the rest: its 98 % quantile covered 88 % of others' outcomes, that of least squares 96 %.
"""

import numpy as np
import torch
from torch import Tensor

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.losses import quantile_huber_gradient, quantile_midpoints
from ntnsim.engine.objective import Hinges, aggregate_cost, read_position
from ntnsim.engine.stacked_mlp import StackedMlp


class QuantileCritics:
    """The critics C^(j)(s, x | θ^(j)) of residuals, each in its term's `spread`. Inputs end with x, in [−1, 1]."""

    def __init__(
        self,
        *,
        n_critics: int,
        n_inputs: int,
        n_hidden: int,
        n_quantiles: int,
        kappa: float,
        learning_rate: float,
        rng: np.random.Generator,
    ) -> None:
        self.kappa = kappa
        self.n_quantiles = n_quantiles
        self.levels = quantile_midpoints(n_quantiles)
        self.spread = np.ones(n_critics)
        self.network = StackedMlp(
            n_networks=n_critics,
            n_inputs=n_inputs,
            n_hidden=n_hidden,
            n_outputs=n_quantiles,
            learning_rate=learning_rate,
            rng=rng,
        )

    def begin(self, residuals: FloatArray, spread: FloatArray) -> None:
        """Predict everywhere the quantiles of *residuals* [rows, n_critics], and count in *spread* [n_critics]."""
        quantiles = np.quantile(residuals / spread, self.levels.numpy(), axis=0).T
        self.network.predict_constant(quantiles.astype(np.float32))
        self.spread = spread

    def recount(self, spread: FloatArray) -> None:
        """Count in another *spread* [n_critics], and predict what was predicted before."""
        self.network.scale_outputs((self.spread / spread).astype(np.float32))
        self.spread = spread

    def fit(self, inputs: Tensor, targets: Tensor) -> None:
        """Take one step on *inputs* [batch, n_inputs] and *targets* in spreads [n_critics, batch] (Eqs. 3–4)."""
        quantiles = self.network.forward(inputs)
        gradient = quantile_huber_gradient(quantiles, targets, self.levels, self.kappa)
        self.network.backward(gradient, n_fit=len(inputs))
        self.network.step()

    def fit_and_price(
        self,
        inputs: Tensor,
        targets: Tensor,
        base: Tensor,
        *,
        penalties: Hinges,
        shift: FloatArray | float,
        risk_level: float,
        dimension: int,
        n_proposed: int,
    ) -> tuple[Float32Array, Tensor, Tensor]:
        """Take one step, and price other rows in the same pass, by the critics as they were before the step.

        inputs: [batch + priced, n_inputs], the rows to fit first; targets: residuals in spreads [n_critics, batch];
        base: what least squares predict of each term [n_critics, priced]. Return C^agg [priced] (Eq. 5), and for the
        first *n_proposed* of those rows its gradient [n_proposed, dimension] with respect to the last *dimension*
        inputs (x in [−1, 1]), and with respect to *base* [n_critics, n_proposed].
        """
        batch = targets.shape[1]
        quantiles = self.network.forward(inputs)
        cost, gradient = self._cost(quantiles[:, batch:], base, penalties, shift, risk_level)
        fit_gradient = quantile_huber_gradient(quantiles[:, :batch], targets, self.levels, self.kappa)
        proposed = gradient[:, :n_proposed]
        action_gradient = self.network.backward(
            torch.cat((fit_gradient, self._spread * proposed), 1), n_fit=batch, n_columns=dimension
        )
        self.network.step()
        return cost, action_gradient, proposed.sum(-1)

    def price(
        self,
        inputs: Tensor,
        base: Tensor,
        *,
        penalties: Hinges,
        shift: FloatArray | float,
        risk_level: float,
        dimension: int,
        n_proposed: int,
    ) -> tuple[Float32Array, Tensor, Tensor]:
        """Price rows as `fit_and_price` does, without a step."""
        quantiles = self.network.forward(inputs)
        cost, gradient = self._cost(quantiles, base, penalties, shift, risk_level)
        proposed = gradient[:, :n_proposed]
        action_gradient = self.network.backward(self._spread * proposed, n_fit=0, n_columns=dimension)
        return cost, action_gradient, proposed.sum(-1)

    def _cost(
        self, quantiles: Tensor, base: Tensor, penalties: Hinges, shift: FloatArray | float, risk_level: float
    ) -> tuple[Float32Array, Tensor]:
        return aggregate_cost(base.unsqueeze(-1) + self._spread * quantiles, penalties, risk_level, shift)

    @property
    def _spread(self) -> Tensor:
        return torch.from_numpy(self.spread.astype(np.float32))[:, None, None]

    def terms(self, inputs: Float32Array, base: Float32Array) -> Float32Array:
        """Return quantiles of the terms [n_critics, rows, n_quantiles], in no order, for few *inputs* [rows, n_inputs].

        base: [n_critics, rows].
        """
        found: Float32Array = base[..., None] + self.spread.astype(np.float32)[
            :, None, None
        ] * self.network.forward_few(inputs)
        return found


def quantile_at(ordered: Float32Array, level: float) -> Float32Array:
    """Return the interpolated quantile at *level* of sorted midpoint quantiles [..., n_quantiles]."""
    lower, share = read_position(level, ordered.shape[-1])
    value: Float32Array = (1.0 - share) * ordered[..., lower] + share * ordered[..., lower + 1]
    return value
