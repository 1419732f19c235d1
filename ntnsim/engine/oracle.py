"""The exhaustive benchmark: the best point of a grid of real outcomes, known image by image before sending.

It cheats on purpose: it knows the fidelity and size that each configuration will give. Of the delay it knows what the
gateway can compute from Ω_t, plus a margin.
"""

import numpy as np

from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.delay_model import known_delay_s
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.errors import InputError
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, ImageState, Policy, Requirement


class OraclePolicy(Policy):
    """Chooses the cheapest configuration (Eq. 2a) among those whose delay fits (Eq. 2b); rejects if none does.

    With *keeps_targets*, fidelity is a constraint as well wherever it can be met: the fewest bits among those that
    meet every target. Without, a shortfall is priced, and a low λ makes it worth while.
    """

    def __init__(
        self, table: OutcomeTable, space: ConfigurationSpace, margin_s: float, *, keeps_targets: bool = False
    ) -> None:
        if table.space != space:
            raise InputError(f"the outcome table is for {table.space}, the codec has {space}")
        self._table = table
        self._grid = table.grid
        self._margin_s = margin_s
        self._keeps_targets = keeps_targets

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return the best configuration of the grid for *image*."""
        outcomes = self._table.outcomes(self._table.place_of(image))
        start_s = image.age_s + self._margin_s
        delays_s = np.array(
            [
                start_s
                + known_delay_s(image, network, share * image.source_bits, network.satellite_link.rate_bps)
                for share in outcomes[:, 0]
            ]
        )
        fits = delays_s <= requirement.deadline_s
        if not fits.any():
            return Decision(None, f"oracle: nothing arrives within {requirement.deadline_s} s")
        targets = np.array(interleaved(requirement.pf_min, requirement.sf_min))
        cost = realised_cost(
            np.concatenate((outcomes, np.zeros((len(outcomes), 1))), 1),
            np.array(interleaved(requirement.lambda_pf, requirement.lambda_sf)),
            targets,
            np.array(0.0),
            np.array(1.0),
        )
        good = fits & (outcomes[:, 1:] >= targets).all(1)
        if self._keeps_targets and good.any():
            fits = good
        best = int(np.where(fits, cost, np.inf).argmin())
        return Decision(self._table.space.configuration(self._grid[best].tolist()))
