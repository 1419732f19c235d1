"""Agents of Stable-Baselines3 beside the paper's engine: the same scenario, images and number of updates.

Run with `python benchmarks/agents.py [--images N] [--judged N] [--updates N] [--seeds 0 1] [--data PERSONS]
[--json FILE]`; needs `ntnsim[rl]`. DDPG and TQC (of sb3-contrib) learn in `ntnsim.ImageDeliveryEnv`, the engine in
`ntnsim.run`. Arrivals are so rare that no two images meet: a step of the one is an image of the other. Then all
decide, without exploring or learning, in one run over images that none of them learned from: PERSONS' validation part
or, without --data, other crops of the photographs that the dependencies ship. Random and fixed configurations stand
beside them.

Printed are each one's mean cost of BITS (Eq. 2, the deadline as a penalty), its ratio to the engine's, the cost's
parts, the savings, and the processor seconds of learning. The first line names the cheapest, whoever that is.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sb3_contrib import TQC
from stable_baselines3 import DDPG
from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise

import ntnsim

DEADLINE_S = 10.0
WARM_UP_IMAGES = 64
JUDGED_SEED = 10_000
FIXED = ((0.0, 0.2), (0.0, 0.4), (0.0, 0.6), (1.0, 0.0))  # (β, q) at p = 0
LIBRARY_AGENTS = {"DDPG (SB3)": DDPG, "TQC (sb3-contrib)": TQC}


def scenario(
    arguments: argparse.Namespace, policies: dict[str, Any], *, seed: int, judged: bool
) -> ntnsim.Scenario:
    """Return one camera over LEO-600 and a scheme for each of *policies*."""
    n_images = arguments.judged if judged else arguments.images
    if arguments.data is None:
        # Captures differ with their size: the judged ones are other crops.
        size = {"width_px": 192, "height_px": 160 if judged else 144}
        dataset = {"kind": "samples", "count": n_images, "other_every": 0, **size}
    else:
        split = "val" if judged else "train"
        dataset = {
            "kind": "persons",
            "path": str(arguments.data.resolve()),
            "split": split,
            "limit": n_images,
        }
    return ntnsim.Scenario(
        name="agents",
        seed=seed,
        horizon={"n_jobs": n_images},
        sources=[{"name": "camera", "arrivals": {"kind": "periodic", "period_s": 60}}],
        datasets={"photographs": dataset},
        task={"segmenter": "bundle" if arguments.data is None else "truth"},
        gateways=[{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
        background=0.5,
        requirement={
            "deadline_s": DEADLINE_S,
            "pf_min": [0.95, 0.98],
            "sf_min": [0.93, 0.95],
            "lambda_pf": [5, 20],
            "lambda_sf": [5, 20],
        },
        schemes=[
            {"name": name, "codec": {"kind": "spiff"}, "policy": policy} for name, policy in policies.items()
        ],
        output={"gallery_images": 0, "timeline_step_s": None},
    )


def library_policy(arguments: argparse.Namespace, kind: type, seed: int) -> ntnsim.Policy:
    """Return what *kind* has learned from the images of a run, as a policy."""
    agent_to_be = {"agent": {"kind": "custom", "name": "agent"}}
    env = ntnsim.ImageDeliveryEnv(scenario(arguments, agent_to_be, seed=seed, judged=False))
    size = env.action_space.shape[0]
    agent = kind(
        "MlpPolicy",
        env,
        gamma=0.0,  # a contextual bandit, as the engine sees it: an image's cost is its own
        learning_starts=WARM_UP_IMAGES,
        batch_size=32,
        buffer_size=2000,
        train_freq=1,
        gradient_steps=arguments.updates,
        action_noise=OrnsteinUhlenbeckActionNoise(np.zeros(size), 0.15 * np.ones(size), theta=0.15),
        seed=seed,
    )
    agent.learn(total_timesteps=arguments.images)
    env.close()
    return env.policy(agent)


def engine_settings(arguments: argparse.Namespace, seed: int, directory: Path) -> dict[str, Any]:
    """Return the settings of an engine that has learned from the images of a run."""
    settings = {
        "kind": "spiff-engine",
        "nominal_deadline_s": DEADLINE_S,
        "warm_up_images": WARM_UP_IMAGES,
        "updates_per_image": arguments.updates,
    }
    ntnsim.run(scenario(arguments, {"engine": settings}, seed=seed, judged=False), directory)
    return settings | {"evaluate": True, "checkpoint": str(directory / "engines" / "engine")}


def costs(records: pd.DataFrame, requirement: Any) -> pd.DataFrame:
    """Return the terms of each record's cost."""
    late = np.minimum(records["delay_s"] / records["deadline_s"], 5.0) - 1.0
    terms = {"bits": records["transmitted_bits"] / records["original_bits"]}
    for name in ("pf", "sf"):
        floors, weights = getattr(requirement, f"{name}_min"), getattr(requirement, f"lambda_{name}")
        terms[name] = sum(
            weight * (floor - records[f"{name}_rank_{rank}"]).clip(lower=0)
            for rank, (floor, weight) in enumerate(zip(floors, weights, strict=True))
        )
    terms["delay"] = requirement.lambda_delay * late.clip(lower=0)
    return pd.DataFrame(terms).assign(cost=lambda frame: frame.sum(axis=1), savings=records["savings"])


def judged(arguments: argparse.Namespace, seed: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Let all learn with *seed*; return the mean terms of each one's cost, and its processor seconds of learning."""
    learning_s: dict[str, float] = {}
    policies: dict[str, Any] = {"random": {"kind": "random"}}
    for beta, q in FIXED:
        policies[f"fixed, β = {beta:g}, q = {q:g}"] = {
            "kind": "fixed", "box_growth": beta, "patch_fractions": 0.0, "coarse_quality": q
        }  # fmt: skip
    own: dict[str, ntnsim.Policy] = {}
    with tempfile.TemporaryDirectory() as directory:
        start = time.process_time()
        policies["engine"] = engine_settings(arguments, seed, Path(directory) / "run")
        learning_s["engine"] = time.process_time() - start
        print(f"seed {seed}: engine has learned", file=sys.stderr, flush=True)
        for name, kind in LIBRARY_AGENTS.items():
            start = time.process_time()
            own[name] = library_policy(arguments, kind, seed)
            learning_s[name] = time.process_time() - start
            policies[name] = {"kind": "custom", "name": name}
            print(f"seed {seed}: {name} has learned", file=sys.stderr, flush=True)
        world = scenario(arguments, policies, seed=JUDGED_SEED + seed, judged=True)
        records = ntnsim.run(world, policies=own).records
    terms = costs(records, world.requirement).groupby(records["scheme"]).mean()
    return terms, learning_s


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="directory of photographs with masks, in parts train and val"
    )
    parser.add_argument("--images", type=int, default=300, help="images to learn from")
    parser.add_argument("--judged", type=int, default=60, help="images to decide for afterwards")
    parser.add_argument("--updates", type=int, default=4, help="updates after each image")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs, seconds = zip(*(judged(arguments, seed) for seed in arguments.seeds), strict=True)
    by_seed = pd.concat(runs, keys=arguments.seeds, names=["seed"])
    table = by_seed.groupby("scheme").mean().sort_values("cost")
    table.insert(0, "ratio", table["cost"] / table.loc["engine", "cost"])
    spread = by_seed["cost"].groupby("scheme").agg(["min", "max"])
    table["seeds"] = [
        f"{spread.loc[name, 'min']:.3f} to {spread.loc[name, 'max']:.3f}" for name in table.index
    ]
    table["learning_s"] = pd.DataFrame(seconds).mean().reindex(table.index)
    print(f"cheapest after {arguments.images} images: {table.index[0]}")
    print(table.round(3).to_string())
    if arguments.json:
        content = {
            "arguments": {**vars(arguments), "data": arguments.data and arguments.data.name, "json": None},
            "means": table.to_dict("index"),
            "by_seed": by_seed.reset_index().to_dict("records"),
        }
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
