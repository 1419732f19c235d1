"""How far to trust an engine: calibration of its quantiles, regret against the oracle, and maps of its policy."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ntnsim.engine.actor_bandit import ActorBandit
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.critics import quantile_at
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.spiff_engine import SpiffEngine
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import DeliveredImage, ImageState, Requirement

DEFAULT_LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def calibration(
    engine: SpiffEngine, deliveries: Sequence[DeliveredImage], levels: Sequence[float] = DEFAULT_LEVELS
) -> pd.DataFrame:
    """Return the share of *deliveries* at or below each predicted quantile: columns term, nominal, coverage.

    A calibrated critic has coverage = nominal. The deliveries should be ones that the engine has not learned from.
    """
    terms = ("bits", *engine.fidelity_names(), "delay")
    nominal_s = engine.settings.nominal_deadline_s
    covered = np.zeros((len(terms), len(levels)))
    for seen in deliveries:
        elapsed_s = 0.0 if engine.settings.paper_state else seen.image.age_s
        outcome = np.array(
            (
                seen.size_bits / seen.image.source_bits,
                *interleaved(seen.pf, seen.sf),
                (seen.delay_s - elapsed_s) / nominal_s,
            )
        )
        state = engine.state_of(seen.image, seen.network)
        ordered = engine.predicted_quantiles(state, engine.space.vector(seen.configuration)).astype(
            np.float32
        )
        for place, level in enumerate(levels):
            covered[:, place] += outcome <= quantile_at(ordered, level)
    covered /= max(len(deliveries), 1)
    rows = [
        {"term": term, "nominal": level, "coverage": covered[row, place]}
        for row, term in enumerate(terms)
        for place, level in enumerate(levels)
    ]
    return pd.DataFrame(rows)


def mean_cost(deliveries: Sequence[DeliveredImage], requirement: Requirement) -> float:
    """Return the mean realised cost (Eq. 2, with λ^del on the delay) of *deliveries* under *requirement*."""
    outcomes = np.array(
        [
            (
                seen.size_bits / seen.image.source_bits,
                *interleaved(seen.pf, seen.sf),
                seen.delay_s / requirement.deadline_s,
            )
            for seen in deliveries
        ]
    )
    cost: npt.NDArray[np.float64] = realised_cost(
        outcomes,
        np.array(interleaved(requirement.lambda_pf, requirement.lambda_sf)),
        np.array(interleaved(requirement.pf_min, requirement.sf_min)),
        np.array(requirement.lambda_delay),
        np.array(1.0),
    )
    return float(cost.mean())


def regret(
    chosen: Sequence[DeliveredImage], oracles: Sequence[DeliveredImage], requirement: Requirement
) -> float:
    """Return the mean cost of *chosen* above that of the oracle on the same images, in shares of the source's size."""
    if len(chosen) != len(oracles):
        raise ValueError(
            f"{len(chosen)} deliveries cannot be compared with {len(oracles)}: give the same images"
        )
    return mean_cost(chosen, requirement) - mean_cost(oracles, requirement)


def policy_map(
    engine: ActorBandit,
    image: ImageState,
    network: NetworkState,
    requirement: Requirement,
    top_fractions: Sequence[float],
    weight_factors: Sequence[float],
) -> pd.DataFrame:
    """Return the x that is sent, without exploration: one row per point of (top rank's share, factor on every λ).

    The other ranks keep their proportions.
    """
    rows: list[dict[str, float]] = []
    lower = np.array(image.rank_fractions[:-1])
    lower = lower / lower.sum() if lower.sum() > 0 else np.full(len(lower), 1.0 / len(lower))
    for top in top_fractions:
        fractions = (*((1.0 - top) * lower).tolist(), float(top))
        seen = replace(image, rank_fractions=fractions)
        for factor in weight_factors:
            weighted = replace(
                requirement,
                lambda_pf=tuple(factor * weight for weight in requirement.lambda_pf),
                lambda_sf=tuple(factor * weight for weight in requirement.lambda_sf),
            )
            x = engine.best_action(seen, network, weighted)
            row = {"top_fraction": float(top), "weight_factor": float(factor)}
            rows.append(row | {f"x_{entry}": float(value) for entry, value in enumerate(x)})
    return pd.DataFrame(rows)
