"""Segmenters load through the libraries' own classes and answer at the image's own size."""

import numpy as np
import pytest
import torch
from random_networks import bert_tokenizer

from ntnsim.errors import BundleError
from ntnsim.spiff.bundle import Member, open_bundle, write_manifest
from ntnsim.spiff.lite0 import imagenet_trunk
from ntnsim.spiff.segment import GroundedSamSegmenter, NetworkSegmenter, fitted_size


def test_fitted_size_keeps_the_whole_frame():
    # 640×427 at a shortest side of 512: 767×512, both rounded to multiples of 32.
    assert fitted_size(427, 640, {"shortest_side_px": 512}) == (512, 768)
    assert fitted_size(427, 640, {"longest_side_px": 384}) == (256, 384)
    assert fitted_size(3, 1000, {"longest_side_px": 384}) == (32, 384)


def test_mobilevit_answers_at_native_size_whatever_the_company(random_bundle, photograph):
    segmenter = random_bundle.segmenter()
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
        random_bundle.segmenter().class_maps([pixels])[0], logits.argmax(1)[0].numpy()
    )


def test_lite0_knows_a_cup_of_coffee():
    """The ImageNet weights fit the network: scikit-image's coffee photograph is class 967, espresso."""
    from skimage import data
    from torch import nn
    from torch.nn import functional

    from ntnsim.spiff.lite0 import BATCH_NORM_EPS, imagenet_state_dict

    state = imagenet_state_dict()
    norm = nn.BatchNorm2d(1280, eps=BATCH_NORM_EPS).eval()
    norm.load_state_dict({name[5:]: value for name, value in state.items() if name.startswith("_bn1.")})
    pixels = torch.from_numpy(data.coffee()[:, 100:500].copy()).permute(2, 0, 1)[None].float()
    pixels = functional.interpolate(pixels, (224, 224), mode="area") / 127.5 - 1
    with torch.no_grad():
        features = functional.conv2d(imagenet_trunk()(pixels)[-1], state["_conv_head.weight"])
        pooled = functional.relu6(norm(features)).mean((2, 3))
        assert functional.linear(pooled, state["_fc.weight"], state["_fc.bias"]).argmax().item() == 967


@pytest.fixture(scope="module")
def grounded_sam(tmp_path_factory):
    """Grounding DINO and SAM with random weights, a few hundred kilobytes."""
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SamConfig,
        SamImageProcessor,
        SamMaskDecoderConfig,
        SamModel,
        SamProcessor,
        SamPromptEncoderConfig,
        SamVisionConfig,
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
    sam = SamModel(
        SamConfig(
            vision_config=SamVisionConfig(
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=64,
                patch_size=16,
                output_channels=16,
                num_pos_feats=8,
                mlp_dim=16,
                window_size=2,
                global_attn_indexes=[0],
            ).to_dict(),
            prompt_encoder_config=SamPromptEncoderConfig(
                hidden_size=16, image_size=64, patch_size=16
            ).to_dict(),
            mask_decoder_config=SamMaskDecoderConfig(
                hidden_size=16, mlp_dim=16, num_hidden_layers=1, num_attention_heads=2, iou_head_hidden_dim=16
            ).to_dict(),
        )
    ).eval()
    sam.save_pretrained(root / "segmenter" / "sam")
    SamProcessor(
        SamImageProcessor(
            size={"longest_edge": 64},
            pad_size={"height": 64, "width": 64},
            mask_size={"longest_edge": 16},
            mask_pad_size={"height": 16, "width": 16},
        )
    ).save_pretrained(root / "segmenter" / "sam")
    options = {"categories": ["person", "dog"], "box_threshold": 0.0, "text_threshold": 0.0}
    write_manifest(root, "random", [Member("segmenter", "grounded-sam", options=options)])
    return open_bundle(root)


def test_grounded_sam_paints_the_surest_detection_last(grounded_sam, photograph):
    segmenter = grounded_sam.segmenter()
    assert segmenter.class_names == ("other", "person", "dog")
    maps = segmenter.class_maps([photograph, photograph[:61, :90]])
    assert [class_map.shape for class_map in maps] == [(96, 128), (61, 90)]
    assert all(class_map.max() <= 2 for class_map in maps)
    assert isinstance(segmenter, GroundedSamSegmenter)
    boxes, labels, scores = segmenter._detected(photograph)
    assert len(boxes) == len(labels) == len(scores) > 0
    surest = int(np.argsort(scores, kind="stable")[-1])
    mask = segmenter._masks(photograph, boxes)[surest]
    assert (maps[0][mask] == labels[surest]).all()


def test_grounded_sam_without_detections_is_all_other(grounded_sam, photograph):
    part = grounded_sam.directory / "segmenter"
    segmenter = GroundedSamSegmenter(part / "detector", part / "sam", ["person"], box_threshold=2.0)
    assert not segmenter.class_maps([photograph])[0].any()


def test_detector_phrases_find_their_category(grounded_sam):
    segmenter = grounded_sam.segmenter()
    assert [segmenter.class_of(text) for text in ("person", "dog", "person dog", "cat", "")] == [
        1,
        2,
        1,
        0,
        0,
    ]


def test_directory_that_holds_no_network_is_named(tmp_path):
    with pytest.raises(BundleError, match="not loadable as a segmentation network"):
        NetworkSegmenter(tmp_path, {"longest_side_px": 64})
    with pytest.raises(BundleError, match="at least one category"):
        GroundedSamSegmenter(tmp_path, tmp_path, [])
