"""What trial encodings tell before anything is learned: each term of BITS at four x, and lines between.

A gateway that has coded a photograph at some q, and whole, knows its curve but for what the data network's restoration
adds; one that has restored them too knows it but for what lies between. The four are read as logarithms of the terms:
from each q to the next, and beyond, these are near straight in q.
"""

from bisect import bisect_left

import numpy as np

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.least_squares import LARGEST_LOG, Regressors, log_terms
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import ImageState

LOW, MIDDLE, HIGH = 0.3, 0.5, 0.75  # the q at which trials are read
SMALLEST_SHOWN = (
    1e-3  # share of the image that shows the coarse layer: what less counts as where q is asked for
)
READINGS = ("low", "middle", "high", "whole")


def trial_names(n_ranks: int) -> tuple[str, ...]:
    """Return the names of the entries of `trial_features`, in order."""
    terms = ("bits", *(f"{kind}_{rank}" for rank in range(n_ranks) for kind in ("pf", "sf")))
    return tuple(f"trial_{reading}_{term}" for reading in READINGS for term in terms)


def trial_features(image: ImageState) -> list[float]:
    """Return the readings, half a logarithm each and of order one: bits share and distances 1 − fidelity.

    Where the whole image was not tried, or is not in reach for want of a top rank, it counts as the highest q does.
    Raises ValueError where *image* had no trial.
    """
    logs = _logs(image)
    layers = sorted(
        (trial.configuration.coarse_quality, place)
        for place, trial in enumerate(image.trials)
        if trial.configuration.box_growth == 0.0
    )
    if not layers:
        raise ValueError("the engine's state holds a trial encoding (trial_state), but the codec made none")
    qualities, of_layers = [quality for quality, _ in layers], logs[[place for _, place in layers]]
    of_image = [_on_line(qualities, of_layers, quality) for quality in (LOW, MIDDLE, HIGH)]
    whole = [place for place, trial in enumerate(image.trials) if trial.configuration.box_growth == 1.0]
    reachable = bool(whole) and image.rank_fractions[-1] > 0.0
    readings = np.concatenate((*of_image, logs[whole[0]] if reachable else of_image[-1]))
    return (0.5 * readings + 1.0).tolist()


def _logs(image: ImageState) -> FloatArray:
    """Return the terms of each trial but the delay [trials, 2R+1]."""
    source_bits = max(image.source_bits, 1)
    outcomes = [
        (trial.size_bits / source_bits, *interleaved(trial.pf, trial.sf), 1.0) for trial in image.trials
    ]
    n_terms = 2 * len(image.rank_fractions) + 2
    return log_terms(np.array(outcomes).reshape(-1, n_terms))[:, :-1]


def _on_line(qualities: list[float], logs: FloatArray, wanted: float) -> FloatArray:
    """Return the readings [2R+1] at q = *wanted*, on the line through the two trials about it, or the two nearest."""
    if len(qualities) == 1:
        only: FloatArray = logs[0]
        return only
    upper = min(max(bisect_left(qualities, wanted), 1), len(qualities) - 1)
    share = (wanted - qualities[upper - 1]) / (qualities[upper] - qualities[upper - 1])
    between: FloatArray = logs[upper - 1] + share * (logs[upper] - logs[upper - 1])
    return between


class TrialCurves:
    """What the trials tell of every term of BITS at any x; of the delay, and where there are none, nothing: 0.

    Over the share u of the image that shows the coarse layer a term is the layer's, over the rest the whole image's.
    Bits and distances are sums over the image, so it is these that are mixed, not their logarithms.
    """

    def __init__(self, space: ConfigurationSpace, *, trial_state: bool) -> None:
        self._space = space
        self._n_terms = 2 * space.n_ranks + 2
        self.known = trial_state and space.has_coarse_layer
        self.qualities = (LOW, MIDDLE, HIGH) if self.known else ()

    def of(self, states: Float32Array, acts: Float32Array) -> Float32Array:
        """Return the logarithms of the terms [rows, 2R+2].

        states: [rows or 1, n_features]; acts: x by what it acts on (`effective.py`) [rows, dimension].
        """
        told = np.zeros((len(acts), self._n_terms), dtype=np.float32)
        if self.known:
            layer, _, whole, shown, _ = self._mixture(states, acts)
            told[:, :-1] = np.log(shown * layer + (1.0 - shown) * whole)
        return told

    def pulled_back(self, gradient: Float32Array, states: Float32Array, acts: Float32Array) -> Float32Array:
        """Return the gradient by *acts* [rows, dimension] of what has *gradient* [rows, 2R+2] by the terms."""
        result = np.zeros_like(acts)
        if self.known:
            layer, slope, whole, shown, quality = self._mixture(states, acts)
            share = gradient[:, :-1] / (shown * layer + (1.0 - shown) * whole)
            by_shown = (share * (layer * (1.0 - slope * quality) - whole)).sum(1)
            result[:, -1] = (share * layer * slope).sum(1)
            result[:, 0] = -by_shown
            result[:, 1:-1] = -by_shown[:, None] / (self._space.n_ranks - 1)
        return result

    def _mixture(self, states: Float32Array, acts: Float32Array) -> tuple[Float32Array, ...]:
        """Return terms of the layer, slopes of their logarithms by q, terms of the whole image; u, and q [rows, 1]."""
        start, width = self._space.n_ranks, self._n_terms - 1  # the state begins with the ranks' fractions
        features = states[:, start : start + len(READINGS) * width].reshape(-1, len(READINGS), width)
        logs = 2.0 * (features - 1.0)  # the features are half the logarithm, and 1
        slopes = np.diff(logs[:, :3], axis=1) / np.diff(np.array(self.qualities, np.float32))[None, :, None]
        shown = np.clip(1.0 - acts[:, :1] - acts[:, 1:-1].mean(1, keepdims=True), 0.0, 1.0)
        quality = acts[:, -1:] / np.maximum(shown, SMALLEST_SHOWN)
        beyond = quality > MIDDLE
        slope = np.where(beyond, slopes[:, 1], slopes[:, 0])
        line = logs[:, 1] + slope * (quality - np.float32(MIDDLE))
        layer, slope = np.exp(np.minimum(line, LARGEST_LOG)), np.where(line < LARGEST_LOG, slope, 0.0)
        return layer, slope, np.exp(logs[:, 3]), shown, quality


def regressors_of(space: ConfigurationSpace, n_features: int, *, trial_state: bool) -> Regressors:
    """Return the columns for a codec's *space* and states of *n_features* entries."""
    n_readings = len(READINGS) * (2 * space.n_ranks + 1) if trial_state else 0
    return Regressors(n_features, space.dimension, space.n_ranks + n_readings)
