"""The paper's own path from end to end: networks of its classes (tiny, random), its judges, its targets, one flag each."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ntnsim.errors import InputError
from ntnsim.experiments import fig10, rivals
from ntnsim.experiments.arguments import experiment_parser
from ntnsim.experiments.study_arguments import add_study_arguments, study_from
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.networks.bundle import Member, write_manifest
from ntnsim.results.read import find_runs
from ntnsim.runs import run_scenario
from ntnsim.scenario.load import load_scenario
from ntnsim.scenario.policy import TABLE_III
from ntnsim.scenario.scenario import Scenario
from ntnsim.sweeps.cells import SweepPlan

SCENARIOS = Path(__file__).parents[2] / "scenarios"
sys.path.append(str(Path(__file__).parents[1] / "networks"))


def write_bundle(directory: Path) -> None:
    """MobileViT with DeepLabV3, BLIP and Stable Diffusion's inpainting pipeline, as in the paper's Table II."""
    from random_networks import autoencoder_kl, save_blip, save_mobilevit, save_pipeline

    save_pipeline(directory / "inpainter", autoencoder_kl(), levels=2, prediction_type="epsilon")
    save_mobilevit(directory / "segmenter", ["background", "person"])
    save_blip(directory / "captioner")
    segmenter = {"shortest_side_px": 64, "multiple_px": 32, "channel_order": "bgr"}
    write_manifest(
        directory,
        "the paper's classes, random",
        [
            Member("inpainter", "stable-diffusion-inpaint", options={"steps": 2, "guidance": 3.0}),
            Member("segmenter", "semantic-segmentation", options=segmenter),
            Member("captioner", "blip", options={"max_tokens": 8}),
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
    monkeypatch.setattr(
        "ntnsim.experiments.offline.SETTLING_STEPS", 30
    )  # whether it runs, not how well it learns
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


def write_ranked(directory: Path, folder_masks: str, mask_suffix: str, values: tuple[int, ...]) -> None:
    """Three photographs whose masks hold *values* in three bands."""
    from skimage import data

    images, masks = directory / "images", directory / folder_masks
    images.mkdir(parents=True)
    masks.mkdir(parents=True, exist_ok=True)
    bands = np.repeat(np.array(values, dtype=np.uint8), 32)[None, :].repeat(80, axis=0)
    for index in range(3):
        Image.fromarray(data.astronaut()[40 * index : 40 * index + 80, 100:196]).save(
            images / f"{index:04d}.jpg"
        )
        Image.fromarray(bands).save(masks / f"{index:04d}{mask_suffix}.png")


def set_paper(paper: Path) -> list[str]:
    values = {
        "datasets.coco.path": paper / "persons",
        "datasets.coco.area": "null",
        "task.bundle": paper / "bundle",
        "task.lpips_trunk": paper / "alexnet.pth",
        "task.clip": paper / "clip",
        "horizon.n_jobs": 2,
    }
    return [f"{name}={value}" for name, value in values.items()]


def test_the_papers_table_runs_as_shipped_on_networks_of_its_classes(paper):
    path = SCENARIOS / "paper_table4.yaml"
    few_steps = [f"schemes.{scheme}.codec.inpaint.steps=2" for scheme in ("spiff", "ncb", "sc")]
    scenario = load_scenario(path, [*set_paper(paper), *few_steps, "statistics.warm_up_s=0"])
    assert {
        scheme.codec.inpaint.steps for scheme in load_scenario(path).schemes if scheme.name != "jpeg"
    } == {50}
    run_scenario(scenario, paper / "table4", store=OutcomeStore())
    [run] = find_runs([paper / "table4"])
    records = run.records().to_pandas()
    assert records.groupby("scheme").size().to_dict() == {"spiff": 2, "ncb": 2, "jpeg": 2, "sc": 2}
    assert np.isfinite(records[["pf_rank_0", "sf_rank_0", "delay_s"]]).all().all()
    # The caption travels alone; CLIP compares the original's with what every scheme delivered.
    sent = records.set_index("scheme")["savings"].groupby("scheme").mean()
    assert sent["sc"] > sent["jpeg"]
    assert records["caption_sf"].between(0, 1).all()


def test_every_target_of_the_papers_table_is_table_iii(paper):
    cells = SweepPlan(SCENARIOS / "paper_table4.yaml", set_paper(paper)).first_cells()
    assert [cell.scenario().requirement for cell in cells] == list(TABLE_III.values())


def test_fig12_learns_on_the_papers_networks_at_every_point(paper):
    plan = SweepPlan(
        SCENARIOS / "paper_fig12.yaml",
        [*set_paper(paper), "schemes.spiff.codec.inpaint.steps=2", "schemes.spiff.policy.warm_up_images=8"],
    )
    scenarios = [cell.scenario() for cell in plan.first_cells()]
    areas = {(s.datasets["coco"].area.minimum, s.datasets["coco"].area.maximum) for s in scenarios}
    assert areas == {(0.21, 0.23), (0.41, 0.49)}
    assert {s.requirement.pf_min[0] for s in scenarios} == {0.8, 0.6, 0.4}
    wide = scenarios[0].model_dump() | {"horizon": {"n_jobs": 12}}
    wide["datasets"]["coco"]["area"] = None
    summary = run_scenario(Scenario.model_validate(wide), paper / "fig12", store=OutcomeStore())
    assert summary["worlds"]["spiff"]["policy"]["updates"] == 5.0  # images 8 to 12


@pytest.mark.parametrize("name", ["maritime", "aerial"])
def test_three_ranks_are_sent_and_judged_at_sea_and_from_the_air(tmp_path, name):
    if name == "maritime":
        write_ranked(tmp_path, "masks", "m", (1, 0, 4))
        values = [f"datasets.sea.images={tmp_path}/images", f"datasets.sea.masks={tmp_path}/masks"]
    else:
        write_ranked(tmp_path, "masks", "", (0, 1, 2))
        (tmp_path / "classes.csv").write_text("index,name\n0,grass\n1,roof\n2,vehicle\n")
        values = [f"datasets.district.path={tmp_path}"]
    scenario = load_scenario(
        SCENARIOS / f"{name}.yaml", [*values, "horizon.n_jobs=10", "schemes.spiff.policy.warm_up_images=8"]
    )
    summary = run_scenario(scenario, tmp_path / "out", store=OutcomeStore())
    [run] = find_runs([tmp_path / "out"])
    records = run.records().to_pandas()
    assert (records["state"] == "delivered").all()
    thirds = records[["rank_fraction_0", "rank_fraction_1", "rank_fraction_2"]].to_numpy()
    np.testing.assert_allclose(thirds, 1 / 3, atol=0.01)
    ours = records[records["scheme"] == "spiff"]
    assert np.isfinite(ours[["pf_rank_0", "pf_rank_1", "pf_rank_2", "x_patch_fraction_1"]]).all().all()
    assert summary["worlds"]["spiff"]["policy"]["images_learned"] == 10.0


def test_fig10_has_its_third_panel_by_clip(paper):
    judged = [
        "--sf",
        "clip",
        "--clip",
        str(paper / "clip"),
        "--bundle",
        str(paper / "bundle"),
        "--steps",
        "2",
    ]
    photographs = ["--data", str(paper / "persons"), "--split", "train", "--images", "1"]
    fig10.main([*photographs, *judged, "--inpaint", "none", "--out", str(paper / "fig10")])
    table = pd.read_csv(paper / "fig10/fig10.csv")
    assert table["caption_sf"].between(0, 1).all()
    assert table.loc[table["series"] == "jpeg", "caption_sf"].nunique() > 1
