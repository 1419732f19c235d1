"""Code of the user's own that a scenario names: made, told of, refused, and what is wrong with it in one line."""

import re

import pytest

from ntnsim.api.run import run
from ntnsim.errors import InputError, ScenarioError
from ntnsim.plugins import part_digests, refuse_plugins
from ntnsim.scenario.load import load_scenario
from ntnsim.sweeps.cells import SweepPlan

MODULE = """
import numpy as np
import ntnsim

class Thrifty(ntnsim.Policy):
    def __init__(self, space, seed, share=0.1):
        self.share = share

    def choose(self, image, network, requirement):
        return ntnsim.Decision(ntnsim.Configuration(0.0, (self.share,)))

class NoPolicy:
    def __init__(self, space, seed):
        pass

class Half:
    def __init__(self, rate_bps):
        self.rate_bps = rate_bps

    def __call__(self, gateway):
        def window(start_s):
            rates = np.where((start_s + np.arange(600.0)) % 60 < 30, self.rate_bps, 0.0)
            return ntnsim.RateProfile.of_rates(start_s, 1.0, rates, propagation_s=0.004)
        return window
"""
WORLD = """
name: w
horizon: {n_jobs: 12}
sources: [{name: a, arrivals: {kind: periodic, period_s: 4}}]
gateways: [{name: parma, latitude_deg: 44.8, longitude_deg: 10.3}]
satellite_link: {kind: python, class: "own_parts_of_a_test:Half", options: {rate_bps: 3.0e+5}}
schemes:
  - name: mine
    codec: {kind: sizes, size_bits: {kind: exponential, mean: 3.0e+5}}
    policy: {kind: python, class: "own_parts_of_a_test:Thrifty", options: {share: 0.3}}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "own_parts_of_a_test.py").write_text(MODULE)
    (tmp_path / "w.yaml").write_text(WORLD)
    return tmp_path / "w.yaml"


def test_classes_beside_the_scenario_take_part_from_any_directory(file, tmp_path, monkeypatch, capsys):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    records = run(file, tmp_path / "out").records
    assert set(records["x_patch_fraction_0"]) == {0.3}
    assert records["link_end_s"].max() > 60
    assert (records["link_end_s"] % 60 <= 30).all()  # the channel has no contact in every other half minute
    told = capsys.readouterr().err
    assert f"runs the code of own_parts_of_a_test:Thrifty in {tmp_path}/own_parts_of_a_test.py" in told
    provenance = (tmp_path / "out/provenance.json").read_text()
    assert '"class": "own_parts_of_a_test:Thrifty"' in provenance


def test_validation_and_refusal_run_nothing(file, tmp_path):
    (tmp_path / "own_parts_of_a_test.py").write_text("raise SystemExit")
    with pytest.raises(
        ScenarioError, match="scheme 'mine': policy: asks for the code of own_parts_of_a_test:Thrifty"
    ):
        refuse_plugins(load_scenario(file))
    refuse_plugins(load_scenario(file, ["schemes.mine.policy={kind: fixed}", "satellite_link={kind: orbit}"]))


def test_a_changed_class_is_noticed_by_resume_and_by_sweeps(file, tmp_path):
    run(file, tmp_path / "out")
    assert run(file, tmp_path / "out", resume=True).summary["name"] == "w"
    sweep = tmp_path / "s.yaml"
    sweep.write_text(WORLD + "sweep: {replications: 2}\n")
    address = SweepPlan(sweep).cell(0, 0).digest
    (tmp_path / "own_parts_of_a_test.py").write_text(MODULE + "# changed\n")
    assert SweepPlan(sweep).cell(0, 0).digest != address
    with pytest.raises(InputError, match="holds results of another version of your own parts"):
        run(file, tmp_path / "out", resume=True)


def test_digests_name_the_classes(file):
    assert set(part_digests(load_scenario(file))) == {
        "class own_parts_of_a_test:Thrifty",
        "class own_parts_of_a_test:Half",
    }


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ('{kind: python, class: "own_parts_of_a_test:Nobody"}', "own_parts_of_a_test.py has no class Nobody"),
        ('{kind: python, class: "nowhere_at_all:Mine"}', "nowhere_at_all:Mine: no nowhere_at_all.py in"),
        (
            '{kind: python, class: "own_parts_of_a_test:Thrifty", options: {gain: 3}}',
            "does not take (ConfigurationSpace, int, gain): got an unexpected keyword argument 'gain'",
        ),
        (
            '{kind: python, class: "own_parts_of_a_test:NoPolicy"}',
            "policies['own_parts_of_a_test:NoPolicy']: a NoPolicy lacks choose, learn, lose",
        ),
        ("{kind: python}", 'kind python needs a class, as "mymod:MyPolicy", and takes no name'),
        ("{kind: custom}", "kind custom needs a name, and takes neither class nor options"),
        ('{kind: python, class: "os.path"}', "schemes[0].policy.class"),
        ("{kind: custom, name: unheard-of}", "no such part among policies, which holds none"),
    ],
)
def test_what_does_not_fit_is_one_line(file, tmp_path, policy, message):
    with pytest.raises(InputError, match=re.escape(message)):
        run(file, tmp_path / "out", overrides=[f"schemes.mine.policy={policy}"])


def test_a_module_that_fails_is_told_by_its_own_words(file, tmp_path):
    (tmp_path / "failing_part_of_a_test.py").write_text("raise ZeroDivisionError('one by none')")
    policy = 'schemes.mine.policy={kind: python, class: "failing_part_of_a_test:Mine"}'
    with pytest.raises(
        InputError, match=r"failing_part_of_a_test.py cannot be run: ZeroDivisionError: one by none"
    ):
        run(file, tmp_path / "out", overrides=[policy])


def test_an_installed_package_offers_parts_by_name(file, tmp_path, monkeypatch):
    # What an installed package leaves behind: its module, and a directory that tells its entry points.
    site = tmp_path / "site"
    info = site / "thrifty-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thrifty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ntnsim.policies]\nthrifty = thrifty_of_a_test:Thrifty\n")
    (site / "thrifty_of_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(site)
    done = run(file, tmp_path / "out", overrides=["schemes.mine.policy={kind: custom, name: thrifty}"])
    assert set(done.records["x_patch_fraction_0"]) == {0.1}
