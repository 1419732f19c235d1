"""How well the deadline guard keeps the hard constraint, inside simulated passes and over the load on the beam.

Run with `python benchmarks/engine_guard.py [--images 2000] [--json FILE]`. No pixels: sizes follow the synthetic BITS
instance, so the size depends on x, and the world (access, gateway, passes, shared beam, T4, delivery) is the real one.
Policies draw x uniformly; "smallest" always sends x = 0 and shows which loads can be served at all. A load counts as
servable when smallest is in time for 99 % of images.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from ntnsim.engine.build import build_policy, requirement_from
from ntnsim.engine.synthetic import SPACE, SyntheticBits
from ntnsim.experiments.study import Study
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.imaging import Capture, Encoded, Reconstruction, Work
from ntnsim.protocols.policy import ImageState
from ntnsim.results.record import DELIVERED, DROPPED, LATE
from ntnsim.scenario.policy import FixedPolicySpec, GuardSpec, RandomPolicySpec
from ntnsim.sky.space_segment import terminal_links
from ntnsim.streams import stream
from ntnsim.world.world import World

LOADS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.94, 0.97)
SOURCE_BITS = 1_200_000
POLICIES = {
    "smallest": FixedPolicySpec(box_growth=0.0, patch_fractions=0.0),
    "uniform": RandomPolicySpec(),
    "uniform, guarded": RandomPolicySpec(guard=GuardSpec()),
}


class SyntheticImaging:
    """Images whose coded size follows the synthetic instance, with 5 % of spread."""

    n_ranks = 2
    score_names = ()
    work = Work(("segmentation", "decision"), ("encode",), ("decode", "inpainting"), 10)

    def __init__(self) -> None:
        self._instance = SyntheticBits()
        self._high: dict[str, float] = {}

    def capture(self, source: str, index: int) -> Capture:
        """Draw a top rank's share."""
        image_id = f"{source}/{index}"
        high = self._high[image_id] = float(stream(0, "high", image_id).uniform(0.2, 0.6))
        return Capture(image_id, SOURCE_BITS, ImageState((1.0 - high, high), SOURCE_BITS, 640, 480))

    def encode(self, image_id: str, configuration: Configuration) -> Encoded:
        """Return a size that grows with x."""
        share = float(self._instance.bits_share(self._high[image_id], np.array(SPACE.vector(configuration))))
        noise = 1.0 + self._instance.bits_spread * float(stream(0, "size", image_id).standard_normal())
        return Encoded(max(round(share * SOURCE_BITS * noise), 8), (0, 0), 0)

    def expect(self, image_id: str, configuration: Configuration) -> None:
        """Nothing to prepare."""

    def reconstruct(self, image_id: str, configuration: Configuration) -> Reconstruction:
        """Return a file of the source's size, without scores."""
        return Reconstruction(SOURCE_BITS)

    def forget(self, image_id: str, configuration: Configuration | None) -> None:
        """Nothing is held."""


def main() -> None:
    """Simulate every load and policy; print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    sizes = {"kind": "sizes", "size_bits": {"kind": "constant", "value": 1.0}}
    figures = []
    for load in LOADS:
        study = Study(data=Path(), out=Path(), work=Path())
        scenario = study.scenario([{"name": "unused", "codec": sizes}], n_images=arguments.images, load=load)
        links = terminal_links(scenario)
        for name, entity in POLICIES.items():
            states: list[str] = []
            policy = build_policy(entity, SPACE, seed=1)
            World(
                scenario,
                name,
                SyntheticImaging(),
                policy,
                requirement_from(scenario.requirement),
                lambda columns, states=states: states.extend(columns["state"]),
                profile_sources=links,
            ).run()
            counts = {state: states.count(state) for state in (DELIVERED, LATE, DROPPED)}
            arrived = counts[DELIVERED] + counts[LATE]
            figures.append(
                {
                    "load": load,
                    "policy": name,
                    "in_time_of_admitted": round(counts[DELIVERED] / arrived, 4) if arrived else None,
                    "rejected": round(counts[DROPPED] / len(states), 4),
                    "in_time_of_all": round(counts[DELIVERED] / len(states), 4),
                }
            )
            print(json.dumps(figures[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
