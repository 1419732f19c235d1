"""2R+2 distributional critics, stacked: each predicts N quantiles of one term of BITS (paper Sec. VI-A).

They begin as least squares do, with one spread of residuals everywhere, and learn what least squares leave: where the
curve is another, where the spread is wider. A network that begins from nothing knows the logged photographs by heart
before it knows the rest: its 98 % quantile covered 88 % of others' outcomes, that of least squares 96 %.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.losses import quantile_huber_gradient, quantile_huber_loss, quantile_midpoints
from ntnsim.engine.objective import Hinges, aggregate_cost, read_position
from ntnsim.engine.stacked_mlp import StackedMlp


@dataclass(frozen=True, slots=True, eq=False)
class Pricing:
    """Costs of rows, and gradients of the first of them.

    cost: C^agg [priced] (Eq. 5); by_inputs [n_proposed, dimension]: by the last inputs (x in [−1, 1]); by_base,
    by_spread [n_critics, n_proposed]: by what least squares say of each term, and by its spread.
    """

    cost: Float32Array
    by_inputs: Tensor
    by_base: Float32Array
    by_spread: Float32Array


class QuantileCritics:
    """The critics C^(j)(s, x | θ^(j)) of residuals, counted in their spread (`spread.py`).

    Inputs end with x, in [−1, 1].
    """

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
        self.offset = np.zeros(n_critics)  # added to a term's quantiles, in spreads (`calibration.py`)
        self.network = StackedMlp(
            n_networks=n_critics,
            n_inputs=n_inputs,
            n_hidden=n_hidden,
            n_outputs=n_quantiles,
            learning_rate=learning_rate,
            rng=rng,
        )

    def begin(self, residuals: FloatArray) -> None:
        """Predict everywhere the quantiles of *residuals* [rows, n_critics], which are counted in their spread."""
        quantiles = np.quantile(residuals, self.levels.numpy(), axis=0).T
        self.network.predict_constant(quantiles.astype(np.float32))

    def fit(self, inputs: Tensor, targets: Tensor) -> None:
        """Take one step on *inputs* [batch, n_inputs] and *targets* in spreads [n_critics, batch] (Eqs. 3–4)."""
        quantiles = self.network.forward(inputs)
        gradient = quantile_huber_gradient(quantiles, targets, self.levels, self.kappa)
        self.network.backward(gradient, n_fit=len(inputs))
        self.network.step()

    def losses(self, terms: Float32Array, reached: FloatArray, spread: Float32Array) -> FloatArray:
        """Return the quantile Huber loss of each term [n_critics], counted in spreads, of one row.

        terms: what :meth:`terms` gave for the row [n_critics, n_quantiles]; reached, spread: what came of it, and its
        spreads [n_critics].
        """
        return quantile_huber_loss(terms / spread[:, None], reached / spread, self.levels.numpy(), self.kappa)

    def fit_and_price(
        self,
        inputs: Tensor,
        targets: Tensor,
        base: Float32Array,
        spread: Float32Array,
        *,
        penalties: Hinges,
        risk_level: float,
        dimension: int,
        n_proposed: int,
    ) -> Pricing:
        """Take one step, and price other rows in the same pass, by the critics as they were before the step.

        inputs: [batch + priced, n_inputs], the rows to fit first; targets: residuals in spreads [n_critics,
        batch]; base, spread: what least squares say of the priced rows' terms, and how far outcomes lie from that
        [n_critics, priced]. Gradients are of the first *n_proposed* of those, *dimension* of their inputs.
        """
        batch = targets.shape[1]
        quantiles = self.network.forward(inputs)
        cost, gradient = self._cost(quantiles[:, batch:], base, spread, penalties, risk_level)
        fit_gradient = quantile_huber_gradient(quantiles[:, :batch], targets, self.levels, self.kappa)
        proposed = gradient[:, :n_proposed]
        scaled = torch.from_numpy(spread[:, :n_proposed, None]) * proposed
        by_spread = proposed * (quantiles[:, batch : batch + n_proposed] + self._offset)
        by_inputs = self.network.backward(
            torch.cat((fit_gradient, scaled), 1), n_fit=batch, n_columns=dimension
        )
        self.network.step()
        return Pricing(cost, by_inputs, proposed.sum(-1).numpy(), by_spread.sum(-1).numpy())

    def price(
        self,
        inputs: Tensor,
        base: Float32Array,
        spread: Float32Array,
        *,
        penalties: Hinges,
        risk_level: float,
        dimension: int,
        n_proposed: int,
    ) -> Pricing:
        """Price rows as `fit_and_price` does, without a step."""
        quantiles = self.network.forward(inputs)
        cost, gradient = self._cost(quantiles, base, spread, penalties, risk_level)
        proposed = gradient[:, :n_proposed]
        scaled = torch.from_numpy(spread[:, :n_proposed, None]) * proposed
        by_spread = proposed * (quantiles[:, :n_proposed] + self._offset)
        by_inputs = self.network.backward(scaled, n_fit=0, n_columns=dimension)
        return Pricing(cost, by_inputs, proposed.sum(-1).numpy(), by_spread.sum(-1).numpy())

    def _cost(
        self,
        quantiles: Tensor,
        base: Float32Array,
        spread: Float32Array,
        penalties: Hinges,
        risk_level: float,
    ) -> tuple[Float32Array, Tensor]:
        terms = torch.from_numpy(base).unsqueeze(-1)
        terms = terms + torch.from_numpy(spread).unsqueeze(-1) * (quantiles + self._offset)
        return aggregate_cost(terms, penalties, risk_level)

    @property
    def _offset(self) -> Tensor:
        return torch.from_numpy(self.offset.astype(np.float32))[:, None, None]

    def terms(
        self, state: Float32Array, acts: Float32Array, base: Float32Array, spread: Float32Array
    ) -> Float32Array:
        """Return quantiles of the terms [n_critics, rows, n_quantiles], in no order, without the offset.

        state [n_inputs − dimension], the same for all; acts: x by what it acts on [rows, dimension]; base, spread:
        what least squares say, and how far outcomes lie from that [n_critics, rows].
        """
        found = self.network.forward_few(state, 2.0 * acts - 1.0)
        found *= spread[..., None]
        found += base[..., None]
        return found


def quantile_at(ordered: Float32Array, level: float) -> Float32Array:
    """Return the interpolated quantile at *level* of sorted midpoint quantiles [..., n_quantiles]."""
    lower, share = read_position(level, ordered.shape[-1])
    value: Float32Array = (1.0 - share) * ordered[..., lower] + share * ordered[..., lower + 1]
    return value
