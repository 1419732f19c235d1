"""Segmenters load through the libraries' own classes and answer at the image's own size."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from random_networks import bert_tokenizer, save_sam, save_sam2
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from ntnsim.cli.models import models_app
from ntnsim.errors import BundleError
from ntnsim.networks.bundle import Member, open_bundle, write_manifest
from ntnsim.networks.lite0 import imagenet_trunk
from ntnsim.networks.load import load_segmenter
from ntnsim.networks.segment import GroundedSamSegmenter, NetworkSegmenter, fitted_size


def test_fitted_size_keeps_the_whole_frame():
    # 640×427 at a shortest side of 512: 767×512, both rounded to multiples of 32.
    assert fitted_size(427, 640, {"shortest_side_px": 512}) == (512, 768)
    assert fitted_size(427, 640, {"longest_side_px": 384}) == (256, 384)
    assert fitted_size(3, 1000, {"longest_side_px": 384}) == (32, 384)


def test_mobilevit_answers_at_native_size_whatever_the_company(random_bundle, photograph):
    segmenter = load_segmenter(random_bundle)
    assert segmenter.class_names == ("background", "person", "dog")
    images = [photograph, photograph[:50, :31], photograph[::-1]]
    maps = segmenter.class_maps(images)
    for image, class_map in zip(images, maps, strict=True):
        assert class_map.dtype == np.uint8
        assert class_map.shape == image.shape[:2]
        assert class_map.max() <= 2
        np.testing.assert_array_equal(segmenter.class_maps([image])[0], class_map)


def test_mobilevit_sees_what_transformers_own_processor_would_show(random_bundle):
    """At the network's own size nothing is resized, and the processor's BGR flip and scale must be ours."""
    from transformers import AutoModelForSemanticSegmentation

    pixels = np.random.default_rng(3).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    model = AutoModelForSemanticSegmentation.from_pretrained(random_bundle.directory / "segmenter").eval()
    values = torch.from_numpy(pixels[:, :, ::-1].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        logits = torch.nn.functional.interpolate(model(values).logits, (64, 96), mode="bilinear")
    np.testing.assert_array_equal(
        load_segmenter(random_bundle).class_maps([pixels])[0], logits.argmax(1)[0].numpy()
    )


def test_lite0_knows_a_cup_of_coffee():
    """The ImageNet weights fit the network: scikit-image's coffee photograph is class 967, espresso."""
    from skimage import data
    from torch import nn
    from torch.nn import functional

    from ntnsim.networks.lite0 import BATCH_NORM_EPS, imagenet_state_dict

    state = imagenet_state_dict()
    norm = nn.BatchNorm2d(1280, eps=BATCH_NORM_EPS).eval()
    norm.load_state_dict({name[5:]: value for name, value in state.items() if name.startswith("_bn1.")})
    pixels = torch.from_numpy(data.coffee()[:, 100:500].copy()).permute(2, 0, 1)[None].float()
    pixels = functional.interpolate(pixels, (224, 224), mode="area") / 127.5 - 1
    with torch.no_grad():
        features = functional.conv2d(imagenet_trunk()(pixels)[-1], state["_conv_head.weight"])
        pooled = functional.relu6(norm(features)).mean((2, 3))
        assert functional.linear(pooled, state["_fc.weight"], state["_fc.bias"]).argmax().item() == 967


SAVE_SAM = {"sam": save_sam, "sam2": save_sam2, "sam2_video": partial(save_sam2, video=True)}


@pytest.fixture(scope="module", params=list(SAVE_SAM))
def grounded_sam(request, tmp_path_factory):
    """Grounding DINO and SAM or SAM 2 with random weights, a few hundred kilobytes."""
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    torch.manual_seed(4)
    root = tmp_path_factory.mktemp("grounded") / "grounded"
    tokenizer = bert_tokenizer()
    detector = GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=SwinConfig(
                image_size=64,
                patch_size=4,
                embed_dim=8,
                depths=[1, 1, 1, 1],
                num_heads=[1, 1, 2, 2],
                window_size=4,
                out_features=["stage2", "stage3", "stage4"],
            ),
            text_config=BertConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=16,
                max_position_embeddings=64,
            ).to_dict(),
            d_model=32,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            num_queries=12,
            max_text_len=64,
            num_feature_levels=4,
            encoder_n_points=2,
            decoder_n_points=2,
        )
    ).eval()
    detector.save_pretrained(root / "segmenter" / "detector")
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}), tokenizer
    )
    processor.save_pretrained(root / "segmenter" / "detector")
    SAVE_SAM[request.param](root / "segmenter" / "sam")
    options = {"categories": ["person", "dog"], "box_threshold": 0.0, "text_threshold": 0.0}
    write_manifest(root, "random", [Member("segmenter", "grounded-sam", options=options)])
    return open_bundle(root)


def test_grounded_sam_paints_the_surest_detection_last(grounded_sam, photograph):
    segmenter = load_segmenter(grounded_sam)
    assert segmenter.class_names == ("other", "person", "dog")
    maps = segmenter.class_maps([photograph, photograph[:61, :90], photograph[:95, :33]])
    assert [class_map.shape for class_map in maps] == [(96, 128), (61, 90), (95, 33)]
    assert all(class_map.max() <= 2 for class_map in maps)
    assert isinstance(segmenter, GroundedSamSegmenter)
    boxes, labels, scores = segmenter._detected(photograph)
    assert len(boxes) == len(labels) == len(scores) > 0
    surest = int(np.argsort(scores, kind="stable")[-1])
    mask = segmenter._masks(photograph, boxes)[surest]
    assert (maps[0][mask] == labels[surest]).all()


def masks_by_transformers_alone(directory, pixels, boxes):
    """Return the masks [n, height, width] of *boxes* by the library's model and processor, brought to size here."""
    import transformers

    family = "Sam" if json.loads((directory / "config.json").read_text())["model_type"] == "sam" else "Sam2"
    model = getattr(transformers, f"{family}Model").from_pretrained(directory).eval()
    processor = getattr(transformers, f"{family}Processor").from_pretrained(directory)
    inputs = processor(images=pixels, input_boxes=[boxes.tolist()], return_tensors="pt")
    inputs["input_boxes"] = inputs["input_boxes"].float()
    with torch.no_grad():
        logits = model(**inputs, multimask_output=False).pred_masks[0]
    if family == "Sam":
        height, width = inputs["reshaped_input_sizes"][0].tolist()
        padded = torch.nn.functional.interpolate(logits, (64, 64), mode="bilinear")
        logits = padded[:, :, :height, :width]
    return torch.nn.functional.interpolate(logits, pixels.shape[:2], mode="bilinear")[:, 0].numpy() > 0


@pytest.mark.parametrize(("scores", "surer"), [((0.9, 0.4), 1), ((0.4, 0.9), 2)])
def test_masks_of_the_checkpoint_are_painted_in_place_and_the_surer_box_wins(
    grounded_sam, photograph, monkeypatch, scores, surer
):
    pixels = photograph[:61, :90]
    boxes = np.array([[2, 3, 40, 35], [30, 20, 85, 58]], np.float32)
    segmenter = load_segmenter(grounded_sam)
    monkeypatch.setattr(segmenter, "_detected", lambda _: (boxes, [1, 2], np.array(scores, np.float32)))
    first, second = masks_by_transformers_alone(grounded_sam.directory / "segmenter" / "sam", pixels, boxes)
    for region in (first & second, first & ~second, second & ~first, ~first & ~second):
        assert region.any()  # else the comparison below would say little
    expected = np.zeros(pixels.shape[:2], np.uint8)
    expected[first] = 1
    expected[second] = 2
    expected[first & second] = surer
    np.testing.assert_array_equal(segmenter.class_maps([pixels])[0], expected)


def test_grounded_sam_without_detections_is_all_other(grounded_sam, photograph):
    part = grounded_sam.directory / "segmenter"
    segmenter = GroundedSamSegmenter(part / "detector", part / "sam", ["person"], box_threshold=2.0)
    assert not segmenter.class_maps([photograph])[0].any()


def test_detector_phrases_find_their_category(grounded_sam):
    segmenter = load_segmenter(grounded_sam)
    assert [segmenter.class_of(text) for text in ("person", "dog", "person dog", "cat", "")] == [
        1,
        2,
        1,
        0,
        0,
    ]


def test_check_command_runs_grounded_sam(grounded_sam):
    checked = CliRunner().invoke(models_app, ["check", str(grounded_sam.directory), "--json"])
    assert checked.exit_code == 0, checked.output
    (member,) = json.loads(checked.stdout)["members"]
    assert (member["member"], member["kind"]) == ("segmenter", "grounded-sam")
    assert "%" in member["made"]


@pytest.mark.parametrize("model_type", ["edgetam", None])
def test_mask_network_that_is_no_sam_is_named(tmp_path, model_type):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(BundleError) as raised:
        GroundedSamSegmenter(tmp_path, tmp_path, ["person"])
    assert str(raised.value) == (
        f"{tmp_path}: config.json says model_type {model_type!r}; allowed are sam, sam2, sam2_video"
    )


def test_weights_under_other_names_are_refused_instead_of_left_random(tmp_path):
    """The original code's names for the same parameters: transformers would only warn, and draw them at random."""
    save_sam2(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    renamed = {name.replace("mask_decoder.", "sam_mask_decoder."): value for name, value in weights.items()}
    lacking = len(set(weights) - set(renamed))
    save_file(renamed, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=rf"lack {lacking} parameters of Sam2Model, first mask_decoder\."):
        GroundedSamSegmenter(tmp_path, tmp_path, ["person"])


def test_directory_that_holds_no_network_is_named(tmp_path):
    with pytest.raises(BundleError, match="not loadable as a segmentation network"):
        NetworkSegmenter(tmp_path, {"longest_side_px": 64})
    with pytest.raises(BundleError, match="at least one category"):
        GroundedSamSegmenter(tmp_path, tmp_path, [])
    with pytest.raises(BundleError, match=r"not loadable as SAM \(.*No such file.*config\.json"):
        GroundedSamSegmenter(tmp_path, tmp_path, ["person"])
