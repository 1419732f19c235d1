"""How long images wait for one of several alike servers, as the load on them changes: gateways and data networks.

The virtual waiting time W of a first-come-first-served queue with c servers grows by the work that comes, divided by
c, and falls at rate 1 while all servers are busy. Its mean follows the pointwise stationary fluid approximation (Wang,
Tipper and Banerjee, 1996): all are busy with the probability that belongs, in equilibrium, to the load with the
present mean wait. In equilibrium the mean is Erlang C's, times (1 + c_s²)/2 for service that is not exponential (Lee
and Longton, 1959: exact for c = 1); an overloaded queue grows by its surplus.
"""

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.flow.spread import Spread
from ntnsim.flow.workload import Workload

_LOADS = np.concatenate([np.linspace(0.0, 0.9, 181), 1 - np.geomspace(0.1, 1e-5, 120)[1:]])

PARTS = 16  # of a step


def all_busy(servers: int, load: FloatArray) -> FloatArray:
    """Return Erlang's C [...]: the probability that an image waits, at *load* [...] < 1 of each server."""
    offered = servers * load
    blocked = np.ones_like(load)
    for number in range(1, servers + 1):  # Erlang's B, one server more at a time
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - load * (1 - blocked))


class PoolQueue:
    """The wait at many pools at once [n], each of *servers* servers with independent *service* times."""

    def __init__(self, count: int, servers: int, service: Spread, arrivals_scv: float = 1.0) -> None:
        self.service = service
        self.servers = servers
        self.wait_s = np.zeros(count)
        self._busy = all_busy(servers, _LOADS)
        # Mean wait in equilibrium, in means of service.
        self._wait = self._busy / (servers * (1 - _LOADS)) * (arrivals_scv + service.scv) / 2

    def advance(self, rate_per_s: FloatArray, step_s: float) -> Workload:
        """Go on by a step with *rate_per_s* [n]; return the wait over it: share that waits, first and second moment."""
        mean_s = self.service.mean
        load = rate_per_s * mean_s / self.servers
        part_s = step_s / PARTS
        sums = np.zeros((3, len(load)))
        calm_s = np.interp(load, _LOADS, self._wait) * mean_s
        for _ in range(PARTS):
            busy_load = np.interp(self.wait_s / mean_s, self._wait, _LOADS)
            moved_s = self.wait_s + part_s * (load - busy_load)
            # A queue that settles within a part is taken at its equilibrium, not beyond it.
            passed = (self.wait_s - calm_s) * (moved_s - calm_s) < 0
            self.wait_s = np.where(passed & (load < _LOADS[-1]), calm_s, np.maximum(moved_s, 0.0))
            busy = np.interp(self.wait_s / mean_s, self._wait, self._busy)
            sums += (
                busy,
                self.wait_s,
                2 * self.wait_s**2 / np.maximum(busy, 1e-12),
            )  # exponential where it is > 0
        return Workload(*(sums / PARTS))


def departures_scv(servers: int, service: Spread, load: FloatArray, arrivals_scv: FloatArray) -> FloatArray:
    """Return the squared coefficient of variation [n] of the gaps between images that leave a queue at *load* [n].

    Whitt's approximation (The Queueing Network Analyzer, 1983, Eq. 39).
    """
    load = np.minimum(load, 1.0)
    own = 1 + (max(service.scv, 0.2) - 1) / np.sqrt(servers)
    return np.asarray(1 + (1 - load**2) * (arrivals_scv - 1) + load**2 * (own - 1))


def superposed_scv(scv: FloatArray, rate_per_s: FloatArray, load: float) -> float:
    """Return the squared coefficient of variation of many streams [n] together, as a queue at *load* notices it.

    Streams of many sites look like Poisson's (Whitt, 1983, Eqs. 29 to 33).
    """
    whole = float(rate_per_s.sum())
    if whole == 0:
        return 1.0
    share = rate_per_s / whole
    alike = 1 / float(np.sum(share**2))
    weight = 1 / (1 + 4 * (1 - min(load, 1.0)) ** 2 * (alike - 1))
    return weight * float(np.sum(share * scv)) + 1 - weight
