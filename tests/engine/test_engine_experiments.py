"""The parts of the learning experiments: calibrated targets, the table builder, the summary, training in a world."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ntnsim.engine.build import build_engine, requirement_from
from ntnsim.engine.outcome_log import fill_from_log, load_log, save_log
from ntnsim.engine.practice import Moment
from ntnsim.engine.synthetic import network_state
from ntnsim.errors import InputError
from ntnsim.experiments.outcomes import (
    alike,
    axes_of,
    build_outcome_log,
    build_outcome_table,
    drawn_configuration,
)
from ntnsim.experiments.stage import Stage
from ntnsim.experiments.study import SPACES
from ntnsim.experiments.table4 import latex, summary
from ntnsim.experiments.targets import calibrated_targets, requirement_range
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.protocols.imaging import Capture, Encoded, Reconstruction
from ntnsim.protocols.policy import ImageState, Trial
from ntnsim.runs import run_scenario
from ntnsim.scenario.load import load_scenario
from ntnsim.scenario.policy import RequirementRangeSpec, SpiffEngineSpec
from ntnsim.spiff.classical import ClassicalInpainter
from ntnsim.spiff.codec import SpiffCodec
from ntnsim.spiff.settings import SPIFF
from ntnsim.streams import stream

TARGETS = calibrated_targets(
    1.0 - np.linspace(0.0, 0.1, 101), 1.0 - np.linspace(0.0, 0.02, 101), top_pf_min=0.98, top_sf_min=0.99
)


def test_jpeg_keeps_the_calibrated_strict_target_as_often_as_in_the_paper():
    strict = TARGETS["strict"]
    pf, sf = 1.0 - np.linspace(0.0, 0.1, 101), 1.0 - np.linspace(0.0, 0.02, 101)
    assert np.mean(pf >= strict.pf_min[0] - 1e-12) == pytest.approx(0.83, abs=0.011)
    assert np.mean(sf >= strict.sf_min[0] - 1e-12) == pytest.approx(0.99, abs=0.011)


def test_calibrated_targets_keep_the_papers_proportions():
    # Table III: distances 0.2 : 0.4 : 0.6 and 0.1 : 0.2 : 0.4.
    pf = [1.0 - TARGETS[name].pf_min[0] for name in ("strict", "intermediate", "lenient")]
    sf = [1.0 - TARGETS[name].sf_min[0] for name in ("strict", "intermediate", "lenient")]
    np.testing.assert_allclose(np.array(pf) / pf[0], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(np.array(sf) / sf[0], [1.0, 2.0, 4.0])
    # Missing a target by all of its distance costs λ · distance, four times as much as in the paper: 1.25 · 0.2.
    strict = TARGETS["strict"]
    assert strict.lambda_pf[0] * pf[0] == pytest.approx(4 * 1.25 * 0.2)
    assert strict.lambda_sf[0] * sf[0] == pytest.approx(4 * 5.0 * 0.1)


def test_drawn_requirements_cover_the_targets():
    span = RequirementRangeSpec.model_validate(requirement_range(TARGETS))
    for target in TARGETS.values():
        assert span.pf_min[0] < min(target.pf_min)
        assert span.sf_min[0] < min(target.sf_min)
        assert span.weight[1] >= max(*target.lambda_pf, *target.lambda_sf)


class CountedPipeline:
    """A pipeline whose outcomes say which image and configuration they belong to."""

    def __init__(self):
        self.announced = []
        self.reconstructed = []

    def capture(self, source, index):
        return Capture(f"image-{index}", 1000, ImageState((0.5, 0.5), 1000 + index, 4, 4))

    def encode(self, image_id, configuration):
        return Encoded(round(100 * configuration.patch_fractions[0]) + int(image_id[-1]), (0, 0), 0)

    def expect(self, image_id, configuration):
        self.announced.append((image_id, configuration))

    def reconstruct(self, image_id, configuration):
        assert (image_id, configuration) in self.announced
        self.reconstructed.append(configuration)
        return Reconstruction(1, (configuration.box_growth, 1.0), (configuration.patch_fractions[0], 1.0))

    def forget(self, image_id, configuration):
        pass


def test_table_builder_puts_each_outcome_in_its_place():
    space = SPACES["spiff-paper"]
    axes = axes_of(space, box_growth=(0.0, 0.9), patches=(0.0, 0.5, 1.0), coarse=())
    table = build_outcome_table(CountedPipeline(), space, "camera", 2, axes)
    np.testing.assert_array_equal(table.size_bits[1], [[1, 51, 101], [1, 51, 101]])
    np.testing.assert_array_equal(table.pf[0, ..., 0], [[0, 0, 0], [0.9, 0.9, 0.9]])
    np.testing.assert_array_equal(table.sf[0, ..., 0], [[0, 0.5, 1], [0, 0.5, 1]])


def test_configurations_that_restore_alike_are_restored_once():
    space, pipeline = SPACES["spiff"], CountedPipeline()
    axes = axes_of(space, box_growth=(0.0, 1.0), patches=(0.0, 1.0), coarse=(0.0, 0.5))
    table = build_outcome_table(pipeline, space, "camera", 1, axes)
    assert [space.vector(x) for x in pipeline.reconstructed] == [
        (0, 0, 0),
        (0, 0, 0.5),
        (0, 1, 0),
        (1, 0, 0),
    ]
    assert table.size_bits[0].tolist() == [[[0, 0], [100, 100]], [[0, 0], [100, 100]]]  # as really coded
    assert (table.pf[0, 1, :, :, 0] == 1.0).all()


def test_alike_configurations_give_the_same_pixels():
    rng = np.random.default_rng(3)
    pixels = cv2.resize(
        rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (128, 96), interpolation=cv2.INTER_CUBIC
    )
    ranks = np.zeros((96, 128), dtype=np.uint8)
    ranks[20:70, 40:90] = 1
    codec = SpiffCodec("spiff", SPIFF, ClassicalInpainter("telea"), n_ranks=2)
    for x in ((0.0, 1.0, 0.5), (1.0, 0.3, 0.0), (1.0, 0.0, 0.7), (0.2, 1.0, 0.7)):
        configuration = SPACES["spiff"].configuration(x)
        payloads = [codec.encode(pixels, ranks, x, 7).payload for x in (configuration, alike(configuration))]
        assert payloads[0] == payloads[1]  # a coarse layer that nobody sees is not sent
        first, second = codec.decode(payloads, [7, 7])
        np.testing.assert_array_equal(first, second)
        assert alike(alike(configuration)) == alike(configuration)


def test_progress_tells_each_picture_as_it_is_scored():
    space, told = SPACES["spiff"], []
    axes = axes_of(space, box_growth=(0.0,), patches=(0.0,), coarse=(0.0, 0.5))
    build_outcome_table(CountedPipeline(), space, "camera", 2, axes, lambda *so_far: told.append(so_far))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    build_outcome_log(
        CountedPipeline(),
        space,
        "camera",
        1,
        stream(0, "log"),
        lambda *so_far: told.append(so_far),
        n_draws=2,
    )
    assert told[4:] == [(1, 2), (2, 2)]


def test_stage_tells_what_was_said_last_and_since_when():
    now_s = [0.0]
    stage = Stage(clock=lambda: now_s[0])
    stage("seed 0: training the engine")
    now_s[0] = 12.0
    assert stage.line() == "seed 0: training the engine, 0:12"
    stage.moves_on("log of spiff: 3 of 80 pictures")
    assert stage.line() == "log of spiff: 3 of 80 pictures, 0:12"


def test_log_holds_as_many_outcomes_per_photograph_as_wanted_and_comes_back_from_disk(tmp_path: Path):
    space = SPACES["spiff"]
    log = build_outcome_log(CountedPipeline(), space, "camera", 3, stream(0, "log"), n_draws=2)
    assert [seen.image.source_bits for seen in log] == [1000, 1000, 1001, 1001, 1002, 1002]
    assert len({seen.configuration for seen in log}) == 6
    assert all(seen.pf[0] == seen.configuration.box_growth for seen in log)
    save_log(log, space, tmp_path / "log.parquet")
    assert load_log(space, tmp_path / "log.parquet") == log
    tried = [
        replace(
            seen,
            image=replace(
                seen.image, trials=(Trial(seen.configuration, 500 + index, (0.8, 0.9), (0.7, 1.0)),)
            ),
        )
        for index, seen in enumerate(log)
    ]
    save_log(tried, space, tmp_path / "tried.parquet")
    assert load_log(space, tmp_path / "tried.parquet") == tried
    with pytest.raises(InputError, match="not a log of this codec"):
        load_log(SPACES["spiff-paper"], tmp_path / "log.parquet")
    with pytest.raises(InputError, match="no such outcome log"):
        load_log(space, tmp_path / "none.parquet")


def test_drawn_configurations_favour_the_edges_where_optima_lie():
    drawn = np.array(
        [SPACES["spiff"].vector(drawn_configuration(SPACES["spiff"], stream(0, str(i)))) for i in range(400)]
    )
    assert np.mean(drawn[:, :2] == 0.0) == pytest.approx(0.5, abs=0.06)
    assert np.mean(drawn[:, 2]) == pytest.approx(0.5, abs=0.06)
    assert np.mean(drawn[:, :2] == 1.0) == pytest.approx(0.1, abs=0.04)


def test_memory_filled_from_a_log_keeps_outcomes_and_adds_the_moments_delay():
    space = SPACES["spiff-paper"]
    log = build_outcome_log(CountedPipeline(), space, "camera", 3, stream(0, "log"))
    moments = [Moment(network_state(100.0), 1.0, 2.0)]
    engine = build_engine(SpiffEngineSpec(hidden_units=8), space, seed=0)
    fill_from_log(engine, log, moments, [requirement_from(TARGETS["strict"])], 5, stream(0, "fill"))
    outcomes = engine.replay.part("outcome")
    shares = [seen.size_bits / seen.image.source_bits for seen in log]
    np.testing.assert_allclose(outcomes[:, 0], [*shares, *shares[:2]], rtol=1e-6)
    # Waiting none, (backlog 0 + bits)/100 on the link, 5 ms away, the source's bits at 100 Mbit/s, and 2 s besides;
    # the age is no part of what remains. In nominal deadlines of 20 s.
    seconds = [seen.size_bits / 100 + 0.005 + seen.image.source_bits / 100e6 + 2.0 for seen in log]
    np.testing.assert_allclose(outcomes[:3, -1] * 20.0, seconds, rtol=1e-5)


def test_coarse_quality_is_an_axis_only_where_the_codec_has_it():
    grids = {
        kind: axes_of(space, box_growth=(0,), patches=(0,), coarse=(0, 1)) for kind, space in SPACES.items()
    }
    assert [len(grids[kind]) for kind in ("spiff-paper", "spiff")] == [2, 3]


def test_summary_counts_rejections_apart_and_late_images_in():
    records = pd.DataFrame(
        {
            "target": "strict",
            "scheme": "a",
            "seed": 0,
            "state": ["delivered", "late", "dropped", "delivered"],
            "pf_rank_0": [1.0, 0.0, np.nan, 1.0],
            "sf_rank_0": [1.0, 1.0, np.nan, 0.0],
            "pf_rank_1": [1.0, 1.0, np.nan, 1.0],
            "deadline_met": [True, False, False, True],
            "savings": [0.5, 0.6, np.nan, 0.7],
            "image_id": ["a", "b", "c", "d"],
            "sf_rank_1": 1.0,
            "delay_s": 1.0,
            "rank_fraction_0": 0.5,
            "rank_fraction_1": 0.5,
            "x_box_growth": 0.0,
            "x_patch_fraction_0": 0.0,
            "x_coarse_quality": 0.0,
            "guarded": False,
            "learning_cpu_s": 1.0,
            "decision_ms": 1.0,
        }
    )
    [row] = summary(records, TARGETS).to_dict("records")
    assert row["p_pf"] == pytest.approx(2 / 3)
    assert row["p_sf"] == pytest.approx(2 / 3)
    assert row["p_deadline"] == pytest.approx(2 / 3)
    assert row["savings"] == pytest.approx(0.6)
    assert row["rejected"] == 0.25
    assert row["p_pf_low"] < 2 / 3 < row["p_pf_high"]
    [line] = [line for line in latex(summary(records, TARGETS)).splitlines() if "66.7" in line]
    assert [cell.strip() for cell in line.rstrip("\\ ").split("&")][2:6] == ["66.7", "66.7", "66.7", "60.0"]


WORLD = """
name: training
sources: [{name: camera, arrivals: {kind: periodic, period_s: 5}, n_jobs: 12}]
gateways: [{name: parma}]
satellite_link: {kind: constant, rate_bps: 1.0e+6}
datasets: {marked: {kind: folder, path: photos, masks: masks}}
task: {segmenter: truth}
schemes:
  - name: learner
    codec: {kind: jpeg, quality: 45}
    policy: {kind: spiff-engine, warm_up_images: 8, hidden_units: 16, guard: {}}
"""


def write_world(directory: Path) -> Path:
    """A scenario, and three small photographs whose left half is marked."""
    rng = np.random.default_rng(0)
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[:, :32] = 255
    for name in ("photos", "masks"):
        (directory / name).mkdir()
    for index in range(3):
        pixels = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 48)).save(directory / "photos" / f"{index}.jpg")
        Image.fromarray(mask).save(directory / "masks" / f"{index}.png")
    (directory / "training.yaml").write_text(WORLD)
    return directory / "training.yaml"


def test_engine_trained_in_a_world_is_saved_and_comes_back(tmp_path: Path):
    path = write_world(tmp_path)
    scenario = load_scenario(path, [])
    summary = run_scenario(scenario, tmp_path / "out", store=OutcomeStore())
    figures = summary["worlds"]["learner"]["policy"]
    assert figures["images_learned"] == 12.0
    assert figures["updates"] == 5.0  # images 8 to 12
    entity = SpiffEngineSpec(warm_up_images=8, hidden_units=16)
    engine = build_engine(entity, SPACES["spiff-paper"], seed=0)
    engine.restore(tmp_path / "out" / "engines" / "learner")
    assert engine.diagnostics()["updates"] == 5.0
