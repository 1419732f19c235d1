"""The aggregated cost C^agg (paper Eq. 5) of critics' quantiles, and its gradient; the realised cost of BITS (Eq. 2).

Order of critics: bits, then (per_0, sem_0, per_1, sem_1, …), then delay. Bits are a share of the source's size; the
delay is in nominal deadlines and its excess is charged in deadlines, so that weights of 0.1–10 balance.

Critics predict standardised terms z, with term = offset + scale · z. The delay's scale is negative: its z is slack, and
the high quantile 1 − α of the delay is the low quantile α of z. So every penalty is one hinge on a low quantile.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.conditioning import Priced
from ntnsim.engine.standardisation import Standardisation


@dataclass(frozen=True, slots=True)
class Hinges:
    """The penalties of a batch of rows in standardised terms: Σ_j weight_j · [floor_j − Q^α(z_j)]^+.

    weights, floors: [2R+1, batch], fidelities first, the delay last.
    """

    weights: Float32Array
    floors: Float32Array


def hinges(
    price: Priced, elapsed: Float32Array, standard: Standardisation, shift: FloatArray | float = 0.0
) -> Hinges:
    """Return the hinges of requirements, and of delay already *elapsed* [batch] in nominal deadlines.

    shift: [2R+1], what is added to each predicted low quantile (`calibration.py`), in standardised terms.

    λ^del [(e + d)/d^max − 1]^+ with d = offset + scale·z is λ^del·|scale|/d^max · [(d^max − e − offset)/scale − z]^+.
    """
    limits = np.concatenate((price.targets, (price.deadline - elapsed)[:, None]), 1)
    weights = np.concatenate((price.weights, (price.delay_weight / price.deadline)[:, None]), 1)
    floors = ((limits - standard.offset[1:]) / standard.scale[1:] - shift).T
    return Hinges((weights * np.abs(standard.scale[1:])).T.astype(np.float32), floors.astype(np.float32))


def read_position(level: float, n_quantiles: int) -> tuple[int, float]:
    """Return (i, w): the quantile at *level* is (1 − w)·q_i + w·q_{i+1} of the sorted midpoint quantiles.

    Levels outside the outermost midpoints read the outermost quantile.
    """
    position = min(max(level * n_quantiles - 0.5, 0.0), n_quantiles - 1.0)
    lower = min(int(position), n_quantiles - 2)
    return lower, position - lower


def aggregate_cost(
    quantiles: Tensor, standard: Standardisation, penalties: Hinges, risk_level: float
) -> tuple[Float32Array, Tensor]:
    """Return C^agg [batch] and its gradient with respect to *quantiles*, in their shape.

    quantiles: z [2R+2, batch, n_quantiles] in any order: the network does not promise sorted outputs, so reads sort.
    """
    n_critics, _, n_quantiles = quantiles.shape
    if n_critics != len(penalties.weights) + 1:
        raise ValueError(f"{n_critics} critics do not serve {len(penalties.weights)} penalties")
    low, share = read_position(risk_level, n_quantiles)
    lowest, place = quantiles[1:].topk(low + 2, dim=-1, largest=False, sorted=True)
    # Arrays this small are handled faster by NumPy than by torch.
    shortfall = _shortfall(lowest.numpy()[..., low:], share, penalties)
    bits_offset, bits_scale = standard.bits
    bits = bits_offset + bits_scale * quantiles[0].mean(-1).numpy()
    cost: Float32Array = bits + (penalties.weights * shortfall).sum(0)

    gradient = torch.zeros_like(quantiles)
    gradient[0] = bits_scale / n_quantiles
    slope = penalties.weights * (shortfall > 0.0)
    steps = np.multiply.outer(slope, np.array((share - 1.0, -share), dtype=np.float32))
    gradient[1:].scatter_(-1, place[..., low:], torch.from_numpy(steps))
    return cost, gradient


def expected_cost(
    quantiles: Float32Array, standard: Standardisation, penalties: Hinges, risk_level: float
) -> Float32Array:
    """Return C^agg [rows] of *quantiles* [2R+2, rows, n_quantiles], without its gradient: for decisions."""
    low, share = read_position(risk_level, quantiles.shape[-1])
    pair = np.partition(quantiles[1:], (low, low + 1), axis=-1)[..., low : low + 2]
    bits_offset, bits_scale = standard.bits
    bits = bits_offset + bits_scale * quantiles[0].mean(-1)
    cost: Float32Array = bits + (penalties.weights * _shortfall(pair, share, penalties)).sum(0)
    return cost


def _shortfall(pair: Float32Array, share: float, penalties: Hinges) -> Float32Array:
    """Return by how much the quantile between the two of *pair* [2R+1, rows, 2] falls short of its floor."""
    short: Float32Array = np.maximum(
        penalties.floors - (1.0 - share) * pair[..., 0] - share * pair[..., 1], 0.0
    )
    return short


def realised_cost(
    outcomes: FloatArray,
    weights: npt.NDArray[np.floating],
    targets: npt.NDArray[np.floating],
    delay_weight: npt.NDArray[np.floating],
    deadline: npt.NDArray[np.floating],
) -> FloatArray:
    """Return the penalised cost of BITS (Eq. 2, the deadline as a penalty) of realised outcomes [..., 2R+2].

    outcomes: bits share, fidelities in the order of critics, whole delay in the unit of *deadline*; weights, targets:
    [..., 2R]; delay_weight, deadline: [...].
    """
    shortfall = np.maximum(targets - outcomes[..., 1:-1], 0.0)
    excess = np.maximum(outcomes[..., -1] / deadline - 1.0, 0.0)
    cost: FloatArray = outcomes[..., 0] + (weights * shortfall).sum(-1) + delay_weight * excess
    return cost
