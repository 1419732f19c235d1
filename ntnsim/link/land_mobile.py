"""Direct path and scattered waves of a moving terminal: Loo's distribution, and two states of it (ITU-R P.681).

Within a state the direct path is log-normal and the scattered power is constant. The two-state model goes from a good
to a bad state and back after distances of log-normal length, draws each stretch's mean of the direct path, and derives
its spread and the scattered power from it (ITU-R P.681-11, Annex 2). Losses and Rician factors follow; the fast fades
around them are those of fading.py.
"""

from dataclasses import dataclass
from math import exp, inf, log

import numpy as np
from scipy.special import ndtr, ndtri

from ntnsim.arrays import BoolArray, FloatArray, IntArray
from ntnsim.link.correlated import gaussian_process


@dataclass(frozen=True, slots=True)
class MobileState:
    """One state. Powers are in dB over the direct path in free space.

    log_length_mean, log_length_std: of the natural logarithm of a stretch in metres; never shorter than shortest_m.
    direct_mean_db, direct_std_db: normal law from which each stretch draws its mean M of the direct path.
    std_slope, std_offset_db: spread of the direct path around M, as slope · M + offset.
    scattered_slope, scattered_offset_db: scattered power, as slope · M + offset.
    correlation_m: distance over which the direct path forgets.
    tail: share of the law of M that is cut off at either end.
    """

    log_length_mean: float
    log_length_std: float
    shortest_m: float
    direct_mean_db: float
    direct_std_db: float
    std_slope: float
    std_offset_db: float
    scattered_slope: float
    scattered_offset_db: float
    correlation_m: float
    tail: float = 0.0

    @property
    def mean_length_m(self) -> float:
        """Mean of the log-normal law above its shortest value."""
        at = (log(max(self.shortest_m, 1e-9)) - self.log_length_mean) / self.log_length_std
        all_m = exp(self.log_length_mean + self.log_length_std**2 / 2)
        return float(all_m * ndtr(self.log_length_std - at) / ndtr(-at))


@dataclass(frozen=True, slots=True)
class LandMobile:
    """A good and a bad state, and the ramp between them. bad None: Loo.

    The ramp is the slope times the size of the change of M, plus the offset, in metres.
    """

    good: MobileState
    bad: MobileState | None = None
    ramp_slope: float = 0.0
    ramp_offset_m: float = 0.0


@dataclass(frozen=True, slots=True)
class LandMobileEnd:
    """Where a piece of a pass ends: the state, what is left of its stretch, its M, the direct path's unit value."""

    good: bool
    left_m: float
    direct_db: float
    unit: float


@dataclass(frozen=True, slots=True)
class LandMobileLoss:
    """Along a pass [n]: loss of the mean power, Rician factor, whether the state is the good one."""

    loss_db: FloatArray
    rice_factor_db: FloatArray
    good: BoolArray


def land_mobile_along(
    moved_m: FloatArray, model: LandMobile, rng: np.random.Generator, before: LandMobileEnd | None = None
) -> tuple[LandMobileLoss, LandMobileEnd]:
    """Return the losses at the ends of steps of *moved_m* [n] metres, and the state at the last."""
    at_m = np.cumsum(moved_m)
    goods, ends_m, direct_db = _stretches(float(at_m[-1]), model, rng, before)
    number = np.searchsorted(ends_m, at_m, side="right").clip(max=len(goods) - 1)
    good = goods[number]
    mean_db = _ramped(at_m, number, ends_m, direct_db, model)
    columns = {
        name: np.where(good, getattr(model.good, name), getattr(model.bad or model.good, name))
        for name in ("std_slope", "std_offset_db", "scattered_slope", "scattered_offset_db", "correlation_m")
    }
    unit = gaussian_process(
        np.cumsum(moved_m / columns["correlation_m"]), rng, None if before is None else before.unit
    )
    # Fits of the spread may cross zero far from where they were made.
    spread_db = np.maximum(columns["std_slope"] * mean_db + columns["std_offset_db"], 0.0)
    path_db = mean_db + spread_db * unit
    scattered_db = columns["scattered_slope"] * mean_db + columns["scattered_offset_db"]
    power = 10 ** (path_db / 10) + 10 ** (scattered_db / 10)
    last = int(number[-1])
    end = LandMobileEnd(
        bool(goods[last]), float(ends_m[last] - at_m[-1]), float(direct_db[last]), float(unit[-1])
    )
    return LandMobileLoss(-10 * np.log10(power), path_db - scattered_db, good), end


def _stretches(
    length_m: float, model: LandMobile, rng: np.random.Generator, before: LandMobileEnd | None
) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return of the stretches that cover *length_m*: whether good, where they end, their M."""
    states = (model.bad or model.good, model.good)
    if before is not None:
        good, first_m, first_db = before.good, before.left_m, before.direct_db
    else:
        bad_m, good_m = (state.mean_length_m for state in states)
        good = model.bad is None or bool(rng.random() * (bad_m + good_m) >= bad_m)
        # Any moment is in a long stretch more often than in a short one, and anywhere in it.
        first_m = inf
        if model.bad is not None:
            first_m = rng.random() * _lengths_m(states[good], 1, rng, longer=True)[0]
        first_db = float(_direct_db(states[good], 1, rng)[0])
    goods, lengths_m, direct_db = [np.array([good])], [np.array([first_m])], [np.array([first_db])]
    covered_m = first_m
    while covered_m <= length_m:
        pairs = int((length_m - covered_m) / sum(state.mean_length_m for state in states)) + 8
        order = (states[not good], states[good])
        lengths_m.append(np.stack([_lengths_m(state, pairs, rng) for state in order], axis=1).ravel())
        direct_db.append(np.stack([_direct_db(state, pairs, rng) for state in order], axis=1).ravel())
        goods.append(np.tile([not good, good], pairs))
        covered_m += float(lengths_m[-1].sum())
    return np.concatenate(goods), np.cumsum(np.concatenate(lengths_m)), np.concatenate(direct_db)


def _lengths_m(
    state: MobileState, count: int, rng: np.random.Generator, *, longer: bool = False
) -> FloatArray:
    """Return lengths of stretches [count]; longer: of those that a moment chosen at random falls into."""
    mean = state.log_length_mean + (state.log_length_std**2 if longer else 0.0)
    below = float(ndtr((log(max(state.shortest_m, 1e-9)) - mean) / state.log_length_std))
    lengths_m: FloatArray = np.exp(
        mean + state.log_length_std * ndtri(below + (1 - below) * rng.random(count))
    )
    return lengths_m


def _direct_db(state: MobileState, count: int, rng: np.random.Generator) -> FloatArray:
    """Return draws of M [count]."""
    quantile = state.tail + (1 - 2 * state.tail) * rng.random(count)
    direct_db: FloatArray = state.direct_mean_db + state.direct_std_db * ndtri(quantile)
    return direct_db


def _ramped(
    at_m: FloatArray, number: IntArray, ends_m: FloatArray, direct_db: FloatArray, model: LandMobile
) -> FloatArray:
    """Return M along the way [n], with ramps at the beginnings of stretches."""
    previous = np.maximum(number - 1, 0)
    change_db = direct_db[number] - direct_db[previous]
    ramp_m = np.maximum(model.ramp_slope * np.abs(change_db) + model.ramp_offset_m, 1e-9)
    into_m = np.where(number > 0, at_m - ends_m[previous], inf)
    mean_db: FloatArray = direct_db[previous] + change_db * np.clip(into_m / ramp_m, 0.0, 1.0)
    return mean_db
