"""Whatever is killed, the sweep ends with the bytes of an undisturbed one."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import stand_in
from stand_in import SCENARIO

from ntnsim.errors import InputError
from ntnsim.networks.bundle import Member, write_manifest
from ntnsim.results import atomic
from ntnsim.sweeps import cells, drive
from ntnsim.sweeps.cells import SweepPlan
from ntnsim.sweeps.drive import estimated_wall_s, run_sweep
from ntnsim.sweeps.local import LocalExecutor

SWEEP = "sweep: {design: [{kind: grid, parameters: {background: [0.0, 0.25, 0.5]}}], replications: 4}"
N_CELLS = 12


def plan_of(tmp_path: Path, sweep: str = SWEEP) -> SweepPlan:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO + sweep)
    return SweepPlan(path)


def swept(
    plan: SweepPlan, directory: Path, runner=stand_in.tiny, *, n_workers: int = 2, resume: bool = False
):
    return run_sweep(plan, directory, lambda: LocalExecutor(directory, runner, n_workers), resume=resume)


def contents(directory: Path) -> dict[str, bytes]:
    """Return every file of a sweep but the journal, which tells wall time, and the lock."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in {"journal.csv", ".lock", "killed-once"}
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("undisturbed")
    outcome = swept(plan_of(tmp_path), tmp_path / "out")
    assert (outcome.n_cells, outcome.n_run, outcome.failed) == (N_CELLS, N_CELLS, [])
    return tmp_path


def test_summary_of_a_sweep_is_the_t_interval_over_its_replications(undisturbed):
    summary = json.loads((undisturbed / "out" / "sweep_summary.json").read_text())
    assert [point["parameters"] for point in summary["points"]] == [
        {"background": b} for b in (0.0, 0.25, 0.5)
    ]
    cells = json.loads((undisturbed / "out" / "sweep.json").read_text())["cells"]
    means = [
        json.loads((undisturbed / "out/cells" / cell["digest"] / "summary.json").read_text())["schemes"][
            "spiff"
        ]
        for cell in cells
        if cell["point"] == 1
    ]
    entry = summary["points"][1]["schemes"]["spiff"]["delay_s.mean"]
    values = [mean["delay_s"]["mean"] for mean in means]
    assert entry["mean"] == pytest.approx(np.mean(values))
    half_width = 3.182446 * np.std(values, ddof=1) / 2  # t of 3 degrees of freedom; root of 4 replications
    assert entry["high"] - entry["mean"] == pytest.approx(half_width, rel=1e-6)


def test_results_do_not_depend_on_the_number_of_workers(undisturbed):
    swept(plan_of(undisturbed), undisturbed / "one", n_workers=1)
    assert contents(undisturbed / "one") == contents(undisturbed / "out")


def test_resume_runs_only_what_is_missing(undisturbed):
    plan = plan_of(undisturbed)
    with pytest.raises(InputError, match=r"holds a sweep already; add --resume"):
        swept(plan, undisturbed / "out")
    before = contents(undisturbed / "out")
    gone = sorted((undisturbed / "out/cells").iterdir())[:2]
    for cell in gone:
        for path in sorted(cell.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        cell.rmdir()
    outcome = swept(plan, undisturbed / "out", resume=True)
    assert (outcome.n_run, outcome.n_reused) == (2, N_CELLS - 2)
    assert contents(undisturbed / "out") == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("summary.json", lambda path: path.write_bytes(path.read_bytes()[:50])),
        ("summary.json", lambda path: path.unlink()),
        ("seal.json", lambda path: path.write_text("{}")),
        # One bit, in the middle of the compressed records.
        ("records/part-00000.parquet", lambda path: flip_bit(path, path.stat().st_size // 2)),
    ],
)
def test_a_damaged_cell_is_noticed_and_run_again(tmp_path, undisturbed, name, damage):
    before = contents(undisturbed / "out")
    shutil.copytree(undisturbed / "out", tmp_path / "out")
    cell = sorted((tmp_path / "out/cells").iterdir())[4]
    damage(cell / name)
    (cell / "notes.md").write_text("mine")
    outcome = swept(plan_of(undisturbed), tmp_path / "out", resume=True)
    assert (outcome.n_run, outcome.n_reused, outcome.n_damaged) == (1, N_CELLS - 1, 1)
    assert (tmp_path / "out/damaged" / cell.name / "notes.md").read_text() == "mine"
    shutil.rmtree(tmp_path / "out/damaged")
    assert contents(tmp_path / "out") == before


def flip_bit(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_files_that_are_added_to_a_cell_do_not_damage_it(tmp_path, undisturbed):
    shutil.copytree(undisturbed / "out", tmp_path / "out")
    (next((tmp_path / "out/cells").iterdir()) / "report.html").write_text("")
    assert swept(plan_of(undisturbed), tmp_path / "out", resume=True).n_reused == N_CELLS


def test_another_bundle_of_the_same_name_makes_other_cells(tmp_path, monkeypatch):
    own_models = tmp_path / "models/mine"
    own_models.mkdir(parents=True)
    monkeypatch.setenv("NTNSIM_MODELS", str(own_models.parent))
    addresses = []
    for version in ("first", "second"):
        cells._bundle_digest.cache_clear()
        write_manifest(own_models, version, [Member("segmenter", "semantic-segmentation")])
        addresses.append(plan_of(tmp_path, SWEEP + "\ntask: {bundle: mine}").cell(0, 0).digest)
        assert plan_of(tmp_path, SWEEP + "\ntask: {bundle: mine}").cell(0, 0).digest == addresses[-1]
    cells._bundle_digest.cache_clear()
    assert addresses[0] != addresses[1]


def test_a_longer_design_reuses_the_cells_of_a_shorter_one(tmp_path):
    swept(plan_of(tmp_path, SWEEP.replace("0.25, ", "")), tmp_path / "out")
    outcome = swept(plan_of(tmp_path), tmp_path / "out", resume=True)
    assert (outcome.n_run, outcome.n_reused) == (4, 8)


def test_a_failing_cell_leaves_its_traceback_and_does_not_stop_the_others(tmp_path):
    outcome = swept(plan_of(tmp_path), tmp_path / "out", stand_in.failing_at_half_load)
    assert (outcome.n_run, len(outcome.failed)) == (8, 4)
    assert outcome.failed[0][1] == "ZeroDivisionError: no capacity left at load 0.5"
    reports = [path.read_text() for path in (tmp_path / "out/failed").iterdir()]
    assert len(reports) == 4
    assert all("background=0.5 #" in report and "in failing_at_half_load" in report for report in reports)
    assert not list((tmp_path / "out/cells").glob(".*"))
    mended = swept(plan_of(tmp_path), tmp_path / "out", resume=True)
    assert (mended.n_run, mended.n_reused, mended.failed) == (4, 8, [])
    assert not list((tmp_path / "out/failed").iterdir())


def test_a_killed_worker_costs_its_cell_one_more_try(tmp_path, undisturbed):
    outcome = swept(plan_of(tmp_path), tmp_path / "out", stand_in.killed_once)
    assert (tmp_path / "out/killed-once").exists()
    assert (outcome.n_run, outcome.failed) == (N_CELLS, [])
    run_sweep(
        plan_of(tmp_path), tmp_path / "out", no_executor, resume=True
    )  # removes what the killed worker left
    expected = {
        name: content for name, content in contents(undisturbed / "out").items() if name.startswith("cells/")
    }
    found = {
        name: content for name, content in contents(tmp_path / "out").items() if name.startswith("cells/")
    }
    assert found == expected


def no_executor():
    raise AssertionError("nothing was missing")


def test_a_cell_that_always_kills_its_worker_is_given_up_and_named(tmp_path):
    outcome = swept(plan_of(tmp_path, SWEEP.replace(": 4", ": 1")), tmp_path / "out", stand_in.always_killed)
    assert (outcome.n_run, len(outcome.failed)) == (2, 1)
    label, error = outcome.failed[0]
    assert label.startswith("background=0.5 #")
    assert error == "its process died 3 times, last by SIGKILL"


def test_a_full_disk_is_reported_and_leaves_no_half_written_cell(tmp_path):
    plan = plan_of(tmp_path, SWEEP.replace(": 4", ": 1"))
    outcome = swept(plan, tmp_path / "out", stand_in.on_a_full_disk)
    assert [error for _, error in outcome.failed] == ["OSError: [Errno 28] No space left on device"] * 3
    assert list((tmp_path / "out/cells").iterdir()) == []
    assert swept(plan, tmp_path / "out", resume=True).n_run == 3


def test_a_disk_too_full_for_the_drivers_own_files_ends_in_one_line_and_resumes(
    tmp_path, undisturbed, monkeypatch
):
    plan = plan_of(tmp_path)
    writes = []

    def fills_up(path, content):
        writes.append(path.name)
        if path.name == "sweep_summary.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        atomic.write_json(path, content)

    monkeypatch.setattr(drive, "write_json", fills_up)
    with pytest.raises(InputError, match="the disk is full; make room and go on with --resume"):
        swept(plan, tmp_path / "out")
    monkeypatch.undo()
    assert writes[-1] == "sweep_summary.json"
    again = run_sweep(plan, tmp_path / "out", no_executor, resume=True)
    assert again.n_reused == N_CELLS
    assert contents(tmp_path / "out").keys() == contents(undisturbed / "out").keys()


DRIVER = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
sys.path.insert(0, {tests!r})
import stand_in
from ntnsim.sweeps.cells import SweepPlan
from ntnsim.sweeps.drive import run_sweep
from ntnsim.sweeps.local import LocalExecutor
if __name__ == "__main__":
    out = Path({out!r})
    outcome = run_sweep(SweepPlan(Path({scenario!r})), out, lambda: LocalExecutor(out, stand_in.slow, 2))
    print("interrupted" if outcome.interrupted else "complete")
"""


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_whose_driver_was_killed_resumes_to_the_undisturbed_bytes(tmp_path, undisturbed, deadly):
    scenario, out = undisturbed / "scenario.yaml", tmp_path / "out"
    tests = str(Path(__file__).parent)
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(tests=tests, out=str(out), scenario=str(scenario)))
    driver = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: len(complete_cells(out)) >= 3)
    os.killpg(driver.pid, deadly) if deadly == signal.SIGINT else driver.kill()
    output, _ = driver.communicate(timeout=30)
    if deadly == signal.SIGINT:
        assert output.strip() == "interrupted"
        assert not list((out / "cells").glob(".*"))
    wait_until(lambda: not children_alive(driver.pid))
    survived = complete_cells(out)
    assert 3 <= len(survived) < N_CELLS
    outcome = swept(SweepPlan(scenario), out, resume=True)
    assert (outcome.n_reused, outcome.n_run) == (len(survived), N_CELLS - len(survived))
    assert contents(out) == contents(undisturbed / "out")


def complete_cells(out: Path) -> list[Path]:
    return [path for path in (out / "cells").glob("*") if not path.name.startswith(".")]


def children_alive(session: int) -> bool:
    """Return whether any process of the driver's session still runs."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            return True
    return False


def wait_until(condition, limit_s: float = 240) -> None:
    ends = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


def test_two_drivers_do_not_share_a_directory(tmp_path):
    plan = plan_of(tmp_path)

    def second_driver():
        with pytest.raises(InputError, match=r"another process .* is writing to it"):
            swept(plan, tmp_path / "out", resume=True)
        raise InputError("the first driver stops here")

    with pytest.raises(InputError, match="the first driver stops here"):
        run_sweep(plan, tmp_path / "out", second_driver)


def test_adaptive_replication_stops_at_the_wanted_width_and_needs_more_where_noise_is_larger(tmp_path):
    sweep = (
        "sweep: {design: [{kind: grid, parameters: {background: [0.0, 0.9]}}], replications: 4, "
        "adaptive: {metric: delay_s.mean, half_width: 0.25, max_replications: 60}}"
    )
    plan = plan_of(tmp_path, sweep)
    outcome = swept(plan, tmp_path / "out")
    points = json.loads((tmp_path / "out/sweep_summary.json").read_text())["points"]
    for point in points:
        entry = point["schemes"]["spiff"]["delay_s.mean"]
        assert (entry["high"] - entry["low"]) / 2 <= 0.25 or point["replications"] == 60
    # Twenty exponentials of mean m: deviation m/√20. (1.9/1)² = 3.6 times the replications in theory.
    assert points[1]["replications"] > points[0]["replications"]
    assert outcome.n_run == sum(point["replications"] for point in points)
    before = contents(tmp_path / "out")
    again = run_sweep(plan, tmp_path / "out", no_executor, resume=True)
    assert again.n_reused == outcome.n_run
    assert contents(tmp_path / "out") == before


def test_adaptive_metric_that_no_summary_has_is_refused(tmp_path):
    sweep = "sweep: {replications: 2, adaptive: {metric: delay_s.average, half_width: 0.1}}"
    with pytest.raises(InputError, match=r"'delay_s.average' is not a figure of spiff's entry"):
        swept(plan_of(tmp_path, sweep), tmp_path / "out")


def test_estimate_is_the_median_of_the_journal_and_survives_a_torn_line(tmp_path):
    assert estimated_wall_s(tmp_path) is None
    (tmp_path / "journal.csv").write_text("a,1.0,now\nb,2.0,now\nc,30.0,now\nd,4")
    assert estimated_wall_s(tmp_path) == 2.0
