"""The world's bookkeeping: who is on the way (see census.py), how each ended, and one row per job."""

from collections.abc import Callable, Sequence
from math import nan
from operator import attrgetter
from typing import Any

import simpy

from ntnsim.results.record import (
    DELIVERED,
    DROPPED,
    EMPTY,
    IN_FLIGHT,
    LATE,
    OMEGA_COLUMNS,
    STAGE_TIMES,
    RecordBuffer,
)
from ntnsim.world.census import Census
from ntnsim.world.job import Job
from ntnsim.world.satellite_link import contact_wait_s

_NO_STATE = tuple(EMPTY[column.type] for column in OMEGA_COLUMNS)
_NEVER_QUEUED = (nan, nan, nan, None, "", "")
_stage_times = attrgetter(*(name for name, _ in STAGE_TIMES))


class Recorder(Census[Job]):
    """Takes note of births and ends.

    n_ranks, score_names: as given to `record_columns`. job_ended: called after each end.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scheme: str,
        n_ranks: int,
        score_names: Sequence[str],
        buffer: RecordBuffer,
        job_ended: Callable[[], None],
    ) -> None:
        super().__init__(env)
        self._scheme = scheme
        self._n_ranks = n_ranks
        self._score_names = tuple(score_names)
        self._buffer = buffer
        self._job_ended = job_ended

    def delivered(self, job: Job) -> None:
        """Note that the user has *job*."""
        self._end(job, LATE if job.delivered_s > job.due_s else DELIVERED, "", self._env.now)

    def dropped(self, job: Job, reason: str) -> None:
        """Note that *job* is lost, and why."""
        self._end(job, DROPPED, reason, self._env.now)

    def hand_over(self) -> None:
        """Hand on the records of all jobs that have ended."""
        self._buffer.flush()

    def close(self, held: Sequence[Job]) -> None:
        """Record what is still in flight, and check that nothing was lost.

        held: the jobs that the stations say they hold.
        """
        self.closed(held, lambda job: job.created_s)
        for job in self.alive:
            self._buffer.append(self._row(job, IN_FLIGHT, "", nan))
        self._buffer.flush()

    def _end(self, job: Job, state: str, reason: str, ended_s: float) -> None:
        self.ended(job, state, job.created_s)
        self._buffer.append(self._row(job, state, reason, ended_s))
        self._job_ended()

    def _row(self, job: Job, state: str, reason: str, ended_s: float) -> tuple[Any, ...]:
        """Return the values of `record_columns`, in their order."""
        origin, image = job.origin, job.image
        return (
            self._scheme,
            f"{origin.source}/{job.index}",
            origin.source,
            job.index,
            origin.gateway,
            job.image_id,
            job.priority,
            state,
            reason,
            job.note,
            job.requirement.deadline_s,
            state == DELIVERED,
            *_stage_times(job),
            ended_s,
            *delay_parts(job),
            contact_wait_s(job),
            job.access_attempts,
            job.interruptions,
            job.batch_size or None,
            job.satellite,
            *_on_board(job),
            *_energies_j(job),
            image.width_px,
            image.height_px,
            *_padded(image.rank_fractions, self._n_ranks, nan),
            *self._sizes(job),
            *self._configuration(job),
            *self._scores(job),
            *_omega(job),
        )

    def _sizes(self, job: Job) -> tuple[Any, ...]:
        """Return the sizes in bits, and the savings."""
        encoded, reconstruction = job.encoded, job.reconstruction
        file_bits = round(reconstruction.file_bits) if reconstruction else None
        if encoded is None:
            return (round(job.source_bits), *(None,) * (self._n_ranks + 2), nan, file_bits, nan)
        return (
            round(job.source_bits),
            round(encoded.size_bits),
            encoded.overhead_bits,
            *_padded(encoded.bits_per_rank, self._n_ranks, None),
            job.link_bits,
            file_bits,
            1 - encoded.size_bits / job.source_bits if job.source_bits else nan,
        )

    def _configuration(self, job: Job) -> tuple[float, ...]:
        """Return x = (β, p, q)."""
        x = job.configuration
        if x is None:
            return (nan,) * (self._n_ranks + 1)
        return (x.box_growth, *_padded(x.patch_fractions, self._n_ranks - 1, nan), x.coarse_quality)

    def _scores(self, job: Job) -> tuple[float, ...]:
        """Return PF and SF per rank, and the scores of the whole image."""
        reconstruction = job.reconstruction
        if reconstruction is None:
            return (nan,) * (2 * self._n_ranks + len(self._score_names))
        return (
            *_padded(reconstruction.pf_rank, self._n_ranks, nan),
            *_padded(reconstruction.sf_rank, self._n_ranks, nan),
            *[reconstruction.scores.get(name, nan) for name in self._score_names],
        )


def delay_parts(job: Any) -> tuple[Any, ...]:
    """Return d of Eq. 1 and its ten parts: waiting and service of each component. job: has `STAGE_TIMES`, or arrays."""
    return (
        job.delivered_s - job.created_s,
        job.access_start_s - job.created_s,
        job.at_gateway_s - job.access_start_s,
        job.gateway_start_s - job.at_gateway_s,
        job.encoded_s - job.gateway_start_s,
        job.link_start_s - job.encoded_s,
        job.at_data_network_s - job.link_start_s,
        job.reconstruction_start_s - job.at_data_network_s,
        job.reconstructed_s - job.reconstruction_start_s,
        job.delivery_start_s - job.reconstructed_s,
        job.delivered_s - job.delivery_start_s,
    )


def _energies_j(job: Job) -> tuple[float, float]:
    """Return what the job cost at the gateway and at the data network; nan where it never got so far."""
    origin = job.origin
    return (
        (job.before_decision_s + job.after_decision_s) * origin.gateway_power_w if job.encoded else nan,
        job.data_network_busy_s * origin.data_network_power_w if job.reconstruction else nan,
    )


def _on_board(job: Job) -> tuple[Any, ...]:
    """Return what an image went through on satellites that queue."""
    way = job.way
    if way is None:
        return _NEVER_QUEUED
    return (
        way.left_s - way.since_s,
        way.link_wait_s,
        way.feeder_wait_s,
        way.hops,
        way.last_satellite,
        way.station,
    )


def _omega(job: Job) -> tuple[Any, ...]:
    """Return Ω_t as the policy saw it."""
    state = job.network
    if state is None:
        return _NO_STATE
    return (state.time_s, *state.gateway, *state.satellite_link, *state.data_network)


def _padded(values: tuple[Any, ...], length: int, filler: Any) -> tuple[Any, ...]:
    """Return *values* with *filler* up to *length*: a scheme may have fewer ranks than the run's columns."""
    return values if len(values) == length else (*values, *(filler,) * (length - len(values)))
