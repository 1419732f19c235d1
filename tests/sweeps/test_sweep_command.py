"""ntnsim sweep, plot and report, from the command line, on real runs of a scenario without pixels."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fork_server import forked
from stand_in import SCENARIO

ROOT = Path(__file__).parents[2]
SWEEP = """
satellite_link: {kind: constant, rate_bps: 1.0e+6}
sweep:
  design: [{kind: grid, parameters: {background: [0.1, 0.6]}}]
  replications: 2
"""


def ntnsim(*arguments, expect=0):
    done = forked(*arguments, cwd=ROOT, site=ROOT)
    assert done.returncode == expect, done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    path = tmp_path_factory.mktemp("command") / "scenario.yaml"
    path.write_text(SCENARIO + SWEEP)
    return path


@pytest.fixture(scope="module")
def swept(scenario):
    out = scenario.parent / "out"
    done = ntnsim("sweep", scenario, "--out", out, "--jobs", 2)
    # Nobody watches, and it takes less than ten seconds: the one line names the results.
    # Before it, on a busy machine, what the sweep is doing every ten seconds.
    assert done.stderr.endswith(f"results in {out}; figures: ntnsim plot {out}; page: ntnsim report {out}\n")
    return out, done.stdout


def test_sweep_prints_a_line_per_point_and_scheme(swept):
    _, printed = swept
    for expected in ("background = 0.1", "background = 0.6", "4 cells run, 0 reused, 0 failed"):
        assert expected in printed


def test_a_cell_is_what_ntnsim_run_gives_for_the_command_in_its_provenance(swept, scenario, tmp_path):
    out, _ = swept
    cell = json.loads((out / "sweep.json").read_text())["cells"][-1]
    assert (cell["parameters"], cell["replication"]) == ({"background": 0.6}, 1)
    provenance = json.loads((out / "cells" / cell["digest"] / "provenance.json").read_text())
    program, *arguments = provenance["command"]
    assert program == "ntnsim"
    ntnsim(*arguments, "--set", "sweep=null", "--out", tmp_path / "alone")
    part = "records/part-00000.parquet"
    assert (tmp_path / "alone" / part).read_bytes() == (out / "cells" / cell["digest"] / part).read_bytes()


def test_json_ends_with_the_figures(swept, scenario):
    out, _ = swept
    content = json.loads(ntnsim("sweep", scenario, "--out", out, "--resume", "--json").stdout)
    assert (content["cells"], content["run"], content["reused"], content["failed"]) == (4, 0, 4, [])
    assert [point["parameters"]["background"] for point in content["points"]] == [0.1, 0.6]
    assert content["points"][0]["schemes"]["spiff"]["delay_s.mean"]["low"] is not None


def test_dry_run_lists_the_cells_and_probe_makes_the_first_one_for_keeps(scenario, tmp_path):
    listed = ntnsim("sweep", scenario, "--out", tmp_path / "out", "--dry-run").stdout
    assert "4 cells, 0 of them done" in listed
    assert "no cell has run yet" in listed
    assert not (tmp_path / "out").exists()
    probed = ntnsim("sweep", scenario, "--out", tmp_path / "out", "--dry-run", "--probe", "--jobs", 1).stdout
    assert "4 cells, 1 of them done" in probed
    assert " on 1 workers, at " in probed
    assert len(list((tmp_path / "out/cells").iterdir())) == 1


def test_mistakes_are_told_in_one_line_with_exit_code_2(scenario, swept, tmp_path):
    out, _ = swept
    again = ntnsim("sweep", scenario, "--out", out, expect=2)
    assert again.stderr.strip() == (
        f"ntnsim: {out}: holds a sweep already; add --resume to finish it, or choose another --out"
    )
    assert (
        "--executor slurm: not one of"
        in ntnsim("sweep", scenario, "--out", tmp_path / "o", "--executor", "slurm", expect=2).stderr
    )
    assert (
        "is not < 1"
        in ntnsim(
            "sweep",
            scenario,
            "--out",
            tmp_path / "o",
            "--set",
            "sweep.design=[{kind: list, points: [{background: 2}]}]",
            expect=2,
        ).stderr
    )
    assert ntnsim("plot", tmp_path / "nowhere", expect=2).stderr.count("\n") == 1


def test_plot_and_report_read_the_sweep(swept, tmp_path):
    out, _ = swept
    files = json.loads(ntnsim("plot", out, "--out", tmp_path, "--json").stdout)
    assert {Path(file).stem for file in files} >= {
        "delay_cdf",
        "savings_cdf",
        "delay_breakdown",
        "load_curves",
    }
    made = json.loads(ntnsim("report", out, "--out", tmp_path / "page.html", "--json").stdout)
    assert made["bytes"] == (tmp_path / "page.html").stat().st_size < 1_000_000


def test_a_failing_cell_ends_the_command_with_exit_code_1_and_its_name(scenario, tmp_path):
    # A trace that does not exist is found out only when the cell runs.
    points = 'sweep.design=[{kind: list, points: [{background: 0.1}, {"sources[0].arrivals": {kind: trace, path: no.csv}}]}]'
    done = ntnsim("sweep", scenario, "--out", tmp_path / "out", "--set", points, expect=1)
    assert "2 cells run, 0 reused, 2 failed" in done.stdout
    assert "no.csv" in done.stderr
    reports = list((tmp_path / "out/failed").iterdir())
    assert len(reports) == 2
    assert "Traceback" in reports[0].read_text()


def test_a_killed_run_is_resumed_to_the_bytes_of_an_undisturbed_one(scenario, tmp_path):
    more = ["--set", "sweep=null", "--set", "horizon.n_jobs=12000"]
    arguments = ["run", str(scenario), *more, "--out"]
    program = f"from ntnsim.cli import main; import sys; sys.argv[1:] = {[*arguments, str(tmp_path / 'killed')]!r}; main()"
    victim = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ends = time.monotonic() + 240
    while not (tmp_path / "killed/.ntnsim/unfinished/records").exists():
        assert time.monotonic() < ends
        assert victim.poll() is None
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert [path.name for path in (tmp_path / "killed").iterdir()] == [".ntnsim"]
    ntnsim(*arguments, tmp_path / "killed", "--resume")
    ntnsim(*arguments, tmp_path / "undisturbed")
    assert not (tmp_path / "killed/.ntnsim").exists()
    for part in sorted((tmp_path / "undisturbed/records").iterdir()):
        assert part.read_bytes() == (tmp_path / "killed/records" / part.name).read_bytes()
    for name in ("summary.json", "timeline.parquet"):
        assert (tmp_path / "undisturbed" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
