"""A sweep of a scenario that is in no file, with parts that a script wrote itself."""

import subprocess
import sys
from pathlib import Path

import pytest

import ntnsim

SIZES = {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 3e5}}
WORLD = {
    "name": "in-code",
    "horizon": {"n_jobs": 3},
    "sources": [{"name": "camera", "arrivals": {"kind": "periodic", "period_s": 4}}],
    "gateways": [{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    "satellite_link": {"kind": "constant", "rate_bps": 1e5},
}
DESIGN = {"design": [{"kind": "grid", "parameters": {"satellite_link.rate_bps": [1e5, 2e5]}}]}


def swept_world(policy: dict | None = None, **more) -> ntnsim.Scenario:
    scheme = {"name": "only", "codec": SIZES} | ({"policy": policy} if policy else {})
    return ntnsim.Scenario(**{**WORLD, "schemes": [scheme], "sweep": DESIGN, **more})


class Half(ntnsim.Policy):
    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def choose(self, image, network, requirement):
        return ntnsim.Decision(ntnsim.Configuration(0.0, (self.share,)))


OWN = {"kind": "custom", "name": "half"}


def test_a_point_of_a_sweep_in_code_is_the_run_of_the_changed_scenario(tmp_path):
    heard = []
    swept = ntnsim.sweep(
        swept_world(),
        tmp_path / "swept",
        jobs=1,
        progress=lambda outcome, n: heard.append((outcome.n_run, n)),
    )
    assert heard == [(1, 2), (2, 2)]
    records = swept.records
    for rate_bps in (1e5, 2e5):
        alone = ntnsim.run(swept_world().changed({"satellite_link.rate_bps": rate_bps})).records
        cell = records[records["satellite_link.rate_bps"] == rate_bps]
        assert cell["delay_s"].tolist() == alone["delay_s"].tolist()
    assert repr(swept).endswith("2 cells, 0 failed>") and str(swept).startswith("in-code")
    assert swept._repr_html_().startswith("<pre>")
    assert ntnsim.sweep(swept_world(), tmp_path / "swept", resume=True).outcome.n_reused == 2


def test_own_parts_go_to_the_cells_and_are_part_of_their_address(tmp_path):
    def swept(policy):
        return ntnsim.sweep(
            swept_world(OWN), tmp_path / "swept", policies={"half": policy}, jobs=1, resume=True
        )

    assert set(swept(Half()).records["x_patch_fraction_0"]) == {0.5}
    assert swept(Half()).outcome.n_reused == 2
    other = swept(Half(0.25))
    assert other.outcome.n_run == 2 and set(other.records["x_patch_fraction_0"]) == {0.25}


def test_what_cannot_be_sent_and_what_fails_is_said(tmp_path):
    keeps = Half()
    keeps.lock = (number for number in range(3))
    with pytest.raises(ntnsim.InputError, match=r"policies\['half'\]: cannot be sent to another process"):
        ntnsim.sweep(swept_world(OWN), tmp_path / "a", policies={"half": keeps})
    with pytest.warns(UserWarning, match="2 of 2 cells failed; first .*patch fractions"):
        failed = ntnsim.sweep(swept_world(OWN), tmp_path / "b", policies={"half": Two}, jobs=1)
    assert len(failed.outcome.failed) == 2 and "2 failed" in repr(failed)
    with pytest.raises(ntnsim.InputError, match="jobs: must be a whole number >= 1, got 0"):
        ntnsim.sweep(swept_world(), tmp_path / "c", jobs=0)
    with pytest.raises(ntnsim.InputError, match="scenario: has no sweep: section"):
        ntnsim.sweep(swept_world(sweep=None), tmp_path / "c")


class Two(ntnsim.Policy):
    def choose(self, image, network, requirement):
        return ntnsim.Decision(ntnsim.Configuration(0.0, (0.5, 0.5)))


def test_results_of_another_own_part_are_not_taken_for_those_of_this_one(tmp_path):
    def finished(policy, **more):
        return ntnsim.run(swept_world(OWN), tmp_path / "run", policies={"half": policy}, **more)

    finished(Half())
    written = (tmp_path / "run" / "summary.json").stat().st_mtime_ns
    finished(Half(), resume=True)
    assert (tmp_path / "run" / "summary.json").stat().st_mtime_ns == written
    with pytest.raises(ntnsim.InputError, match="another version of your own parts"):
        finished(Half(0.25), resume=True)


SCRIPT = """
import ntnsim
import numpy as np


class Quarter(ntnsim.Policy):
    def choose(self, image, network, requirement):
        return ntnsim.Decision(ntnsim.Configuration(0.0, (0.25,)))


def always(gateway):
    return lambda start_s: ntnsim.RateProfile.of_rates(start_s, 1.0, np.full(600, 1e5))


scenario = ntnsim.Scenario(
    name="script", horizon={"n_jobs": 3}, satellite_link={"kind": "custom", "name": "always"},
    sources=[{"name": "camera", "arrivals": {"kind": "periodic", "period_s": 4}}],
    gateways=[{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    schemes=[{"name": "only", "codec": {"kind": "sizes", "size_bits": 8e5}, "policy": {"kind": "custom", "name": "quarter"}}],
    sweep={"design": [{"kind": "grid", "parameters": {"sources.camera.arrivals.period_s": [4, 9]}}]},
)
found = ntnsim.sweep(
    scenario, "swept", policies={"quarter": Quarter}, channels={"always": always}, jobs=2, resume=True
)
print(found.outcome.n_run, found.outcome.n_reused, set(found.records["x_patch_fraction_0"]))
"""


def test_parts_that_a_script_wrote_are_known_again_by_the_script_and_new_once_changed(tmp_path):
    def prints(text: str) -> str:
        Path(tmp_path / "script.py").write_text(text)
        done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert prints(SCRIPT) == "2 0 {0.25}"
    assert prints(SCRIPT) == "0 2 {0.25}"
    assert prints(SCRIPT.replace("(0.25,)", "(0.75,)")) == "2 0 {0.75}"
