"""A bundle is what its manifest seals: nothing more is trusted, nothing less is accepted, nothing is fetched."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from ntnsim.cli.models import models_app
from ntnsim.errors import BundleError
from ntnsim.networks import bundle_pull
from ntnsim.networks.bundle import Member, find_bundles, open_bundle, write_manifest
from ntnsim.networks.bundle_check import run_members
from ntnsim.networks.load import load_captioner


@pytest.fixture
def small(tmp_path):
    directory = tmp_path / "small"
    (directory / "part").mkdir(parents=True)
    (directory / "part" / "config.json").write_text("{}")
    (directory / "part" / "weights.safetensors").write_bytes(bytes(range(100)))
    write_manifest(
        directory, "two files", [Member("part", "semantic-segmentation", options={"longest_side_px": 64})]
    )
    return directory


def test_sealed_bundle_opens_and_verifies(small):
    bundle = open_bundle(small)
    bundle.verify()
    assert (bundle.name, bundle.size_bytes, bundle.missing()) == ("small", 102, [])
    assert bundle.member("part")[1] == small / "part"


def test_digest_follows_contents_and_not_the_place(small, tmp_path):
    moved = tmp_path / "elsewhere" / "small"
    shutil.copytree(small, moved)
    assert open_bundle(moved).digest == open_bundle(small).digest
    (moved / "part" / "weights.safetensors").write_bytes(bytes(range(1, 101)))
    write_manifest(
        moved, "two files", [Member("part", "semantic-segmentation", options={"longest_side_px": 64})]
    )
    assert open_bundle(moved).digest != open_bundle(small).digest


def test_absent_file_is_named_with_its_directory(small):
    (small / "part" / "weights.safetensors").unlink()
    bundle = open_bundle(small)
    assert bundle.missing() == ["part/weights.safetensors"]
    with pytest.raises(BundleError, match=r"bundle small in .*small lacks part/weights\.safetensors"):
        bundle.member("part")


def test_changed_byte_is_found(small):
    (small / "part" / "weights.safetensors").write_bytes(bytes(100))
    with pytest.raises(BundleError, match=r"part/weights\.safetensors is damaged"):
        open_bundle(small).verify()


def test_member_that_does_not_exist_is_refused_by_name(small):
    with pytest.raises(BundleError, match="has no captioner; it has part"):
        load_captioner(open_bundle(small))


def test_unknown_name_says_where_it_looked_and_what_there_is(small, monkeypatch):
    monkeypatch.setenv("NTNSIM_MODELS", str(small.parent))
    assert find_bundles()["small"] == small
    assert open_bundle("small").directory == small
    with pytest.raises(BundleError, match=f"no bundle named 'huge' under {small.parent}"):
        open_bundle("huge")


def test_directory_without_manifest_and_absent_directory(tmp_path):
    with pytest.raises(BundleError, match=r"lacks manifest\.json"):
        open_bundle(tmp_path)
    with pytest.raises(BundleError, match="does not exist"):
        open_bundle(tmp_path / "nothing" / "here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a manifest"),
        ("[]", "must be a mapping"),
        ('{"format": 1, "name": "x"}', "not well formed"),
        ('{"format": 9, "name": "x", "members": {}}', "manifest format 9; this version reads 1"),
        ('{"format": 1, "name": "x", "members": {"a": {"kind": "k", "hub": "y"}}}', "unknown entries: hub"),
    ],
)
def test_bad_manifest_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=message) as caught:
        open_bundle(tmp_path)
    assert "\n" not in str(caught.value)


def test_paper_bundle_names_table_ii_and_says_how_to_fetch_it():
    bundle = open_bundle("paper")
    assert {member.kind for member in bundle.members.values()} == {
        "semantic-segmentation",
        "blip",
        "stable-diffusion-inpaint",
    }
    assert bundle.members["inpainter"].hub_id == "sd2-community/stable-diffusion-2-inpainting"
    assert bundle.members["inpainter"].options["steps"] == 50
    with pytest.raises(BundleError, match=r"lacks segmenter/; fetch it with: ntnsim models pull paper"):
        bundle.member("segmenter")


def test_pull_fails_in_one_line_and_restores_offline_mode(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    def unreachable(*_, **__):
        assert constants.HF_HUB_OFFLINE is False  # lifted for the pull only
        raise OSError("no route to host\nand much more")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    before = constants.HF_HUB_OFFLINE
    with pytest.raises(
        BundleError, match=r"^cannot pull apple/deeplabv3-mobilevit-small at main: no route to host$"
    ):
        bundle_pull.pull(open_bundle("paper"), tmp_path, say=lambda line: None)
    assert before == constants.HF_HUB_OFFLINE


def test_pull_seals_the_commit_it_fetched(tmp_path, monkeypatch):
    import huggingface_hub

    class Info:
        sha = "c0ffee"

    def fetch(hub_id, *, revision, local_dir, allow_patterns):
        assert revision == "c0ffee"
        local_dir.mkdir(parents=True)
        (local_dir / "config.json").write_text(hub_id)
        (local_dir / "model.safetensors").write_text(hub_id)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: Info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    bundle_pull.pull(open_bundle("paper"), tmp_path, say=lambda line: None)
    pulled = open_bundle(tmp_path)
    pulled.verify()
    assert {member.revision for member in pulled.members.values()} == {"c0ffee"}
    assert pulled.members["inpainter"].options == open_bundle("paper").members["inpainter"].options


def test_list_and_check_commands(small, monkeypatch):
    monkeypatch.setenv("NTNSIM_MODELS", str(small.parent))
    listed = json.loads(CliRunner().invoke(models_app, ["list", "--json"]).stdout)
    assert {"small", "paper"} <= {row["name"] for row in listed}
    checked = CliRunner().invoke(models_app, ["check", "small", "--files-only"])
    assert checked.exit_code == 0
    assert "2 files" in checked.stdout


def test_check_runs_a_photograph_through_every_member(random_bundle):
    checked = CliRunner().invoke(models_app, ["check", str(random_bundle.directory), "--json"])
    assert checked.exit_code == 0, checked.output
    report = json.loads(checked.stdout)
    assert report["libraries_imported_s"] >= 0
    made = {member["member"]: member["made"] for member in report["members"]}
    assert set(made) == {"inpainter", "segmenter"}
    assert "50% restored in 1 step," in made["inpainter"]
    assert any(name in made["segmenter"] for name in ("background", "person", "dog"))


def test_check_finds_a_member_that_is_sealed_and_no_network(small):
    with pytest.raises(BundleError, match="member 'part' is unknown"):
        run_members(open_bundle(small), np.zeros((32, 32, 3), np.uint8))
    (small / "part").rename(small / "segmenter")
    write_manifest(small, "two files", [Member("segmenter", "semantic-segmentation")])
    checked = CliRunner().invoke(models_app, ["check", str(small)])
    assert isinstance(checked.exception, BundleError)
    assert "segmenter" in str(checked.exception)


def test_check_finds_a_network_that_fails_on_an_image(random_bundle, tmp_path, photograph):
    from transformers import MobileViTConfig, MobileViTForSemanticSegmentation

    config = MobileViTConfig.from_pretrained(random_bundle.directory / "segmenter")
    config.num_channels = 1  # a network for grey images: it loads, and cannot take a photograph
    MobileViTForSemanticSegmentation(config).save_pretrained(tmp_path / "segmenter")
    options = random_bundle.members["segmenter"].options
    write_manifest(tmp_path, "grey", [Member("segmenter", "semantic-segmentation", options=options)])
    with pytest.raises(BundleError, match="the segmenter fails on an image"):
        run_members(open_bundle(tmp_path), photograph)


def test_pull_turns_pickled_weights_into_safetensors(tmp_path, monkeypatch):
    import huggingface_hub
    import torch
    from safetensors.torch import load_file

    weights = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}
    weights["tied"] = weights["a.weight"]  # safetensors refuses shared memory unless it is copied

    class Info:
        sha = "c0ffee"

    def fetch(hub_id, *, revision, local_dir, allow_patterns):
        local_dir.mkdir(parents=True)
        torch.save(weights, local_dir / "pytorch_model.bin")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: Info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    bundle_pull.pull(open_bundle("paper"), tmp_path, say=lambda line: None)
    assert not list(tmp_path.rglob("*.bin"))
    kept = load_file(tmp_path / "segmenter" / "model.safetensors")
    assert kept.keys() == weights.keys()
    assert all(torch.equal(kept[name], weights[name]) for name in weights)


def test_pull_asks_first(small):
    answer = CliRunner().invoke(models_app, ["pull", "paper", "--to", str(small / "no")], input="n\n")
    assert "not pulled" in str(answer.exception)
    assert not (small / "no").exists()
