"""How much work waits at one server whose speed changes with time: mean and second moment, step by step.

Images come as a Poisson stream of rate λ, each with a random amount of work X (bits), and a server takes C work per
second off the work V that waits, as long as there is any. The moments of V then follow exactly

    d E[V]  / dt = λ E[X] − C p            p: probability that work waits
    d E[V²] / dt = λ E[X²] + 2 E[V] (λ E[X] − C)

and only p must be told from the moments. With r = E[V²] / E[V]² the closure here is

    p = min(1, κ / (κ + r − 2)),    κ = 4 E[X] E[X³] / (3 E[X²]²)

which is the exact p of an M/G/1 queue in equilibrium (there E[V] is Pollaczek and Khinchine's, and E[V²] Takács's), and
1 for a queue so long that it is nearly certain: in gaps without contact and in overload mean and variance grow as those
of a compound Poisson stream. In between it is an approximation; the tests hold it against a Monte Carlo.
"""

from dataclasses import dataclass

import numpy as np

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.flow.spread import Spread

PARTS = 48  # of a step
STIFF = 60.0  # spare work of a step over that of an image, beyond which a queue settles within the step
_Moments = tuple[FloatArray, FloatArray]  # mean, second
_Means = tuple[FloatArray, FloatArray, FloatArray]  # busy, mean, second


@dataclass(frozen=True, slots=True)
class _Step:
    """What some of the queues, by their numbers *own* [n], begin a step with, and what holds in it [n]."""

    own: IntArray
    mean: FloatArray
    second: FloatArray
    rate_per_s: FloatArray
    speed_per_s: FloatArray
    length_s: float


@dataclass(frozen=True, slots=True)
class Workload:
    """The work that waits [...]: probability that there is any, its mean and its second moment, both over all times."""

    busy: FloatArray
    mean: FloatArray
    second: FloatArray


class WorkloadQueue:
    """The work at many servers at once [n], as time goes on.

    load: of each image. arrivals_scv: [n] squared coefficient of variation of the gaps between images, as far as queues
        notice it (1: Poisson); the images' second and third moment are adjusted so that the mean work in equilibrium is
        that of a GI/G/1 queue in heavy traffic.
    """

    def __init__(self, load: Spread, arrivals_scv: FloatArray) -> None:
        first, second, third = load.moments
        # λ E[X²] is the variance of the work that comes per second: c_a² + c_s² instead of 1 + c_s².
        factor = (arrivals_scv + load.scv) / (1.0 + load.scv)
        self._first, self._second, self._third = first, second * factor, third * factor**2
        self._fresh = self._second / (2 * first)  # mean work left of an image under way
        self._kappa = 4 * first * self._third / (3 * self._second**2)
        self.mean = np.zeros(len(arrivals_scv))
        self.second = np.zeros(len(arrivals_scv))

    def _busy(self, own: IntArray, mean: FloatArray, second: FloatArray) -> FloatArray:
        """Return the probability [n] that work waits."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = second / mean**2
            closed = self._kappa[own] / (self._kappa[own] + ratio - 2)
        closed = np.where(ratio <= 2.0, 1.0, closed)
        return np.where(mean**2 > 0, np.minimum(closed, 1.0), 0.0)

    def advance(self, rate_per_s: FloatArray, speed_per_s: FloatArray, step_s: float) -> Workload:
        """Go on by a step in which *rate_per_s* [n] and *speed_per_s* [n] hold; return the means over the step."""
        comes = rate_per_s * self._first
        stiff = 2 * step_s * np.maximum(speed_per_s - comes, 0.0) / self._fresh > STIFF
        result = Workload(*(np.empty_like(self.mean) for _ in range(3)))
        for some, advanced in (
            (np.flatnonzero(~stiff), self._small_steps),
            (np.flatnonzero(stiff), self._settled),
        ):
            if len(some):
                queue = (self.mean[some], self.second[some])
                end, over = advanced(_Step(some, *queue, rate_per_s[some], speed_per_s[some], step_s))
                self.mean[some], self.second[some] = end
                result.busy[some], result.mean[some], result.second[some] = over
        return result

    def _small_steps(self, step: _Step) -> tuple[_Moments, _Means]:
        """Solve the equations by Heun's method: the slope at the start of a part, then the mean of both ends'."""
        mean, second, speed_per_s = step.mean, step.second, step.speed_per_s
        comes, spreads = step.rate_per_s * self._first, step.rate_per_s * self._second[step.own]
        part_s = step.length_s / PARTS
        sums = np.zeros((3, len(mean)))
        for _ in range(PARTS):
            busy = self._busy(step.own, mean, second)
            slope, slope_second = comes - speed_per_s * busy, spreads + 2 * mean * (comes - speed_per_s)
            ahead, ahead_second = _possible(mean + part_s * slope, second + part_s * slope_second)
            slope = (slope + comes - speed_per_s * self._busy(step.own, ahead, ahead_second)) / 2
            slope_second = (slope_second + spreads + 2 * ahead * (comes - speed_per_s)) / 2
            mean, second = _possible(mean + part_s * slope, second + part_s * slope_second)
            sums += (self._busy(step.own, mean, second), mean, second)
        over = sums / PARTS
        return (mean, second), (over[0], over[1], over[2])

    def _settled(self, step: _Step) -> tuple[_Moments, _Means]:
        """Go on where a queue settles within the step: what stands above equilibrium drains at the spare speed."""
        mean, second, length_s = step.mean, step.second, step.length_s
        comes, spreads = step.rate_per_s * self._first, step.rate_per_s * self._second[step.own]
        spare, load = step.speed_per_s - comes, comes / step.speed_per_s
        calm = spreads / (2 * spare)
        calm_second = 2 * calm**2 + step.rate_per_s * self._third[step.own] / (3 * spare)
        drain_s = np.minimum(np.maximum(mean - calm, 0.0) / spare, length_s)
        # What stands below equilibrium comes near it with the relaxation time of a single queue.
        near = 1 - np.exp(-(length_s - drain_s) * spare / (self._fresh[step.own] / (1 - load)))
        drained = mean - spare * drain_s
        drained_second = np.maximum(second + drain_s * (spreads - spare * (mean + drained)), drained**2)
        end = drained + near * (calm - drained)
        end_second = drained_second + near * (calm_second - drained_second)
        share = drain_s / length_s
        return (end, end_second), (
            share + (1 - share) * load,
            share * (mean + drained) / 2 + (1 - share) * (drained + end) / 2,
            share * (second + drained_second) / 2 + (1 - share) * (drained_second + end_second) / 2,
        )


def _possible(mean: FloatArray, second: FloatArray) -> _Moments:
    """Keep the moments what moments of a quantity ≥ 0 can be."""
    mean = np.maximum(mean, 0.0)
    return mean, np.maximum(second, mean**2)
