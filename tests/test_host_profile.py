"""Device profiles from measurements: the fit finds the terms that made the times."""

import numpy as np
import pytest

from ntnsim import host_profile
from ntnsim.chance.device_profiles import device_profile
from ntnsim.host_profile import Measurement, fitted, profile_yaml
from ntnsim.networks.bundle import open_bundle
from ntnsim.scenario.compute import DeviceProfileSpec, StageTimeSpec
from ntnsim.scenario.path import ScenarioPath


def made_by(stage: StageTimeSpec, spread_cv: float = 0.0, repeats: int = 1) -> list[Measurement]:
    rng = np.random.default_rng(1)
    return [
        Measurement(pixels, steps, stage.mean_s(pixels, steps) * float(1 + spread_cv * rng.standard_normal()))
        for pixels in (50_000, 100_000, 300_000)
        for steps in (1, 2, 4)
        for _ in range(repeats)
    ]


@pytest.mark.parametrize(
    "stage",
    [
        StageTimeSpec(fixed_s=1.3),
        StageTimeSpec(fixed_s=0.01, per_megapixel_s=0.4),
        StageTimeSpec(fixed_s=1.0, per_step_s=0.13),
        StageTimeSpec(fixed_s=0.2, per_megapixel_s=0.5, per_step_s=0.3),
    ],
)
def test_fit_recovers_the_terms_of_exact_times(stage):
    found = fitted(made_by(stage))
    assert found.model_dump() == pytest.approx(stage.model_dump(), abs=2e-6)


def test_spread_of_the_times_is_reported():
    found = fitted(made_by(StageTimeSpec(fixed_s=1.0, per_step_s=0.1), spread_cv=0.1, repeats=100))
    assert found.spread_cv == pytest.approx(0.1, abs=0.01)


def test_written_profile_is_one_that_scenarios_can_name(tmp_path):
    profile = DeviceProfileSpec(
        description="a test", estimated=False, stages={"encode": StageTimeSpec(fixed_s=0.25, spread_cv=0.1)}
    )
    (tmp_path / "mine.yaml").write_text(profile_yaml("lab", profile))
    assert device_profile(ScenarioPath("mine.yaml#lab", tmp_path)) == profile


def test_this_host_is_measured_stage_by_stage(monkeypatch):
    monkeypatch.setattr(host_profile, "SIZES_PX", ((96, 64), (160, 128)))
    profile = host_profile.measure_host(open_bundle("tiny"), repeats=1)
    gateway = {"segmentation", "trial", "trial_inpainting", "caption", "encode", "encode_jpeg"}
    assert set(profile.stages) == gateway | {"decode", "inpainting", "generation"}
    assert not profile.estimated
    pixels = 160 * 128
    assert profile.stages["encode_jpeg"].mean_s(pixels, 0) < profile.stages["encode"].mean_s(pixels, 0)
    assert DeviceProfileSpec.model_validate(profile.model_dump()) == profile
