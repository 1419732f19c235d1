"""A source at work: takes an image at each arrival, draws the times it will need on its way, and sends it off."""

from collections.abc import Callable, Iterator, Mapping
from math import inf
from types import MappingProxyType

import numpy as np
import simpy

from ntnsim.chance.compute import StageTimes
from ntnsim.chance.sampling import Sampler, Streams, block_sampler, sampler
from ntnsim.protocols.imaging import Imaging
from ntnsim.scenario.distribution import DistributionSpec
from ntnsim.scenario.terrestrial import TerrestrialLinkSpec
from ntnsim.world.job import Job, Origin


class JourneyDraws:
    """The draws that an image needs on its way, made when it is taken.

    A source's n-th image so meets the same times in every scheme, whatever became of the images before it and whatever
    else is in the scenario.
    """

    def __init__(
        self,
        streams: Streams,
        *,
        before_decision: StageTimes,
        after_decision: StageTimes,
        reconstruction: StageTimes,
        access_link: TerrestrialLinkSpec,
        delivery_link: TerrestrialLinkSpec,
        patience_s: Mapping[str, DistributionSpec] = MappingProxyType({}),
    ) -> None:
        self._before, self._after, self._reconstruction = before_decision, after_decision, reconstruction
        self._access_s = _transfer_times(access_link, streams, "access")
        self._delivery_s = _transfer_times(delivery_link, streams, "delivery")
        self._access_attempts = _attempts(access_link.loss_probability, streams, "access_loss")
        self._delivery_attempts = _attempts(delivery_link.loss_probability, streams, "delivery_loss")
        self._access_passes = _passes(access_link)
        self._delivery_passes = _passes(delivery_link)
        self._patience_s = {
            line: sampler(law, streams, f"patience {line}") for line, law in patience_s.items()
        }

        self._pixels = -1  # the size that the two means are right for
        self._gateway_mean_s = self._reconstruction_mean_s = 0.0

    def draw(self, job: Job, pixels: int) -> None:
        """Draw everything that *job*, an image of *pixels*, will need."""
        if pixels != self._pixels:
            self._pixels = pixels
            self._gateway_mean_s = self._before.mean_s(pixels) + self._after.mean_s(pixels)
            self._reconstruction_mean_s = self._reconstruction.mean_s(pixels)
        job.before_decision_s = self._before.draw_s(pixels)
        job.after_decision_s = self._after.draw_s(pixels)
        job.reconstruction_work_s = self._reconstruction.draw_s(pixels)
        job.gateway_mean_s, job.reconstruction_mean_s = self._gateway_mean_s, self._reconstruction_mean_s
        if self._access_s is not None:
            job.access_work_s = self._access_s()
        if self._delivery_s is not None:
            job.delivery_work_s = self._delivery_s()
        if self._access_attempts is not None:
            job.access_attempts = int(self._access_attempts())
        if self._delivery_attempts is not None:
            job.delivery_attempts = int(self._delivery_attempts())
        if self._access_passes and self._access_s is not None:
            more = min(job.access_attempts, self._access_passes) - 1
            job.access_passes_s = (job.access_work_s, *(self._access_s() for _ in range(more)))
        if self._delivery_passes and self._delivery_s is not None:
            more = min(job.delivery_attempts, self._delivery_passes) - 1
            job.delivery_passes_s = (job.delivery_work_s, *(self._delivery_s() for _ in range(more)))
        if self._patience_s:
            job.patience_s = {line: draw_s() for line, draw_s in self._patience_s.items()}


def _transfer_times(link: TerrestrialLinkSpec, streams: Streams, name: str) -> Sampler | None:
    return None if link.service_s is None else sampler(link.service_s, streams, name)


def _passes(link: TerrestrialLinkSpec) -> int:
    """Return how many turns an image may take on *link*, each with a time of its own; 0 where it takes one."""
    return link.max_attempts if link.loss_probability > 0 and link.after_loss == "end_of_line" else 0


def _attempts(loss_probability: float, streams: Streams, name: str) -> Sampler | None:
    """Return draws of how often a transfer is sent until it is not lost."""
    if loss_probability == 0:
        return None
    success = 1 - loss_probability
    return block_sampler(
        lambda rng, n: rng.geometric(success, n).astype(np.float64), lambda: streams.generator(name)
    )


class SourceProcess:
    """Takes images at *times_s* until they end, or *n_jobs* or *stop_s* is reached, then calls *exhausted*.

    image_numbers: which image of the dataset each one is; the running number if None.
    closed: whether *times_s* are times between an image's end and the next image, which `came_back` tells of.
    """

    def __init__(
        self,
        env: simpy.Environment,
        origin: Origin,
        times_s: Iterator[float],
        draws: JourneyDraws,
        imaging: Imaging,
        *,
        start_s: float,
        stop_s: float,
        n_jobs: int | None,
        image_numbers: list[int] | None,
        closed: bool = False,
        taken: Callable[[Job], None],
        exhausted: Callable[[], None],
    ) -> None:
        self._env = env
        self._origin = origin
        self._times_s = times_s
        self._draws = draws
        self._imaging = imaging
        self._start_s, self._stop_s = start_s, stop_s
        self._n_jobs = inf if n_jobs is None else n_jobs
        self._image_numbers = image_numbers
        self._taken, self._exhausted = taken, exhausted
        self.closed = closed
        self._silent = False
        self._index = 0

    def start(self) -> None:
        """Plan the first image."""
        if self.closed:  # its last image may never come back
            self._env.timeout(self._stop_s).callbacks.append(lambda _: self._fall_silent())
        self._plan()

    def came_back(self) -> None:
        """The last image ended: plan the next of a closed source."""
        if not self._silent:
            self._start_s = self._env.now
            self._plan()

    def _fall_silent(self) -> None:
        if not self._silent:
            self._silent = True
            self._exhausted()

    def _plan(self) -> None:
        offset_s = next(self._times_s, inf) if self._index < self._n_jobs else inf
        time_s = self._start_s + offset_s
        if time_s >= self._stop_s or offset_s == inf:
            self._fall_silent()
        else:
            self._env.timeout(max(time_s - self._env.now, 0.0)).callbacks.append(self._take)

    def _take(self, event: simpy.Event) -> None:
        index = self._index
        self._index += 1
        number = index if self._image_numbers is None else self._image_numbers[index]
        capture = self._imaging.capture(self._origin.source, number)
        image = capture.state
        job = Job(self._origin, index, self._env.now, capture.image_id, capture.source_bits, image)
        self._draws.draw(job, image.width_px * image.height_px)
        self._taken(job)
        if not self.closed:
            self._plan()
