"""What trial encodings tell before anything is learned: each term of BITS at four x, and lines between.

A gateway that has coded a photograph at some q, and whole, knows its curve but for what the data network's restoration
adds; one that has restored them too knows it but for what lies between. The four are read as logarithms of the terms:
from each q to the next, and beyond, these are near straight in q.
"""

from bisect import bisect_left

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.least_squares import HINGE, Regressors, log_terms
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import ImageState

LOW, MIDDLE, HIGH = 0.3, 0.5, 0.75  # the q at which trials are read
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


def trial_weights(space: ConfigurationSpace) -> FloatArray:
    """Return the weights [4, 2 + dimension] of the readings in what is expected at x: of 1, of x's entries by what they
    act on (`effective.py`), and of their hinge (`Regressors`).

    With u the share of the image that shows the coarse layer: u of the line at q, the rest as in the whole image.
    """
    shown = np.zeros(2 + space.dimension)  # u
    shown[0], shown[1] = 1.0, -1.0
    shown[2 : 1 + space.n_ranks] = -1.0 / (space.n_ranks - 1)
    along = -LOW * shown  # u·(q − LOW), in steps from LOW to MIDDLE
    along[-2] += 1.0
    along /= MIDDLE - LOW
    beyond = np.zeros_like(shown)  # u·(q − MIDDLE)⁺
    beyond[-1] = 1.0
    bent, rising = beyond / (MIDDLE - LOW), beyond / (HIGH - MIDDLE)
    whole = np.eye(1, len(shown))[0] - shown
    return np.stack((shown - along + bent, along - bent - rising, rising, whole))


def regressors_of(space: ConfigurationSpace, n_features: int, *, trial_state: bool) -> Regressors:
    """Return the columns for a codec's *space* and states of *n_features* entries."""
    if not (trial_state and space.has_coarse_layer):
        return Regressors(n_features, space.dimension, space.n_ranks)
    n_readings = len(READINGS) * (2 * space.n_ranks + 1)
    return Regressors(n_features, space.dimension, space.n_ranks + n_readings, trials=(LOW, MIDDLE, HIGH))


def expected_coefficients(
    regressors: Regressors, space: ConfigurationSpace, *, trial_state: bool
) -> FloatArray:
    """Return the coefficients [columns, 2R+2] of what trials tell of each term; 0 for the delay, and without trials."""
    n_terms = 2 * space.n_ranks + 2
    coefficients = np.zeros((regressors.n_columns, n_terms))
    if not (trial_state and space.has_coarse_layer):
        return coefficients
    weights = trial_weights(space)
    entries = [None, *range(space.dimension), HINGE]
    for term in range(n_terms - 1):
        for reading in range(len(READINGS)):
            feature = (
                space.n_ranks + reading * (n_terms - 1) + term
            )  # the state begins with the ranks' fractions
            for entry, weight in zip(entries, weights[reading], strict=True):
                # The feature is half the logarithm, and 1.
                coefficients[regressors.place(entry, feature), term] += 2.0 * weight
                coefficients[regressors.place(entry), term] -= 2.0 * weight
    return coefficients
