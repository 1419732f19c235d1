"""Learning outside the simulator: from an outcome table or a synthetic instance, in place of delivered jobs.

An instance draws contexts and outcomes; `learn_online` lets the policy choose each configuration, as in the world.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Protocol

import numpy as np

from ntnsim.engine.delay_model import known_delay_s
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, Policy, Requirement

OUTAGE_S = 600.0  # by how much an image is late that the pass under way cannot carry


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


@dataclass(frozen=True, slots=True)
class Moment:
    """One decision's surroundings, as witnessed in a world: Ω_t, the image's age, and what the delay held besides.

    remainder_s: the delay less age and known delay: encoding, inpainting, and how Ω_t went on.
    """

    network: NetworkState
    age_s: float
    remainder_s: float


class Witness(Policy):
    """Another policy, and a list of all that was delivered under it."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.delivered: list[DeliveredImage] = []

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Pass the question on."""
        return self._policy.choose(image, network, requirement)

    def learn(self, delivered: DeliveredImage) -> None:
        """Note the delivery."""
        self.delivered.append(delivered)

    def diagnostics(self) -> Mapping[str, float]:
        """Return the other policy's figures."""
        return self._policy.diagnostics()

    def moments(self) -> tuple[Moment, ...]:
        """Return the surroundings of every delivery whose known delay is finite."""
        moments = []
        for seen in self.delivered:
            rate_bps = seen.network.satellite_link.rate_bps
            known_s = known_delay_s(seen.image, seen.network, seen.size_bits, rate_bps)
            if isfinite(known_s):
                age_s = seen.image.age_s
                moments.append(Moment(seen.network, age_s, seen.delay_s - age_s - known_s))
        return tuple(moments)


class TableInstance:
    """An outcome table's images in witnessed surroundings; x between grid points is interpolated."""

    def __init__(self, table: OutcomeTable, moments: Sequence[Moment]) -> None:
        if not moments:
            raise ValueError("moments must not be empty")
        self.table = table
        self.space = table.space
        self._moments = tuple(moments)
        self._remainders_s = {moment.network: moment.remainder_s for moment in moments}

    def context(self, rng: np.random.Generator) -> tuple[ImageState, NetworkState]:
        """Draw one of the table's images and one of the moments, independently."""
        moment = self._moments[int(rng.integers(len(self._moments)))]
        image = self.table.images[int(rng.integers(len(self.table.images)))]
        return replace(image, age_s=moment.age_s), moment.network

    def deliver(
        self,
        image: ImageState,
        network: NetworkState,
        requirement: Requirement,
        configuration: Configuration,
        rng: np.random.Generator,
    ) -> DeliveredImage:
        """Return the table's outcome, delayed as the moment tells; *rng* is not used."""
        outcome = self.table.between(self.table.place_of(image), np.array(self.space.vector(configuration)))
        size_bits = max(round(outcome[0] * image.source_bits), 1)
        moment = Moment(network, image.age_s, self._remainders_s[network])
        pf, sf = tuple(outcome[1::2].tolist()), tuple(outcome[2::2].tolist())
        return delivered_in(moment, image, requirement, configuration, size_bits, pf, sf)


def delivered_in(
    moment: Moment,
    image: ImageState,
    requirement: Requirement,
    configuration: Configuration,
    size_bits: int,
    pf: tuple[float, ...],
    sf: tuple[float, ...],
) -> DeliveredImage:
    """Return the delivery of an outcome in the surroundings of *moment*; one that the pass cannot carry is late."""
    network = moment.network
    known_s = known_delay_s(image, network, size_bits, network.satellite_link.rate_bps)
    if not isfinite(known_s):
        known_s = OUTAGE_S
    delay_s = image.age_s + known_s + moment.remainder_s
    return DeliveredImage(image, network, requirement, configuration, size_bits, pf, sf, delay_s)


def practised(
    policy: Policy,
    instance: Instance,
    requirements: Sequence[Requirement],
    n_images: int,
    rng: np.random.Generator,
) -> Iterator[tuple[int, DeliveredImage]]:
    """Let *policy* choose and learn *n_images* times; yield each delivery after it was learned from.

    An image that the policy rejects teaches nothing and is not yielded; its index is skipped.
    """
    for index in range(n_images):
        image, network = instance.context(rng)
        requirement = requirements[int(rng.integers(len(requirements)))]
        configuration = policy.choose(image, network, requirement).configuration
        if configuration is None:
            continue
        delivered = instance.deliver(image, network, requirement, configuration, rng)
        policy.learn(delivered)
        yield index, delivered


def learn_online(
    policy: Policy,
    instance: Instance,
    requirements: Sequence[Requirement],
    n_images: int,
    rng: np.random.Generator,
) -> None:
    """Let *policy* choose and learn *n_images* times."""
    for _ in practised(policy, instance, requirements, n_images, rng):
        pass
