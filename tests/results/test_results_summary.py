"""The summary says what the records say, with intervals; the loader hands the records to pandas."""

import json
import re
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from synthetic_run import DEADLINE_S, scheme_columns, write_run, write_sweep

from ntnsim.errors import InputError
from ntnsim.results import load
from ntnsim.results.gallery import read_index
from ntnsim.results.provenance import code_digest, digest, package_versions
from ntnsim.results.read import RunDirectory, find_runs
from ntnsim.results.show import summary_table
from ntnsim.results.summary import figure_of, summarise


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("summary") / "run", n_pictures=2)


def test_summary_agrees_with_pandas_on_the_records(run):
    summary = json.loads((run / "summary.json").read_text())
    jobs = load(run)
    for scheme, entry in summary["schemes"].items():
        of_scheme = jobs[jobs.scheme == scheme]
        served = of_scheme[of_scheme.state.isin(["delivered", "late"])]
        assert entry["jobs"] == len(of_scheme)
        assert entry["states"] == of_scheme.state.value_counts()[lambda counts: counts > 0].to_dict()
        assert entry["delay_s"]["mean"] == pytest.approx(served.delay_s.mean(), rel=1e-12)
        assert entry["delay_s"]["quantiles"]["q95"]["value"] == pytest.approx(served.delay_s.quantile(0.95))
        assert entry["savings"]["mean"] == pytest.approx(served.savings.mean(), rel=1e-12)
        assert entry["deadline_met"]["value"] == pytest.approx((of_scheme.delay_s <= DEADLINE_S).mean())
        assert entry["fidelity"]["pf_rank"][1]["mean"] == pytest.approx(served.pf_rank_1.mean())


def test_summary_of_a_directory_is_that_of_its_table(run):
    [directory] = find_runs([run])
    for warm_up_s in (0.0, 300.0, "mser5"):
        assert summarise(directory, warm_up_s=warm_up_s) == summarise(
            directory.records(), warm_up_s=warm_up_s
        )


def test_summary_of_a_directory_holds_few_columns_at_a_time(tmp_path):
    write_run(tmp_path / "run", n_jobs=20_000)
    [directory] = find_runs([tmp_path / "run"])
    tracemalloc.start()
    before = pa.default_memory_pool().bytes_allocated()
    held = []

    class Watched(RunDirectory):
        def record_column(self, name):
            column = super().record_column(name)
            held.append(pa.default_memory_pool().bytes_allocated() - before)
            return column

    summarise(Watched(directory.path, directory.label))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    real_bytes = 8 * 2 * 20_000  # of one column of both schemes
    assert max(held) < 4 * real_bytes
    assert peak < 8 * real_bytes


def test_mean_components_add_up_to_the_mean_delay(run):
    summary = json.loads((run / "summary.json").read_text())
    for entry in summary["schemes"].values():
        parts = entry["components_s"].values()
        assert sum(part["mean"] for part in parts) == pytest.approx(entry["delay_s"]["mean"], rel=1e-12)
        assert all(part["waiting"] + part["service"] == pytest.approx(part["mean"]) for part in parts)


def test_jobs_of_the_warm_up_count_in_no_figure():
    records = pa.table(scheme_columns("spiff", 500, 3, 0.5))
    created = records["created_s"].to_numpy()
    cut_s = float(created[200])
    entry = summarise(records, warm_up_s=cut_s)["schemes"]["spiff"]
    kept = records.filter(pa.array(created >= cut_s))
    assert (entry["jobs"], entry["counted_jobs"]) == (500, 300)
    assert entry["delay_s"]["mean"] == pytest.approx(np.nanmean(kept["delay_s"].to_numpy()))


def test_mser5_warm_up_of_the_summary_cuts_a_backlog_that_the_run_began_with():
    columns = scheme_columns("spiff", 1000, 3, 0.5)
    columns["delay_s"] = columns["delay_s"] + 200 * np.exp(-np.arange(1000) / 30)
    entry = summarise(pa.table(columns), warm_up_s="mser5")["schemes"]["spiff"]
    assert columns["created_s"][80] <= entry["warm_up_s"] <= columns["created_s"][300]


def test_a_scheme_that_delivered_nothing_has_null_figures_and_a_row_in_the_table():
    columns = scheme_columns("spiff", 20, 3, 0.5)
    columns["state"], columns["deadline_met"] = ["dropped"] * 20, np.zeros(20, dtype=bool)
    columns["delay_s"] = np.full(20, np.nan)
    summary = summarise(pa.table(columns))
    entry = summary["schemes"]["spiff"]
    assert entry["delay_s"]["mean"] is None
    assert entry["deadline_met"]["value"] == 0.0
    assert json.dumps(summary, allow_nan=False)
    assert "–" in summary_table(summary)


def test_table_shows_every_scheme_and_says_that_the_run_is_too_short_for_intervals(run):
    text = summary_table(json.loads((run / "summary.json").read_text()))
    heading = next(line for line in text.splitlines() if "spiff" in line)
    assert "jpeg" in heading
    assert "(n too small)" in next(line for line in text.splitlines() if "delay, mean" in line)
    assert "PF, rank 1" in text
    assert "n too small for an interval: within a run it takes 5000 images" in text


def test_table_of_a_long_run_shows_intervals():
    records = pa.table(scheme_columns("spiff", 20_000, 3, 0.5))
    text = summary_table(summarise(records))
    for row in ("delay, mean", "within the deadline"):
        assert re.search(r"± |\[.+, .+\]", next(line for line in text.splitlines() if row in line))
    assert "too small" not in text


def test_table_says_when_mser5_found_no_end_of_the_warm_up():
    columns = scheme_columns("spiff", 1000, 3, 0.5)
    columns["delay_s"] = np.arange(1000.0)
    summary = summarise(pa.table(columns), warm_up_s="mser5")
    assert summary["schemes"]["spiff"]["warm_up_at_limit"]
    assert "Warm-up of spiff: MSER-5 is at the end of its search" in summary_table(summary)


def test_figures_of_a_summary_are_found_by_path_and_absent_ones_are_nan(run):
    summary = json.loads((run / "summary.json").read_text())
    entry = summary["schemes"]["spiff"]
    assert figure_of(summary, "spiff", "fidelity.pf_rank.1.mean") == entry["fidelity"]["pf_rank"][1]["mean"]
    assert np.isnan(figure_of(summary, "spiff", "delay_s.average"))
    assert np.isnan(figure_of(summary, "webp", "delay_s.mean"))
    with pytest.raises(InputError, match=r"'delay_s': not one number"):
        figure_of(summary, "spiff", "delay_s")


def test_loader_labels_the_jobs_of_a_sweep_with_its_parameters(tmp_path):
    write_sweep(tmp_path, loads=(0.3, 0.9), replications=2, n_jobs=50)
    jobs = load(tmp_path, columns=["scheme", "delay_s"])
    assert list(jobs.columns) == ["run", "replication", "background.load", "scheme", "delay_s"]
    assert len(jobs) == 2 * 2 * 2 * 50
    assert jobs.groupby("background.load").replication.nunique().to_dict() == {0.3: 2, 0.9: 2}
    assert isinstance(jobs.scheme.dtype, pd.CategoricalDtype)


def test_loader_names_what_is_wrong_with_a_directory(tmp_path, run):
    with pytest.raises(InputError, match="nowhere: no such directory"):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="holds neither a run"):
        find_runs([tmp_path])
    with pytest.raises(InputError, match="has no column delay"):
        load(run, columns=["delay"])
    damaged = write_run(tmp_path / "damaged", n_jobs=5)
    part = damaged / "records" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        load(damaged)


def test_gallery_index_keeps_scores_and_shares_the_original_between_schemes(run):
    entries = read_index(run)
    assert [(entry.job, entry.scheme) for entry in entries] == [
        ("harbour/0", "jpeg"),
        ("harbour/0", "spiff"),
        ("harbour/1", "jpeg"),
        ("harbour/1", "spiff"),
    ]
    jpeg, spiff = entries[2:]
    assert jpeg.original == spiff.original
    assert (jpeg.received, spiff.received != "") == ("", True)
    assert spiff.sf_rank == (0.81, None)
    assert spiff.configuration == {"box_growth": 0.1, "patch_fractions": [0.2], "coarse_quality": 0.15}
    assert spiff.savings == pytest.approx(0.92)


def test_provenance_holds_what_is_needed_to_run_again(run):
    content = json.loads((run / "provenance.json").read_text())
    assert content["scenario"]["seed"] == content["seed"] == 1
    assert content["scenario_digest"] == digest(
        {"requirement": {"deadline_s": 20.0}, "seed": 1, "name": "synthetic"}
    )
    assert content["code_digest"] == code_digest()
    assert content["packages"]["numpy"] == np.__version__
    assert content["command"]
    assert package_versions()["ntnsim"] is not None
