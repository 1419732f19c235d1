"""A part of a world: some gateways with their sources, up to the moment at which the data network has their images.

The data network, and what comes after, is in downstream.py, which takes the rows that are written here: those of
`record_columns`, with `HANDOVER_COLUMNS` behind them. What the part cannot know is left as for an image in flight;
where Ω_t tells of the data network, it holds the factors that noise multiplies the true values by.
"""

from itertools import count
from math import inf, nan
from typing import Any

from ntnsim.chance.sampling import Streams
from ntnsim.chance.traffic import arrival_times_s
from ntnsim.protocols.network_state import DataNetworkState
from ntnsim.results.record import IN_FLIGHT, Column
from ntnsim.scenario.scenario import Scenario
from ntnsim.world.data_network import DataNetwork
from ntnsim.world.job import Job
from ntnsim.world.journey import Journey
from ntnsim.world.recorder import Recorder
from ntnsim.world.world import World, placed_sources, source_limits

HANDOVER_COLUMNS = (
    Column("handed_over", "truth", "the data network has it"),
    Column("born_number", "integer", "place of its birth among all that happened in this part"),
    Column("decided_number", "integer", "place of its decision; null without"),
    Column("left_number", "integer", "place of its end, or of its arrival at the data network"),
    Column("reconstruction_work_s", "real", "drawn time of its reconstruction"),
    Column("reconstruction_mean_s", "real", "expected time of its reconstruction"),
    Column("delivery_work_s", "real", "drawn time of its delivery"),
    Column("delivery_attempts", "integer", "how often its delivery is sent until it is not lost"),
    Column("file_bits", "real", "what the delivery link is charged; nan where it is not reconstructed"),
)


class UplinkRecorder(Recorder):
    """Numbers what happens, and writes a row for each job that leaves this part of the world."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._number = count()
        self._born: dict[Job, int] = {}
        self._decided: dict[Job, int] = {}

    def born(self, job: Job) -> None:
        """Note that *job* is on its way."""
        self._born[job] = next(self._number)
        super().born(job)

    def decided(self, job: Job) -> None:
        """Note that its gateway looks at the network now."""
        self._decided[job] = next(self._number)

    def handed_over(self, job: Job) -> None:
        """Note that the data network has *job*."""
        self._end(job, IN_FLIGHT, "", nan)

    def _row(self, job: Job, state: str, reason: str, ended_s: float) -> tuple[Any, ...]:
        return (
            *super()._row(job, state, reason, ended_s),
            job.reconstruction is not None,
            self._born.pop(job),
            self._decided.pop(job, None),
            next(self._number),
            job.reconstruction_work_s,
            job.reconstruction_mean_s,
            job.delivery_work_s,
            job.delivery_attempts,
            nan if job.reconstruction is None else job.reconstruction.file_bits,
        )


class UplinkJourney(Journey):
    """The way of an image until the data network has it; it is reconstructed here, whenever its GPU service ends."""

    _recorder: UplinkRecorder

    def decide(self, job: Job) -> bool:
        """Number the look at the network, which another process will tell more of."""
        self._recorder.decided(job)
        return super().decide(job)

    def at_data_network(self, job: Job) -> None:
        """The data network has it."""
        assert job.configuration is not None
        job.at_data_network_s = self._env.now
        job.reconstruction = self._imaging.reconstruct(job.image_id, job.configuration)
        self._recorder.handed_over(job)


class FarDataNetwork(DataNetwork):
    """The data network as this part of the world knows it: not at all."""

    def state(self, delivery_rate_bps: float) -> DataNetworkState:
        """Return 1 for what noise scales."""
        return DataNetworkState(0, 0, 1.0, 1.0)


class UplinkWorld(World):
    """One scheme of a part of a scenario, up to the data network."""

    journey_type = UplinkJourney
    recorder_type = UplinkRecorder
    data_network_type = FarDataNetwork
    more_columns = HANDOVER_COLUMNS


def last_moment_s(scenario: Scenario) -> float:
    """Return when the run of the whole *scenario* ends at the latest: told by its sources before anything is simulated.

    A source's clock goes from image to image, which rounds its times; so it does here.
    """
    horizon = scenario.horizon
    if not horizon.drain:
        assert horizon.duration_s is not None
        return horizon.duration_s
    last_s = 0.0
    for name, source, _ in placed_sources(scenario):
        stop_s, n_jobs = source_limits(scenario, source)
        now_s = 0.0
        times_s = arrival_times_s(source.arrivals, Streams(scenario.seed, "source", name))
        for _, offset_s in zip(count() if n_jobs is None else range(n_jobs), times_s, strict=False):
            time_s = source.start_s + offset_s
            if time_s >= stop_s or offset_s == inf:
                break
            now_s += max(time_s - now_s, 0.0)
        last_s = max(last_s, now_s)
    return last_s + horizon.drain_limit_s
