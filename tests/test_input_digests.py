"""Files that a scenario names are known by what they hold: --resume and sweeps notice a replaced one."""

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from ntnsim.api.run import run
from ntnsim.api.sweep import sweep
from ntnsim.errors import InputError
from ntnsim.input_digests import input_digests
from ntnsim.scenario.load import load_scenario
from ntnsim.sweeps.cells import SweepPlan

WORLD = """
name: w
horizon: {n_jobs: 2}
sources: [{name: a, arrivals: {kind: trace, path: trace.csv}}]
gateways: [{name: g, device: "devices.yaml#mine", track: {path: track.csv}}]
space: {constellation: {kind: element_sets, path: elements.tle}}
datasets: {d: {kind: folder, path: images, masks: masks}}
satellite_link: {kind: constant, rate_bps: 1.0e+6}
schemes:
  - name: s
    codec: {kind: jpeg}
    policy: {kind: linear, checkpoint: engine}
"""
PLACES = {
    "trace.csv": "content of sources[0].arrivals.path",
    "track.csv": "content of gateways[0].track.path",
    "devices.yaml": "content of gateways[0].device",
    "elements.tle": "content of space.constellation.path",
    "images/1.png": "content of datasets.d.path",
    "masks/1.png": "content of datasets.d.masks",
    "engine/state.pt": "content of schemes[0].policy.checkpoint",
}


@pytest.fixture
def directory(tmp_path):
    root = tmp_path / "scenario"
    for name in ("images", "masks", "engine"):
        (root / name).mkdir(parents=True)
    for name in PLACES:
        (root / name).write_bytes(f"the content of {name}".encode())
    (root / "w.yaml").write_text(WORLD)
    return root


def digests(directory):
    return input_digests(load_scenario(directory / "w.yaml"))


@pytest.mark.parametrize("name", PLACES)
def test_one_other_byte_is_noticed_though_size_and_time_are_as_before(directory, name):
    before, state = digests(directory), (directory / name).stat()
    assert sorted(before) == sorted(PLACES.values())
    (directory / name).write_bytes((directory / name).read_bytes()[:-1] + b"?")
    os.utime(directory / name, ns=(state.st_atime_ns, state.st_mtime_ns))
    after = digests(directory)
    assert {place for place in before if before[place] != after[place]} == {PLACES[name]}


def test_a_file_more_or_of_another_name_is_noticed_and_another_place_of_all_is_not(directory, tmp_path):
    before = digests(directory)
    shutil.copytree(directory, tmp_path / "elsewhere")
    assert digests(tmp_path / "elsewhere") == before
    (directory / "images/1.png").rename(directory / "images/2.png")
    assert digests(directory)[PLACES["images/1.png"]] != before[PLACES["images/1.png"]]


def test_schemes_without_pictures_read_no_photographs(directory):
    text = WORLD.replace("kind: jpeg", "kind: sizes, size_bits: 8")
    (directory / "w.yaml").write_text(text)
    assert not any("datasets" in place for place in digests(directory))


def test_sites_name_their_file_once(tmp_path):
    (tmp_path / "sites.csv").write_text("latitude_deg,longitude_deg\n0,0\n1,1\n")
    (tmp_path / "w.yaml").write_text(
        "{name: w, horizon: {duration_s: 9}, sites: {kind: file, path: sites.csv, rate_per_s: 1},"
        " schemes: [{name: s, codec: {kind: sizes, size_bits: 8}}]}"
    )
    assert list(digests(tmp_path)) == ["content of sites.path"]


SMALL = """
name: w
horizon: {n_jobs: 2}
sources: [{name: a, arrivals: {kind: trace, path: trace.csv}}]
gateways: [{name: g}]
satellite_link: {kind: constant, rate_bps: 1.0e+6}
schemes: [{name: s, codec: {kind: sizes, size_bits: 8}}]
sweep: {design: [{kind: grid, parameters: {satellite_link.rate_bps: [1.0e+6, 2.0e+6]}}]}
"""


@pytest.fixture
def traced(tmp_path):
    (tmp_path / "w.yaml").write_text(SMALL)
    (tmp_path / "trace.csv").write_text("time_s\n0.5\n1.5\n")
    return tmp_path


def test_resume_keeps_results_of_the_same_files_and_says_which_changed(traced):
    run(traced / "w.yaml", traced / "out")
    stamp = (traced / "out/summary.json").stat().st_mtime_ns
    run(traced / "w.yaml", traced / "out", resume=True)
    assert (traced / "out/summary.json").stat().st_mtime_ns == stamp
    (traced / "trace.csv").write_text("time_s\n0.5\n1.6\n")
    with pytest.raises(InputError) as caught:
        run(traced / "w.yaml", traced / "out", resume=True)
    assert str(caught.value) == (
        f"{traced / 'out'}: holds results of another content of sources[0].arrivals.path; "
        "--force replaces them, or choose another --out"
    )


def test_sweeps_run_the_cells_of_changed_files_anew(traced):
    before = SweepPlan(traced / "w.yaml").cell(0, 0).digest
    assert sweep(traced / "w.yaml", traced / "out").outcome.changed_inputs == []
    assert sweep(traced / "w.yaml", traced / "out", resume=True).outcome.n_reused == 2
    (traced / "trace.csv").write_text("time_s\n0.5\n1.6\n")
    assert SweepPlan(traced / "w.yaml").cell(0, 0).digest != before
    outcome = sweep(traced / "w.yaml", traced / "out", resume=True).outcome
    assert (outcome.n_reused, outcome.n_run) == (0, 2)
    assert outcome.changed_inputs == ["content of sources[0].arrivals.path"]


def test_a_replaced_mask_is_another_run(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(tmp_path / "images/1.png")
    mask = np.zeros((16, 16), np.uint8)
    mask[:8] = 255
    Image.fromarray(mask).save(tmp_path / "masks/1.png")
    (tmp_path / "w.yaml").write_text(
        re.sub("sources.*\n", "sources: [{name: a, arrivals: {kind: periodic, period_s: 1}}]\n", SMALL)
        .replace("{kind: sizes, size_bits: 8}", "{kind: jpeg}")
        .replace("name: w\n", "name: w\ntask: {segmenter: truth}\n")
        + "datasets: {d: {kind: folder, path: images, masks: masks}}\n"
    )
    run(tmp_path / "w.yaml", tmp_path / "out")
    run(tmp_path / "w.yaml", tmp_path / "out", resume=True)
    Image.fromarray(255 - mask).save(tmp_path / "masks/1.png")
    with pytest.raises(InputError, match=r"results of another content of datasets\.d\.masks; --force"):
        run(tmp_path / "w.yaml", tmp_path / "out", resume=True)
