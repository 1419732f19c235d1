"""Whatever an outcome depends on is in its key: each input is changed in turn, and what nothing depends on is not."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ntnsim.images.pipeline import WHOLE_SCORES
from ntnsim.networks.bundle import open_bundle
from ntnsim.protocols.configuration import Configuration
from ntnsim.runs import program_digest
from ntnsim.scenario.scenario import Scenario
from ntnsim.schemes import SchemeAssembly, _weights_digest

ANSWER = {
    "rank_fractions": [0.5, 0.5],
    "size_bits": 8,
    "bits_per_rank": [4, 4],
    "overhead_bits": 0,
    "file_bits": 8,
    "pf_rank": [1.0, 1.0],
    "sf_rank": [1.0, 1.0],
    **dict.fromkeys(WHOLE_SCORES),
}


class KnowsAll:
    """A store that has every outcome, and remembers what it was asked for."""

    def __init__(self):
        self.keys = {}

    def get(self, key):
        self.keys[key.stage] = key
        return ANSWER


def keys_of(tree, code="code"):
    store = KnowsAll()
    scenario = Scenario.model_validate(tree)
    pipeline = SchemeAssembly(scenario, store, code).assemble(scenario.schemes[0]).pipeline
    capture = pipeline.capture("camera", 0)
    x = Configuration(0.1, (0.2,), 0.3)
    pipeline.encode(capture.image_id, x)
    pipeline.reconstruct(capture.image_id, x)
    return store.keys


@pytest.fixture
def tree(tmp_path):
    rng = np.random.default_rng(3)
    for name, shape in (("images/a.png", (32, 48, 3)), ("masks/a.png", (32, 48))):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(rng.integers(0, 2, shape, dtype=np.uint8) * 255).save(tmp_path / name)
    shutil.copytree(open_bundle("tiny").directory, tmp_path / "bundle")
    return {
        "name": "keys",
        "seed": 1,
        "sources": [{"name": "camera", "arrivals": {"kind": "trace", "times_s": [0.0]}}],
        "datasets": {
            "d": {"kind": "folder", "path": str(tmp_path / "images"), "masks": str(tmp_path / "masks")}
        },
        "task": {"segmenter": "truth", "bundle": str(tmp_path / "bundle")},
        "gateways": [{"name": "g"}],
        "satellite_link": {"kind": "constant", "rate_bps": 1e6},
        "schemes": [{"name": "s", "codec": {"kind": "spiff", "trial": 0.4}}],
    }


def put(*path, value):
    def change(tree, directory):
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        node[path[-1]] = value

    return change


def other_picture(name):
    def change(tree, directory):
        pixels = np.asarray(Image.open(directory / name)).copy()
        pixels[0, 0] = 255 - pixels[0, 0]
        Image.fromarray(pixels).save(directory / name)

    return change


def other_bundle(tree, directory):
    path = directory / "bundle" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "description": "retrained"}))


ALL = {"segment", "trial", "encode", "reconstruct"}
CODED = ALL - {"segment"}
CODEC = ("schemes", 0, "codec")


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        pytest.param(other_picture("images/a.png"), ALL, id="photograph"),
        pytest.param(other_picture("masks/a.png"), ALL, id="mask"),
        pytest.param(put("task", "relevance", value={"preset": None, "ranks": {"other": 1}}), ALL, id="relevance"),
        pytest.param(
            put("task", "relevance", value={"preset": None, "ranks": {"x": 1}, "default_rank": 1}), ALL, id="default rank"
        ),
        pytest.param(put("task", "segmenter", value="bundle"), ALL, id="segmenter"),
        pytest.param(other_bundle, CODED, id="bundle"),
        pytest.param(put("seed", value=2), CODED, id="seed"),
        pytest.param(put(*CODEC, "tile_px", value=32), CODED, id="setting"),
        pytest.param(put(*CODEC, "crop", value={"codec": "jpeg", "quality": 60}), CODED, id="component"),
        pytest.param(put(*CODEC, "trial", value=0.5), {"trial"}, id="trial"),
        pytest.param(put(*CODEC, "trial_restored", value=True), {"restored trial"}, id="restored trial"),
        pytest.param(put(*CODEC, "inpaint", value={"method": "telea"}), CODED, id="fill"),
        pytest.param(put(*CODEC, "inpaint", value={"dtype": "bfloat16"}), CODED, id="number format"),
        pytest.param(put(*CODEC, "caption", value=True), CODED, id="caption"),
        pytest.param(
            put("delivered_file", value={"codec": "jpeg", "quality": 50}), {"reconstruct"}, id="delivered file"
        ),
    ],
)  # fmt: skip
def test_each_input_changes_the_keys_of_what_depends_on_it_and_no_other(tree, tmp_path, change, stages):
    before = keys_of(tree)
    assert set(before) == ALL and keys_of(tree) == before
    change(tree, tmp_path)
    after = keys_of(tree)
    assert {stage for stage in after if after[stage] != before.get(stage)} >= stages
    assert stages != {"reconstruct"} or after["encode"] == before["encode"]


def test_a_bundle_that_segments_changes_every_key(tree, tmp_path):
    tree["task"]["segmenter"] = "bundle"
    before = keys_of(tree)
    other_bundle(tree, tmp_path)
    after = keys_of(tree)
    assert all(after[stage] != before[stage] for stage in ALL)


def test_what_nothing_depends_on_is_in_no_key(tree):
    before = keys_of(tree)
    put("description", value="again")(tree, None)
    put("schemes", 0, "name", value="other")(tree, None)
    put("satellite_link", "rate_bps", value=2e6)(tree, None)
    assert keys_of(tree) == before


def test_another_version_of_program_or_libraries_changes_every_key(tree, monkeypatch):
    before, versions = program_digest(), {"pillow": "1.0"}
    monkeypatch.setattr("ntnsim.runs.package_versions", lambda: versions)
    with_one = program_digest()
    versions["pillow"] = "1.1"
    assert len({before, with_one, program_digest()}) == 3
    one, other = keys_of(tree, before), keys_of(tree, with_one)
    assert all(one[stage] != other[stage] for stage in ALL)


def test_weights_of_judges_that_are_the_users_files_are_known_by_their_bytes(tree, tmp_path):
    trunk, clip = tmp_path / "alexnet.pth", tmp_path / "clip"
    clip.mkdir()

    def digest():
        task = Scenario.model_validate({**tree, "task": judges}).task
        return _weights_digest(task)

    judges = {"pf_backend": "lpips", "lpips_trunk": str(trunk), "sf_backend": "clip", "clip": str(clip)}
    digests = []
    for file in (trunk, clip / "config.json"):
        for content in (b"1", b"2"):
            file.write_bytes(content)
            digests.append(digest())
    assert len(set(digests)) == 4
    judges = {"lpips_trunk": str(trunk)}  # not asked: nothing depends on it
    assert digest() == ""


def test_another_class_of_the_users_own_changes_every_key(tree, tmp_path):
    policy = {"kind": "python", "class": "own_keys:Policy", "directory": str(tmp_path)}
    own = "class Policy:\n    learns = False\n    def __init__(self, space, seed): pass\n" + "".join(
        f"    def {name}(self, *_): pass\n" for name in ("choose", "learn", "lose", "diagnostics", "save")
    )
    (tmp_path / "own_keys.py").write_text(own)
    tree["schemes"][0]["policy"] = policy
    before = keys_of(tree)
    (tmp_path / "own_keys.py").write_text(own + "# changed\n")
    after = keys_of(tree)
    assert all(after[stage] != before[stage] for stage in ALL)
