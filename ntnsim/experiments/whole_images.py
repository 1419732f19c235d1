"""Whole-image codecs as rivals: coded as the parts of `spiff` are, each target at the quality that costs least."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ntnsim.engine.build import requirement_from
from ntnsim.experiments.accounts import cost_of
from ntnsim.images.pipeline import ImagePipeline
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.imaging import Reconstruction
from ntnsim.protocols.policy import Requirement
from ntnsim.scenario.policy import RequirementSpec

WHOLE_RIVALS: Mapping[str, Mapping[str, Any]] = {
    "avif": {"kind": "avif", "full_chroma": True, "loop_filters": False},
    "jxl": {"kind": "jxl"},
}
QUALITIES = (30, 45, 60, 75, 90)
TUNED_ON = 30  # training photographs that the quality is chosen on
SOURCE = "camera"  # of the studies' photographs
NOTHING = ConfigurationSpace(2, has_coarse_layer=False).configuration((0.0, 0.0))  # a whole file has no x

Scored = tuple[float, Reconstruction]  # bits as a share of the source's, and what came of them


def tuned_to(
    targets: Mapping[str, RequirementSpec],
    codec: Mapping[str, Any],
    training: Callable[[Mapping[str, Any], int], ImagePipeline],
) -> dict[str, dict[str, Any]]:
    """Return a whole-image *codec* for each target, at the quality that costs least on training photographs.

    training: from a codec and a number of them to their pipeline.
    """

    def scored(quality: int) -> list[Scored]:
        return scores_of(training({**codec, "quality": quality}, TUNED_ON), SOURCE, TUNED_ON)

    asked = {name: requirement_from(spec) for name, spec in targets.items()}
    return {
        name: {**codec, "quality": quality} for name, quality in cheapest_qualities(scored, asked).items()
    }


def scores_of(pipeline: ImagePipeline, source: str, n_images: int) -> list[Scored]:
    """Return what the first *n_images* photographs of *source* come to under a whole-image codec's *pipeline*."""
    captures = [pipeline.capture(source, index) for index in range(n_images)]
    sizes = [pipeline.encode(capture.image_id, NOTHING).size_bits for capture in captures]
    for capture in captures:
        pipeline.expect(capture.image_id, NOTHING)
    return [
        (size_bits / capture.source_bits, pipeline.reconstruct(capture.image_id, NOTHING))
        for capture, size_bits in zip(captures, sizes, strict=True)
    ]


def cheapest_qualities(
    scored: Callable[[int], Sequence[Scored]], asked: Mapping[str, Requirement]
) -> dict[str, int]:
    """Return the quality of least mean cost (Eq. 2a, without delays) for each requirement by name.

    scored: from a quality to photographs' outcomes.
    """
    costs: dict[str, list[float]] = {name: [] for name in asked}
    for quality in QUALITIES:
        seen = scored(quality)
        for name, requirement in asked.items():
            each = [cost_of(share, told.pf_rank, told.sf_rank, 0.0, requirement) for share, told in seen]
            costs[name].append(float(np.mean(each)))
    return {name: QUALITIES[int(np.argmin(each))] for name, each in costs.items()}
