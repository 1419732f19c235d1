"""Every inpainter: received pixels exact, any size, one seed one result, whatever the company."""

import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from random_networks import autoencoder_kl, save_pipeline

from ntnsim.errors import BundleError, InputError
from ntnsim.networks import diffusion
from ntnsim.networks.bundle import Member, open_bundle, write_manifest
from ntnsim.networks.diffusion import batches_of_one_size, padded, tile_windows
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


def test_less_of_the_residual_is_added_where_much_texture_was_lost(random_bundle, photograph, tmp_path):
    """Half of it at 9 grey levels, all of it below 3: what is added there is half of what one share for all adds."""
    member, canvas = random_bundle.members["inpainter"], canvas_of(photograph, (96, 128), 0, coarse=True)
    canvas = replace(
        canvas, grain=np.full((3, 4), 9, np.uint8), known=np.zeros((96, 128), bool)
    )  # 12 grey levels
    added = {}
    for name, more in (
        ("alike", {}),
        ("less", {"share_where_much_is_lost": 0.5, "little_lost_grey": 3.0, "much_lost_grey": 9.0}),
        ("not yet", {"share_where_much_is_lost": 0.5, "little_lost_grey": 20.0, "much_lost_grey": 30.0}),
    ):
        directory = tmp_path / name
        shutil.copytree(random_bundle.directory, directory)
        write_manifest(directory, name, [replace(member, options={**member.options, **more})])
        [picture] = inpainter_named("bundle", open_bundle(directory)).restore([canvas])
        added[name] = picture.astype(float) - canvas.coarse
    np.testing.assert_array_equal(added["not yet"], added["alike"])
    ratio = (added["less"] * added["alike"]).sum() / (added["alike"] ** 2).sum()
    assert 0.4 < ratio < 0.75  # half, but for the decoder's bends


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"share_where_much_is_lost": 0.5},
            "share_where_much_is_lost and lacks little_lost_grey, much_lost_grey",
        ),
        ({"share_where_much_is_lost": 2.0, "little_lost_grey": 3.0, "much_lost_grey": 9.0}, "from 0 to 1"),
        ({"share_where_much_is_lost": 0.5, "little_lost_grey": 9.0, "much_lost_grey": 9.0}, "must be below"),
    ],
)
def test_shares_that_make_no_sense_are_refused(options, complaint, random_bundle, tmp_path):
    member, directory = random_bundle.members["inpainter"], tmp_path / "bundle"
    shutil.copytree(random_bundle.directory, directory)
    write_manifest(directory, "x", [replace(member, options={**member.options, **options})])
    with pytest.raises(BundleError, match=complaint):
        inpainter_named("bundle", open_bundle(directory))


def test_the_seed_matters_and_the_prompt_does_not(network, photograph):
    known = np.zeros((32, 48), bool)
    base, seed, prompt = network.restore(
        [
            Canvas(photograph[:32, :48], known, None, text, seed)
            for text, seed in (("", 1), ("", 2), ("dog", 1))
        ]
    )
    assert (seed != base).any()
    np.testing.assert_array_equal(prompt, base)


def test_noise_is_as_strong_as_the_texture_that_was_lost(network, photograph):
    """The strengths' own table: 6 stands for 0.5·√2⁵ grey levels, of which the encoder's gain took 0.65."""
    layer = canvas_of(photograph, (96, 128), 0, coarse=True)
    told = replace(layer, grain=np.full((3, 4), 6, np.uint8))
    noise = network._noise(told, (4, 48, 64)).numpy()
    assert noise.std() == pytest.approx(0.5 * 2**2.5 / 0.65 / 8, rel=0.02)
    assert not network._noise(layer, (4, 48, 64)).any()  # nothing was told: none is made
    half = replace(layer, grain=np.array([[0, 0, 6, 6]] * 3, np.uint8))
    noise = network._noise(half, (4, 48, 64)).numpy()
    assert not noise[..., :8].any() and noise[..., -8:].std() > 0.4


def test_a_batch_on_one_device_gives_each_image_its_own_noise_and_share(network, photograph):
    """What a GPU runs, here on the CPU: as good as equal to one by one (a batch moves the last bits)."""
    canvases = [canvas_of(photograph, (96, 128), index, coarse=index % 2 == 0) for index in range(5)]
    canvases[2] = replace(canvases[2], grain=np.full((3, 4), 9, np.uint8))
    with torch.no_grad():
        states = network._text_states("")
        together = network._restored(canvases, states)
        for canvas, image in zip(canvases, together, strict=True):
            [alone] = network._restored([canvas], states)
            assert np.abs(image.astype(int) - alone).max() <= 1
    assert batches_of_one_size(canvases, 16, 2) == [[0, 1], [2, 3], [4]]
    other = canvas_of(photograph, (47, 33), 7)
    assert batches_of_one_size([canvases[0], other, canvases[1]], 16, 8) == [[0, 2], [1]]


def test_a_large_photograph_is_restored_in_tiles_without_seams(network, photograph, monkeypatch):
    monkeypatch.setattr(diffusion, "TILE_PX", 64)
    monkeypatch.setattr(diffusion, "OVERLAP_PX", 32)
    canvas = replace(canvas_of(photograph, (96, 128), 0, coarse=True), grain=np.full((3, 4), 6, np.uint8))
    whole = network.restore([canvas])[0].astype(int)
    monkeypatch.setattr(diffusion, "LARGEST_WHOLE_PX", 1)
    tiled = network.restore([canvas])[0].astype(int)
    np.testing.assert_array_equal(tiled[canvas.known], canvas.pixels[canvas.known])
    # Group norms and attention see a tile instead of the whole; the change is small beside what the network did.
    unknown = ~canvas.known
    done = np.abs(whole - filled(canvas))[unknown].mean()
    assert np.abs(tiled - whole)[unknown].mean() < 0.5 * done


@pytest.mark.parametrize("size_px", [1, 512, 513, 1500, 4000])
def test_tiles_cover_every_pixel_and_overlap(size_px):
    windows = tile_windows(size_px)
    assert windows[0].start == 0 and windows[-1].stop == size_px
    for window, following in pairwise(windows):
        assert window.stop - following.start >= 64
        assert following.start > window.start


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
    torch.manual_seed(2)
    directory = tmp_path / "full"
    save_pipeline(directory / "inpainter", autoencoder_kl(), levels=2, prediction_type="epsilon")
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
    with pytest.raises(InputError, match=r"steps must be 1 for this bundle.*got 4"):
        inpainter_named("bundle", random_bundle, steps=4)
    with pytest.raises(InputError, match="dtype must be one of float32, float16, bfloat16, got 'int8'"):
        inpainter_named("bundle", random_bundle, dtype="int8")
    (tmp_path / "inpainter").mkdir()
    (tmp_path / "inpainter" / "x.safetensors").write_text("{}")
    write_manifest(tmp_path, "", [Member("inpainter", "stable-diffusion-inpaint")])
    with pytest.raises(BundleError, match="not loadable as an inpainting pipeline"):
        inpainter_named("bundle", open_bundle(tmp_path))


def test_canvas_refuses_shapes_that_do_not_match(photograph):
    with pytest.raises(ValueError, match=r"known must be bool \[96, 128\]"):
        Canvas(photograph, np.zeros((3, 3), bool), None, "", 0)
    with pytest.raises(ValueError, match=r"pixels must be uint8 \[H, W, 3\]"):
        Canvas(photograph[:, :, 0], np.zeros((96, 128), bool), None, "", 0)
