"""The aggregated cost C^agg (paper Eq. 5) of critics' quantiles, and its gradient; the realised cost of BITS (Eq. 2).

Order of critics: bits, then (per_0, sem_0, per_1, sem_1, …), then delay. Bits are a share of the source's size; the
delay is in nominal deadlines and its excess is charged in deadlines, so that weights of 0.1–10 balance.

Terms are logarithms (`least_squares.py`), small is good in each. A fidelity's low quantile α is the high quantile
1 − α of its distance, as with the delay: so every penalty is one hinge on a high quantile.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.conditioning import Priced
from ntnsim.engine.least_squares import LARGEST_LOG, SMALLEST_DISTANCE


@dataclass(frozen=True, slots=True)
class Hinges:
    """The penalties of a batch of rows: Σ_j weight_j · [exp Q^{1−α}(term_j) − ceiling_j]^+.

    weights, ceilings: [2R+1, batch], fidelities first, the delay last.
    """

    weights: Float32Array
    ceilings: Float32Array


def hinges(price: Priced, elapsed: Float32Array) -> Hinges:
    """Return the hinges of requirements, and of delay already *elapsed* [batch] in nominal deadlines.

    λ^del [(e + d)/d^max − 1]^+ is λ^del/d^max · [d − (d^max − e)]^+.
    """
    distances = 1.0 + SMALLEST_DISTANCE - price.targets
    ceilings = np.concatenate((distances, (price.deadline - elapsed)[:, None]), 1)
    weights = np.concatenate((price.weights, (price.delay_weight / price.deadline)[:, None]), 1)
    return Hinges(weights.T.astype(np.float32), ceilings.T.astype(np.float32))


def read_position(level: float, n_quantiles: int) -> tuple[int, float]:
    """Return (i, w): the quantile at *level* is (1 − w)·q_i + w·q_{i+1} of the sorted midpoint quantiles.

    Levels outside the outermost midpoints read the outermost quantile.
    """
    position = min(max(level * n_quantiles - 0.5, 0.0), n_quantiles - 1.0)
    lower = min(int(position), n_quantiles - 2)
    return lower, position - lower


def aggregate_cost(terms: Tensor, penalties: Hinges, risk_level: float) -> tuple[Float32Array, Tensor]:
    """Return C^agg [batch] and its gradient with respect to *terms*, in their shape.

    terms: quantiles of the logarithms [2R+2, batch, n_quantiles] in any order: the network does not promise sorted
    outputs, so reads sort. Terms beyond `LARGEST_LOG` cost as that bound does, and have its slope, so that an actor is
    led back from there.
    """
    n_critics, _, n_quantiles = terms.shape
    if n_critics != len(penalties.weights) + 1:
        raise ValueError(f"{n_critics} critics do not serve {len(penalties.weights)} penalties")
    low, share = read_position(risk_level, n_quantiles)
    highest, place = terms[1:].topk(low + 2, dim=-1, sorted=True)
    # Arrays this small are handled faster by NumPy than by torch.
    pair = _bounded_exp(highest.numpy()[..., low:])
    excess = _excess(pair, share, penalties)
    bits = _bounded_exp(terms[0].numpy())
    cost: Float32Array = bits.mean(-1) + (penalties.weights * excess).sum(0)

    gradient = torch.zeros_like(terms)
    gradient[0] = torch.from_numpy(bits / n_quantiles)
    slope = penalties.weights * (excess > 0.0)
    steps = slope[..., None] * pair * np.array((1.0 - share, share), dtype=np.float32)
    gradient[1:].scatter_(-1, place[..., low:], torch.from_numpy(steps.astype(np.float32)))
    return cost, gradient


def expected_cost(
    terms: Float32Array,
    penalties: Hinges,
    risk_level: float,
    expected_share: float = 0.0,
) -> Float32Array:
    """Return C^agg [rows] of *terms* [2R+2, rows, n_quantiles], without its gradient: for decisions.

    expected_share: of each penalty, counted at its mean over all quantiles instead of at the high one.
    """
    low, share = read_position(risk_level, terms.shape[-1])
    first = terms.shape[-1] - 1 - low
    outcomes = _bounded_exp(terms)
    pair = np.partition(outcomes[1:], (first - 1, first), axis=-1)[..., [first, first - 1]]
    excess = _excess(pair, share, penalties)
    if expected_share > 0.0:
        mean = np.maximum(outcomes[1:] - penalties.ceilings[..., None], 0.0).mean(-1)
        excess = (1.0 - expected_share) * excess + expected_share * mean
    cost: Float32Array = outcomes[0].mean(-1) + (penalties.weights * excess).sum(0)
    return cost


def _bounded_exp(terms: Float32Array) -> Float32Array:
    bounded: Float32Array = np.exp(np.minimum(terms, LARGEST_LOG))
    return bounded


def _excess(pair: Float32Array, share: float, penalties: Hinges) -> Float32Array:
    """Return by how much the quantile between the two of *pair* [2R+1, rows, 2] lies above its ceiling."""
    over: Float32Array = np.maximum(
        (1.0 - share) * pair[..., 0] + share * pair[..., 1] - penalties.ceilings, 0.0
    )
    return over


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
