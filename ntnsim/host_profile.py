"""Measure this host into a device profile: how long each stage of the real pipeline takes here.

Every stage runs on sample photographs of several sizes; a non-negative least-squares fit of its times gives the terms
of :class:`~ntnsim.scenario.compute.StageTimeSpec`. The profile is a file for scenarios to name; simulated time is
then charged from it, so that a run gives the same result wherever it is computed.
"""

import io
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.optimize import nnls

from ntnsim.datasets.relevance import relevance_preset
from ntnsim.datasets.samples import SampleCaptures
from ntnsim.fidelity.metrics import scorer_named
from ntnsim.networks.bundle import Bundle
from ntnsim.networks.load import inpainter_named, load_captioner, load_segmenter
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.inpainter import Canvas
from ntnsim.scenario.compute import REFERENCE_PIXELS, DeviceProfileSpec, StageTimeSpec
from ntnsim.spiff.codec import SpiffEncoder, spiff_settings
from ntnsim.spiff.components import Component, encode_component
from ntnsim.spiff.decoder import decode_partial_image

SIZES_PX = ((256, 192), (384, 288), (640, 480))
STEPS = (1, 2, 4)
JPEG = Component("jpeg", 45)
CONFIGURATION = Configuration(0.0, (0.05,), 0.25)
BATCH = 4

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One timed call: image size, diffusion steps (0 where there are none), seconds."""

    pixels: int
    steps: int
    seconds: float


def measure_host(bundle: Bundle, *, repeats: int = 3, device: str = "cpu") -> DeviceProfileSpec:
    """Return the profile of this host for the networks of *bundle*; takes a minute or so with small networks.

    repeats: photographs per size. device: torch device of the networks.
    """
    segmenter = load_segmenter(bundle, device)
    relevance = relevance_preset("person")
    codec = SpiffEncoder(spiff_settings("spiff", {}), n_ranks=2)
    scorer = scorer_named()
    one_step = bundle.member("inpainter")[0].kind == "one-step-residual"
    numbers = STEPS[:1] if one_step else STEPS
    inpainters = {steps: inpainter_named("bundle", bundle, steps=steps, device=device) for steps in numbers}
    times: dict[str, list[Measurement]] = {}

    def note(stage: str, pixels: int, seconds: float, steps: int = 0) -> None:
        times.setdefault(stage, []).append(Measurement(pixels, steps, seconds))

    canvases: list[Canvas] = []
    for width_px, height_px in SIZES_PX:
        photographs, size = SampleCaptures(repeats, width_px, height_px, other_every=0), width_px * height_px
        warm_up = photographs.image(
            0
        ).pixels  # first calls of a size pay for kernels that later ones find ready
        segmenter.class_maps([warm_up])
        for index in range(repeats):
            pixels = photographs.image(index).pixels
            seconds, maps = _timed(segmenter.class_maps, [pixels])
            note("segmentation", size, seconds)
            ranks = relevance.rank_map(maps[0], segmenter.class_names)
            seconds, coded = _timed(codec.encode, pixels, ranks, CONFIGURATION, index)
            note("encode", size, seconds)
            seconds, _ = _timed(encode_component, pixels, JPEG)
            note("encode_jpeg", size, seconds)
            seconds, (_, shown) = _timed(codec.trial, pixels, ranks, CONFIGURATION, index)
            judged_s, _ = _timed(scorer.per_rank, pixels, [shown], ranks, 2)
            note("trial", size, seconds + judged_s)
            seconds, received = _timed(decode_partial_image, coded.payload)
            note("decode", size, seconds)
            canvases.append(
                Canvas(received.pixels, received.known, received.coarse, "", index, received.grain)
            )
        for steps, inpainter in inpainters.items():
            inpainter.restore(canvases[-1:])
            for canvas in canvases[-repeats:]:
                note("inpainting", size, _timed(inpainter.restore, [canvas])[0], steps)
    stages = {stage: fitted(measured) for stage, measured in times.items()}
    stages["generation"] = stages["inpainting"]  # the same network, with nothing known
    stages["trial_inpainting"] = stages["inpainting"]  # the same network, at the gateway
    if "captioner" in bundle.members:
        captioner = load_captioner(bundle, device)
        images = [SampleCaptures(repeats).image(index).pixels for index in range(repeats)]
        stages["caption"] = fitted(
            [Measurement(1, 0, _timed(captioner.captions, [image])[0]) for image in images]
        )
    alone_s, _ = _timed(inpainters[1].restore, canvases[-1:])
    together_s, _ = _timed(inpainters[1].restore, canvases[-1:] * BATCH)
    marginal = float(np.clip((together_s / alone_s - 1) / (BATCH - 1), 0.0, 1.0))
    host = f"{platform.machine()}, Python {platform.python_version()}"
    return DeviceProfileSpec(
        description=f"measured on {host}, bundle {bundle.name}, {device}",
        estimated=False,
        stages=stages,
        batch_marginal=round(marginal, 3),
    )


def fitted(measured: Sequence[Measurement]) -> StageTimeSpec:
    """Return the stage time that explains *measured* best: relative least squares with terms that are not negative."""
    pixels = np.array([measurement.pixels for measurement in measured], dtype=np.float64)
    steps = np.array([measurement.steps for measurement in measured], dtype=np.float64)
    seconds = np.array([measurement.seconds for measurement in measured])
    terms = np.stack([np.ones_like(pixels), pixels / 1e6, steps * pixels / REFERENCE_PIXELS], axis=1)
    # Dividing by the time weighs a small image's error as much as a large one's.
    solution, _ = nnls(terms / seconds[:, None], np.ones_like(seconds))
    ratio = seconds / (terms @ solution)
    fixed_s, per_megapixel_s, per_step_s = (round(float(term), 6) for term in solution)
    return StageTimeSpec(
        fixed_s=fixed_s,
        per_megapixel_s=per_megapixel_s,
        per_step_s=per_step_s,
        spread_cv=round(float(ratio.std() / ratio.mean()), 3),
    )


def profile_yaml(name: str, profile: DeviceProfileSpec) -> str:
    """Return *profile* as a device file under *name*, as scenarios name it: ``device: FILE.yaml#NAME``."""
    from ruamel.yaml import YAML

    text = io.StringIO()
    content = profile.model_dump(exclude_defaults=True) | {"estimated": profile.estimated}
    YAML(typ="safe", pure=True).dump({name: content}, text)
    return text.getvalue()


def _timed(call: Callable[..., Result], *arguments: object) -> tuple[float, Result]:
    started = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - started, result
