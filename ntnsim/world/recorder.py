"""The world's bookkeeping: who is on the way, how each ended, one row per job; and the checks that nothing was lost."""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import simpy

from ntnsim.results.record import DELIVERED, DROPPED, IN_FLIGHT, LATE, RecordBuffer
from ntnsim.world.job import Job
from ntnsim.world.satellite_link import contact_wait_s

_LITTLE_TOLERANCE = 1e-9

_NO_STATE = (
    nan,
    nan,
    None,
    None,
    None,
    nan,
    "",
    nan,
    nan,
    nan,
    nan,
    nan,
    nan,
    nan,
    nan,
    None,
    None,
    nan,
    nan,
)


class ConservationError(RuntimeError):
    """Jobs were lost or counted twice: a defect of ntnsim."""


class Recorder:
    """Takes note of births and ends.

    n_ranks, score_names: as given to `record_columns`. ended: called after each end.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scheme: str,
        n_ranks: int,
        score_names: Sequence[str],
        buffer: RecordBuffer,
        ended: Callable[[], None],
    ) -> None:
        self._env = env
        self._scheme = scheme
        self._n_ranks = n_ranks
        self._score_names = tuple(score_names)
        self._buffer = buffer
        self._ended = ended
        self.alive: dict[Job, None] = {}  # in order of birth
        self.created = 0
        self.counts = {DELIVERED: 0, LATE: 0, DROPPED: 0, IN_FLIGHT: 0}
        self._area = 0.0  # integral of the number on the way
        self._area_until_s = 0.0
        self._sojourn_s = 0.0  # of all jobs, as far as they got

    def born(self, job: Job) -> None:
        """Note that *job* is on its way."""
        self._integrate()
        self.created += 1
        self.alive[job] = None

    def delivered(self, job: Job) -> None:
        """Note that the user has *job*."""
        self._end(job, LATE if job.delivered_s > job.due_s else DELIVERED, "", self._env.now)

    def dropped(self, job: Job, reason: str) -> None:
        """Note that *job* is lost, and why."""
        self._end(job, DROPPED, reason, self._env.now)

    def close(self, held: Sequence[Job]) -> None:
        """Record what is still in flight, and check that nothing was lost.

        held: the jobs that the stations say they hold.
        """
        self._integrate()
        if len(held) != len(self.alive) or any(job not in self.alive for job in held):
            raise ConservationError(f"the stations hold {len(held)} jobs, {len(self.alive)} are on the way")
        for job in self.alive:
            self.counts[IN_FLIGHT] += 1
            self._sojourn_s += self._env.now - job.created_s
            self._buffer.append(self._row(job, IN_FLIGHT, "", nan))
        if sum(self.counts.values()) != self.created:
            raise ConservationError(f"{self.created} jobs created, {self.counts} ended")
        if abs(self._area - self._sojourn_s) > _LITTLE_TOLERANCE * max(self._area, 1.0):
            raise ConservationError(
                f"the integral of N is {self._area} s, the sum of sojourns {self._sojourn_s} s"
            )
        self._buffer.flush()

    def little(self) -> dict[str, float]:
        """Return both sides of Little's law, L and λW, from separate accounts: the integral of N and the sojourns."""
        duration_s = self._env.now
        if not duration_s > 0 or not self.created:
            return {"mean_in_system": 0.0, "arrival_rate_per_s": 0.0, "mean_time_s": 0.0}
        return {
            "mean_in_system": self._area / duration_s,
            "arrival_rate_per_s": self.created / duration_s,
            "mean_time_s": self._sojourn_s / self.created,
        }

    def _integrate(self) -> None:
        now = self._env.now
        self._area += len(self.alive) * (now - self._area_until_s)
        self._area_until_s = now

    def _end(self, job: Job, state: str, reason: str, ended_s: float) -> None:
        self._integrate()
        del self.alive[job]
        self.counts[state] += 1
        self._sojourn_s += ended_s - job.created_s
        self._buffer.append(self._row(job, state, reason, ended_s))
        self._ended()

    def _row(self, job: Job, state: str, reason: str, ended_s: float) -> tuple[Any, ...]:
        """Return the values of `record_columns`, in their order."""
        origin, image, encoded = job.origin, job.image, job.encoded
        configuration, reconstruction, network = job.configuration, job.reconstruction, job.network
        deadline_s = origin.requirement.deadline_s
        n_ranks = self._n_ranks
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
            deadline_s,
            state == DELIVERED,
            job.created_s,
            job.access_start_s,
            job.at_gateway_s,
            job.gateway_start_s,
            job.decided_s,
            job.encoded_s,
            job.link_start_s,
            job.link_end_s,
            job.at_data_network_s,
            job.reconstruction_start_s,
            job.reconstructed_s,
            job.delivery_start_s,
            job.delivered_s,
            ended_s,
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
            contact_wait_s(job),
            job.access_attempts,
            job.interruptions,
            job.batch_size or None,
            job.satellite,
            (job.before_decision_s + job.after_decision_s) * origin.gateway_power_w if encoded else nan,
            job.data_network_busy_s * origin.data_network_power_w if reconstruction else nan,
            image.width_px,
            image.height_px,
            *_padded(image.rank_fractions, n_ranks, nan),
            round(job.source_bits),
            *(
                (
                    round(encoded.size_bits),
                    encoded.overhead_bits,
                    *_padded(encoded.bits_per_rank, n_ranks, None),
                    job.link_bits,
                )
                if encoded
                else (None,) * (n_ranks + 2) + (nan,)
            ),
            round(reconstruction.file_bits) if reconstruction else None,
            1 - encoded.size_bits / job.source_bits if encoded and job.source_bits else nan,
            *(
                (
                    configuration.box_growth,
                    *_padded(configuration.patch_fractions, n_ranks - 1, nan),
                    configuration.coarse_quality,
                )
                if configuration
                else (nan,) * (n_ranks + 1)
            ),
            *(
                (
                    *_padded(reconstruction.pf_rank, n_ranks, nan),
                    *_padded(reconstruction.sf_rank, n_ranks, nan),
                    *(reconstruction.scores.get(name, nan) for name in self._score_names),
                )
                if reconstruction
                else (nan,) * (2 * n_ranks + len(self._score_names))
            ),
            *(
                (
                    network.time_s,
                    (gw := network.gateway).access_rate_bps,
                    gw.access_queue,
                    gw.queue,
                    gw.busy_servers,
                    gw.residual_work_s,
                    (ntn := network.satellite_link).satellite,
                    ntn.elevation_deg,
                    ntn.sinr_db,
                    ntn.rate_bps,
                    ntn.backlog_bits,
                    ntn.remaining_pass_s,
                    ntn.next_contact_s,
                    ntn.load,
                    ntn.propagation_s,
                    (dn := network.data_network).queue,
                    dn.free_gpus,
                    dn.residual_work_s,
                    dn.delivery_rate_bps,
                )
                if network
                else _NO_STATE
            ),
        )


def _padded(values: tuple[Any, ...], length: int, filler: Any) -> tuple[Any, ...]:
    """Return *values* with *filler* up to *length*: a scheme may have fewer ranks than the run's columns."""
    return values if len(values) == length else (*values, *(filler,) * (length - len(values)))
