"""A scenario's world as fluid: every site's stream of images through all stages, step by step and without an event.

access link → gateway → satellite link → data network → delivery link. Waits before one satellite link are those of
workload.py, before the others those of pool.py; an image's delay is the sum of its stages', drawn at points that fill
the space of all stages evenly. Stages are taken as independent of each other, but that an image's own size counts
where it is sent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ntnsim.arrays import Float32Array, FloatArray, IntArray
from ntnsim.flow.links import Links
from ntnsim.flow.pool import PoolQueue, departures_scv, superposed_scv
from ntnsim.flow.spread import Spread
from ntnsim.flow.stations import Stage
from ntnsim.flow.waits import even_points, waiting_work
from ntnsim.flow.workload import Workload, WorkloadQueue

DRAWS = 16  # per site and step
DELAY_EDGES_S = np.concatenate([[0.0], np.geomspace(1e-4, 1e7, 2536)])  # a per cent apart
SITE_EDGES_S = np.concatenate([[0.0], np.geomspace(1e-3, 1e6, 208)])  # a ninth of a factor e apart
COMPONENTS = ("gw_comm", "gw_comp", "ntn_comm", "dn_comp", "dn_comm")  # as the records name them
_DIMENSIONS = 11
_TURNS = np.sqrt(np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31])) % 1.0  # no point is met twice


@dataclass(frozen=True)
class FluidScheme:
    """What a scheme makes of images: bits sent (overhead included), and each stage's time."""

    sent_bits: Spread
    access: Stage
    gateway: Stage
    data_network: Stage
    delivery: Stage


@dataclass
class FluidResult:
    """What a fluid run leaves behind.

    delays: [d] images by their delay, between DELAY_EDGES_S. site_delays: [s, e] the same per site, SITE_EDGES_S.
    images, in_time, delay_sum_s, load: [s] images taken, delivered in time, sum of delays, share of the link's bits.
    satellite_bits: [m] carried by each satellite. component_s: mean of each stage. in_flight: not delivered at the end.
    """

    delays: FloatArray
    site_delays: Float32Array
    images: FloatArray
    in_time: FloatArray
    delay_sum_s: FloatArray
    carried_bits: FloatArray
    offered_bits: FloatArray
    satellite_bits: FloatArray
    component_s: dict[str, float] = field(default_factory=dict)
    in_flight: float = 0.0


class FluidWorld:
    """Many sites over one sky, one data network.

    count: of sites. rate_per_s: gives the images per second [s] of each site at a time. background: the share [..] of
    every link that others take at a time.
    """

    def __init__(
        self,
        count: int,
        rate_per_s: Callable[[float], FloatArray],
        links: Links,
        background: Callable[[float], float],
        *,
        duration_s: float,
        drain_s: float,
        step_s: float,
    ) -> None:
        self._count = count
        self._rate_per_s = rate_per_s
        self._step_s = step_s
        self._steps = max(1, int(np.ceil(duration_s / step_s - 1e-9)))
        self._duration_s = duration_s
        steps = self._steps + int(np.ceil(drain_s / step_s))
        self._capacity_bps = np.empty((steps, count), dtype=np.float32)
        self._propagation_s = np.empty((steps, count), dtype=np.float32)
        self._satellite = np.empty((steps, count), dtype=np.int32)
        self.satellites = links.satellites
        for step in range(steps):
            state = links.over(step * step_s, (step + 1) * step_s)
            left = 1.0 - background((step + 0.5) * step_s)
            self._capacity_bps[step] = state.rate_bps * left
            self._propagation_s[step] = state.propagation_s
            self._satellite[step] = state.satellite

    def run(
        self, scheme: FluidScheme, deadline_s: float, progress: Callable[[float], None] | None = None
    ) -> FluidResult:
        """Let the images of *scheme* flow. progress: called with the time reached."""
        count, step_s = self._count, self._step_s
        queues = self._queues(scheme)
        result = FluidResult(
            delays=np.zeros(len(DELAY_EDGES_S)),
            site_delays=np.zeros((count, len(SITE_EDGES_S)), dtype=np.float32),
            images=np.zeros(count),
            in_time=np.zeros(count),
            delay_sum_s=np.zeros(count),
            carried_bits=np.zeros(count),
            offered_bits=np.zeros(count),
            satellite_bits=np.zeros(len(self.satellites)),
        )
        sums = dict.fromkeys(COMPONENTS, 0.0)
        points = even_points(DRAWS, _DIMENSIONS)
        ahead = _Ahead(self._capacity_bps, step_s)
        for step in range(self._steps):
            start_s = step * step_s
            length_s = min(step_s, self._duration_s - start_s)
            images = self._rate_per_s(start_s + length_s / 2) * length_s
            result.images += images
            active = np.flatnonzero(images > 0)
            if not len(active):
                continue
            # [draw, site, dimension]: each site and step turns the points by its own angle.
            share = (points[:, np.newaxis] + ((active + 7919.0 * step)[:, np.newaxis] * _TURNS)) % 1.0
            moment_s = start_s + share[..., 6] * length_s
            access_s = _stage_s(
                scheme.access, queues["gw_comm"], moment_s, active, share[..., 2], share[..., 7]
            )
            gateway_s = _stage_s(
                scheme.gateway, queues["gw_comp"], moment_s, active, share[..., 3], share[..., 8]
            )
            moment_s = moment_s + access_s + gateway_s
            waiting = queues["ntn_comm"].at(moment_s, active, share[..., 0])
            size = scheme.sent_bits.quantiles(share[..., 1])
            link_s = ahead.time_to_send_s(active, moment_s, waiting + size)
            link_s = link_s + self._way_s(active, moment_s + link_s)
            moment_s = moment_s + link_s
            network_s = _stage_s(
                scheme.data_network, queues["dn_comp"], moment_s, None, share[..., 4], share[..., 9]
            )
            moment_s = moment_s + network_s
            delivery_s = _stage_s(
                scheme.delivery, queues["dn_comm"], moment_s, None, share[..., 5], share[..., 10]
            )
            stages = (access_s, gateway_s, link_s, network_s, delivery_s)
            delay_s = access_s + gateway_s + link_s + network_s + delivery_s
            weight = np.broadcast_to(images[active] / DRAWS, delay_s.shape)
            arrived = np.isfinite(delay_s)
            result.in_flight += float(weight[~arrived].sum())
            for name, stage_s in zip(COMPONENTS, stages, strict=True):
                sums[name] += float((weight * stage_s)[arrived].sum())
            known_s = np.where(arrived, delay_s, 0.0)
            known_weight = np.where(arrived, weight, 0.0)
            place = np.searchsorted(DELAY_EDGES_S, known_s, side="right") - 1
            result.delays += np.bincount(place.ravel(), known_weight.ravel(), minlength=len(DELAY_EDGES_S))
            place = np.searchsorted(SITE_EDGES_S, known_s, side="right") - 1
            np.add.at(result.site_delays, (np.broadcast_to(active, place.shape), place), known_weight)
            result.in_time[active] += (known_weight * (known_s <= deadline_s)).sum(axis=0)
            result.delay_sum_s[active] += (known_weight * known_s).sum(axis=0)
            if progress is not None:
                progress(start_s + length_s)
        delivered = max(float(result.delays.sum()), 1e-300)
        result.component_s = {name: value / delivered for name, value in sums.items()}
        self._count_bits(result, queues["ntn_comm"])
        return result

    def _queues(self, scheme: FluidScheme) -> "dict[str, _History]":
        """Let the queues of all stages run from beginning to end, and keep how they stood in each step."""
        count, step_s, steps = self._count, self._step_s, len(self._capacity_bps)
        rates = np.stack(
            [
                self._rate_per_s((step + 0.5) * step_s)
                for step in range(0, self._steps, max(1, self._steps // 48))
            ]
        )
        mean_rate = rates.mean(axis=0)
        speed = self._capacity_bps.mean(axis=0, dtype=np.float64)
        poisson = np.ones(count)
        gateway_load = mean_rate * scheme.gateway.service.mean / scheme.gateway.servers
        link_scv = departures_scv(scheme.gateway.servers, scheme.gateway.service, gateway_load, poisson)
        link_load = mean_rate * scheme.sent_bits.mean / np.maximum(speed, 1e-9)
        network_scv = superposed_scv(
            departures_scv(1, scheme.sent_bits, link_load, link_scv),
            mean_rate,
            float(mean_rate.sum()) * scheme.data_network.service.mean / scheme.data_network.servers,
        )
        access = _queue(scheme.access, poisson)
        gateway = _queue(scheme.gateway, poisson)
        link = WorkloadQueue(scheme.sent_bits, link_scv)
        network = _queue(scheme.data_network, np.array([network_scv]))
        delivery = _queue(scheme.delivery, np.ones(1))
        kept = {
            name: _History(steps, 1 if name in ("dn_comp", "dn_comm") else count, step_s)
            for name, queue in zip(COMPONENTS, (access, gateway, link, network, delivery), strict=True)
            if queue is not None
        }
        nothing = np.zeros(count)
        for step in range(steps):
            rate = self._rate_per_s((step + 0.5) * step_s) if step < self._steps else nothing
            capacity = self._capacity_bps[step].astype(np.float64)
            work = link.advance(rate, capacity, step_s)
            kept["ntn_comm"].keep(step, work)
            leaving = np.array([float(np.sum(capacity * work.busy)) / scheme.sent_bits.mean])
            for name, queue, own in (
                ("gw_comm", access, rate),
                ("gw_comp", gateway, rate),
                ("dn_comp", network, leaving),
                ("dn_comm", delivery, leaving),
            ):
                if queue is not None:
                    kept[name].keep(step, queue(own, step_s))
        return {name: kept.get(name, _NO_QUEUE) for name in COMPONENTS}

    def _count_bits(self, result: FluidResult, link: "_History") -> None:
        """Count what sites sent and satellites carried."""
        for step in range(self._steps):
            offered = self._capacity_bps[step].astype(np.float64) * self._step_s
            sent = offered * link.busy[step]
            result.offered_bits += offered
            result.carried_bits += sent
            served = self._satellite[step] >= 0
            result.satellite_bits += np.bincount(
                self._satellite[step][served], sent[served], minlength=len(self.satellites)
            )

    def _way_s(self, active: IntArray, moment_s: FloatArray) -> FloatArray:
        """Return the delay [d, k] of a last bit sent at *moment_s* [d, k], or in the step before."""
        known = np.nan_to_num(moment_s, posinf=0.0)
        step = np.minimum((known / self._step_s).astype(np.int64), len(self._propagation_s) - 1)
        way_s = self._propagation_s[step, active].astype(np.float64)
        before_s = self._propagation_s[np.maximum(step - 1, 0), active]
        return np.where(np.isnan(way_s), np.nan_to_num(before_s), way_s)


class _Ahead:
    """When so many bits will have passed: B⁻¹ of every site's sampled rate."""

    def __init__(self, capacity_bps: Float32Array, step_s: float) -> None:
        self._capacity_bps = capacity_bps
        self._step_s = step_s

    def time_to_send_s(self, sites: IntArray, from_s: FloatArray, bits: FloatArray) -> FloatArray:
        """Return how long *bits* [d, k] take of *sites* [k] from *from_s* [d, k] on; inf beyond the horizon."""
        step = np.minimum((from_s / self._step_s).astype(np.int64), len(self._capacity_bps) - 1)
        rate = self._capacity_bps[step, sites].astype(np.float64)
        left_s = (step + 1) * self._step_s - from_s
        with np.errstate(divide="ignore", invalid="ignore"):
            needed_s = np.where(rate > 0, bits / rate, np.inf)
        taken_s = np.where(needed_s <= left_s, needed_s, np.inf)
        draw, site = np.nonzero(needed_s > left_s)
        if not len(draw):
            return taken_s
        # Step by step for those that are not done yet: most of them end in the next few steps.
        rest = bits[draw, site] - rate[draw, site] * left_s[draw, site]
        at, place = step[draw, site] + 1, sites[site]
        waited_s = left_s[draw, site]
        open_ones = np.arange(len(draw))
        while len(open_ones):
            open_ones = open_ones[at[open_ones] < len(self._capacity_bps)]
            rate = self._capacity_bps[at[open_ones], place[open_ones]].astype(np.float64)
            ends = rest[open_ones] <= rate * self._step_s
            done = open_ones[ends]
            taken_s[draw[done], site[done]] = waited_s[done] + rest[done] / rate[ends]
            open_ones, rate = open_ones[~ends], rate[~ends]
            rest[open_ones] -= rate * self._step_s
            waited_s[open_ones] += self._step_s
            at[open_ones] += 1
        return taken_s


class _History:
    """How a queue stood in every step: busy, mean and second moment [t, n]."""

    def __init__(self, steps: int, count: int, step_s: float) -> None:
        self._step_s = step_s
        self.busy = np.zeros((steps, count), dtype=np.float32)
        self._mean = np.zeros((steps, count), dtype=np.float32)
        self._second = np.zeros((steps, count), dtype=np.float32)

    def keep(self, step: int, work: Workload) -> None:
        """Keep a step."""
        self.busy[step], self._mean[step], self._second[step] = work.busy, work.mean, work.second

    def at(self, moment_s: FloatArray, active: IntArray | None, share: FloatArray) -> FloatArray:
        """Return what waits at *moment_s* [d, k] before sites *active* [k] (None: one queue for all): a quantile."""
        if not len(self.busy):
            return np.zeros_like(moment_s)
        step = np.minimum(
            (np.nan_to_num(moment_s, posinf=0.0) / self._step_s).astype(np.int64), len(self.busy) - 1
        )
        own = 0 if active is None else active
        columns = [column[step, own].astype(np.float64) for column in (self.busy, self._mean, self._second)]
        return waiting_work(columns[0], columns[1], columns[2], share)


_NO_QUEUE = _History(0, 0, 1.0)


def _queue(stage: Stage, arrivals_scv: FloatArray) -> Callable[[FloatArray, float], Workload] | None:
    """Return how the wait for a stage goes on, called with rates [n] and a step; None where nothing waits."""
    if not stage.queues or stage.service.mean == 0:
        return None
    return PoolQueue(stage.servers, stage.service, arrivals_scv).advance


def _stage_s(
    stage: Stage,
    queue: _History,
    moment_s: FloatArray,
    active: IntArray | None,
    wait_share: FloatArray,
    service_share: FloatArray,
) -> FloatArray:
    """Return an image's time in a stage [d, k] that it reaches at *moment_s*: wait, service, propagation."""
    wait_s = queue.at(moment_s, active, wait_share)
    return wait_s + stage.service.quantiles(service_share) + stage.propagation_s
