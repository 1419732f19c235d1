"""Records → the figures one quotes: per scheme, with confidence intervals from batches of consecutive jobs.

Jobs created during the warm-up are left out of every figure but the counts of end states. Delay, savings and fidelity
are those of images that reached the user; a job that did not has no delay, and counts as having missed its deadline.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ntnsim.arrays import BoolArray, FloatArray
from ntnsim.errors import InputError
from ntnsim.results.atomic import write_json
from ntnsim.results.columns import SERVED, rank_columns
from ntnsim.results.files import SUMMARY
from ntnsim.results.pictures import FEWEST_PICTURES, mean_over_pictures, picture_numbers
from ntnsim.results.read import RunDirectory
from ntnsim.results.record import COMPONENTS, DROPPED
from ntnsim.results.statistics import DEFAULT_CONFIDENCE, Interval
from ntnsim.results.within_run import (
    FEWEST_EFFECTIVE,
    FEWEST_IN_TAIL,
    FEWEST_JOBS,
    batch_interval,
    mean_interval,
    mser5_truncation,
    quantile_interval,
    share_interval,
)

Pictures = npt.NDArray[np.intp]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
MSER5 = "mser5"
METHOD = (
    "within a run: batch means widened by their correlation and skewness, quantiles and shares by the effective "
    f"number of images; none with fewer than {FEWEST_JOBS} images, or worth fewer than {FEWEST_EFFECTIVE} "
    f"independent ones, or {FEWEST_IN_TAIL} beyond a quantile; savings, bits and fidelity: jackknife over "
    f"pictures where that is wider, none with fewer than {FEWEST_PICTURES} pictures"
)


@dataclass(frozen=True)
class SchemeRecords:
    """One scheme's jobs, in order of creation; a column is read when asked for, so that a million jobs need no room.

    rows: where its jobs stand in the run's records. read: gives a column of all of the run's records.
    """

    scheme: str
    rows: npt.NDArray[np.intp]
    names: Sequence[str]
    read: Callable[[str], pa.ChunkedArray]

    def __len__(self) -> int:
        return len(self.rows)

    def float(self, name: str) -> FloatArray:
        """Return a column as floating point; absent values are nan."""
        return np.asarray(self.read(name).to_numpy()[self.rows], dtype=np.float64)

    def texts(self, name: str) -> tuple[npt.NDArray[np.intp], list[str]]:
        """Return a column of texts as positions in the list of those that occur in the run."""
        encoded = self.read(name).combine_chunks().dictionary_encode()
        return encoded.indices.to_numpy()[self.rows], encoded.dictionary.to_pylist()

    def kinds(self, name: str) -> npt.NDArray[np.intp]:
        """Return a number per job, the same where a column of texts is the same."""
        return np.asarray(self.read(name).combine_chunks().dictionary_encode().indices.to_numpy()[self.rows])

    def take(self, chosen: BoolArray) -> "SchemeRecords":
        """Return the *chosen* jobs."""
        return replace(self, rows=self.rows[chosen])

    def served(self) -> "SchemeRecords":
        """Return the jobs that reached the user."""
        positions, states = self.texts("state")
        return self.take(np.isin(positions, [k for k, state in enumerate(states) if state in SERVED]))


def by_scheme(names: Sequence[str], read: Callable[[str], pa.ChunkedArray]) -> list[SchemeRecords]:
    """Split records by scheme, schemes in order of first appearance, jobs in order of creation.

    names: the records' columns. read: gives one of them.
    """
    created_s = read("created_s").to_numpy()
    everything = SchemeRecords("", np.arange(len(created_s)), names, read)
    positions, schemes = everything.texts("scheme")
    split = []
    for position, scheme in enumerate(schemes):
        rows = np.flatnonzero(positions == position)
        rows = rows[np.argsort(created_s[rows], kind="stable")]
        split.append(replace(everything, scheme=scheme, rows=rows))
    return split


def summarise(
    records: pa.Table | RunDirectory,
    *,
    warm_up_s: float | str = 0.0,
    confidence: float = DEFAULT_CONFIDENCE,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the summary of a run's *records* as a JSON-like mapping.

    records: a table, or the run's directory, which is then read column by column.
    warm_up_s: jobs created earlier are left out; ``"mser5"`` finds the time from the delays, per scheme.
    details: further named facts to keep at the top (name, seed, horizon, fidelity backends); ``pictures`` tells of
        which photograph an image is a view, where several are of one.
    """
    if isinstance(records, RunDirectory):
        schemes = by_scheme(records.record_columns(), records.record_column)
    else:
        schemes = by_scheme(records.column_names, records.column)
    facts = dict(details or {})
    pictures = facts.get("pictures", {})
    return {
        "format": 1,
        **facts,
        "confidence": confidence,
        "method": METHOD,
        "schemes": {
            scheme.scheme: scheme_summary(scheme, warm_up_s, confidence, pictures) for scheme in schemes
        },
    }


def scheme_summary(
    jobs: SchemeRecords, warm_up_s: float | str, confidence: float, pictures: Mapping[str, str]
) -> dict[str, Any]:
    """Return one scheme's figures."""
    if warm_up_s == MSER5:
        in_order = jobs.served()
        cut = mser5_truncation(in_order.float("delay_s"))
        start_s = float(in_order.float("created_s")[cut.n_deleted]) if cut.n_deleted else 0.0
        at_limit = cut.at_limit
    else:
        start_s, at_limit = float(warm_up_s), False
    counted = jobs.take(jobs.float("created_s") >= start_s)
    served = counted.served()
    shown = _pictures_shown(served, pictures)
    return {
        "jobs": len(jobs),
        "counted_jobs": len(counted),
        "warm_up_s": start_s,
        **({"warm_up_at_limit": True} if at_limit else {}),
        "states": _counts(*counted.texts("state")),
        "reasons": _counts(*counted.texts("reason")),
        "deadline_met": _as_json(
            share_interval(counted.float("deadline_met"), served.float("delay_s"), confidence)
        ),
        "delay_s": distribution(served.float("delay_s"), confidence),
        "components_s": {name: _component(served, name, confidence) for name in COMPONENTS},
        "savings": distribution(served.float("savings"), confidence, shown),
        "transmitted_bits": mean_only(served.float("transmitted_bits"), confidence, shown),
        "original_bits": mean_only(served.float("original_bits"), confidence, shown),
        **({"bits": bits_ledger(jobs)} if "link_bits" in jobs.names else {}),
        "fidelity": _fidelity(served, confidence, shown),
    }


def bits_ledger(jobs: SchemeRecords) -> dict[str, float]:
    """Return where all jobs' bits on the satellite link are at the end, protocol overhead included.

    coded = not_sent + received + lost_on_the_way + on_the_way: of images that were coded, those that were not sent up
    whole, those that the data network has whole, and between these two, on board or on air, those that were dropped and
    those still there. between_satellites: times each image's bits crossed a link between satellites.
    """
    bits, on_air_s = jobs.float("link_bits"), jobs.float("link_end_s")
    coded, sent = np.isfinite(bits), np.isfinite(on_air_s)
    received = np.isfinite(jobs.float("at_data_network_s"))
    positions, states = jobs.texts("state")
    dropped = np.isin(positions, [k for k, state in enumerate(states) if state == DROPPED])
    hops = np.nan_to_num(jobs.float("isl_hops")) if "isl_hops" in jobs.names else np.zeros(len(bits))
    under_way = coded & sent & ~received
    return {
        "coded": float(bits[coded].sum()),
        "not_sent": float(bits[coded & ~sent].sum()),
        "received": float(bits[coded & sent & received].sum()),
        "lost_on_the_way": float(bits[under_way & dropped].sum()),
        "on_the_way": float(bits[under_way & ~dropped].sum()),
        "between_satellites": float((bits * hops)[coded].sum()),
    }


def distribution(samples: FloatArray, confidence: float, shown: Pictures | None = None) -> dict[str, Any]:
    """Return mean, spread and quantiles of *samples* in time order, leaving out nan."""
    values = samples[np.isfinite(samples)]
    entry = mean_only(samples, confidence, shown)
    entry["std"] = _number(float(values.std(ddof=1))) if len(values) > 1 else None
    entry["min"], entry["max"] = (float(values.min()), float(values.max())) if len(values) else (None, None)
    entry["quantiles"] = {
        f"q{100 * probability:02.0f}": _as_json(quantile_interval(values, probability, confidence))
        for probability in QUANTILES
        if len(values)
    }
    return entry


def mean_only(samples: FloatArray, confidence: float, shown: Pictures | None = None) -> dict[str, Any]:
    """Return the mean of *samples* in time order with its interval, leaving out nan.

    shown: the picture of each sample, where the mean is one over pictures.
    """
    finite = np.isfinite(samples)
    values = samples[finite]
    n_pictures = None
    if shown is not None and len(values):
        along_time = batch_interval(values, confidence)
        interval, n_pictures = mean_over_pictures(values, shown[finite], along_time)
    else:
        interval = mean_interval(values, confidence)
    entry = {
        "n": len(values),
        "mean": _number(interval.value),
        "low": _number(interval.low),
        "high": _number(interval.high),
    }
    return entry if n_pictures is None else {**entry, "pictures": n_pictures}


def figure_of(summary: Mapping[str, Any], scheme: str, metric: str) -> float:
    """Return one figure of a *summary*, as ``delay_s.mean`` or ``fidelity.pf_rank.1.mean``.

    nan where it is null or absent: a scheme that delivered nothing has no delay.
    """
    node = _node_at(summary, scheme, metric)
    if isinstance(node, (dict, list, str)):
        raise InputError(f"metric {metric!r}: not one number of a scheme's entry in {SUMMARY}")
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
    write_json(directory / SUMMARY, dict(summary))


def _component(served: SchemeRecords, name: str, confidence: float) -> dict[str, Any]:
    waiting, service = served.float(f"{name}_wait_s"), served.float(f"{name}_service_s")
    entry = mean_only(waiting + service, confidence)
    entry["waiting"] = _number(float(waiting.mean())) if len(waiting) else None
    entry["service"] = _number(float(service.mean())) if len(service) else None
    return entry


def _pictures_shown(jobs: SchemeRecords, pictures: Mapping[str, str]) -> Pictures | None:
    """Return a number per job, the same for one picture; None where the records name no image."""
    if "image_id" not in jobs.names:
        return None
    if not pictures:
        return jobs.kinds("image_id")
    positions, image_ids = jobs.texts("image_id")
    return picture_numbers(image_ids, pictures)[positions]


def _fidelity(served: SchemeRecords, confidence: float, shown: Pictures | None) -> dict[str, Any]:
    """Return PF and SF, whole and per rank, of the scored images."""
    entry: dict[str, Any] = {}
    for whole in ("pf", "sf"):
        if whole in served.names:
            entry[whole] = mean_only(served.float(whole), confidence, shown)
        entry[f"{whole}_rank"] = [
            mean_only(served.float(name), confidence, shown) for name in rank_columns(served.names, whole)
        ]
    return entry


def _counts(positions: npt.NDArray[np.intp], texts: Sequence[str]) -> dict[str, int]:
    """Return how often each text occurs, in alphabetical order, without those that do not and the empty one."""
    counts = dict(zip(texts, np.bincount(positions, minlength=len(texts)).tolist(), strict=True))
    return {text: counts[text] for text in sorted(texts) if text and counts[text]}


def _as_json(interval: Interval) -> dict[str, float | None]:
    return {"value": _number(interval.value), "low": _number(interval.low), "high": _number(interval.high)}


def _number(value: float) -> float | None:
    """Return *value*, or None where JSON has no number for it."""
    return value if np.isfinite(value) else None
