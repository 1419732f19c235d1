"""Records as a dataset: the same rows as load gives, of which only what is asked for is read."""

import pytest
from pyarrow.compute import field
from synthetic_run import write_run, write_sweep

import ntnsim
from ntnsim.errors import InputError


def test_a_scan_holds_what_load_holds(tmp_path):
    sweep = write_sweep(tmp_path / "sweep", n_jobs=20, replications=2)
    whole = ntnsim.load(sweep)
    swept = [name for name in whole.columns if "." in name or name == "background"]
    found = ntnsim.scan(sweep)
    assert set(whole.columns) == set(found.schema.names)
    columns = ["run", "replication", *swept, "scheme", "delay_s"]
    scanned = found.to_table(columns).to_pandas()
    assert scanned.to_dict("list") == whole[columns].astype({"run": str, "scheme": str}).to_dict("list")


def test_a_filter_by_column_and_by_what_a_sweep_set(tmp_path):
    sweep = write_sweep(tmp_path / "sweep", n_jobs=20, replications=2)
    whole = ntnsim.load(sweep)
    some = (field("scheme") == "jpeg") & (field("replication") == 1)
    expected = whole[(whole["scheme"] == "jpeg") & (whole["replication"] == 1)]["job"]
    assert len(expected) > 0
    assert ntnsim.scan(sweep).to_table(["job"], filter=some)["job"].to_pylist() == expected.tolist()


def test_several_runs_and_directories_without_one(tmp_path):
    runs = [write_run(tmp_path / name, n_jobs=5) for name in "ab"]
    assert sorted(set(ntnsim.scan(*runs).to_table(["run"])["run"].to_pylist())) == ["a", "b"]
    with pytest.raises(InputError, match="no such directory"):
        ntnsim.scan(tmp_path / "nowhere")
