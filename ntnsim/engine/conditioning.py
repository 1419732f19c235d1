"""Requirements as vectors: what the actor is conditioned on, and the requirements drawn to train it.

The critics do not depend on λ, F_min or d^max. So each row of an actor update may carry another requirement than the
one it was delivered under, and one policy serves them all without a single further transmission.

Layout [4R+2]: log₁₀ λ_per_0, log₁₀ λ_sem_0, log₁₀ λ_per_1, …; F_min in the same order; log₁₀ λ^del; log₁₀ d^max in
nominal deadlines.
"""

from dataclasses import dataclass
from math import log10

import numpy as np

from ntnsim.arrays import Float32Array
from ntnsim.engine.standardisation import Standardisation
from ntnsim.protocols.policy import Requirement
from ntnsim.scenario.policy import RequirementRangeSpec

SMALLEST_WEIGHT = 1e-2  # a λ of zero counts as this: without effect beside bits of order one
TARGET_CLIP = (
    3.0  # standard deviations: a target that no codec meets (f_1,min = 1) stays within the inputs' range
)


def interleaved(pf: tuple[float, ...], sf: tuple[float, ...]) -> tuple[float, ...]:
    """Return (per_0, sem_0, per_1, sem_1, …): the order of the fidelity critics."""
    return tuple(value for pair in zip(pf, sf, strict=True) for value in pair)


def requirement_vector(requirement: Requirement, nominal_deadline_s: float) -> Float32Array:
    """Return the vector [4R+2] of *requirement*."""
    weights = (*interleaved(requirement.lambda_pf, requirement.lambda_sf), requirement.lambda_delay)
    logarithms = [log10(max(weight, SMALLEST_WEIGHT)) for weight in weights]
    targets = interleaved(requirement.pf_min, requirement.sf_min)
    deadline = log10(requirement.deadline_s / nominal_deadline_s)
    return np.array((*logarithms[:-1], *targets, logarithms[-1], deadline), dtype=np.float32)


def conditioning_features(vectors: Float32Array, standard: Standardisation) -> Float32Array:
    """Return the actor's inputs [..., 4R+2] for requirement vectors: each target counted in the spread of its term.

    standard: that of the critics.
    """
    features = vectors.copy()
    n_fidelities = (vectors.shape[-1] - 2) // 2
    targets = features[..., n_fidelities : 2 * n_fidelities]
    targets -= standard.offset[1:-1].astype(np.float32)
    targets /= standard.scale[1:-1].astype(np.float32)
    np.clip(targets, -TARGET_CLIP, TARGET_CLIP, out=targets)
    return features


@dataclass(frozen=True, slots=True)
class RequirementLaw:
    """How requirements are drawn for actor updates: uniformly in each entry of the vector, λ^del left as it was.

    low, span: [4R+2]; seen_share: probability that a row keeps the requirement it was delivered under.
    """

    low: Float32Array
    span: Float32Array
    seen_share: float

    @classmethod
    def of(cls, range_: RequirementRangeSpec, n_ranks: int, seen_share: float) -> "RequirementLaw":
        """Return the law of a scenario's *range_*: λ and d^max log-uniform, F_min uniform, all independent."""
        weight = tuple(log10(value) for value in range_.weight)
        deadline = tuple(log10(value) for value in range_.deadline_factor)
        entries = [weight] * (2 * n_ranks) + [range_.pf_min, range_.sf_min] * n_ranks + [(0.0, 0.0), deadline]
        bounds = np.array(entries, dtype=np.float32)
        return cls(bounds[:, 0], bounds[:, 1] - bounds[:, 0], seen_share)

    def draw(self, seen: Float32Array, rng: np.random.Generator) -> Float32Array:
        """Return requirement vectors [batch, 4R+2] for rows delivered under *seen*."""
        unit = rng.random(seen.shape, dtype=np.float32)
        drawn = self.low + self.span * unit
        drawn[:, -2] = seen[:, -2]
        keep = unit[:, -2:-1] < self.seen_share
        return np.where(keep, seen, drawn)


@dataclass(frozen=True, slots=True)
class Priced:
    """Requirement vectors taken apart: λ and F_min [batch, 2R]; λ^del and d^max (nominal deadlines) [batch]."""

    weights: Float32Array
    targets: Float32Array
    delay_weight: Float32Array
    deadline: Float32Array

    @classmethod
    def of(cls, vectors: Float32Array) -> "Priced":
        """Return the parts of requirement vectors [batch, 4R+2], logarithms undone."""
        n_fidelities = (vectors.shape[1] - 2) // 2
        targets = vectors[:, n_fidelities : 2 * n_fidelities]
        powers = 10.0**vectors
        return cls(powers[:, :n_fidelities], targets, powers[:, -2], powers[:, -1])
