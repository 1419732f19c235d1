"""A memory of drawn configurations, from which several tests let an engine learn by updates alone."""

from collections.abc import Sequence

import numpy as np

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.practice import Instance
from ntnsim.protocols.policy import Requirement


def fill_memory(
    engine: Bandit,
    instance: Instance,
    requirements: Sequence[Requirement],
    n_images: int,
    rng: np.random.Generator,
) -> None:
    """Put *n_images* outcomes of uniformly drawn configurations in the engine's memory, without an update."""
    for _ in range(n_images):
        image, network = instance.context(rng)
        requirement = requirements[int(rng.integers(len(requirements)))]
        x = instance.space.configuration(rng.random(instance.space.dimension).tolist())
        engine.remember(instance.deliver(image, network, requirement, x, rng))
