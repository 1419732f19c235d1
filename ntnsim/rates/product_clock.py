"""The clock of a rate that is a product of step paths: what the scenario states, and by how much faults scale it."""

from collections.abc import Sequence
from math import inf

from ntnsim.chance.step_path import StepPath
from ntnsim.rates.rate_clock import LONGEST_SEARCH_S, Details, RateClock, RateWindow

STEPS_PER_WINDOW = 64


def product_clock(
    paths: Sequence[StepPath],
    details: Details,
    until_s: float = inf,
    steps: int = STEPS_PER_WINDOW,
    search_s: float = LONGEST_SEARCH_S,
) -> RateClock[Details]:
    """Return the clock of the product of *paths*, which it owns; every window carries *details*.

    steps: how many changes of the rate one window holds at most. search_s: how far ahead is looked at once.
    """

    def next_window(start_s: float) -> RateWindow[Details]:
        edges_s = [start_s]
        while len(edges_s) <= steps and edges_s[-1] < inf:
            edges_s.append(min(path.next_change_s(edges_s[-1]) for path in paths))
        rates_bps = []
        for edge_s in edges_s[:-1]:
            rate_bps = 1.0
            for path in paths:
                rate_bps *= path.at(edge_s)
            rates_bps.append(rate_bps)
        for path in paths:
            path.forget_before(edges_s[-2])
        return RateWindow(edges_s, rates_bps, details)

    return RateClock(next_window, until_s, search_s=search_s)
