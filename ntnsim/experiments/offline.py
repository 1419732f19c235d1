"""How the policies of the experiments learn from a log before they are judged; every rival learns from the same one."""

from collections.abc import Sequence

import numpy as np

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.linear import LinearBandit
from ntnsim.engine.outcome_log import LoggedOutcome, deliveries_from_log, fill_from_log
from ntnsim.engine.practice import Moment
from ntnsim.engine.spiff_engine import SpiffEngine
from ntnsim.protocols.policy import Requirement

# Of the engine, whose critics begin as least squares do: no more, as few hundred photographs are soon known by heart.
# Costs in four-fold cross-validation: 0.178, 0.139, 0.118 with one update, 0.197, 0.157, 0.118 with one per outcome.
UPDATES = 1
NCB_UPDATES_PER_OUTCOME = 4  # of NCB: its one critic learns the log by heart still sooner
CALIBRATION_STRIDE = 5  # every so many photographs one is left out of learning and calibrates the quantiles
SETTLING_STEPS = 3000  # of a new actor, through the learned critics


def taught_from(
    log: Sequence[LoggedOutcome],
    policy: Bandit,
    moments: Sequence[Moment],
    requirements: Sequence[Requirement],
    rng: np.random.Generator,
) -> Bandit:
    """Let *policy* learn from *log*, each outcome in surroundings and under a requirement drawn by *rng*; return it."""
    if not isinstance(policy, SpiffEngine):
        # Least squares would take a repeated outcome for new evidence; networks draw from their memory anyway.
        capacity = policy.settings.replay_capacity
        n_remembered = min(len(log), capacity) if isinstance(policy, LinearBandit) else capacity
        fill_from_log(policy, log, moments, requirements, n_remembered, rng)
        policy.update(NCB_UPDATES_PER_OUTCOME * len(log))
        return policy
    kept, left_out = parted(log) if policy.settings.calibrated else (log, [])
    fill_from_log(policy, kept, moments, requirements, policy.settings.replay_capacity, rng)
    policy.update(UPDATES)
    policy.calibrate(deliveries_from_log(left_out, moments, requirements, len(left_out), rng))
    policy.settle(SETTLING_STEPS)
    return policy


def parted(log: Sequence[LoggedOutcome]) -> tuple[list[LoggedOutcome], list[LoggedOutcome]]:
    """Return the log without every fifth photograph, for learning, and the outcomes of those, for calibration."""
    photographs = list(dict.fromkeys(seen.image for seen in log))
    held_out = set(photographs[::CALIBRATION_STRIDE])
    return [s for s in log if s.image not in held_out], [s for s in log if s.image in held_out]
