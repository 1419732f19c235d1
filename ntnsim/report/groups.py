"""Runs → groups that one curve or bar stands for: the same point of a sweep, repeated."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.results.columns import SERVED
from ntnsim.results.point_names import PointNames
from ntnsim.results.read import RunDirectory


@dataclass(frozen=True)
class Point:
    """Replications of one setting.

    title: how the setting differs from the others, for a legend or a panel; "" when there is only one.
    """

    title: str
    parameters: Mapping[str, Any]
    runs: tuple[RunDirectory, ...]


def points_of(runs: Sequence[RunDirectory]) -> list[Point]:
    """Group *runs* by what the sweep set; a run outside a sweep is a point of its own, named by its directory."""
    grouped: dict[str, list[RunDirectory]] = {}
    for run in runs:
        key = json.dumps(run.parameters, sort_keys=True) if run.parameters else f"run {run.path}"
        grouped.setdefault(key, []).append(run)
    sweep_without_parameters = all(run.parameters == {} for run in runs) and any(
        run.replication > 0 for run in runs
    )
    if sweep_without_parameters:
        return [Point("", {}, tuple(runs))]
    names = PointNames(run.parameters for run in runs)
    points = []
    for members in grouped.values():
        first = members[0]
        title = names.title(first.parameters, first.labels) if first.parameters else first.label
        points.append(Point("" if len(grouped) == 1 else title, first.parameters, tuple(members)))
    return points


def picked(runs: Sequence[RunDirectory], most: int) -> tuple[list[RunDirectory], str]:
    """Return the runs of at most *most* points, spread evenly over all, and a remark for the figure if some are left
    out."""
    points = points_of(runs)
    if len(points) <= most:
        return list(runs), ""
    chosen = np.unique(np.linspace(0, len(points) - 1, most).round().astype(int))
    return [run for index in chosen for run in points[index].runs], f" – {most} of {len(points)} settings"


@dataclass(frozen=True)
class Samples:
    """One scheme's samples of one quantity at one point, by replication.

    groups: arrays in order of creation; inf marks a job that never arrived.
    """

    scheme: str
    point: Point
    groups: tuple[FloatArray, ...]

    @property
    def pooled(self) -> FloatArray:
        """All samples in one array."""
        return np.concatenate(self.groups) if self.groups else np.empty(0)


def samples_of(points: Sequence[Point], quantity: str, *, lost_is_infinite: bool) -> list[Samples]:
    """Read *quantity* of every job after the warm-up, by point and scheme.

    lost_is_infinite: count a job that did not reach the user as an infinite sample instead of leaving it out.
    """
    collected: list[Samples] = []
    for point in points:
        of_scheme: dict[str, list[FloatArray]] = {}
        for run in point.runs:
            for scheme, samples in _run_samples(run, quantity, lost_is_infinite).items():
                of_scheme.setdefault(scheme, []).append(samples)
        for scheme, groups in of_scheme.items():
            collected.append(Samples(scheme, point, tuple(groups)))
    return collected


def _run_samples(run: RunDirectory, quantity: str, lost_is_infinite: bool) -> dict[str, FloatArray]:
    table = run.records(["scheme", "created_s", "state", quantity])
    schemes = table["scheme"].to_pandas().to_numpy()
    served = np.isin(table["state"].to_pandas().to_numpy().astype(str), SERVED)
    created = table["created_s"].to_numpy()
    values = np.asarray(table[quantity].to_numpy(), dtype=np.float64)
    summaries = run.summary()["schemes"]
    samples = {}
    for scheme in dict.fromkeys(schemes.tolist()):
        rows = np.flatnonzero((schemes == scheme) & (created >= summaries[str(scheme)]["warm_up_s"]))
        rows = rows[np.argsort(created[rows], kind="stable")]
        if lost_is_infinite:
            samples[str(scheme)] = np.where(served[rows], values[rows], np.inf)
        else:
            samples[str(scheme)] = values[rows[served[rows]]]
    return samples


def schemes_in(runs: Sequence[RunDirectory]) -> list[str]:
    """Return the schemes of *runs*, in order of first appearance."""
    return list(dict.fromkeys(scheme for run in runs for scheme in run.summary()["schemes"]))


def scores_note(runs: Sequence[RunDirectory], before: str = "") -> str:
    """Return what measured PF and SF, *before* in front of it; "" where the runs do not tell, or differ."""
    found = {(s.get("pf_backend"), s.get("sf_backend")) for s in (run.summary() for run in runs)}
    if len(found) != 1 or (None, None) in found:
        return ""
    [(pf, sf)] = found
    return f"{before}PF: 1\u00a0−\u00a0{pf} distance, SF: {sf} cosine"
