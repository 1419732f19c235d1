"""Means of what depends on the picture (savings, fidelity, bits): intervals over pictures, not over images sent.

A run may send a picture many times, and every replication of a sweep shows the same ones. Sending them again says
nothing about other pictures, so that images of one picture count as one cluster. Where dataset images are views of few
photographs (``kind: samples``), the summary's ``pictures`` tells which view is of which photograph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray
from ntnsim.results.columns import SERVED
from ntnsim.results.files import SUMMARY
from ntnsim.results.read import RunDirectory
from ntnsim.results.statistics import Interval, clustered_interval

# What pictures do to bits and scores is far from normal: over ten exponential values Student's limits at 95 % hold the
# mean in 89 % of cases, over twenty in 91 % (benchmarks/interval_coverage.py).
FEWEST_PICTURES = 20
_ROOTS = ("savings", "transmitted_bits", "original_bits", "fidelity")


def depends_on_picture(metric: str) -> bool:
    """Return whether *metric*, such as ``fidelity.pf.mean``, is a mean over pictures."""
    root, *rest = metric.split(".")
    return root in _ROOTS and "quantiles" not in rest


def column_of(metric: str) -> str:
    """Return the records' column behind a *metric*: ``pf_rank_0`` for ``fidelity.pf_rank.0.mean``."""
    parts = [part for part in metric.split(".") if part not in ("fidelity", "mean")]
    return "_".join(parts)


def picture_numbers(image_ids: Sequence[str], pictures: Mapping[str, str]) -> npt.NDArray[np.intp]:
    """Return a number per image, the same for images of one picture. pictures: image → the photograph it is of."""
    numbers: dict[str, int] = {}
    shown = [pictures.get(image_id, image_id) for image_id in image_ids]
    return np.array([numbers.setdefault(name, len(numbers)) for name in shown], dtype=np.intp)


def mean_over_pictures(
    values: FloatArray, pictures: npt.NDArray[np.intp], along_time: Interval
) -> tuple[Interval, int]:
    """Return the mean of *values* [n] with its interval over *pictures* [n], and how many of them there are.

    along_time: the interval that takes the values as they came, or by replication; it is kept where it is wider (a
    policy that follows the queue makes neighbours alike). Too few pictures give no interval.
    """
    n_pictures = int(np.count_nonzero(np.bincount(pictures)))
    over = clustered_interval(values, pictures, along_time.confidence)
    if n_pictures < FEWEST_PICTURES:
        return replace(along_time, low=np.nan, high=np.nan), n_pictures
    half = np.fmax(over.half_width, along_time.half_width)
    return replace(along_time, low=along_time.value - half, high=along_time.value + half), n_pictures


def over_replications(
    runs: Sequence[RunDirectory], scheme: str, metric: str, replicated: Interval
) -> tuple[Interval, int | None]:
    """Return the interval of *metric* over several *runs*, and how many pictures they show; None if unknown.

    replicated: its mean over the runs, with the interval from one value per run.
    """
    column = column_of(metric)
    read = [_served(run.path, column, _state(run)) for run in runs] if depends_on_picture(metric) else []
    shown = [images[scheme] for images in read if scheme in images]
    if not shown:
        return replicated, None
    values = np.concatenate([values for values, _ in shown])
    names = [name for _, pictures in shown for name in pictures]
    known = np.isfinite(values)
    if not known.any():
        return replicated, None
    return mean_over_pictures(values[known], picture_numbers(names, {})[known], replicated)


def _state(run: RunDirectory) -> int:
    return (run.path / SUMMARY).stat().st_mtime_ns


@lru_cache(maxsize=256)  # a table asks for the same columns once per scheme
def _served(path: Path, column: str, _state: int) -> Mapping[str, tuple[FloatArray, Sequence[str]]]:
    """Return *column* and the picture of every image after the warm-up that reached the user, by scheme."""
    run = RunDirectory(path, "")
    wanted = ["scheme", "created_s", "state", "image_id", column]
    if set(wanted) - set(run.record_columns()):
        return {}
    table = run.records(wanted).to_pandas(strings_to_categorical=True)
    summary = run.summary()
    pictures = summary.get("pictures", {})
    found = {}
    for scheme, images in table.groupby("scheme", observed=True, sort=False):
        start_s = summary["schemes"][scheme]["warm_up_s"]
        kept = images[(images["created_s"] >= start_s) & images["state"].isin(SERVED)]
        names = [pictures.get(name, name) for name in kept["image_id"]]
        found[str(scheme)] = (kept[column].to_numpy(dtype=np.float64), names)
    return found
