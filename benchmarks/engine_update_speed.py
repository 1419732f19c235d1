"""Updates per CPU-second: the SPIFF engine (six 51-quantile critics and the actor) against sb3-contrib's TQC.

Run with `python benchmarks/engine_update_speed.py [--json FILE]`. TQC (2 critics of 25 quantiles, 256 × 256, batch 32,
the same number of inputs and actions) is measured when `sb3_contrib` can be imported, and reported absent otherwise:
`pip install sb3-contrib`. Both run on one torch thread, in alternating blocks of one process, so that a busy machine
slows both; the ratio is the median over the blocks. The decision is timed too: `choose`, from Ω_t to the configuration,
with the defaults (256 hidden units, two entries of x) and as in the experiments on `spiff` (64, three, trials).
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from ntnsim.engine.spiff_engine import SpiffEngine
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits
from ntnsim.experiments.study import EXPECTED, HIDDEN_UNITS, RISK_LEVEL
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import DeliveredImage, ImageState, Trial
from ntnsim.scenario.policy import SpiffEngineSpec
from ntnsim.streams import stream

UPDATES_PER_BLOCK = 100
BLOCKS = 12


def cpu_ms(work: Callable[[], object]) -> float:
    """Return the CPU milliseconds that *work* takes."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def filled_engine() -> SpiffEngine:
    """Return an engine with 1,000 synthetic deliveries in its memory and some updates done."""
    instance, rng = SyntheticBits(), stream(0, "benchmark")
    engine = SpiffEngine(SpiffEngineSpec(updates_per_image=0), SPACE, seed=0)
    for _ in range(1000):
        image, network = instance.context(rng)
        x = engine.choose(image, network, REQUIREMENT).configuration
        engine.remember(instance.deliver(image, network, REQUIREMENT, x, rng))
    engine.update(100)
    return engine


def deciding_as_in_the_experiments() -> Callable[[], object]:
    """Return one decision of an engine with the settings of the experiments, on drawn trials and outcomes."""
    space, rng = ConfigurationSpace(n_ranks=2, has_coarse_layer=True), stream(2, "benchmark")
    settings = {"hidden_units": HIDDEN_UNITS, "expected_share": EXPECTED, "risk_level": RISK_LEVEL}
    engine = SpiffEngine(SpiffEngineSpec(trial_state=True, updates_per_image=0, **settings), space, seed=0)
    instance = SyntheticBits()

    def captured() -> tuple[ImageState, NetworkState]:
        image, network = instance.context(rng)
        tried = [(0.0, 0.0, 0.3), (0.0, 0.0, 0.55), (1.0, 0.0, 0.0)]
        trials = [
            Trial(space.configuration(x), int(rng.integers(20_000, 200_000)), *rng.uniform(0.8, 1.0, (2, 2)))
            for x in tried
        ]
        return replace(image, trials=tuple(trials)), network

    for _ in range(300):
        image, network = captured()
        x = space.configuration(rng.random(3).tolist())
        (pf, sf), bits = rng.uniform(0.8, 1.0, (2, 2)), int(rng.integers(20_000, 200_000))
        delay_s = float(rng.uniform(2.0, 6.0))
        engine.remember(DeliveredImage(image, network, REQUIREMENT, x, bits, tuple(pf), tuple(sf), delay_s))
    engine.update(30)
    image, network = captured()
    return lambda: engine.choose(image, network, REQUIREMENT)


def tqc_trainer(n_inputs: int, dimension: int) -> Callable[[int], None] | None:
    """Return a function that makes n TQC updates, or None when sb3-contrib is absent."""
    try:
        import gymnasium
        from sb3_contrib import TQC
    except ImportError:
        return None

    class OneStep(gymnasium.Env):  # a bandit: every episode is one step long
        observation_space = gymnasium.spaces.Box(-1, 1, (n_inputs,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (dimension,), np.float32)

        def reset(self, *, seed=None, options=None):
            return self.observation_space.sample(), {}

        def step(self, action):
            return self.observation_space.sample(), float(-np.square(action).sum()), True, False, {}

    model = TQC(
        "MlpPolicy",
        OneStep(),
        policy_kwargs={"net_arch": [256, 256], "n_quantiles": 25, "n_critics": 2},
        batch_size=32,
        buffer_size=2000,
        learning_starts=900,
        device="cpu",
    )
    model.learn(1000)
    return lambda n: model.train(n, 32)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    engine = filled_engine()
    image, network = SyntheticBits().context(stream(1, "benchmark"))
    train = tqc_trainer(engine.n_features, engine.space.dimension)
    decide = deciding_as_in_the_experiments()
    ours, peer, ratios, decisions, quick = [], [], [], [], []
    for _ in range(BLOCKS):
        ours.append(cpu_ms(lambda: engine.update(UPDATES_PER_BLOCK)) / UPDATES_PER_BLOCK)
        if train is not None:
            peer.append(cpu_ms(lambda: train(UPDATES_PER_BLOCK)) / UPDATES_PER_BLOCK)
            ratios.append(peer[-1] / ours[-1])
        decisions.append(
            cpu_ms(lambda: [engine.choose(image, network, REQUIREMENT) for _ in range(200)]) / 200
        )
        quick.append(cpu_ms(lambda: [decide() for _ in range(200)]) / 200)
    figures = {
        "engine_update_cpu_ms": round(median(ours), 3),
        "tqc_update_cpu_ms": round(median(peer), 3) if peer else None,
        "engine_updates_per_tqc_update": round(median(ratios), 2) if ratios else None,
        "decision_cpu_ms": round(median(decisions), 4),
        "decision_as_in_experiments_cpu_ms": round(median(quick), 4),
    }
    print(json.dumps(figures, indent=2))
    if train is None:
        print("sb3-contrib is not installed here: no ratio. `pip install sb3-contrib` to compare.")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
