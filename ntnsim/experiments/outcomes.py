"""Outcomes of the real pipeline, coded, reconstructed and scored: full grids, and logs of single decisions.

What the outcome store already holds is not computed again, so an interrupted build goes on where it stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from ntnsim.engine.outcome_log import LoggedOutcome
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import Moment, delivered_in
from ntnsim.images.pipeline import ImagePipeline
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.policy import DeliveredImage, Requirement

Axes = tuple[tuple[float, ...], ...]
Progress = Callable[[int, int], None]
AT_ZERO = 0.5  # share of drawn configurations whose β, and whose p, is exactly 0, where optima lie
AT_ONE = 0.1  # and exactly 1: what critics have not seen there, actors take for a bargain


def axes_of(
    space: ConfigurationSpace,
    *,
    box_growth: Sequence[float],
    patches: Sequence[float],
    coarse: Sequence[float],
) -> Axes:
    """Return the grid's axes for a codec's *space*: one value list for β, one for every p(l), one for q."""
    axes = (tuple(box_growth), *([tuple(patches)] * (space.n_ranks - 1)))
    return (*axes, tuple(coarse)) if space.has_coarse_layer else axes


def alike(configuration: Configuration) -> Configuration:
    """Return the simplest configuration with the same reconstruction.

    Where the box is the image, nothing lies outside it; where every tile is kept, every pixel is received, and pasted
    over whatever the coarse layer would give. Sizes may differ: a coarse layer that nobody needs is still sent.
    """
    if configuration.box_growth == 1.0:
        return Configuration(1.0, (0.0,) * len(configuration.patch_fractions), 0.0)
    if all(share == 1.0 for share in configuration.patch_fractions):
        return Configuration(configuration.box_growth, configuration.patch_fractions, 0.0)
    return configuration


def build_outcome_table(
    pipeline: ImagePipeline,
    space: ConfigurationSpace,
    source: str,
    n_images: int,
    axes: Axes,
    progress: Progress | None = None,
) -> OutcomeTable:
    """Return the outcomes of the first *n_images* photographs of *source* at every point of *axes*.

    Every size is that of a real stream; configurations with the same reconstruction are restored and scored once.
    progress: called with the number of pictures restored and scored, and of all.
    """
    grid = [space.configuration(x) for x in product(*axes)]
    restored = list(dict.fromkeys(alike(configuration) for configuration in grid))
    names, images, sizes, pf, sf = [], [], [], [], []
    for index in range(n_images):
        capture = pipeline.capture(source, index)
        sizes.append([pipeline.encode(capture.image_id, configuration).size_bits for configuration in grid])
        for configuration in restored:
            pipeline.encode(capture.image_id, configuration)
            pipeline.expect(capture.image_id, configuration)
        scores = {}
        for configuration in restored:
            scores[configuration] = pipeline.reconstruct(capture.image_id, configuration)
            if progress is not None:
                progress(index * len(restored) + len(scores), n_images * len(restored))
        for configuration in grid:
            pipeline.forget(capture.image_id, configuration)
        pf.append([scores[alike(configuration)].pf_rank for configuration in grid])
        sf.append([scores[alike(configuration)].sf_rank for configuration in grid])
        names.append(capture.image_id)
        images.append(capture.state)
    shape = (n_images, *(len(axis) for axis in axes))
    return OutcomeTable(
        space,
        axes,
        tuple(names),
        tuple(images),
        np.array(sizes, dtype=np.float64).reshape(shape),
        np.array(pf, dtype=np.float64).reshape(*shape, space.n_ranks),
        np.array(sf, dtype=np.float64).reshape(*shape, space.n_ranks),
    )


def drawn_configuration(space: ConfigurationSpace, rng: np.random.Generator) -> Configuration:
    """Draw x for a log: q uniformly; β and p often exactly 0, now and then 1, else more often small than large."""
    below_q = space.n_ranks  # β and the p(l)
    x = rng.random(space.dimension)
    x[:below_q] **= 2
    face = rng.random(below_q)
    x[:below_q][face < AT_ZERO] = 0.0
    x[:below_q][face >= 1.0 - AT_ONE] = 1.0
    if not space.has_coarse_layer:
        x[1:] = rng.random(space.n_ranks - 1)  # without a coarse layer p carries the low ranks alone
    return space.configuration(x.tolist())


def build_outcome_log(
    pipeline: ImagePipeline,
    space: ConfigurationSpace,
    source: str,
    n_images: int,
    rng: np.random.Generator,
    progress: Progress | None = None,
    *,
    n_draws: int = 1,
) -> list[LoggedOutcome]:
    """Return the outcomes of *n_draws* drawn configurations for each of the first *n_images* of *source*."""
    log = []
    for index in range(n_images):
        capture = pipeline.capture(source, index)
        drawn = [drawn_configuration(space, rng) for _ in range(n_draws)]
        sizes = [round(pipeline.encode(capture.image_id, x).size_bits) for x in drawn]
        for configuration in drawn:
            pipeline.expect(capture.image_id, configuration)
        for configuration, size_bits in zip(drawn, sizes, strict=True):
            seen = pipeline.reconstruct(capture.image_id, configuration)
            log.append(LoggedOutcome(capture.state, configuration, size_bits, seen.pf_rank, seen.sf_rank))
            if progress is not None:
                progress(len(log), n_images * n_draws)
    return log


def delivered_by(
    pipeline: ImagePipeline,
    source: str,
    index: int,
    moment: Moment,
    requirement: Requirement,
    configuration: Configuration,
) -> DeliveredImage:
    """Return what a photograph really comes to under *configuration*, coded and scored, in a moment's surroundings."""
    capture = pipeline.capture(source, index)
    size_bits = round(pipeline.encode(capture.image_id, configuration).size_bits)
    pipeline.expect(capture.image_id, configuration)
    seen = pipeline.reconstruct(capture.image_id, configuration)
    image = replace(capture.state, age_s=moment.age_s)
    return delivered_in(moment, image, requirement, configuration, size_bits, seen.pf_rank, seen.sf_rank)
