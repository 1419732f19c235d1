"""A bundle that is not what it says is refused in one line: nothing random loads, no code runs, no outside file is read."""

import json
import pickle
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from ntnsim.errors import BundleError
from ntnsim.networks.bundle import Member, open_bundle, write_manifest
from ntnsim.networks.load import inpainter_named, load_segmenter

SEGMENTER_WEIGHTS = "segmenter/model.safetensors"
UNET_WEIGHTS = "inpainter/unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def copy(random_bundle, tmp_path):
    directory = tmp_path / "copy"
    shutil.copytree(random_bundle.directory, directory)
    return directory


def seal(directory, changes=None):
    """Seal what lies there, so that only the contents can be objected to; changes: options by member."""
    members = [
        Member(member.name, member.kind, options={**member.options, **(changes or {}).get(member.name, {})})
        for member in open_bundle(directory).members.values()
    ]
    write_manifest(directory, "changed", members)
    return open_bundle(directory)


def refuse(load, message):
    with pytest.raises(BundleError, match=message) as caught:
        load()
    assert "\n" not in str(caught.value)


def edit(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def without_one(tensors):
    del tensors[sorted(tensors)[0]]


def with_one_more(tensors):
    tensors["nobody.weight"] = torch.ones(3)


def with_nan(tensors):
    name = next(name for name, tensor in sorted(tensors.items()) if tensor.is_floating_point())
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] = float("nan")


def with_other_shape(tensors):
    name = next(name for name, tensor in sorted(tensors.items()) if tensor.dim() == 4)
    tensors[name] = torch.ones(2, 2, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_one, "lack 1 parameters"),
        (with_one_more, r"without a place for it, 1 parameters.*nobody\.weight"),
        (with_nan, "not all numbers"),
        (with_other_shape, "not loadable|do not fit"),
    ],
)
@pytest.mark.parametrize("member", ["segmenter", "unet"])
def test_weights_that_do_not_match_the_network(copy, member, change, message):
    edit(copy / (SEGMENTER_WEIGHTS if member == "segmenter" else UNET_WEIGHTS), change)
    bundle = seal(copy)
    if member == "segmenter":
        refuse(lambda: load_segmenter(bundle), message)
    else:
        refuse(lambda: inpainter_named("bundle", bundle), message)


def test_damaged_headers(copy):
    path = copy / SEGMENTER_WEIGHTS
    whole = path.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    broken = [
        b"",
        whole[:5],
        whole[: 8 + length // 2],
        struct.pack("<Q", 1 << 62) + whole[8:],
        whole[:8] + b"[" * length + whole[8 + length :],
        whole[:-3],
    ]
    for data in broken:
        path.write_bytes(data)
        refuse(lambda: load_segmenter(seal(copy)), "not loadable as a segmentation network|lacks")


def test_file_that_nothing_seals(copy):
    (copy / "segmenter" / "preprocessor_config.json").write_text("{}")
    refuse(lambda: load_segmenter(open_bundle(copy)), r"segmenter/preprocessor_config\.json lies there")


def test_manifest_that_seals_nothing(copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {}
    path.write_text(json.dumps(manifest))
    refuse(lambda: load_segmenter(open_bundle(copy)), "lacks segmenter/")
    manifest["files"] = {"segmenter/config.json": [1, "0" * 64]}
    path.write_text(json.dumps(manifest))
    refuse(lambda: load_segmenter(open_bundle(copy)), "lacks|lies there")


@pytest.mark.parametrize(
    "path", ["../outside.json", "/etc/hostname", "segmenter/../../outside.json", "link/x"]
)
def test_files_outside_the_bundle(copy, path):
    (copy.parent / "outside.json").write_text("{}")
    (copy / "link").symlink_to(copy.parent)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][path] = [2, "0" * 64]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    refuse(lambda: open_bundle(copy), "leads out of the bundle")


def test_linked_weights_from_outside(copy):
    outside = copy.parent / "outside.safetensors"
    (copy / SEGMENTER_WEIGHTS).rename(outside)
    (copy / SEGMENTER_WEIGHTS).symlink_to(outside)
    refuse(lambda: load_segmenter(open_bundle(copy)), "leads out of the bundle")


def test_code_is_never_run(copy):
    mark = copy.parent / "it_ran"
    (copy / "segmenter" / "modeling_mine.py").write_text(
        f"open({str(mark)!r}, 'w').close()\nfrom transformers import PreTrainedModel as Mine\n"
    )
    config = json.loads((copy / "segmenter" / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSemanticSegmentation": "modeling_mine.Mine"}
    config["model_type"] = "mine"
    (copy / "segmenter" / "config.json").write_text(json.dumps(config))
    refuse(lambda: load_segmenter(seal(copy)), r"modeling_mine\.py is code")
    (copy / "segmenter" / "modeling_mine.py").unlink()
    refuse(lambda: load_segmenter(seal(copy)), "not loadable as a segmentation network")
    assert not mark.exists()


def test_pickled_weights_are_not_read(copy):
    mark = copy.parent / "it_ran"

    class Trap:
        def __reduce__(self):
            return open, (str(mark), "w")

    (copy / SEGMENTER_WEIGHTS).unlink()
    (copy / "segmenter" / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Trap()}))
    refuse(lambda: load_segmenter(seal(copy)), r"pytorch_model\.bin is code or may hold code")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("shortest_side_px", 10**9),
        ("shortest_side_px", "64"),
        ("multiple_px", 0),
        ("channel_order", "hsv"),
        ("value_range", [1, float("nan")]),
        ("trust_remote_code", True),
    ],
)
def test_absurd_options(copy, option, value):
    bundle = seal(copy, {"segmenter": {option: value}})
    refuse(lambda: load_segmenter(bundle), f"segmenter: option {option} is")


def test_option_that_is_needed(copy):
    write_manifest(copy, "", [Member("segmenter", "semantic-segmentation")])
    refuse(lambda: load_segmenter(open_bundle(copy)), "lacks option longest_side_px or shortest_side_px")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "neck_hidden_sizes",
            [10**12] * 7,
            "neck_hidden_sizes is 1000000000000; allowed is at most 1,000,000",
        ),
        ("num_hidden_layers", 10**6, "num_hidden_layers is 1000000; allowed is at most 1,000"),
        ("hidden_act", "no_such_function", "not loadable as a segmentation network"),
        ("hidden_sizes", "many", "not loadable as a segmentation network"),
    ],
)
def test_absurd_network_sizes(copy, key, value, message):
    path = copy / "segmenter" / "config.json"
    config = json.loads(path.read_text())
    config[key] = value
    path.write_text(json.dumps(config))
    refuse(lambda: load_segmenter(seal(copy)), message)


def test_pipeline_of_other_classes(copy):
    path = copy / "inpainter" / "model_index.json"
    index = json.loads(path.read_text())
    index["unet"] = ["torch.nn", "Module"]
    path.write_text(json.dumps(index))
    refuse(lambda: inpainter_named("bundle", seal(copy)), "for unet; allowed are UNet2DConditionModel")
    index["unet"] = ["diffusers", "UNet2DConditionModel"]
    index["scheduler"] = ["os", "system"]
    path.write_text(json.dumps(index))
    refuse(lambda: inpainter_named("bundle", seal(copy)), "scheduler|not loadable")
