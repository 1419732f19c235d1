"""The embedded bundle itself: complete, small, and better than what it starts from on photographs it never saw."""

import numpy as np
import pytest

from ntnsim.experiments.evaluate import coarse_layer
from ntnsim.fidelity.backends import StLpipsBackend
from ntnsim.networks.bundle import open_bundle
from ntnsim.networks.diffusion import load_pipeline
from ntnsim.networks.load import inpainter_named, load_segmenter
from ntnsim.protocols.inpainter import Canvas

MOST_WEIGHTS_BYTES = 45_000_000


@pytest.fixture(scope="module")
def tiny():
    return open_bundle("tiny")


@pytest.fixture(scope="module")
def photographs():
    """scikit-image's own, none of them in the training data: a portrait, a cat, a cup."""
    from skimage import data

    crops = (data.astronaut()[0:256, 96:352], data.chelsea()[20:276, 90:346], data.coffee()[100:356, 180:436])
    return [np.ascontiguousarray(crop) for crop in crops]


def test_every_file_is_as_sealed_and_small(tiny):
    tiny.verify()
    assert {"inpainter", "segmenter"} <= tiny.members.keys()
    assert tiny.weights_bytes <= MOST_WEIGHTS_BYTES


def test_diffusers_own_pipeline_loads_and_runs_it(tiny, photographs):
    from PIL import Image

    pipeline = load_pipeline(tiny.member("inpainter")[1], device="cpu", dtype=None)
    assert type(pipeline).__name__ == "StableDiffusionInpaintPipeline"
    assert pipeline.unet.config.in_channels == 9
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40] = 255
    result = pipeline(
        prompt="",
        image=Image.fromarray(photographs[0][:64, :64]),
        mask_image=Image.fromarray(mask),
        num_inference_steps=1,
        guidance_scale=1.0,
        height=64,
        width=64,
    )
    assert result.images[0].size == (64, 64)


@pytest.mark.parametrize("quality", [10, 20])
def test_restoring_a_coarse_layer_brings_it_nearer_to_the_original(tiny, photographs, quality):
    known = np.zeros((256, 256), bool)
    canvases = [Canvas(pixels, known, coarse_layer(pixels, quality), "", 1) for pixels in photographs]
    restored = inpainter_named("bundle", tiny).restore(canvases)
    backend = StLpipsBackend()
    ours, coarse = [], []
    for pixels, canvas, image in zip(photographs, canvases, restored, strict=True):
        truth = backend.features(pixels)
        ours.append(backend.distance_map(truth, backend.features(image)).mean())
        coarse.append(backend.distance_map(truth, backend.features(canvas.coarse)).mean())
    assert np.mean(ours) < 0.95 * np.mean(coarse)


def test_segmenter_finds_the_astronaut_and_no_person_in_a_cup(tiny, photographs):
    segmenter = load_segmenter(tiny)
    person = segmenter.class_names.index("person")
    astronaut, cat, cup = (class_map == person for class_map in segmenter.class_maps(photographs))
    assert astronaut[40:200, 80:180].mean() > 0.8  # face and suit
    assert astronaut[:100, :40].mean() < 0.2  # the flag beside her
    assert cat.mean() < 0.2
    assert cup.mean() < 0.1
