"""The learning figure: what a policy did over its decisions, as sliding means."""

import numpy as np
import pytest

from ntnsim.api.run import run
from ntnsim.errors import InputError
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.policy import Decision, Policy
from ntnsim.report.figures import applicable, figure_of
from ntnsim.report.learning_figure import courses_of, sliding_mean, symbol
from ntnsim.results.read import find_runs
from ntnsim.scenario.scenario import Scenario


class Drifting(Policy):
    """Sends ever fewer patches."""

    def __init__(self):
        self.n = 0

    def choose(self, image, network, requirement):
        self.n += 1
        return Decision(Configuration(0.25, (1 - self.n / 100,)))


WORLD = {
    "name": "drift",
    "horizon": {"n_jobs": 80},
    "sources": [{"name": "a", "arrivals": {"kind": "periodic", "period_s": 1}}],
    "gateways": [{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    "satellite_link": {"kind": "constant", "rate_bps": 1e6},
}
SIZES = {"kind": "sizes", "size_bits": 1e4}


@pytest.fixture(scope="module")
def drifted(tmp_path_factory):
    schemes = [
        {"name": "drifting", "codec": SIZES, "policy": {"kind": "custom", "name": "drifting"}},
        {"name": "fixed", "codec": SIZES},
    ]
    out = tmp_path_factory.mktemp("learning") / "run"
    run(Scenario(**WORLD, schemes=schemes), out, policies={"drifting": Drifting()})
    return find_runs([out])


class Learned(Drifting):
    """Tells what it learns: a loss that falls."""

    learns = True

    def lesson(self):
        return {"cost": 0.5, "predicted_cost": 0.4, "pf_0_loss": 1 / self.n, "pf_0_coverage": 0.05}


def test_what_a_policy_learned_has_panels_of_its_own(tmp_path):
    schemes = [{"name": "s", "codec": SIZES, "policy": {"kind": "custom", "name": "learned"}}]
    for out in ("a", "b"):
        run(Scenario(**WORLD, schemes=schemes), tmp_path / out, policies={"learned": Learned()})
    log = (tmp_path / "a/learning/s.csv").read_text()
    assert log == (tmp_path / "b/learning/s.csv").read_text()
    assert log.splitlines()[0] == "images,cost,predicted_cost,pf_0_loss,pf_0_coverage"
    assert len(log.splitlines()) == 1 + 8  # 80 images
    runs = find_runs([tmp_path / "a"])
    panels = {axes.get_title(): axes.get_lines() for axes in figure_of(runs, "learning").axes}
    assert [line.get_label() for line in panels["s: aggregated cost C"]] == ["as it came", "predicted"]
    [coverage] = panels["s: coverage of the quantiles read (%)"]
    assert coverage.get_label() == "PF, rank 0"
    assert coverage.get_ydata() == pytest.approx(np.full(8, 5.0))
    [loss] = panels["s: critics' quantile Huber losses, in spreads"]
    assert loss.get_ydata()[-1] < loss.get_ydata()[0]


def test_only_what_changed_is_shown(drifted):
    [course] = courses_of(drifted[0])
    assert course.scheme == "drifting"
    assert course.configuration == ["x_patch_fraction_0"]  # not β, which stayed at 0.25
    assert course.values["x_patch_fraction_0"] == pytest.approx(1 - np.arange(1, 81) / 100)
    assert "learning" in applicable(drifted)


def test_curves_are_the_window_means_at_the_images_that_end_them(drifted):
    axes = figure_of(drifted, "learning").axes[0]
    [line] = axes.get_lines()
    assert line.get_label() == "p(0)"
    # Windows of 80 / 20 = 4 images: the first mean is of 0.99, 0.98, 0.97 and 0.96, and stands at the fourth image.
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (4, pytest.approx(0.975))
    assert (line.get_xdata()[-1], line.get_ydata()[-1]) == (80, pytest.approx(0.215))


def test_a_run_in_which_nothing_changed_has_no_such_figure(tmp_path):
    run(Scenario(**WORLD, schemes=[{"name": "fixed", "codec": SIZES}]), tmp_path / "run")
    runs = find_runs([tmp_path / "run"])
    assert "learning" not in applicable(runs)
    with pytest.raises(InputError, match="no scheme changed its configuration over at least 40 images"):
        figure_of(runs, "learning")


def test_sliding_means_leave_out_what_is_unknown():
    values = np.array([1.0, np.nan, 3.0, 5.0, np.nan, np.nan])
    assert sliding_mean(values, 2) == pytest.approx([1, 3, 4, 5, np.nan], nan_ok=True)


def test_symbols_are_the_papers():
    assert [symbol(name) for name in ("x_box_growth", "x_patch_fraction_1", "x_coarse_quality")] == [
        "β",
        "p(1)",
        "q",
    ]
