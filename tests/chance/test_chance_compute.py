"""Device profiles: names, files, and the times they give."""

import numpy as np
import pytest

from ntnsim.chance.compute import StageTimes
from ntnsim.chance.device_profiles import device_profile, shipped_profiles
from ntnsim.chance.sampling import Streams
from ntnsim.errors import ScenarioError
from ntnsim.scenario.compute import DeviceProfileSpec, StageTimeSpec
from ntnsim.scenario.path import ScenarioPath


def test_shipped_estimates_say_that_they_are_estimates():
    profiles = shipped_profiles()
    assert {"instant", "xeon-2vcpu", "tesla-t4", "onboard-computer"} <= set(profiles)
    assert all(profile.estimated for name, profile in profiles.items() if name != "instant")


def test_t4_charges_a_second_and_0_13_s_per_step_at_512_px():
    # The default estimate of a T4: 1 s plus 0.13 s per step at 512 px. The spread has mean one.
    times = StageTimes(device_profile("tesla-t4"), {}, ("inpainting",), 50, Streams(1, "s"))
    assert times.mean_s(512 * 512) == pytest.approx(1.0 + 0.13 * 50)
    assert times.mean_s(256 * 512) == pytest.approx(1.0 + 0.13 * 25)
    draws = np.array([times.draw_s(512 * 512) for _ in range(4000)])
    assert draws.mean() == pytest.approx(7.5, rel=0.01) and draws.std() == pytest.approx(0.05 * 7.5, rel=0.1)


def test_stages_add_up_and_given_times_replace_the_devices():
    device = DeviceProfileSpec(
        stages={"segmentation": StageTimeSpec(fixed_s=1.0), "encode": StageTimeSpec(per_megapixel_s=2.0)}
    )
    times = StageTimes(device, {}, ("segmentation", "decision", "encode"), 0, Streams(1, "s"))
    assert times.draw_s(500_000) == times.mean_s(500_000) == 2.0


def test_profile_file_is_found_by_path_and_name(tmp_path):
    (tmp_path / "mine.yaml").write_text("desk: {stages: {encode: {fixed_s: 0.5}}}\nlap: {power_w: 9}\n")
    assert device_profile(ScenarioPath("mine.yaml#lap", tmp_path)).power_w == 9
    assert device_profile(ScenarioPath("mine.yaml#desk", tmp_path)).stages["encode"].fixed_s == 0.5
    with pytest.raises(ScenarioError, match=r"device 'mine.yaml': no such profile; there is desk, lap"):
        device_profile(ScenarioPath("mine.yaml", tmp_path))
    (tmp_path / "one.yaml").write_text("desk: {stages: {encode: {fixed_s: 0.5}}}\n")
    assert device_profile(ScenarioPath("one.yaml", tmp_path)).stages["encode"].fixed_s == 0.5


def test_bad_device_names_and_files_are_told_in_one_line(tmp_path):
    with pytest.raises(ScenarioError, match=r"device 'cray': no such profile; there is .*tesla-t4"):
        device_profile("cray")
    with pytest.raises(ScenarioError, match="no such file"):
        device_profile(ScenarioPath("none.yaml", tmp_path))
    (tmp_path / "bad.yaml").write_text("desk: {stages: {encode: {fixed_s: -1}}}\n")
    with pytest.raises(ScenarioError, match=r"bad.yaml: .*greater than or equal to 0") as caught:
        device_profile(ScenarioPath("bad.yaml", tmp_path))
    assert "\n" not in str(caught.value)
