"""The recipes' own formulas, against the libraries that read the networks they make."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torchvision.transforms.functional import gaussian_blur

from training import compare, text
from training.adversary import Balance, FeatureJudge, PixelJudge, judges_loss, makers_loss
from training.checks import WHOLE, Eyes, judged
from training.degradation import drawn_quality
from training.examples import Crops
from training.inpainter import Recipe
from training.lite import LiteTrunks, View, judged_channels
from training.prepare import LAYERS, SIDE_PX, load_prepared
from training.texture import BANDS, band_kernels, texture_loss
from training.vae import new_vae, psnr_db, start_in_closed_form, to_tensor
from training.vgg import JUDGED_CHANNELS, feature_distance, normalised

REPOSITORY = Path(__file__).parents[2]
GREY = torch.zeros(1, 3, 64, 64)


def grain_picture(deviation: float, seed: int) -> torch.Tensor:
    """A grey picture with white noise of *deviation* in luma."""
    noise = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(seed))
    return (deviation * noise).expand(1, 3, -1, -1)


def test_texture_loss_asks_for_strength_and_not_for_phase():
    truth = grain_picture(0.1, 1)
    same_strength, none, twice = grain_picture(0.1, 2), grain_picture(0.0, 1), grain_picture(0.2, 2)
    assert float(texture_loss(truth, truth)) == 0
    assert float(texture_loss(same_strength, truth)) < 0.25 * float(texture_loss(none, truth))
    assert float(texture_loss(twice, truth)) > 0.7 * float(texture_loss(none, truth))


def test_texture_bands_lie_around_periods_of_three_and_a_half_and_seven_pixels():
    assert len(BANDS) == len(band_kernels()) == 2
    periods = []
    for kernel in band_kernels()[:, 0].numpy():
        padded = np.pad(kernel, 64)
        row = np.abs(np.fft.fft2(padded))[0, : len(padded) // 2]
        periods.append(len(padded) / np.argmax(row))
    assert periods == pytest.approx([3.5, 7.4], abs=0.3)


def test_judges_learn_what_tells_two_kinds_of_pictures_apart():
    """Flat pictures against noisy ones: the hinge loss falls from two towards zero, on new pictures too."""
    torch.manual_seed(0)
    judges = PixelJudge()
    optimizer = torch.optim.Adam(judges.parameters(), lr=2e-3)
    fill = GREY.expand(4, -1, -1, -1)

    def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = 0.3 * torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
        return noise, 0.1 * noise

    first = None
    for step in range(30):
        real, made = batch(step)
        loss = judges_loss([judges(real, fill)] * 2, [judges(made, fill)] * 2)
        first = loss.item() if first is None else first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    real, made = batch(99)
    last = judges_loss([judges(real, fill)] * 2, [judges(made, fill)] * 2).item()
    assert first == pytest.approx(2, abs=0.3)
    assert last < 1


def test_adversary_weighs_its_share_of_the_distances_gradient():
    layer = torch.ones(3, requires_grad=True)
    distance, adversarial = (4 * layer).sum(), (0.5 * layer).sum()
    balance = Balance(0.25)
    assert balance.current == 0
    weight = float(balance.weight(distance, adversarial, layer))
    assert weight == pytest.approx(0.25 * 4 / 0.5, rel=1e-4)
    assert float(makers_loss([torch.full((1, 1), 3.0)] * 2)) == -3


def astronaut() -> torch.Tensor:
    """A photograph [1, 3, 256, 256] in [−1, 1]."""
    from skimage import data

    return to_tensor(data.astronaut()[None, :256, 128:384])


def test_feature_judge_gives_one_verdict_map_for_each_map_of_the_frozen_networks():
    torch.manual_seed(1)
    maps = judged(Eyes("cpu").maps(astronaut(), WHOLE))
    channels = (*JUDGED_CHANNELS, *judged_channels())
    assert [values.shape[1] for values in maps] == list(channels)
    verdicts = FeatureJudge(channels)(maps)
    assert [verdict.shape[2:] for verdict in verdicts] == [values.shape[2:] for values in maps]


def test_lite_trunks_see_photographs_as_lite0_does():
    """Trained on the same photographs: blur moves their maps about as far as lite0's, so the weights are read right."""
    from ntnsim.networks import lite0

    trunks = LiteTrunks()
    original = astronaut()
    distances = {"lite0": [], "lite1": [], "lite2": []}
    for deviation in (1, 2, 4, 8):
        blurred = gaussian_blur(original, 4 * deviation + 1, [float(deviation)] * 2)
        sets = {"lite0": [lite0.normalised((x + 1) * 127.5) for x in (original, blurred)]}
        ours, theirs = ([*lite0.pretrained().pyramid(x)] for x in sets["lite0"])
        distances["lite0"].append(float(feature_distance(normalised(ours), normalised(theirs))))
        ours, theirs = normalised(trunks(original)), normalised(trunks(blurred))
        for index, name in enumerate(("lite1", "lite2")):
            part = slice(5 * index, 5 * index + 5)
            distances[name].append(float(feature_distance(ours[part], theirs[part])))
    for name in ("lite1", "lite2"):
        assert distances[name] == sorted(distances[name])
        assert distances[name] == pytest.approx(distances["lite0"], rel=0.25)


def test_views_are_windows_of_their_picture_at_a_scale():
    picture = torch.arange(64.0).expand(1, 3, 64, 64)
    window = View(top=0.125, left=0.125, scale=1.0, mirrored=False).of(picture)
    assert window.shape == (1, 3, 56, 56)
    assert torch.equal(window[0, 0, 0], torch.arange(8.0, 64.0))
    mirrored = View(top=0.0, left=0.0, scale=0.75, mirrored=True).of(picture)
    assert mirrored.shape == (1, 3, 42, 42)
    assert (mirrored[0, 0, 0].diff() < 0).all()
    drawn = [View.drawn(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Four photographs of scikit-image, prepared by the command, in one process and in two."""
    from skimage import data

    folder = tmp_path_factory.mktemp("photographs")
    (folder / "persons" / "train").mkdir(parents=True)
    pictures = (data.astronaut()[:320], data.coffee()[:300, :300], data.chelsea(), data.rocket())
    for number, picture in enumerate(pictures):
        path = folder / "persons" / "train" / f"{number:06}.jpg"
        Image.fromarray(np.ascontiguousarray(picture)).save(path)
    works = []
    for jobs in ("1", "2"):
        work = tmp_path_factory.mktemp("work")
        command = [sys.executable, "-m", "training.prepare", "--data", str(folder), "--work", str(work)]
        subprocess.run([*command, "--jobs", jobs], check=True, capture_output=True, cwd=REPOSITORY)
        works.append(work)
    first, second = (load_prepared(work) for work in works)
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    return works[0]


def test_prepared_arrays_hold_layers_and_fills_of_their_photographs(prepared):
    arrays = load_prepared(prepared)
    assert arrays.originals.shape == (4, SIDE_PX, SIDE_PX, 3)
    assert arrays.layers.shape == (4, LAYERS, SIDE_PX, SIDE_PX, 3)
    for original, layers in zip(arrays.originals, arrays.layers, strict=True):
        errors = [np.abs(layer.astype(int) - original).mean() for layer in layers]
        assert min(errors) > 0 and max(errors) < 30
    assert (arrays.fills[arrays.known] == arrays.crops[arrays.known]).all()
    assert arrays.known.any(axis=(1, 2)).all() and not arrays.known.all(axis=(1, 2)).any()


def test_examples_tell_the_network_what_the_contract_says(prepared):
    example = Crops(load_prepared(prepared), "cpu", 3).batch(32)
    received = 1 - example.unknown
    assert torch.equal(example.fill * received, example.original * received)
    coarse, bare = example.mask[example.has_coarse], example.mask[~example.has_coarse]
    assert set(coarse.unique().tolist()) <= {0.0, 0.5} and set(bare.unique().tolist()) <= {0.0, 1.0}
    assert (example.noise_scale[~example.has_coarse] == 1).all()
    assert 20 <= int(example.has_coarse.sum()) <= 30


def test_recipe_trains_from_prepared_data_and_goes_on_where_it_stopped(prepared):
    """A few steps on the CPU, with the judges counting, through the recipe's own command line."""
    command = [sys.executable, "-m", "training.inpainter", "--work", str(prepared), "--batch", "2"]
    command += [
        "--vae",
        "models/tiny/inpainter/vae",
        "--text",
        "models/tiny/inpainter",
        "--report",
        "1",
        "--adversary-from",
        "0.0",
    ]
    subprocess.run([*command, "--minutes", "0.02"], check=True, capture_output=True, cwd=REPOSITORY)
    curve = json.loads((prepared / "inpainter_curve.json").read_text())
    assert all(np.isfinite(list(row.values())).all() for row in curve)
    assert (prepared / "inpainter" / "diffusion_pytorch_model.safetensors").exists()
    further = subprocess.Popen(
        [*command, "--minutes", "60", "--resume"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    row = json.loads(further.stdout.readline())  # of an hour, one step tells
    further.kill()
    further.communicate()
    assert row["step"] == curve[-1]["step"] + 1
    assert row["wall_s"] > curve[-1]["wall_s"]
    longer = json.loads((prepared / "inpainter_curve.json").read_text())
    assert longer[: len(curve) + 1] == [*curve, row]


def test_designs_differ_in_what_they_say_and_are_compared_on_crops_kept_from_training(prepared, monkeypatch):
    """A few steps of one that differs in all at once; the comparison reads what the recipe writes."""
    tiny = REPOSITORY / "models" / "tiny" / "inpainter"
    monkeypatch.setitem(
        compare.DESIGNS, "other", ("--without-noise", "--without-adversary", "--train-decoder")
    )
    monkeypatch.setattr(compare, "distances", lambda a, b: {"mse": float(((a / 255 - b / 255) ** 2).mean())})
    monkeypatch.chdir(REPOSITORY)
    options = ["--work", str(prepared), "--minutes", "0.02", "--batch", "2", "--batches", "1"]
    monkeypatch.setattr(sys, "argv", ["compare", *options, "--designs", "other"])
    compare.main()
    table = pd.read_csv(prepared / "compare.csv")
    assert table["came"].tolist() == ["coarse layer", "none"] and table["crops"].tolist() == [12, 4]
    assert (table["steps"] >= 1).all() and (table["wall_s"] > 0).all()
    assert np.isfinite(table[["mse", "patches"]]).all(axis=None) and (table["mse"] < 3).all()
    before, after = (
        AutoencoderTiny.from_pretrained(path, local_files_only=True).float().state_dict()
        for path in (tiny / "vae", prepared / "compare_other_vae")
    )
    moved = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == {"decoder"}
    assert (Crops(load_prepared(prepared), "cpu", 3, silent=True).batch(8).noise_scale == 0).all()


def test_a_recipe_warms_up_cools_down_and_goes_slower_against_the_judges():
    recipe, alone = Recipe(rate=1.0, adversary_from=0.5), Recipe(rate=1.0, adversary_from=None)
    assert recipe.rate_at(0, 0.0) == 1 / 200 and recipe.rate_at(500, 0.4) == 1
    assert recipe.rate_at(500, 0.5) == 0.4 and recipe.rate_at(500, 0.8) == pytest.approx(0.2)
    assert recipe.teaches_judges(0.36) and not recipe.opposes(0.36) and recipe.opposes(0.5)
    assert alone.rate_at(500, 0.5) == 1 and not alone.opposes(1.0) and not alone.teaches_judges(1.0)


def test_closed_form_vae_keeps_what_half_the_resolution_holds():
    vae = new_vae()
    start_in_closed_form(vae)
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    picture = to_tensor(np.stack([np.stack([np.add.outer(ramp // 2, ramp // 2)] * 3, axis=-1)]))
    assert isinstance(vae, AutoencoderTiny)
    with torch.no_grad():
        assert (
            psnr_db(vae.decode(vae.encode(picture).latents).sample[..., 2:-2, 2:-2], picture[..., 2:-2, 2:-2])
            > 40
        )


def test_layers_span_what_an_engine_may_choose():
    rng = np.random.default_rng(4)
    qualities = [drawn_quality(rng) for _ in range(400)]
    assert min(qualities) == 4 and 70 <= max(qualities) <= 75
    assert np.median(qualities) < 22


def test_tokenizer_spells_every_word_of_a_caption_as_one_token():
    tokenizer = text.word_tokenizer(["person", "photo", "water"])
    ids = tokenizer("photo person water").input_ids
    assert len(ids) == 5  # with beginning and end
    assert tokenizer.decode(ids, skip_special_tokens=True).split() == ["photo", "person", "water"]
