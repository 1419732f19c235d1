"""What the README shows is what the program does."""

import re
from pathlib import Path

import pytest
from PIL import Image
from skimage import data
from test_cli import ROOT, ntnsim

from ntnsim.cli.experiments import EXPERIMENTS
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.results.show import summary_table
from ntnsim.runs import run_scenario
from ntnsim.scenario.load import load_scenario

README = (ROOT / "README.md").read_text()


def block(pattern: str) -> str:
    """Return the first fenced block whose text matches *pattern*."""
    blocks = re.findall(r"```\w*\n(.*?)```", README, flags=re.DOTALL)
    return next(text for text in blocks if re.search(pattern, text))


def test_quickstart_table_is_the_committed_reference():
    table = block(r"quickstart \(±").strip()
    assert table == (ROOT / "results/reference/quickstart/summary.txt").read_text().strip()


def test_jpeg_column_of_the_quickstart_repeats_here(tmp_path):
    # The networks' arithmetic may differ between hosts; JPEG's bytes and simulated time may not.
    scenario = load_scenario(
        ROOT / "scenarios/quickstart.yaml",
        ["schemes=[{name: jpeg, codec: {kind: jpeg, quality: 45}}]", "output.gallery_images=0"],
    )
    fresh = summary_table(run_scenario(scenario, tmp_path / "out", store=OutcomeStore()))

    def last_cells(table: str) -> dict[str, str]:
        rows = [line.strip("│").split("│") for line in table.splitlines() if line.startswith("│")]
        return {row[0].strip(): row[-1].strip() for row in rows}

    shown, found = last_cells(block(r"quickstart \(±")), last_cells(fresh)
    for figure in ("images", "delay, mean (s)", "delay, 95th percentile (s)", "savings, mean"):
        assert found[figure] == shown[figure]


def test_example_scenario_is_valid_and_runs(tmp_path):
    path = tmp_path / "first.yaml"
    path.write_text(block(r"name: first-steps"))
    summary = run_scenario(load_scenario(path, ["horizon.n_jobs=1"]), tmp_path / "out", store=OutcomeStore())
    assert set(summary["schemes"]) == {"spiff", "avif"}


def test_example_of_a_mistake_is_told_as_shown(tmp_path):
    path = tmp_path / "first.yaml"
    path.write_text(block(r"name: first-steps").replace("rate_per_s: 0.1", "rate_per_s: -1"))
    shown = re.search(r"`(first\.yaml:\d+: .*?)`", README)
    assert shown is not None
    assert ntnsim("validate", "first.yaml", cwd=tmp_path).stderr.strip() == f"ntnsim: {shown[1]}"


@pytest.mark.parametrize("command", re.findall(r"^\$ ntnsim (.*)$", README, flags=re.MULTILINE))
def test_command_prints_what_is_shown(command):
    shown = block(re.escape(f"$ ntnsim {command}")).split("\n", 1)[1]
    assert ntnsim(*command.split()).stdout.strip() == shown.strip()


def test_python_example_reads_a_run(tmp_path, monkeypatch, capsys):
    scenario = load_scenario(
        ROOT / "scenarios/quickstart.yaml",
        ["schemes=[{name: jpeg, codec: {kind: jpeg}}]", "horizon.n_jobs=1", "output.gallery_images=0"],
    )
    run_scenario(scenario, tmp_path / "results/quickstart", store=OutcomeStore())
    monkeypatch.chdir(tmp_path)
    exec(block(r"ntnsim\.load\("), {})
    assert "delay_s" in capsys.readouterr().out


def test_python_front_door_runs_as_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = block(r"name: first-steps").replace("n_jobs: 20", "n_jobs: 2")
    (tmp_path / "first.yaml").write_text(few)
    Image.fromarray(data.astronaut()[:256, :256]).save(tmp_path / "photo.jpg")
    names: dict[str, object] = {}
    exec(block(r"ntnsim\.run\(\"first"), names)
    assert "first-steps" in capsys.readouterr().out
    assert len(names["frame"]) == 4 and 0.5 < names["scores"].pf <= 1
    (tmp_path / "mine.yaml").write_text(
        few.replace("{kind: fixed, box_growth: 0.0, patch_fractions: 0.05, coarse_quality: 0.25}", CUSTOM)
    )
    names["scenario"] = load_scenario(tmp_path / "mine.yaml")
    exec(block(r"class Thrifty"), names)
    assert set(names["run"].records.query("scheme == 'spiff'")["x_coarse_quality"]) == {0.4}
    exec(block(r"ImageDeliveryEnv").replace("total_timesteps=300", "total_timesteps=3"), names)
    assert set(names["run"].records["scheme"]) == {"spiff", "avif"}
    assert names["agent"].num_timesteps == 3


CUSTOM = "{kind: custom, name: thrifty}"


def test_every_file_that_the_readme_shows_exists():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    assert Path(ROOT / "scenarios/quickstart.yaml").exists()


def test_table_of_figures_names_commands_that_exist():
    table = README.split("## Figures and tables")[1].split("## Results")[0]
    experiments = re.findall(r"`ntnsim experiment (\w+) ", table)
    assert set(experiments) <= set(EXPERIMENTS)
    named = {
        name for cell in re.findall(r"^\|[^|]*\|([^|]*)\|", table, re.MULTILINE) for name in cell.split(", ")
    }
    assert set(EXPERIMENTS) <= {name.strip() for name in named}  # none is left out
    scenarios = {path.stem for path in (ROOT / "scenarios").glob("*.yaml")}
    assert scenarios <= set(re.findall(r"`(?:scenarios/)?(\w+)(?:\.yaml)?`", table))
    for command, name in re.findall(r"`ntnsim (sweep|run) scenarios/(\w+)\.yaml", table):
        loaded = load_scenario(ROOT / f"scenarios/{name}.yaml")
        assert (command == "run") == (loaded.sweep is None)
