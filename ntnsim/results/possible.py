"""What values a figure of the summary can take: an interval from Student's t knows nothing of it."""

from dataclasses import replace
from math import inf

from ntnsim.results.statistics import Interval

# By the first part of a metric's path. A saving has no lower limit: a coded file may be larger than the captured one.
_LIMITS = {
    "deadline_met": (0.0, 1.0),
    "savings": (-inf, 1.0),
    "delay_s": (0.0, inf),
    "components_s": (0.0, inf),
    "transmitted_bits": (0.0, inf),
    "original_bits": (0.0, inf),
}
# PF is 1 − a distance, which is at least 0 and may pass 1; SF is a cosine.
_SCORE_LIMITS = {"pf": (-inf, 1.0), "sf": (-1.0, 1.0)}


def limits_of(metric: str) -> tuple[float, float]:
    """Return the least and the greatest value that *metric*, such as ``fidelity.pf_rank.1``, can have."""
    first, *rest = metric.split(".")
    if first == "fidelity" and rest:
        return _SCORE_LIMITS.get(rest[0].removesuffix("_rank"), (-inf, inf))
    return _LIMITS.get(first, (-inf, inf))


def possible(interval: Interval, metric: str) -> Interval:
    """Return *interval* cut to the values that *metric* can have; unknown limits (nan) stay unknown."""
    least, most = limits_of(metric)
    # nan compares as false, so it passes both.
    low = least if interval.low < least else interval.low
    high = most if interval.high > most else interval.high
    return replace(interval, low=low, high=high)
