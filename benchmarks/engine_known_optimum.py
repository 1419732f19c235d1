"""How near the engine comes to a known optimum: a synthetic BITS instance with noise, targets and a deadline.

Run with `python benchmarks/engine_known_optimum.py [--seeds 10] [--images 2000] [--json FILE]`. The instance is
`ntnsim/engine/synthetic.py`: the exact C^agg of any x is known, so the optimum is found on a fine grid for each of 200
contexts never learned from. The gap is the exact C^agg of the policy's x above the optimum's, in shares of the source's
size; late and missed are shares of drawn outcomes, for the policy and for the optimum itself. Policies: the SPIFF
engine; the same with the paper's steps (actor 1e-4, no decay); NCB; uniform draws (what no learning gives).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.ncb import NeuralContextualBandit
from ntnsim.engine.practice import learn_online
from ntnsim.engine.spiff_engine import SpiffEngine
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits
from ntnsim.scenario.policy import NeuralContextualBanditSpec, SpiffEngineSpec
from ntnsim.streams import stream

RISK_LEVEL = 0.1
CONTEXTS = 200


def judge(engine: Bandit | None, instance: SyntheticBits) -> dict[str, float]:
    """Return gap and violation shares of a policy's greedy x over the test contexts; None draws uniformly."""
    rng = stream(0, "test contexts")
    gaps, optimal_bits, bits = [], [], []
    late: dict[str, list[bool]] = {"": [], "optimal_": []}
    missed: dict[str, list[bool]] = {"": [], "optimal_": []}
    for _ in range(CONTEXTS):
        image, network = instance.context(rng)
        high, rate_bps = image.rank_fractions[-1], network.satellite_link.rate_bps
        if engine is None:
            x = rng.random(2)
        else:
            x = engine.greedy_action(engine.state_of(image, network), REQUIREMENT).astype(float)
        best_x, best = instance.optimum(high, rate_bps, REQUIREMENT, RISK_LEVEL)
        gaps.append(float(instance.aggregate_cost(high, rate_bps, x, REQUIREMENT, RISK_LEVEL)) - best)
        bits.append(float(instance.bits_share(high, x)))
        optimal_bits.append(float(instance.bits_share(high, best_x)))
        for prefix, choice in (("", x), ("optimal_", best_x)):
            outcome = instance.deliver(image, network, REQUIREMENT, SPACE.configuration(choice.tolist()), rng)
            late[prefix].append(outcome.delay_s > REQUIREMENT.deadline_s)
            missed[prefix].append(outcome.pf[0] < REQUIREMENT.pf_min[0])
    return {
        "mean_gap": float(np.mean(gaps)),
        "p90_gap": float(np.quantile(gaps, 0.9)),
        "bits_share": float(np.mean(bits)),
        "optimal_bits_share": float(np.mean(optimal_bits)),
        **{f"{prefix}late": float(np.mean(values)) for prefix, values in late.items()},
        **{f"{prefix}pf_0_missed": float(np.mean(values)) for prefix, values in missed.items()},
    }


def main() -> None:
    """Train, judge and print one line per policy: the median over the seeds, and the worst seed's mean gap."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    instance = SyntheticBits()
    makers = {
        "spiff-engine": lambda seed: SpiffEngine(SpiffEngineSpec(), SPACE, seed),
        "spiff-engine, the paper's steps": lambda seed: SpiffEngine(
            SpiffEngineSpec(actor_learning_rate=1e-4, learning_rate_floor=1.0), SPACE, seed
        ),
        "ncb": lambda seed: NeuralContextualBandit(NeuralContextualBanditSpec(), SPACE, seed),
        "uniform": lambda seed: None,
    }
    figures = {}
    for name, make in makers.items():
        runs, start = [], time.process_time()
        for seed in range(arguments.seeds):
            engine = make(seed)
            if engine is not None:
                learn_online(engine, instance, [REQUIREMENT], arguments.images, stream(seed, "training"))
            runs.append(judge(engine, instance))
        figures[name] = {key: round(float(np.median([run[key] for run in runs])), 4) for key in runs[0]}
        figures[name]["worst_mean_gap"] = round(max(run["mean_gap"] for run in runs), 4)
        figures[name]["cpu_s_per_run"] = round((time.process_time() - start) / arguments.seeds, 1)
        print(f"{name}: {json.dumps(figures[name])}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
