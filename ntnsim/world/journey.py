"""The way of an image through the world: what happens between the stations, in the order in which it happens.

taken → access link → gateway (segment, Ω_t, policy, encode) → satellite link → data network → delivery link → user
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import nan
from typing import cast

import simpy

from ntnsim.protocols.imaging import Imaging
from ntnsim.protocols.policy import DeliveredImage, ImageState, LostImage, Policy
from ntnsim.world.data_network import DataNetwork
from ntnsim.world.gateway import Gateway
from ntnsim.world.job import Job
from ntnsim.world.observer import Observer
from ntnsim.world.recorder import Recorder
from ntnsim.world.relay import Relay
from ntnsim.world.satellite_link import SatelliteTerminal
from ntnsim.world.terrestrial_link import TerrestrialLink


@dataclass(frozen=True, slots=True)
class Site:
    """What one gateway consists of."""

    gateway: Gateway
    terminal: SatelliteTerminal
    observer: Observer


@dataclass(frozen=True, slots=True)
class Stations:
    """Everything that jobs pass through. access: by source. sites: by gateway. relay: where satellites queue."""

    access: Mapping[str, TerrestrialLink]
    sites: Mapping[str, Site]
    data_network: DataNetwork
    delivery: TerrestrialLink
    relay: Relay | None = None

    def held(self) -> Iterator[Job]:
        """Yield all jobs that any station says it holds."""
        for link in dict.fromkeys(self.access.values()):
            yield from link.jobs
        for site in self.sites.values():
            yield from site.gateway.jobs
            yield from site.terminal.jobs
        if self.relay is not None:
            yield from self.relay
        yield from self.data_network.jobs
        yield from self.delivery.jobs


class Journey:
    """Moves jobs from station to station, once it is connected to them: they need its methods to be made."""

    _stations: Stations

    def __init__(
        self,
        env: simpy.Environment,
        imaging: Imaging,
        policy: Policy,
        recorder: Recorder,
        return_delay_s: float,
    ) -> None:
        self._env = env
        self._imaging = imaging
        self._reconstructs = bool(imaging.work.reconstruction)
        self._policy = policy
        self._recorder = recorder
        self._return_delay_s = return_delay_s
        self._came_back: Mapping[str, Callable[[], None]] = {}

    def connect(self, stations: Stations) -> None:
        """Take the stations."""
        self._stations = stations

    def tell(self, came_back: Mapping[str, Callable[[], None]]) -> None:
        """Call these, by source, whenever an image of it ends: of closed sources."""
        self._came_back = came_back

    def taken(self, job: Job) -> None:
        """An image was taken: send it to its gateway."""
        self._recorder.born(job)
        self._stations.access[job.origin.source].send(job)

    def access_begun(self, job: Job) -> None:
        """Its transfer to the gateway began."""
        job.access_start_s = self._env.now

    def at_gateway(self, job: Job) -> None:
        """The gateway has it."""
        job.at_gateway_s = self._env.now
        self._stations.sites[job.origin.gateway].gateway.arrive(job)

    def decide(self, job: Job) -> bool:
        """Segmentation is done: let the policy choose, and encode at once what it chose. Return whether it goes on."""
        job.network = self._stations.sites[job.origin.gateway].observer.state()
        job.decided_s = now = self._env.now
        seen = job.image
        job.image = ImageState(
            seen.rank_fractions,
            seen.source_bits,
            seen.width_px,
            seen.height_px,
            now - job.created_s,
            seen.trials,
        )
        decision = self._policy.choose(job.image, job.network, job.requirement)
        if decision.configuration is None:
            self.dropped(job, decision.reason or "rejected by the policy")
            return False
        job.note = decision.reason
        job.configuration = decision.configuration
        job.encoded = self._imaging.encode(job.image_id, decision.configuration)
        self._imaging.expect(job.image_id, decision.configuration)
        return True

    def encoded(self, job: Job) -> None:
        """The bitstream is ready."""
        assert job.encoded is not None
        self._stations.sites[job.origin.gateway].terminal.send(job, job.encoded.size_bits)

    def at_data_network(self, job: Job) -> None:
        """The data network has it. A file that needs no reconstruction is passed on as it came."""
        if self._reconstructs:
            self._stations.data_network.arrive(job)
        else:
            job.at_data_network_s = job.reconstruction_start_s = job.reconstructed_s = self._env.now
            self.reconstructed(job)

    def reconstructed(self, job: Job) -> None:
        """Its batch is done."""
        assert job.configuration is not None
        job.reconstruction = self._imaging.reconstruct(job.image_id, job.configuration)
        self._stations.delivery.send(job)

    def delivery_begun(self, job: Job) -> None:
        """Its transfer to the user began."""
        job.delivery_start_s = self._env.now

    def delivered(self, job: Job) -> None:
        """The user has it."""
        job.delivered_s = self._env.now
        self._recorder.delivered(job)
        if self._return_delay_s > 0:
            self._env.timeout(self._return_delay_s, job).callbacks.append(self._teach_later)
        else:
            self._teach(job)
        self._tell_source(job)

    def dropped(self, job: Job, reason: str) -> None:
        """It is lost."""
        self._imaging.forget(job.image_id, job.configuration)
        self._recorder.dropped(job, reason)
        if job.configuration is not None:
            assert job.network is not None and job.encoded is not None
            self._policy.lose(
                LostImage(
                    image=job.image,
                    network=job.network,
                    requirement=job.requirement,
                    configuration=job.configuration,
                    size_bits=round(job.encoded.size_bits),
                    reason=reason,
                )
            )
        self._tell_source(job)

    def _tell_source(self, job: Job) -> None:
        if self._came_back and (came_back := self._came_back.get(job.origin.source)) is not None:
            came_back()

    def _teach_later(self, event: simpy.Event) -> None:
        self._teach(cast(Job, event.value))

    def _teach(self, job: Job) -> None:
        assert job.network is not None and job.configuration is not None
        assert job.encoded is not None and job.reconstruction is not None
        unknown = (nan,) * self._imaging.n_ranks
        self._policy.learn(
            DeliveredImage(
                image=job.image,
                network=job.network,
                requirement=job.requirement,
                configuration=job.configuration,
                size_bits=round(job.encoded.size_bits),
                pf=job.reconstruction.pf_rank or unknown,
                sf=job.reconstruction.sf_rank or unknown,
                delay_s=job.delivered_s - job.created_s,
            )
        )


def reconstructed_bits(job: Job) -> float:
    """Return what the delivery link is charged."""
    assert job.reconstruction is not None
    return job.reconstruction.file_bits


def source_bits(job: Job) -> float:
    """Return what the access link is charged."""
    return job.source_bits
