"""Outcome tables from the real pipeline: every image coded, reconstructed and scored under a full grid of x.

What the outcome store already holds is not computed again, so an interrupted build goes on where it stopped.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.pipeline import ImagePipeline
from ntnsim.spiff.configuration import ConfigurationSpace

Axes = tuple[tuple[float, ...], ...]


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


def build_outcome_table(
    pipeline: ImagePipeline,
    space: ConfigurationSpace,
    source: str,
    n_images: int,
    axes: Axes,
    progress: Callable[[int, int], None] | None = None,
) -> OutcomeTable:
    """Return the outcomes of the first *n_images* photographs of *source* at every point of *axes*.

    progress: called with the number of finished images and *n_images*.
    """
    grid = [space.configuration(x) for x in product(*axes)]
    names, images, sizes, pf, sf = [], [], [], [], []
    for index in range(n_images):
        capture = pipeline.capture(source, index)
        sizes.append([pipeline.encode(capture.image_id, configuration).size_bits for configuration in grid])
        for configuration in grid:
            pipeline.expect(capture.image_id, configuration)
        scores = [pipeline.reconstruct(capture.image_id, configuration) for configuration in grid]
        pf.append([score.pf_rank for score in scores])
        sf.append([score.sf_rank for score in scores])
        names.append(capture.image_id)
        images.append(capture.state)
        if progress is not None:
            progress(index + 1, n_images)
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
