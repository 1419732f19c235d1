"""B(t) over unbounded time: how many bits a link's rate lets through, and when so many have passed.

The rate is constant between edges, so a transfer of b bits that has the link to itself from t on ends at B⁻¹(B(t) + b)
exactly. Windows follow each other without gaps; they are made when somebody looks at them and dropped behind the clock.
Every question concerns one instant: bisection over Python's own arrays beats NumPy there, in a quarter of the
memory of lists.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from math import inf
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

Details = TypeVar("Details")

LONGEST_SEARCH_S = 86_400.0  # nobody looks further ahead at once: the run may end first


class RateWindow(Generic[Details]):
    """The rate over [edges_s[0], edges_s[-1]): rates_bps[k] holds from edges_s[k] to edges_s[k+1].

    details: whatever else the link's maker knows of this window.
    """

    __slots__ = ("cumulative_bits", "details", "edges_s", "end_s", "rates_bps")

    def __init__(self, edges_s: ArrayLike, rates_bps: ArrayLike, details: Details) -> None:
        edges, rates = np.asarray(edges_s, dtype=np.float64), np.asarray(rates_bps, dtype=np.float64)
        # Runs of equal rates are joined: the contact gaps of a day become one run each.
        differs = rates[1:] != rates[:-1]
        if not differs.all():
            begins = np.concatenate(([True], differs))
            rates = rates[begins]
            edges = np.append(edges[:-1][begins], edges[-1])
        lengths_s = edges[1:] - edges[:-1]
        if rates[-1] == 0:
            lengths_s[-1] = 0.0  # it may be infinite, and 0 · inf is no number
        self.edges_s = array("d", edges.tobytes())
        self.rates_bps = array("d", rates.tobytes())
        self.cumulative_bits = array("d", bytes(8) + (rates * lengths_s).cumsum().tobytes())
        self.end_s = self.edges_s[-1]
        self.details = details

    def run_at(self, time_s: float) -> int:
        """Return the run that holds *time_s*."""
        if len(self.rates_bps) == 1:
            return 0
        return max(bisect_right(self.edges_s, time_s, 0, len(self.rates_bps)) - 1, 0)


def _end_s(window: RateWindow[Any]) -> float:
    return window.end_s


class RateClock(Generic[Details]):
    """B(t) of one rate, from 0 s on.

    next_window: gives the window that begins at the time asked for.
    until_s: nobody looks further ahead than this.
    search_s: nor further ahead than this at once, where looking is dear; see :meth:`look_again_s`.
    window_s: length of all windows, if they are alike: those that nobody asks about are then not made.
    """

    def __init__(
        self,
        next_window: Callable[[float], RateWindow[Details]],
        until_s: float = inf,
        window_s: float | None = None,
        search_s: float = LONGEST_SEARCH_S,
    ) -> None:
        self._next_window = next_window
        self._search_s = search_s
        self._until_s = until_s
        self._window_s = window_s
        self._next_number = 0
        self._windows: list[RateWindow[Details]] = []

    def window_at(self, time_s: float) -> RateWindow[Details]:
        """Return the window that holds *time_s*."""
        windows = self._windows
        if windows and time_s < windows[0].end_s:  # nearly always
            return windows[0]
        return windows[self._place_at(time_s)]

    def _place_at(self, time_s: float) -> int:
        """Return the place of the window that holds *time_s*, made if nobody has."""
        windows = self._windows
        place = bisect_right(windows, time_s, key=_end_s)
        while place == len(windows):
            windows.append(self._next_window(self._next_start_s(time_s)))
            if time_s >= windows[-1].end_s:
                place += 1
        return place

    def _next_start_s(self, time_s: float) -> float:
        """Return where the next window begins: where the last one ends, or later if *time_s* lies beyond that one."""
        if self._window_s is None:
            return self._windows[-1].end_s if self._windows else 0.0
        # On a fixed beat, so that it does not matter who asked for which time before.
        number = max(self._next_number, int(time_s / self._window_s))
        self._next_number = number + 1
        return number * self._window_s

    def forget_before(self, time_s: float) -> None:
        """Drop windows that ended before *time_s*; one that ends there may still be asked about."""
        windows = self._windows
        if len(windows) > 1 and windows[0].end_s < time_s:
            del windows[: min(bisect_left(windows, time_s, key=_end_s), len(windows) - 1)]

    def rate_bps(self, time_s: float) -> float:
        """Return the rate at *time_s*."""
        window = self.window_at(time_s)
        return window.rates_bps[window.run_at(time_s)]

    def run(self, time_s: float) -> tuple[float, float]:
        """Return the rate at *time_s* and the time until which it holds."""
        window = self.window_at(time_s)
        run = window.run_at(time_s)
        return window.rates_bps[run], window.edges_s[run + 1]

    def bits_between(self, start_s: float, end_s: float) -> float:
        """Return B(end_s) − B(start_s)."""
        bits = 0.0
        place = self._place_at(start_s)
        while True:
            window = self._windows[place]
            first = window.run_at(start_s)
            if end_s < window.end_s:
                last = window.run_at(end_s)
                if first == last:
                    return bits + window.rates_bps[first] * (end_s - start_s)
                bits += window.cumulative_bits[last] - window.cumulative_bits[first + 1]
                bits += window.rates_bps[first] * (window.edges_s[first + 1] - start_s)
                return bits + window.rates_bps[last] * (end_s - window.edges_s[last])
            bits += window.cumulative_bits[-1] - window.cumulative_bits[first + 1]
            bits += window.rates_bps[first] * (window.edges_s[first + 1] - start_s)
            start_s = window.end_s
            # The next in line, without a search: those who look at what days have let through look often.
            place = place + 1 if place + 1 < len(self._windows) else self._place_at(start_s)

    def finish_s(self, start_s: float, bits: float) -> float:
        """Return when *bits* have passed from *start_s* on; inf if not as far as the clock looks ahead.

        Nothing at all passes when bits next can.
        """
        limit_s = start_s + self._search_s
        while True:
            window = self.window_at(start_s)
            # Run by run, not from the sums: those grow to where a small image is less than their last digit.
            for run in range(window.run_at(start_s), len(window.rates_bps)):
                rate_bps, end_s = window.rates_bps[run], window.edges_s[run + 1]
                if rate_bps > 0:
                    run_bits = rate_bps * (end_s - start_s)
                    if bits <= run_bits:
                        return min(start_s + bits / rate_bps, end_s)
                    bits -= run_bits
                start_s = end_s
            start_s = window.end_s
            if start_s >= limit_s or start_s >= self._until_s:
                return inf

    def look_again_s(self, time_s: float) -> float:
        """Return when to ask again, after an answer of inf at *time_s*; inf if the clock's horizon comes before."""
        again_s = time_s + self._search_s
        return again_s if again_s < self._until_s else inf

    def next_flow_s(self, time_s: float) -> float:
        """Return the first time from *time_s* on at which bits can pass; inf if not as far as the clock looks ahead."""
        limit_s = min(self._until_s, time_s + self._search_s)
        while time_s < limit_s:
            window = self.window_at(time_s)
            run = window.run_at(time_s)
            if window.rates_bps[run] > 0:
                return time_s
            time_s = window.edges_s[run + 1]  # its neighbour differs, or another window begins there
        return inf
