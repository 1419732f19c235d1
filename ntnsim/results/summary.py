"""Records → the figures one quotes: per scheme, with confidence intervals from batches of consecutive jobs.

Jobs created during the warm-up are left out of every figure but the counts of end states. Delay, savings and fidelity
are those of images that reached the user; a job that did not has no delay, and counts as having missed its deadline.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ntnsim.errors import InputError
from ntnsim.results.atomic import write_json
from ntnsim.results.columns import SERVED, SUMMARY_COLUMNS, rank_columns
from ntnsim.results.record import COMPONENTS
from ntnsim.results.statistics import (
    DEFAULT_CONFIDENCE,
    Interval,
    batch_interval,
    mser5_truncation,
    proportion_interval,
    quantile_interval,
)

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FILE_NAME = "summary.json"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
MSER5 = "mser5"


@dataclass(frozen=True)
class SchemeRecords:
    """The columns of one scheme's jobs, in order of creation, as the summary needs them."""

    scheme: str
    columns: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns["job"])

    def float(self, name: str) -> FloatArray:
        """Return a column as floating point; absent values are nan."""
        return np.asarray(self.columns[name], dtype=np.float64)

    def take(self, rows: BoolArray | npt.NDArray[np.intp]) -> "SchemeRecords":
        """Return the chosen *rows*."""
        return SchemeRecords(self.scheme, {name: values[rows] for name, values in self.columns.items()})


def by_scheme(records: pa.Table) -> list[SchemeRecords]:
    """Split *records* by scheme, schemes in order of first appearance, jobs in order of creation."""
    schemes = records["scheme"].to_pandas().to_numpy()
    columns = {name: records[name].to_numpy() for name in records.column_names if name != "scheme"}
    split = []
    for scheme in dict.fromkeys(schemes.tolist()):
        rows = np.flatnonzero(schemes == scheme)
        rows = rows[np.argsort(columns["created_s"][rows], kind="stable")]
        split.append(SchemeRecords(str(scheme), {name: values[rows] for name, values in columns.items()}))
    return split


def summarise(
    records: pa.Table,
    *,
    warm_up_s: float | str = 0.0,
    confidence: float = DEFAULT_CONFIDENCE,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the summary of a run's *records* as a JSON-like mapping.

    warm_up_s: jobs created earlier are left out; ``"mser5"`` finds the time from the delays, per scheme.
    details: further named facts to keep at the top (name, seed, horizon, fidelity backends).
    """
    schemes = by_scheme(records.select(summary_columns(records.column_names)))
    return {
        "format": 1,
        **dict(details or {}),
        "confidence": confidence,
        "method": "within a run: batch means, Student t; probabilities: Wilson with the effective sample size",
        "schemes": {one.scheme: scheme_summary(one, warm_up_s, confidence) for one in schemes},
    }


def summary_columns(names: Iterable[str]) -> list[str]:
    """Return those of the records' columns that a summary reads: with many jobs, read only them."""
    return [name for name in names if name in SUMMARY_COLUMNS or _is_rank_column(name)]


def scheme_summary(jobs: SchemeRecords, warm_up_s: float | str, confidence: float) -> dict[str, Any]:
    """Return one scheme's figures."""
    served_ever = np.isin(jobs.columns["state"], SERVED)
    if warm_up_s == MSER5:
        in_order = jobs.take(served_ever)
        cut = mser5_truncation(in_order.float("delay_s"))
        start_s = float(in_order.float("created_s")[cut]) if cut else 0.0
    else:
        start_s = float(warm_up_s)
    counted = jobs.take(jobs.float("created_s") >= start_s)
    served = counted.take(np.isin(counted.columns["state"], SERVED))
    met = counted.columns["deadline_met"].astype(bool) if len(counted) else np.empty(0, dtype=bool)
    return {
        "jobs": len(jobs),
        "counted_jobs": len(counted),
        "warm_up_s": start_s,
        "states": _counts(counted.columns["state"]),
        "reasons": _counts([reason for reason in counted.columns["reason"].tolist() if reason]),
        "deadline_met": _as_json(proportion_interval(met, confidence=confidence)),
        "delay_s": distribution(served.float("delay_s"), confidence),
        "components_s": {name: _component(served, name, confidence) for name in COMPONENTS},
        "savings": distribution(served.float("savings"), confidence),
        "transmitted_bits": mean_only(served.float("transmitted_bits"), confidence),
        "original_bits": mean_only(served.float("original_bits"), confidence),
        "fidelity": _fidelity(served, confidence),
    }


def distribution(samples: FloatArray, confidence: float) -> dict[str, Any]:
    """Return mean, spread and quantiles of *samples* in time order, leaving out nan."""
    values = samples[np.isfinite(samples)]
    entry = mean_only(values, confidence)
    entry["std"] = _number(float(values.std(ddof=1))) if len(values) > 1 else None
    entry["min"], entry["max"] = (float(values.min()), float(values.max())) if len(values) else (None, None)
    entry["quantiles"] = {
        f"q{100 * probability:02.0f}": _as_json(quantile_interval(values, probability, confidence=confidence))
        for probability in QUANTILES
        if len(values)
    }
    return entry


def mean_only(samples: FloatArray, confidence: float) -> dict[str, Any]:
    """Return the mean of *samples* in time order with its interval, leaving out nan."""
    values = samples[np.isfinite(samples)]
    interval = batch_interval(values, confidence=confidence)
    return {
        "n": len(values),
        "mean": _number(interval.value),
        "low": _number(interval.low),
        "high": _number(interval.high),
    }


def figure_of(summary: Mapping[str, Any], scheme: str, metric: str) -> float:
    """Return one figure of a *summary*, as ``delay_s.mean`` or ``fidelity.pf_rank.1.mean``.

    nan where it is null or absent: a scheme that delivered nothing has no delay.
    """
    node = _node_at(summary, scheme, metric)
    if isinstance(node, (dict, list, str)):
        raise InputError(f"metric {metric!r}: not one number of a scheme's entry in {FILE_NAME}")
    return float("nan") if node is None else float(node)


def has_figure(summary: Mapping[str, Any], scheme: str, metric: str) -> bool:
    """Return whether the *summary* knows the *metric*, even if it has no value in this run."""
    return _node_at(summary, scheme, metric, absent=_ABSENT) is not _ABSENT


_ABSENT = object()


def _node_at(summary: Mapping[str, Any], scheme: str, metric: str, absent: Any = None) -> Any:
    node: Any = summary["schemes"].get(scheme, absent)
    for key in metric.split("."):
        if isinstance(node, list) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        elif isinstance(node, dict) and key in node:
            node = node[key]
        else:
            return absent
    return node


def write_summary(directory: Path, summary: Mapping[str, Any]) -> None:
    """Write ``DIR/summary.json``."""
    write_json(directory / FILE_NAME, dict(summary))


def _component(served: SchemeRecords, name: str, confidence: float) -> dict[str, Any]:
    waiting, service = served.float(f"{name}_wait_s"), served.float(f"{name}_service_s")
    entry = mean_only(waiting + service, confidence)
    entry["waiting"] = _number(float(waiting.mean())) if len(waiting) else None
    entry["service"] = _number(float(service.mean())) if len(service) else None
    return entry


def _fidelity(served: SchemeRecords, confidence: float) -> dict[str, Any]:
    """Return PF and SF, whole and per rank, of the scored images."""
    entry: dict[str, Any] = {}
    for whole in ("pf", "sf"):
        if whole in served.columns:
            entry[whole] = mean_only(served.float(whole), confidence)
        entry[f"{whole}_rank"] = [
            mean_only(served.float(name), confidence) for name in rank_columns(served.columns, whole)
        ]
    return entry


def _is_rank_column(name: str) -> bool:
    return bool(rank_columns([name], "pf") or rank_columns([name], "sf"))


def _counts(values: npt.NDArray[Any] | Sequence[str]) -> dict[str, int]:
    names, counts = np.unique(np.asarray(values, dtype=str), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _as_json(interval: Interval) -> dict[str, float | None]:
    return {"value": _number(interval.value), "low": _number(interval.low), "high": _number(interval.high)}


def _number(value: float) -> float | None:
    """Return *value*, or None where JSON has no number for it."""
    return value if np.isfinite(value) else None
