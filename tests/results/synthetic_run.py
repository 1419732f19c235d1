"""Result directories for tests of readers and figures, made by a small queueing model instead of the simulator.

One FIFO server behind Poisson arrivals gives delays that are correlated as real ones are; all other columns follow the
records' own list of columns.
"""

from pathlib import Path

import numpy as np

from ntnsim.results.gallery import GalleryWriter
from ntnsim.results.provenance import provenance, write_provenance
from ntnsim.results.record import arrow_schema, record_columns
from ntnsim.results.summary import summarise, write_summary
from ntnsim.results.timeline import TimelineWriter
from ntnsim.results.writer import RecordWriter

COLUMNS = record_columns(2, ("pf", "sf"))
DEADLINE_S = 20.0
# Mean satellite service time, kept savings and fidelity of each scheme.
SCHEMES = {
    "spiff": {"service_s": 2.0, "savings": 0.93, "pf": (0.62, 0.97)},
    "jpeg": {"service_s": 4.6, "savings": 0.74, "pf": (0.88, 0.90)},
    "sc": {"service_s": 0.2, "savings": 0.998, "pf": (0.25, 0.27)},
}


def waiting_times(arrivals_s: np.ndarray, service_s: np.ndarray) -> np.ndarray:
    """Return the FIFO waiting times of a single server (Lindley's recursion, solved with running extremes)."""
    steps = np.concatenate([[0.0], service_s[:-1] - np.diff(arrivals_s)])
    walk = np.cumsum(steps)
    return walk - np.minimum.accumulate(walk)


def scheme_columns(scheme: str, n_jobs: int, seed: int, load: float) -> dict:
    """Return the records of one scheme as columns. load: utilisation that scales the arrival rate."""
    rng = np.random.default_rng(seed)
    traits = SCHEMES[scheme]
    created = np.cumsum(rng.exponential(4.8 / load, n_jobs))
    ntn_service = rng.gamma(4, traits["service_s"] / 4, n_jobs)
    parts = {
        "gw_comm": (np.zeros(n_jobs), rng.normal(0.8, 0.05, n_jobs)),
        "gw_comp": (rng.exponential(0.2, n_jobs), rng.lognormal(0.3, 0.1, n_jobs)),
        "ntn_comm": (waiting_times(created, ntn_service), ntn_service + 0.004),
        "dn_comp": (rng.exponential(0.4, n_jobs), np.full(n_jobs, 0.0 if scheme == "jpeg" else 2.3)),
        "dn_comm": (np.zeros(n_jobs), rng.normal(0.3, 0.02, n_jobs)),
    }
    delay = sum(wait + service for wait, service in parts.values())
    dropped = rng.random(n_jobs) < 0.02
    original = rng.integers(900_000, 1_600_000, n_jobs)
    savings = np.clip(rng.normal(traits["savings"], 0.02, n_jobs), 0, 0.9995)
    transmitted = np.round(original * (1 - savings)).astype(np.int64)
    columns = {}
    for column in COLUMNS:
        blank = {"text": "", "integer": 0, "real": np.nan, "truth": False}[column.type]
        columns[column.name] = np.full(n_jobs, blank, dtype=object if column.type == "text" else None)
    columns |= {
        "scheme": [scheme] * n_jobs,
        "job": [f"harbour/{index}" for index in range(n_jobs)],
        "source": ["harbour"] * n_jobs,
        "image_id": [f"photographs/{index}" for index in range(n_jobs)],
        "index": np.arange(n_jobs),
        "state": np.where(dropped, "dropped", np.where(delay <= DEADLINE_S, "delivered", "late")).tolist(),
        "reason": np.where(dropped, "satellite outage", "").tolist(),
        "deadline_s": np.full(n_jobs, DEADLINE_S),
        "deadline_met": ~dropped & (delay <= DEADLINE_S),
        "created_s": created,
        "delay_s": np.where(dropped, np.nan, delay),
        "original_bits": original,
        "transmitted_bits": transmitted,
        "savings": 1 - transmitted / original,
    }
    for name, (wait, service) in parts.items():
        columns[f"{name}_wait_s"], columns[f"{name}_service_s"] = wait, service
    for rank, mean in enumerate(traits["pf"]):
        columns[f"pf_rank_{rank}"] = np.clip(rng.normal(mean, 0.02, n_jobs), 0, 1)
        columns[f"sf_rank_{rank}"] = np.clip(rng.normal((1 + mean) / 2, 0.02, n_jobs), 0, 1)
    columns["pf"] = (columns["pf_rank_0"] + columns["pf_rank_1"]) / 2
    columns["sf"] = (columns["sf_rank_0"] + columns["sf_rank_1"]) / 2
    return columns


def write_run(
    directory: Path,
    *,
    n_jobs: int = 400,
    seed: int = 1,
    load: float = 0.6,
    schemes: tuple[str, ...] = ("spiff", "jpeg"),
    warm_up_s: float | str = 0.0,
    n_pictures: int = 0,
) -> Path:
    """Write a whole run to *directory*; return it."""
    with RecordWriter(directory, schema=arrow_schema(COLUMNS)) as writer:
        for scheme in schemes:
            writer.write(scheme_columns(scheme, n_jobs, seed, load))
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = sorted((directory / "records").iterdir())
    records = pa.concat_tables([pq.read_table(part) for part in parts])
    write_summary(
        directory, summarise(records, warm_up_s=warm_up_s, details={"name": "synthetic", "seed": seed})
    )
    scenario = {"name": "synthetic", "seed": seed, "requirement": {"deadline_s": DEADLINE_S}}
    write_provenance(directory, provenance(scenario, seed=seed, scenario_file="synthetic.yaml"))
    _write_timeline(directory, schemes, 4.8 / load * n_jobs, seed)
    if n_pictures:
        _write_pictures(directory, schemes, n_pictures)
    return directory


def _write_timeline(directory: Path, schemes: tuple[str, ...], duration_s: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times_s = np.arange(0.0, duration_s, max(duration_s / 300, 1.0))
    phase = (times_s % 600) / 600
    in_contact = phase < 0.6
    elevation = np.where(in_contact, 10 + 70 * np.sin(np.pi * phase / 0.6), np.nan)
    with TimelineWriter(directory) as writer:
        writer.write_passes(
            {
                "kind": "pass",
                "terminal": "parma",
                "time_s": start_s,
                "end_s": start_s + 360.0,
                "satellite": f"LEO-{number}",
                "max_elevation_deg": 80.0,
            }
            for number, start_s in enumerate(np.arange(0.0, duration_s, 600.0))
        )
        for scheme in schemes:
            fault = {
                "scheme": [scheme] * 2,
                "kind": ["fault"] * 2,
                "entity": ["gpu-1"] * 2,
                "value": [np.nan] * 2,
            }
            ends = {"time_s": [0.3 * duration_s, 0.35 * duration_s], "quantity": ["begin", "end"]}
            writer.write({**fault, **ends, "text": ["gpu"] * 2})
        for position, scheme in enumerate(schemes):
            backlog = np.maximum(0, np.cumsum(rng.normal(0, 1, len(times_s)))) * 1e6 / (1 + position)
            for entity, quantity, values in (
                ("parma", "rate_bps", np.where(in_contact, 2e6 * np.sin(np.pi * phase / 0.6), 0)),
                ("parma", "elevation_deg", elevation),
                ("parma", "load", np.full(len(times_s), 0.3)),
                ("parma", "backlog_bits", backlog),
                ("parma", "queue", np.round(backlog / 1e6)),
                ("world", "jobs_on_the_way", np.round(backlog / 2e5)),
            ):
                texts = [entity] * len(times_s)
                columns = {
                    "time_s": times_s,
                    "scheme": [scheme] * len(times_s),
                    "kind": ["sample"] * len(times_s),
                }
                columns |= {"entity": texts, "quantity": [quantity] * len(times_s), "value": values}
                writer.write({**columns, "text": [""] * len(times_s)})


def _write_pictures(directory: Path, schemes: tuple[str, ...], n_pictures: int) -> None:
    from skimage import data

    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    gallery = GalleryWriter(directory)
    rng = np.random.default_rng(4)
    for index in range(n_pictures):
        original = np.ascontiguousarray(photographs[index % len(photographs)])
        height, width = original.shape[:2]
        received = np.full_like(original, 128)
        received[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = original[
            height // 4 : 3 * height // 4, width // 4 : 3 * width // 4
        ]
        for scheme in schemes:
            noise = rng.normal(0, 12, original.shape)
            partial = scheme == "spiff"
            gallery.add(
                scheme=scheme,
                job=f"harbour/{index}",
                image=f"photograph-{index}",
                original=original,
                received=received if partial else None,
                reconstruction=np.clip(original + noise, 0, 255).astype(np.uint8),
                transmitted_bits=80_000 if partial else 260_000,
                original_bits=1_000_000,
                pf=0.8,
                sf=0.9,
                pf_rank=SCHEMES[scheme]["pf"],
                sf_rank=(0.81, None) if index == 1 else (0.81, 0.98),
                configuration={"box_growth": 0.1, "patch_fractions": [0.2], "coarse_quality": 0.15}
                if partial
                else {},
            )
    gallery.close()


def write_sweep(
    directory: Path, *, loads: tuple[float, ...] = (0.3, 0.6, 0.9), replications: int = 4, **options
) -> Path:
    """Write a finished sweep over ``background.load`` to *directory*; return it."""
    from ntnsim.results.atomic import write_json

    cells = []
    for point, load in enumerate(loads):
        for replication in range(replications):
            digest = f"{point:02d}{replication:02d}"
            write_run(directory / "cells" / digest, seed=100 + replication, load=load, **options)
            cells.append(
                {
                    "digest": digest,
                    "label": f"point {point} replication {replication}",
                    "point": point,
                    "parameters": {"background.load": load},
                    "replication": replication,
                    "seed": 100 + replication,
                }
            )
    write_json(directory / "sweep.json", {"format": 1, "cells": cells})
    return directory
