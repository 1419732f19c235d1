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

    steps: how many rates one window holds at most. search_s: how far ahead is looked at once.
    """

    def next_window(start_s: float) -> RateWindow[Details]:
        """Return the window that begins at *start_s*."""
        edges_s, rates_bps, edge_s = [start_s], [_product(paths, start_s)], start_s
        # A run goes on where the rate stays as it was: in an outage, whatever the load does. Where bits flow nobody
        # needs to know for how long, and paths may be dear to look at: a run is then as many steps as a window has.
        n_seen = 0
        while edge_s < inf and edge_s - edges_s[-1] < search_s:
            if rates_bps[-1] > 0 and n_seen == steps:
                break
            edge_s = min(path.next_change_s(edge_s) for path in paths)
            n_seen += 1
            if edge_s < inf and (rate_bps := _product(paths, edge_s)) != rates_bps[-1]:
                if len(edges_s) == steps:
                    break
                edges_s.append(edge_s)
                rates_bps.append(rate_bps)
        for path in paths:
            path.forget_before(edges_s[-1] if edge_s == inf else edge_s)
        return RateWindow([*edges_s, edge_s], rates_bps, details)

    return RateClock(next_window, until_s, search_s=search_s)


def _product(paths: Sequence[StepPath], time_s: float) -> float:
    product = 1.0
    for path in paths:
        product *= path.at(time_s)
    return product
