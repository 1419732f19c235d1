"""Every inpainter: received pixels exact, any size, one seed one result, whatever the company."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from random_networks import save_pipeline

from ntnsim.errors import BundleError, InputError
from ntnsim.networks.bundle import Member, open_bundle, write_manifest
from ntnsim.networks.diffusion import padded
from ntnsim.networks.load import inpainter_named
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.canvas import filled
from ntnsim.spiff.classical import CLASSICAL, ClassicalInpainter

SIZES = [(96, 128), (47, 33), (16, 16), (1, 1), (96, 128), (20, 70), (47, 33), (96, 128)]


def canvas_of(photograph, size, index, coarse=False):
    height, width = size
    pixels = photograph[:height, :width]
    known = np.random.default_rng(index).random(size) < 0.3
    layer = np.clip(pixels.astype(int) + 9, 0, 255).astype(np.uint8) if coarse else None
    return Canvas(pixels, known, layer, "a photo" if index % 2 else "", seed=index)


@pytest.fixture(scope="module")
def network(random_bundle):
    return inpainter_named("bundle", random_bundle)


@pytest.fixture
def canvases(photograph):
    return [canvas_of(photograph, size, index, coarse=index % 3 == 0) for index, size in enumerate(SIZES)]


@pytest.mark.parametrize("name", ["bundle", *CLASSICAL])
def test_received_pixels_are_exact_and_sizes_are_kept(name, random_bundle, canvases):
    images = inpainter_named(name, random_bundle).restore(canvases)
    for canvas, image in zip(canvases, images, strict=True):
        assert image.dtype == np.uint8
        assert image.shape == canvas.pixels.shape
        assert (image[canvas.known] == canvas.pixels[canvas.known]).all()


def test_bytes_do_not_depend_on_batch_composition_or_threads(network, canvases):
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(network.restore(canvases))
            assert torch.get_num_threads() == threads
            results.append([network.restore([canvas])[0] for canvas in canvases])
            results.append(network.restore(canvases[::-1])[::-1])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for first, image in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(image, first)


def test_the_residuals_share_is_one_beside_grain_and_another_without(random_bundle, photograph, tmp_path):
    directory = tmp_path / "bundle"
    shutil.copytree(random_bundle.directory, directory)
    member = random_bundle.members["inpainter"]
    options = {**member.options, "coarse_share": 0.0, "coarse_share_without_grain": 1.0}
    write_manifest(directory, "none of the residual beside grain", [replace(member, options=options)])
    network = inpainter_named("bundle", open_bundle(directory))
    without = canvas_of(photograph, (96, 128), 0, coarse=True)
    smooth = replace(without, grain=np.zeros((3, 4), np.uint8))
    np.testing.assert_array_equal(network.restore([smooth])[0], filled(without))
    assert (network.restore([without])[0] != filled(without)).any()


def test_seed_and_prompt_and_steps_each_matter(network, random_bundle, photograph):
    known = np.zeros((32, 48), bool)
    pixels = photograph[:32, :48]
    images = {
        key: inpainter_named("bundle", random_bundle, steps=steps).restore(
            [Canvas(pixels, known, None, prompt, seed)]
        )[0]
        for key, (prompt, seed, steps) in {
            "base": ("", 1, 2),
            "seed": ("", 2, 2),
            "prompt": ("dog", 1, 2),
            "steps": ("", 1, 3),
        }.items()
    }
    for key in ("seed", "prompt", "steps"):
        assert (images[key] != images["base"]).any(), key


def test_unknown_pixels_of_the_canvas_are_never_looked_at(network, photograph):
    canvas = canvas_of(photograph, (47, 33), 1)
    scrambled = np.where(canvas.known[:, :, None], canvas.pixels, 255 - canvas.pixels)
    other = Canvas(scrambled, canvas.known, None, canvas.prompt, canvas.seed)
    np.testing.assert_array_equal(network.restore([canvas])[0], network.restore([other])[0])


def test_whole_canvas_returns_as_it_came(network, photograph):
    whole = Canvas(photograph, np.ones(photograph.shape[:2], bool), None, "", 0)
    np.testing.assert_array_equal(network.restore([whole])[0], photograph)


def test_text_to_image_makes_each_asked_size(network):
    images = network.generate(["a dog", "water"], [(33, 40), (16, 50)], [1, 2])
    assert [image.shape for image in images] == [(33, 40, 3), (16, 50, 3)]


def test_coarse_layer_stands_where_it_was_sent(photograph):
    canvas = canvas_of(photograph, (47, 33), 0, coarse=True)
    image = ClassicalInpainter("telea").restore([canvas])[0]
    assert canvas.coarse is not None
    np.testing.assert_array_equal(image[~canvas.known], canvas.coarse[~canvas.known])


def test_padding_reflects_the_border_even_of_a_single_pixel():
    assert padded(np.full((1, 1, 3), 7, np.uint8), 16).shape == (16, 16, 3)
    row = padded(np.arange(3)[None], 4)[0]
    assert row.tolist() == [0, 1, 2, 2]  # symmetric: the border pixel repeats


def test_full_size_pipeline_runs_through_the_same_entry(tmp_path, photograph):
    from diffusers import AutoencoderKL

    torch.manual_seed(2)
    directory = tmp_path / "full"
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )
    save_pipeline(directory / "inpainter", vae, levels=2, prediction_type="epsilon")
    write_manifest(
        directory,
        "stable diffusion's classes",
        [Member("inpainter", "stable-diffusion-inpaint", options={"steps": 2, "guidance": 3.0})],
    )
    network = inpainter_named("bundle", open_bundle(directory))
    canvases = [
        canvas_of(photograph, size, index, coarse=index == 1)
        for index, size in enumerate([(47, 33), (40, 56)])
    ]
    together = network.restore(canvases)
    for canvas, image in zip(canvases, together, strict=True):
        assert (image[canvas.known] == canvas.pixels[canvas.known]).all()
        np.testing.assert_array_equal(network.restore([canvas])[0], image)


def test_impossible_requests_are_one_clear_line(random_bundle, tmp_path):
    with pytest.raises(
        InputError, match=r"inpainter must be one of bundle, telea, ns, nearest, none, got 'magic'"
    ):
        inpainter_named("magic", random_bundle)
    with pytest.raises(InputError, match="needs a model bundle"):
        inpainter_named("bundle", None)
    with pytest.raises(InputError, match="steps must be at least 1, got 0"):
        inpainter_named("bundle", random_bundle, steps=0)
    with pytest.raises(InputError, match="dtype must be one of float32, float16, bfloat16, got 'int8'"):
        inpainter_named("bundle", random_bundle, dtype="int8")
    (tmp_path / "inpainter").mkdir()
    (tmp_path / "inpainter" / "x.json").write_text("{}")
    write_manifest(tmp_path, "", [Member("inpainter", "stable-diffusion-inpaint")])
    with pytest.raises(BundleError, match="not loadable as an inpainting pipeline"):
        inpainter_named("bundle", open_bundle(tmp_path))


def test_canvas_refuses_shapes_that_do_not_match(photograph):
    with pytest.raises(ValueError, match=r"known must be bool \[96, 128\]"):
        Canvas(photograph, np.zeros((3, 3), bool), None, "", 0)
    with pytest.raises(ValueError, match=r"pixels must be uint8 \[H, W, 3\]"):
        Canvas(photograph[:, :, 0], np.zeros((96, 128), bool), None, "", 0)
