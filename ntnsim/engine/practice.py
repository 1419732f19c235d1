"""Learning outside the simulator: from an outcome table or a synthetic instance, in place of delivered jobs.

An instance draws contexts and outcomes. `fill_memory` is offline learning (random configurations, then updates alone);
`learn_online` lets the policy choose each configuration itself, as in the world.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.delay_model import known_delay_s
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.policy import DeliveredImage, ImageState, Policy, Requirement
from ntnsim.network_state import NetworkState
from ntnsim.spiff.configuration import Configuration, ConfigurationSpace


class Instance(Protocol):
    """A BITS problem that can be sampled."""

    @property
    def space(self) -> ConfigurationSpace:
        """The codec's configuration space."""
        ...

    def context(self, rng: np.random.Generator) -> tuple[ImageState, NetworkState]:
        """Draw an image and a network state."""
        ...

    def deliver(
        self,
        image: ImageState,
        network: NetworkState,
        requirement: Requirement,
        configuration: Configuration,
        rng: np.random.Generator,
    ) -> DeliveredImage:
        """Draw the outcome of one decision."""
        ...


@dataclass(frozen=True)
class TableInstance:
    """An outcome table's images on networks drawn by *network*; x between grid points is interpolated.

    service_s: median time that Ω_t does not tell (encoding, inpainting); service_spread: its log-normal spread.
    """

    table: OutcomeTable
    network: Callable[[np.random.Generator], NetworkState]
    service_s: float
    service_spread: float = 0.1

    @property
    def space(self) -> ConfigurationSpace:
        """The table's configuration space."""
        return self.table.space

    def context(self, rng: np.random.Generator) -> tuple[ImageState, NetworkState]:
        """Draw one of the table's images and a network state."""
        return self.table.images[int(rng.integers(len(self.table.images)))], self.network(rng)

    def deliver(
        self,
        image: ImageState,
        network: NetworkState,
        requirement: Requirement,
        configuration: Configuration,
        rng: np.random.Generator,
    ) -> DeliveredImage:
        """Return the table's outcome, with a drawn delay."""
        outcome = self.table.between(self.table.place_of(image), np.array(self.space.vector(configuration)))
        size_bits = max(round(outcome[0] * image.source_bits), 1)
        service_s = self.service_s * float(np.exp(self.service_spread * rng.standard_normal()))
        known_s = known_delay_s(image, network, size_bits, network.satellite_link.rate_bps)
        if not isfinite(known_s):
            raise ValueError("a practice network must be able to carry every image in its pass")
        return DeliveredImage(
            image=image,
            network=network,
            requirement=requirement,
            configuration=configuration,
            size_bits=size_bits,
            pf=tuple(outcome[1::2].tolist()),
            sf=tuple(outcome[2::2].tolist()),
            delay_s=image.age_s + known_s + service_s,
        )


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


def learn_online(
    policy: Policy,
    instance: Instance,
    requirements: Sequence[Requirement],
    n_images: int,
    rng: np.random.Generator,
    watch: Callable[[int, DeliveredImage], None] | None = None,
) -> None:
    """Let *policy* choose and learn *n_images* times; a rejected image teaches nothing. *watch* sees each delivery."""
    for index in range(n_images):
        image, network = instance.context(rng)
        requirement = requirements[int(rng.integers(len(requirements)))]
        configuration = policy.choose(image, network, requirement).configuration
        if configuration is None:
            continue
        delivered = instance.deliver(image, network, requirement, configuration, rng)
        policy.learn(delivered)
        if watch is not None:
            watch(index, delivered)
