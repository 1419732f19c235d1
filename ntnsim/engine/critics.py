"""2R+2 distributional critics, stacked: each predicts N quantiles of one term of BITS (paper Sec. VI-A)."""

import numpy as np
import torch
from torch import Tensor

from ntnsim.arrays import Float32Array
from ntnsim.engine.losses import quantile_huber_gradient, quantile_midpoints
from ntnsim.engine.objective import Hinges, aggregate_cost, read_position
from ntnsim.engine.stacked_mlp import StackedMlp
from ntnsim.engine.standardisation import Standardisation


class QuantileCritics:
    """The critics C^(j)(s, x | θ^(j)) on standardised targets. Their inputs end with x, in [−1, 1]."""

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
        self.network = StackedMlp(
            n_networks=n_critics,
            n_inputs=n_inputs,
            n_hidden=n_hidden,
            n_outputs=n_quantiles,
            learning_rate=learning_rate,
            rng=rng,
        )

    def fit(self, inputs: Tensor, targets: Tensor) -> None:
        """Take one step on *inputs* [batch, n_inputs] and standardised *targets* [n_critics, batch] (Eqs. 3–4)."""
        quantiles = self.network.forward(inputs)
        gradient = quantile_huber_gradient(quantiles, targets, self.levels, self.kappa)
        self.network.backward(gradient, n_fit=len(inputs))
        self.network.step()

    def fit_and_price(
        self,
        inputs: Tensor,
        targets: Tensor,
        *,
        standard: Standardisation,
        penalties: Hinges,
        risk_level: float,
        dimension: int,
        n_proposed: int,
    ) -> tuple[Float32Array, Tensor]:
        """Take one step, and price other rows in the same pass, by the critics as they were before the step.

        inputs: [batch + priced, n_inputs], the rows to fit first; targets: [n_critics, batch]. Return C^agg [priced]
        (Eq. 5), and for the first *n_proposed* of those rows its gradient [n_proposed, dimension] with respect to the
        last *dimension* inputs: x in [−1, 1].
        """
        batch = targets.shape[1]
        quantiles = self.network.forward(inputs)
        cost, gradient = aggregate_cost(quantiles[:, batch:], standard, penalties, risk_level)
        fit_gradient = quantile_huber_gradient(quantiles[:, :batch], targets, self.levels, self.kappa)
        action_gradient = self.network.backward(
            torch.cat((fit_gradient, gradient[:, :n_proposed]), 1), n_fit=batch, n_columns=dimension
        )
        self.network.step()
        return cost, action_gradient

    def price(
        self,
        inputs: Tensor,
        *,
        standard: Standardisation,
        penalties: Hinges,
        risk_level: float,
        dimension: int,
        n_proposed: int,
    ) -> tuple[Float32Array, Tensor]:
        """Price rows as `fit_and_price` does, without a step."""
        quantiles = self.network.forward(inputs)
        cost, gradient = aggregate_cost(quantiles, standard, penalties, risk_level)
        return cost, self.network.backward(gradient[:, :n_proposed], n_fit=0, n_columns=dimension)

    def quantiles_one(self, inputs: Float32Array) -> Float32Array:
        """Return the sorted quantiles [n_critics, n_quantiles] for one input, standardised."""
        return np.sort(self.network.forward_one(inputs), axis=-1)


def quantile_at(ordered: Float32Array, level: float) -> Float32Array:
    """Return the interpolated quantile at *level* of sorted midpoint quantiles [..., n_quantiles]."""
    lower, share = read_position(level, ordered.shape[-1])
    value: Float32Array = (1.0 - share) * ordered[..., lower] + share * ordered[..., lower + 1]
    return value
