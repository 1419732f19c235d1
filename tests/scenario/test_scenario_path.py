"""A path of a scenario leads where its file says, and is remembered as it was written."""

import json
import os
from pathlib import Path

import pytest

from ntnsim.errors import ScenarioError
from ntnsim.scenario.dataset import FolderDatasetSpec
from ntnsim.scenario.load import load_scenario
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.scenario import Scenario

SCENARIO = """
name: paths
seed: 1
horizon: {n_jobs: 1}
sources:
  - {name: camera, arrivals: {kind: trace, path: times.csv}}
gateways:
  - {name: parma, latitude_deg: 44.8, longitude_deg: 10.3, device: mine.yaml#box}
data_network: {device: tesla-t4}
datasets: {street: {kind: folder, path: photos, masks: ../masks}}
task: {bundle: nets/small, pf_backend: lpips, lpips_trunk: trunk.pth, sf_backend: clip, clip: /absolute/clip}
space: {constellation: {kind: element_sets, path: today.tle}}
schemes:
  - {name: best, codec: {kind: spiff}, policy: {kind: oracle, table: tables/grid.parquet}}
  - {name: learned, codec: {kind: spiff}, policy: {kind: spiff-engine, checkpoint: ~/engine}}
"""


def paths_of(node: object) -> list[ScenarioPath]:
    """Return every path in *node*, a scenario or a part of it."""
    if isinstance(node, ScenarioPath):
        return [node]
    if isinstance(node, dict):
        return [path for value in node.values() for path in paths_of(value)]
    if isinstance(node, list | tuple):
        return [path for value in node for path in paths_of(value)]
    fields = getattr(type(node), "model_fields", {})
    return [path for name in fields for path in paths_of(getattr(node, name))]


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    (tmp_path / "paths.yaml").write_text(SCENARIO)
    return load_scenario(tmp_path / "paths.yaml")


def test_every_relative_path_starts_at_the_scenarios_directory(scenario, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", "/home/someone")
    found = {path.written: path.location for path in paths_of(scenario)}
    assert (
        found.pop("tesla-t4") == tmp_path / "tesla-t4"
    )  # a name: whoever reads it asks for name_or_location
    assert found.pop("/absolute/clip") == Path("/absolute/clip")
    assert found.pop("~/engine") == Path("/home/someone/engine")
    assert found.pop("../masks") == tmp_path / "../masks"
    assert "tables/grid.parquet" in found and "trunk.pth" in found
    assert all(location == tmp_path / written for written, location in found.items())


def test_results_hold_the_paths_as_written(scenario, tmp_path):
    dumped = json.dumps(scenario.model_dump(mode="json"))
    assert str(tmp_path) not in dumped
    assert json.loads(dumped)["datasets"]["street"]["masks"] == "../masks"


def test_a_name_without_separator_may_be_one_that_ships():
    assert ScenarioPath("tiny", Path("/d")).name_or_location == "tiny"
    assert ScenarioPath("./tiny", Path("/d")).name_or_location == Path("/d/tiny")
    assert ScenarioPath("nets/tiny", Path("/d")).name_or_location == Path("/d/nets/tiny")


def test_a_scenario_built_in_code_starts_at_the_working_directory(tmp_path):
    spec = FolderDatasetSpec(kind="folder", path="photos", masks=tmp_path / "masks")
    assert spec.path.location == Path("photos")
    assert spec.masks is not None and spec.masks.location == tmp_path / "masks"


@pytest.mark.parametrize(
    ("value", "message"), [("5", "should be a valid string"), ("''", "at least 1 character")]
)
def test_what_is_no_path_is_refused_where_it_stands(tmp_path, value, message):
    text = SCENARIO.replace("path: photos", f"path: {value}")
    (tmp_path / "paths.yaml").write_text(text)
    with pytest.raises(ScenarioError, match=rf"paths\.yaml:10: datasets\.street\.path: .*{message}"):
        load_scenario(tmp_path / "paths.yaml")


def test_two_directories_with_the_same_words_are_two_places(tmp_path):
    here = FolderDatasetSpec.model_validate({"kind": "folder", "path": "a"}, context={"directory": tmp_path})
    there = FolderDatasetSpec.model_validate(
        {"kind": "folder", "path": "a"}, context={"directory": Path(os.sep)}
    )
    assert here != there
    assert hash(here) != hash(there)
