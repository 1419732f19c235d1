"""Scenarios of textbook queues, and confidence intervals for what they give."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from ntnsim.engine.build import changes_from, requirement_from
from ntnsim.engine.fixed import FixedPolicy
from ntnsim.protocols.configuration import Configuration
from ntnsim.scenario.scenario import Scenario
from ntnsim.world.sizes_imaging import SizesImaging
from ntnsim.world.world import World, WorldResult

CONFIDENCE = 0.999  # the seeds are fixed: a true formula passes for ever, a wrong one is far outside
BATCHES = 25


@dataclass
class Run:
    """Records as arrays by column, and what the world told beside them."""

    columns: dict[str, np.ndarray]
    result: WorldResult
    timeline: list[dict]

    def __getitem__(self, name):
        return self.columns[name]


def exponential(mean):
    return {"kind": "exponential", "mean": mean}


def world_of(**sections):
    """Return a scenario in which nothing takes time but what *sections* say; one scheme, sizes of 1 Mbit."""
    plain = {
        "name": "textbook",
        "seed": 7,
        "horizon": {"n_jobs": 20_000},
        "sources": [{"name": "camera", "arrivals": {"kind": "poisson", "rate_per_s": 0.7}}],
        "gateways": [{"name": "gateway", "device": "instant", "servers": 1}],
        "satellite_link": {"kind": "constant", "rate_bps": 1e15},
        "data_network": {"device": "instant"},
        "output": {"timeline_step_s": None},
        "schemes": [{"name": "sizes", "codec": {"kind": "sizes", "size_bits": 1e6}}],
    }
    for name, section in sections.items():
        adds = name in ("horizon", "data_network")
        plain[name] = {**plain[name], **section} if adds else section
    return Scenario.model_validate(plain)


def run_world(scenario, *, policy=None, scheme=0, **arguments):
    batches, timeline = [], []
    entity = scenario.schemes[scheme]
    result = World(
        scenario,
        entity.name,
        SizesImaging(entity.codec, scenario.seed),
        policy or FixedPolicy(Configuration(0.0, (0.5,))),
        requirement_from(scenario.requirement),
        batches.append,
        changes=changes_from(scenario.requirement),
        write_timeline=timeline.append,
        **arguments,
    ).run()
    columns = {
        name: np.concatenate([np.asarray(batch[name]) for batch in batches])
        for name in (batches[0] if batches else ())
    }
    order = np.lexsort((columns["index"], columns["created_s"])) if batches else None
    return Run({name: values[order] for name, values in columns.items()}, result, timeline)


def assert_mean(samples, expected, *, within):
    """Check that the batch-means interval of *samples* (in time order) holds *expected*, and is narrower than ± *within*.

    The first tenth is left out as warm-up. within: relative half-width at most, so that the check has teeth.
    """
    samples = np.asarray(samples, dtype=float)[len(samples) // 10 :]
    means = np.array([batch.mean() for batch in np.array_split(samples, BATCHES)])
    half = stats.t.ppf((1 + CONFIDENCE) / 2, BATCHES - 1) * means.std(ddof=1) / np.sqrt(BATCHES)
    assert half <= within * expected, f"half-width {half / expected:.3f} of the expected value is too wide"
    assert abs(means.mean() - expected) <= half, f"{means.mean():.4f} ± {half:.4f}, expected {expected:.4f}"


@pytest.fixture
def textbook():
    """Return (world_of, run_world, assert_mean, exponential)."""
    return world_of, run_world, assert_mean, exponential
