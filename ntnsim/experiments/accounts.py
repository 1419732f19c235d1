"""What the tables of policies tell beside fidelity and savings: cost, whole images, invented pixels, time.

Every table of policies has the same columns: `cost` (Eq. 2a, with 95 % limits over photographs), `whole_image` (share
of images sent with β = 1, a plain AVIF), `generated` (share of pixels that the decoder makes), `learning_cpu_s` and
`decision_ms`; where learning and deciding go together, `cpu_ms` per image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.arrays import FloatArray
from ntnsim.engine.bandit import Bandit
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.objective import realised_cost
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import ImageState, Requirement
from ntnsim.results.statistics import clustered_interval

WHOLE = 0.99  # a β above this sends the whole image
TIMED_DECISIONS = 50


def cost_of(
    bits_share: float, pf: Sequence[float], sf: Sequence[float], delay_s: float, requirement: Requirement
) -> float:
    """Return the cost of one delivery (Eq. 2a, a delay beyond the deadline priced by λ^del)."""
    fidelities = interleaved(tuple(pf), tuple(sf))
    cost: FloatArray = realised_cost(
        np.array((bits_share, *fidelities, delay_s / requirement.deadline_s)),
        np.array(interleaved(requirement.lambda_pf, requirement.lambda_sf)),
        np.array(interleaved(requirement.pf_min, requirement.sf_min)),
        np.array(requirement.lambda_delay),
        np.array(1.0),
    )
    return float(cost)


def generated_share(fractions: Sequence[float], configuration: Configuration) -> float:
    """Return the share of an image's pixels that the decoder makes under *configuration*: Σ_l fraction_l (1−β)(1−p(l)).

    fractions: per rank, lowest first. The tight box counts as the top rank's own pixels, so the real share is smaller.
    """
    outside = 1.0 - configuration.box_growth
    below = zip(fractions[:-1], configuration.patch_fractions, strict=True)
    return float(sum(outside * fraction * (1.0 - kept) for fraction, kept in below))


def record_cost(record: Mapping[Any, Any], requirement: Requirement) -> float:
    """Return the cost of one delivered image of a run's records, of two ranks, under *requirement*."""
    pf, sf = ([record[f"{kind}_rank_{rank}"] for rank in (0, 1)] for kind in ("pf", "sf"))
    return cost_of(1.0 - record["savings"], pf, sf, record["delay_s"], requirement)


def generated_in(record: Mapping[Any, Any]) -> float:
    """Return the generated share of one record's image; a whole-image codec leaves nothing to make."""
    if not record["x_patch_fraction_0"] >= 0:
        return 0.0
    x = Configuration(record["x_box_growth"], (record["x_patch_fraction_0"],), record["x_coarse_quality"])
    return generated_share([record["rank_fraction_0"], record["rank_fraction_1"]], x)


def judged_columns(
    costs: pd.Series, photographs: pd.Series, whole: pd.Series, generated: pd.Series
) -> dict[str, float]:
    """Return mean cost with its limits, and the shares of whole images and generated pixels; one entry per image.

    photographs: which one each image shows; images of one photograph count once for the limits.
    """
    names, _ = pd.factorize(photographs)
    cost = clustered_interval(costs.to_numpy(dtype=np.float64), names)
    return {
        "cost": cost.value,
        "cost_low": cost.low,
        "cost_high": cost.high,
        "whole_image": float(whole.mean()),
        "generated": float(generated.mean()),
    }


def above(theirs: pd.Series, ours: pd.Series) -> dict[str, float]:
    """Return by how much *theirs* costs more than *ours*, with 95 % limits; both have a mean cost per photograph.

    Photographs that only one of them has are left out; positive where the engine is cheaper.
    """
    gaps = (theirs - ours).dropna().to_numpy(dtype=np.float64)
    gap = clustered_interval(gaps, np.arange(len(gaps)))
    return {"above_engine": gap.value, "above_engine_low": gap.low, "above_engine_high": gap.high}


def cheapest(table: pd.DataFrame, policies: str) -> str:
    """Return a sentence that names the policy of least mean cost under each target, and the next one.

    policies: the column of their names; `target` and `cost` are the others.
    """
    named = []
    for target, group in table.groupby("target", sort=False):
        means = group.groupby(policies, sort=False)["cost"].mean().sort_values(kind="stable")
        first, *rest = [f"{name} ({cost:.3f})" for name, cost in means.items()]
        named.append(f"{target}: {first}" + (f", then {rest[0]}" if rest else ""))
    return "Cheapest: " + "; ".join(named) + "."


@dataclass(frozen=True, slots=True)
class Effort:
    """Processor time of learning, s, and of one decision, ms (median)."""

    learning_cpu_s: float
    decision_ms: float


def effort_of(
    bandit: Bandit,
    learning_cpu_s: float,
    images: Sequence[ImageState],
    networks: Sequence[NetworkState],
    requirement: Requirement,
) -> Effort:
    """Return *bandit*'s effort, its decisions timed on *images* and *networks*."""
    times_s = []
    for place in range(TIMED_DECISIONS):
        image, network = images[place % len(images)], networks[place % len(networks)]
        start_s = process_time()
        bandit.best_action(image, network, requirement)
        times_s.append(process_time() - start_s)
    return Effort(learning_cpu_s, 1e3 * float(np.median(times_s)))


NO_EFFORT = Effort(0.0, 0.0)
