"""The rest of a world whose parts up to the data network were simulated apart (uplink.py): data network and delivery.

Births, decisions, losses and arrivals of all parts are gone through in order of time, and the data network and the
delivery link do what they would have done in one world. Nothing after the data network acts on what comes before it,
so that the result is the same to the last bit; only where things of two parts happen at the same instant, and their
order matters, it cannot be known, and is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import simpy

from ntnsim.arrays import BoolArray, FloatArray, IntArray
from ntnsim.chance.device_profiles import device_profile
from ntnsim.chance.sampling import Streams
from ntnsim.errors import InputError
from ntnsim.protocols.imaging import Reconstruction
from ntnsim.protocols.network_state import DataNetworkState
from ntnsim.protocols.policy import ImageState, Requirement
from ntnsim.results.record import COMPONENTS, DELIVERED, DROPPED, IN_FLIGHT, LATE
from ntnsim.scenario.scenario import Scenario
from ntnsim.world.breakdowns import Breakdowns
from ntnsim.world.census import Census
from ntnsim.world.data_network import DataNetwork
from ntnsim.world.job import Job, Origin
from ntnsim.world.journey import Stations, reconstructed_bits
from ntnsim.world.recorder import delay_parts
from ntnsim.world.terrestrial_link import TerrestrialLink
from ntnsim.world.timeline import Timeline
from ntnsim.world.uplink import HANDOVER_COLUMNS
from ntnsim.world.world import WorldResult

_BORN, _LOOK, _DROPPED, _ARRIVED = range(4)
_NO_IMAGE = ImageState((), 0, 1, 1)


@dataclass(frozen=True)
class Uplinks:
    """What the parts left: their rows [n] as columns. part: [n], whose each row is. reconstructs: as in `Work`."""

    part: IntArray
    columns: Mapping[str, Any]
    reconstructs: bool


@dataclass(frozen=True)
class Ends:
    """How all images ended. order: [n], the rows in the order in which records are written; columns: [n] each, by row.

    These columns take the place of the parts'. reconstructed: [n], whether what reconstruction gave counts.
    """

    world: WorldResult
    order: IntArray
    columns: Mapping[str, Any]
    reconstructed: BoolArray


class _Clock(simpy.Environment):
    """A clock that can be set to the instant of something that was simulated elsewhere."""

    def go_to(self, time_s: float) -> None:
        """Let everything before *time_s* happen, and stand there."""
        while self.peek() < time_s:
            self.step()
        self._now = time_s


class Downstream:
    """Data network and delivery of one scheme, fed with what the parts of its world left.

    stop_s: the run ends by then. progress: called at the end with the images that ended and the time.
    """

    def __init__(
        self,
        scenario: Scenario,
        scheme: str,
        uplinks: Uplinks,
        stop_s: float,
        progress: Callable[[int, float], None] | None = None,
    ) -> None:
        self._uplinks, self._columns = uplinks, uplinks.columns
        self._stop_s = stop_s
        self._drains = scenario.horizon.drain
        self._progress = progress
        self._env = _Clock()
        self._census: Census[int] = Census(self._env)
        self._created_s = self._columns["created_s"].tolist()
        breakdowns = Breakdowns(
            self._env,
            [fault for fault in scenario.faults if is_downstream(fault.kind)],
            scenario.seed,
            Timeline(self._env, scheme, None),
        )
        gpu = device_profile(scenario.data_network.device)
        self._power_w = gpu.power_w or nan
        self._network = DataNetwork(
            self._env,
            scenario.data_network,
            gpu.batch_marginal,
            reconstructed=self._reconstructed,
            dropped=self._lost,
        )
        self._delivery = TerrestrialLink(
            self._env,
            scenario.delivery,
            Streams(scenario.seed, "delivery"),
            name="delivery link",
            bits_of=reconstructed_bits,
            work_s_of=lambda job: job.delivery_work_s,
            attempts_of=lambda job: job.delivery_attempts,
            passes_s_of=lambda job: job.delivery_passes_s,
            factors=breakdowns.link_factors("delivery", "delivery"),
            begun=self._delivery_begun,
            arrived=self._delivered,
            dropped=self._lost,
        )
        breakdowns.start(Stations({}, {}, self._network, self._delivery), {})
        self._ends: list[tuple[Any, ...]] = []  # of those that ended, in order

    def run(self) -> Ends:
        """Go through everything."""
        times_s, kinds, rows = self._happenings()
        looks: dict[int, DataNetworkState] = {}
        for time_s, kind, row in zip(times_s.tolist(), kinds.tolist(), rows.tolist(), strict=True):
            self._env.go_to(time_s)
            if kind == _BORN:
                self._census.born(row)
                continue
            if self._env.peek() == time_s:
                raise _same_instant(time_s)
            if kind == _LOOK:
                looks[row] = self._network.state(self._delivery.rate_bps)
            elif kind == _ARRIVED:
                self._arrive(row)
            else:
                self._end(row, DROPPED, None)
        alive = self._census.alive
        while (alive or not self._drains) and self._env.peek() <= self._stop_s:
            self._env.step()
        if alive or not self._drains:
            self._env.go_to(self._stop_s)
        left = list(alive)
        self._close(left)
        if self._progress is not None:
            self._progress(len(self._ends), self._env.now)
        return self._told(left, looks)

    def _happenings(self) -> tuple[FloatArray, IntArray, IntArray]:
        """Return times [e], kinds [e] and rows [e] of all that the parts tell, in order."""
        columns = self._columns
        n_rows = len(self._uplinks.part)
        every = np.arange(n_rows)
        looked = np.flatnonzero(~np.isnan(columns["omega_time_s"]))
        gone = np.flatnonzero(columns["handed_over"] | (columns["state"] == DROPPED))
        arrived = columns["handed_over"][gone]
        reported = (
            columns["omega_time_s"][looked] < columns["decided_s"][looked]
        )  # before anything of that time
        parts: list[tuple[Any, Any, Any, Any]] = [
            (columns["created_s"], columns["born_number"], _BORN, every),
            (
                columns["omega_time_s"][looked],
                np.where(reported, -1, columns["decided_number"][looked]),
                _LOOK,
                looked,
            ),
            (
                np.where(arrived, columns["at_data_network_s"][gone], columns["ended_s"][gone]),
                columns["left_number"][gone],
                np.where(arrived, _ARRIVED, _DROPPED),
                gone,
            ),
        ]
        times_s = np.concatenate([part[0] for part in parts])
        numbers = np.concatenate([part[1] for part in parts])
        kinds = np.concatenate([np.broadcast_to(part[2], len(part[3])) for part in parts])
        rows = np.concatenate([part[3] for part in parts])
        whose = self._uplinks.part[rows]
        order = np.lexsort((numbers, whose, times_s))
        self._refuse_unknown_order(times_s[order], kinds[order], whose[order])
        return times_s[order], kinds[order], rows[order]

    def _refuse_unknown_order(self, times_s: FloatArray, kinds: IntArray, whose: IntArray) -> None:
        """Raise InputError where images of two parts come, or are lost, at the same instant as others look or come."""
        told = kinds != _BORN
        times_s, looks, whose = times_s[told], kinds[told] == _LOOK, whose[told]
        instant = np.concatenate([[0], np.cumsum(times_s[1:] != times_s[:-1])]) if len(times_s) else whose
        begins = np.flatnonzero(np.diff(instant, prepend=-1))
        if not len(begins):
            return
        several = np.minimum.reduceat(whose, begins) != np.maximum.reduceat(whose, begins)
        unknown = several & ~np.logical_and.reduceat(looks, begins) & (times_s[begins] > 0)
        if unknown.any():
            raise _same_instant(float(times_s[begins[unknown][0]]))

    def _arrive(self, row: int) -> None:
        columns = self._columns
        asked = _origin(float(columns["deadline_s"][row]), int(columns["priority"][row]))
        job = Job(asked, row, self._created_s[row], "", 0.0, _NO_IMAGE)
        job.reconstruction_work_s = float(columns["reconstruction_work_s"][row])
        job.reconstruction_mean_s = float(columns["reconstruction_mean_s"][row])
        job.delivery_work_s = float(columns["delivery_work_s"][row])
        job.delivery_attempts = int(columns["delivery_attempts"][row])
        if self._uplinks.reconstructs:
            self._network.arrive(job)
        else:
            job.reconstruction_start_s = job.reconstructed_s = self._env.now
            self._reconstructed(job)

    def _reconstructed(self, job: Job) -> None:
        job.reconstruction = Reconstruction(float(self._columns["file_bits"][job.index]))
        self._delivery.send(job)

    def _delivery_begun(self, job: Job) -> None:
        job.delivery_start_s = self._env.now

    def _delivered(self, job: Job) -> None:
        job.delivered_s = self._env.now
        self._end(job.index, LATE if job.delivered_s > job.due_s else DELIVERED, job)

    def _lost(self, job: Job, reason: str) -> None:
        self._end(job.index, DROPPED, job, reason)

    def _end(self, row: int, state: str, job: Job | None, reason: str | None = None) -> None:
        self._census.ended(row, state, self._created_s[row])
        self._ends.append((row, state, reason, self._env.now, *_passed(job)))

    def _close(self, left: list[int]) -> None:
        """Tell of those still on the way, in order of birth, and check that nothing was lost."""
        held = {job.index: job for job in [*self._network.jobs, *self._delivery.jobs]}
        columns = self._columns
        before = [row for row in left if not columns["handed_over"][row]]
        self._census.closed([*held, *before], self._created_s.__getitem__)
        whose = self._uplinks.part[left]
        born_s = columns["created_s"][left]
        if np.any((born_s[1:] == born_s[:-1]) & (whose[1:] != whose[:-1])):
            raise _same_instant(float(born_s[1:][born_s[1:] == born_s[:-1]][0]))
        for row in left:
            self._ends.append((row, IN_FLIGHT, None, nan, *_passed(held.get(row))))

    def _told(self, left: list[int], looks: Mapping[int, DataNetworkState]) -> Ends:
        columns = self._columns
        n_rows = len(self._uplinks.part)
        rows, states, reasons, ended_s, *passed = zip(*self._ends, strict=True) if self._ends else ([],) * 11
        order = np.array(rows, dtype=np.int64)
        beyond = {name: np.full(n_rows, nan) for name in _PASSED}
        for name, values in zip(_PASSED, passed, strict=True):
            beyond[name][order] = values
        state, reason = np.full(n_rows, "", dtype=object), columns["reason"].copy()
        state[order] = states
        told = [row for row, text in zip(rows, reasons, strict=True) if text is not None]
        reason[told] = [text for text in reasons if text is not None]
        ended = np.full(n_rows, nan)
        ended[order] = ended_s
        times = SimpleNamespace(**{name: columns[name] for name in _BEFORE} | beyond)
        reconstructed = beyond.pop("has_file") > 0
        batch, interruptions, busy_s = (
            beyond.pop(name) for name in ("batch_size", "interruptions", "busy_s")
        )
        result: dict[str, Any] = {
            "state": state,
            "reason": reason,
            "deadline_met": state == DELIVERED,
            "ended_s": ended,
            **beyond,
            **dict(zip(_DELAYS, delay_parts(times), strict=True)),
            "interruptions": columns["interruptions"] + np.nan_to_num(interruptions).astype(np.int64),
            "batch_size": np.ma.masked_array(np.nan_to_num(batch).astype(np.int64), ~(batch > 0)),
            "data_network_energy_j": np.where(reconstructed, busy_s * self._power_w, nan),
        }
        result |= self._seen(looks)
        world = WorldResult(self._env.now, self._census.created, self._census.counts, self._census.little())
        return Ends(world, order, result, reconstructed)

    def _seen(self, looks: Mapping[int, DataNetworkState]) -> dict[str, Any]:
        """Return the columns of ω_DN, with the noise that the parts had drawn."""
        n_rows = len(self._uplinks.part)
        rows = np.fromiter(looks, dtype=np.int64, count=len(looks))
        known = np.zeros(n_rows, dtype=np.bool_)
        known[rows] = True
        seen: dict[str, Any] = {}
        values = list(zip(*looks.values(), strict=True)) or [()] * len(DataNetworkState._fields)
        for name, own in zip(DataNetworkState._fields, values, strict=True):
            column = f"omega_dn_{name}"
            if DataNetworkState.__annotations__[name] is int:
                whole = np.zeros(n_rows, dtype=np.int64)
                whole[rows] = own
                seen[column] = np.ma.masked_array(whole, ~known)
            else:
                factors = self._columns[column]
                seen[column] = factors.copy()
                seen[column][rows] = np.array(own) * factors[rows]
        return seen


_PASSED = (
    "reconstruction_start_s",
    "reconstructed_s",
    "delivery_start_s",
    "delivered_s",
    "batch_size",
    "interruptions",
    "has_file",
    "busy_s",
)
_BEFORE = (
    "created_s",
    "access_start_s",
    "at_gateway_s",
    "gateway_start_s",
    "encoded_s",
    "link_start_s",
    "at_data_network_s",
)
# What is read of the parts' rows.
COLUMNS_READ = (
    *_BEFORE,
    "decided_s",
    "omega_time_s",
    "state",
    "reason",
    "ended_s",
    "deadline_s",
    "priority",
    "interruptions",
    *(f"omega_dn_{name}" for name in DataNetworkState._fields),
    *(column.name for column in HANDOVER_COLUMNS),
)
_DELAYS = ("delay_s", *(f"{name}_{part}_s" for name in COMPONENTS for part in ("wait", "service")))


@cache
def _origin(deadline_s: float, priority: int) -> Origin:
    """Return what the data network knows of where an image comes from."""
    return Origin("", "", priority, Requirement(deadline_s, (), (), (), ()), nan, nan)


def _passed(job: Job | None) -> tuple[Any, ...]:
    """Return what a job went through from the data network on, as `_PASSED` names it; nan without one."""
    if job is None:
        return (nan,) * len(_PASSED)
    return (
        job.reconstruction_start_s,
        job.reconstructed_s,
        job.delivery_start_s,
        job.delivered_s,
        job.batch_size,
        job.interruptions,
        job.reconstruction is not None,
        job.data_network_busy_s,
    )


def is_downstream(fault: str) -> bool:
    """Return whether a *fault* of this kind breaks the data network or the delivery link."""
    return fault in ("gpu", "delivery")


def _same_instant(time_s: float) -> InputError:
    return InputError(
        f"--shards: images of different shards come, or are lost, at the same instant, {time_s:g} s; which is first is"
        " known in one process only: run without --shards"
    )
