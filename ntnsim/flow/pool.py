"""How long images wait for one of several alike servers, as the load on them changes: gateways and data networks.

c servers that are all busy work like one that is c times as fast, whose waiting work workload.py follows. How often all
are busy is Erlang's C instead of the load, and the wait is taken less in the same measure: in equilibrium that is
Erlang C's mean wait times (1 + c_s²)/2 for service that is not exponential (Lee and Longton, 1959: exact for c = 1 and
for exponential service), and a queue that grows has the mean and variance of the work that comes.
"""

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.flow.spread import Spread
from ntnsim.flow.workload import Workload, WorkloadQueue


def all_busy(servers: int, load: FloatArray) -> FloatArray:
    """Return Erlang's C [...]: the probability that an image waits, at *load* [...] < 1 of each server."""
    offered = servers * load
    blocked = np.ones_like(load)
    for number in range(1, servers + 1):  # Erlang's B, one server more at a time
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - load * (1 - blocked))


class PoolQueue:
    """The wait at many pools at once, each of *servers* servers with independent *service* times.

    arrivals_scv: [n] squared coefficient of variation of the gaps between images, as queues notice it.
    """

    def __init__(self, servers: int, service: Spread, arrivals_scv: FloatArray) -> None:
        self._servers = servers
        self._work = WorkloadQueue(service.scaled(1 / servers), arrivals_scv)
        self._full_speed = np.ones(len(arrivals_scv))

    def advance(self, rate_per_s: FloatArray, step_s: float) -> Workload:
        """Go on by a step with *rate_per_s* [n]; return the wait over it: share that waits, first and second moment."""
        one = self._work.advance(rate_per_s, self._full_speed, step_s)
        if self._servers == 1:
            return one
        busy = all_busy(self._servers, np.minimum(one.busy, 1 - 1e-9))
        less = busy / np.maximum(one.busy, 1e-12)
        return Workload(busy, one.mean * less, one.second * less)


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
