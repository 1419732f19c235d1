"""The paper's own path from end to end: networks of its classes (tiny, random), its judges, its targets, one flag each."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ntnsim.errors import InputError
from ntnsim.experiments import rivals
from ntnsim.experiments.arguments import experiment_parser
from ntnsim.experiments.study_arguments import add_study_arguments, study_from
from ntnsim.networks.bundle import Member, write_manifest
from ntnsim.scenario.policy import TABLE_III

sys.path.append(str(Path(__file__).parents[1] / "networks"))


def write_bundle(directory: Path) -> None:
    """MobileViT with DeepLabV3 and Stable Diffusion's inpainting pipeline, as in the paper's Table II."""
    from diffusers import AutoencoderKL
    from random_networks import save_pipeline
    from transformers import MobileViTConfig, MobileViTForSemanticSegmentation

    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )
    save_pipeline(directory / "inpainter", vae, levels=2, prediction_type="epsilon")
    config = MobileViTConfig(
        image_size=64,
        hidden_sizes=[8, 12, 16],
        neck_hidden_sizes=[4, 8, 8, 12, 16, 16, 32],
        num_attention_heads=2,
        aspp_out_channels=16,
        atrous_rates=[1, 2, 3],
        id2label={0: "background", 1: "person"},
    )
    MobileViTForSemanticSegmentation(config).eval().save_pretrained(directory / "segmenter")
    segmenter = {"shortest_side_px": 64, "multiple_px": 32, "channel_order": "bgr"}
    write_manifest(
        directory,
        "the paper's classes, random",
        [
            Member("inpainter", "stable-diffusion-inpaint", options={"steps": 2, "guidance": 3.0}),
            Member("segmenter", "semantic-segmentation", options=segmenter),
        ],
    )


def write_alexnet(path: Path) -> None:
    """The convolutions of torchvision's AlexNet, random."""
    shapes = {
        0: (64, 3, 11, 11),
        3: (192, 64, 5, 5),
        6: (384, 192, 3, 3),
        8: (256, 384, 3, 3),
        10: (256, 256, 3, 3),
    }
    state = {}
    for index, shape in shapes.items():
        state[f"features.{index}.weight"] = 0.05 * torch.randn(shape)
        state[f"features.{index}.bias"] = torch.zeros(shape[0])
    torch.save(state, path)


def write_clip(directory: Path) -> None:
    from random_networks import clip_tokenizer
    from transformers import CLIPConfig, CLIPModel

    tokenizer = clip_tokenizer()
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": len(tokenizer) - 2, "eos_token_id": len(tokenizer) - 1}
    text = {**small, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    vision = {**small, "image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def write_persons(directory: Path, n_images: int) -> None:
    """Small photographs with a person's mask each, in the layout of the data set `persons`."""
    from skimage import data

    directory.joinpath("train").mkdir(parents=True)
    lines = ["file,split,dataset,person_fraction"]
    astronaut = data.astronaut()
    for index in range(n_images):
        start = 20 * index
        Image.fromarray(astronaut[start : start + 80, 100:196]).save(
            directory / f"train/{index}.jpg", quality=95
        )
        mask = np.zeros((80, 96), dtype=np.uint8)
        mask[20:60, 30:70] = 1
        Image.fromarray(mask).save(directory / f"train/{index}.png")
        lines.append(f"train/{index}.jpg,train,COCO,0.3")
    (directory / "index.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Path:
    """A directory with everything that the paper's path needs."""
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("paper")
    write_bundle(directory / "bundle")
    write_alexnet(directory / "alexnet.pth")
    write_clip(directory / "clip")
    write_persons(directory / "persons", 8)
    return directory


def flags(paper: Path, *more: str) -> list[str]:
    own = ["--bundle", str(paper / "bundle"), "--pf", "lpips", "--lpips-trunk", str(paper / "alexnet.pth")]
    own += ["--sf", "clip", "--clip", str(paper / "clip"), "--targets", "table3", "--steps", "2", *more]
    scale = ["--logged-images", "6", "--test-images", "2", "--seeds", "0"]
    return [
        "--data",
        str(paper / "persons"),
        "--out",
        str(paper / "out"),
        "--work",
        str(paper / "work"),
        *scale,
        *own,
    ]


def test_every_flag_reaches_the_world(paper):
    parser = experiment_parser("ntnsim.experiments.rivals", "")
    add_study_arguments(parser)
    study = study_from(
        parser.parse_args(
            flags(paper, "--segmenter", "bundle", "--charged-steps", "50", "--codec", "spiff-paper")
        )
    )
    scenario = study.scenario([{"name": "s", "codec": study.codec(study.kind)}])
    assert scenario.task.segmenter == "bundle"
    assert (scenario.task.pf_backend, scenario.task.sf_backend) == ("lpips", "clip")
    assert scenario.task.bundle.location == paper / "bundle"
    assert scenario.schemes[0].codec.kind == "spiff-paper"
    assert scenario.schemes[0].codec.inpaint.steps == 2
    assert study.targets() == TABLE_III
    pipeline = study.pipeline("spiff-paper", split="train", n_images=1)
    assert pipeline.work.steps == 50  # what the device profile of the data network is charged for
    assert set(pipeline.work.reconstruction) == {"decode", "inpainting"}


@pytest.mark.parametrize("codec", ["spiff", "spiff-paper"])
def test_rivals_run_on_the_papers_networks_judges_and_targets(paper, codec, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", str(paper / "store"))
    rivals.main(flags(paper, "--codec", codec))
    table = pd.read_csv(paper / "out/rivals.csv")
    assert set(table["target"]) == {"strict", "intermediate", "lenient"}
    assert {"engine", "ncb", "least squares", "whole image", "one q per target"} <= set(table["policy"])
    assert np.isfinite(table[["cost", "generated", "decision_ms"]]).all().all()
    facts = (paper / "out/rivals.md").read_text()
    assert "PF by lpips, SF by clip; targets of Table III" in facts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pf", "lpips"], "--pf lpips needs --lpips-trunk FILE"),
        (["--sf", "clip", "--clip", "/nowhere"], "--clip /nowhere: does not exist"),
    ],
)
def test_a_judge_without_its_weights_is_one_line(paper, arguments, said):
    with pytest.raises(InputError, match=said):
        rivals.main(["--data", str(paper / "persons"), "--out", str(paper / "out2"), *arguments])
