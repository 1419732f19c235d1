"""Maps of traffic and the figures of fluid runs: what they show is what records and tables hold."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from ntnsim.cli import app
from ntnsim.report.cdf_figure import curves_of
from ntnsim.report.figures import applicable
from ntnsim.report.map_figure import has_map, maps_of, prefixed
from ntnsim.report.page import page
from ntnsim.results.read import find_runs
from ntnsim.runs import run_scenario
from ntnsim.scenario.scenario import Scenario

SHELL = {"altitude_m": 550e3, "inclination_deg": 53.0, "satellites": 400, "planes": 20, "phasing": 3}


def world(**changes):
    return Scenario.model_validate(
        {
            "name": "map",
            "horizon": {"duration_s": 300},
            "sites": {
                "kind": "grid",
                "step_deg": 40,
                "latitudes_deg": [-40, 40],
                "rate_per_s": 3,
                "gateway": {"name": "site", "device": "instant"},
            },
            "space": {"constellation": {"kind": "walker", "shells": [SHELL]}},
            "radio": {"band": "ka"},
            "data_network": {"device": "instant"},
            "output": {"timeline_step_s": None},
            "requirement": {"deadline_s": 1},
            "schemes": [
                {
                    "name": "whole",
                    "codec": {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 4e8}},
                },
                {
                    "name": "half",
                    "codec": {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 2e8}},
                },
            ],
            **changes,
        }
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    for fidelity in ("images", "fluid"):
        run_scenario(world(fidelity=fidelity), folder / fidelity)
    return {run.label: run for run in find_runs([folder / "images", folder / "fluid"])}


def test_a_map_holds_what_the_records_say_of_each_site(runs):
    records = runs["images"].records().to_pandas()
    whole, half = maps_of(runs["images"])
    assert (whole.scheme, half.scheme) == ("whole", "half")
    own = records[(records["scheme"] == "whole") & (records["gateway"] == "site-07")]
    row = whole.sites.set_index("site").loc["site-07"]
    assert (row["latitude_deg"], row["longitude_deg"]) == (-20, 120)
    assert row["arrived"] == pytest.approx(100 * own["state"].isin(["delivered", "late"]).mean())
    assert row["delay_s"] == pytest.approx(own["delay_s"].mean())
    # What sites send is what satellites carry.
    assert whole.sites["rate_bps"].sum() == pytest.approx(whole.satellite_bps.sum())
    assert np.all(np.diff(whole.satellite_bps) <= 0)


def test_fluid_maps_and_curves_agree_with_those_of_images(runs):
    for images, fluid in zip(maps_of(runs["images"]), maps_of(runs["fluid"]), strict=True):
        assert fluid.sites["site"].tolist() == images.sites["site"].tolist()
        assert fluid.sites["rate_bps"].sum() == pytest.approx(images.sites["rate_bps"].sum(), rel=0.1)
    for quantity in ("delay_s", "savings"):
        pairs = zip(
            *(curves_of([runs[kind]], quantity, lost_is_infinite=True) for kind in ("images", "fluid")),
            strict=True,
        )
        for images, fluid in pairs:
            assert fluid.scheme == images.scheme
            middles = [np.interp(0.5, one.band.probability, one.band.x) for one in (images, fluid)]
            assert middles[1] == pytest.approx(middles[0], rel=0.15)
            assert np.isnan(fluid.band.low).all()  # expected values have no limits


def test_plot_and_report_show_maps_of_both(runs, tmp_path):
    assert "map" in applicable([runs["images"]]) and "delay_breakdown" in applicable([runs["images"]])
    assert applicable([runs["fluid"]]) == ["delay_cdf", "savings_cdf", "map"]
    drawn = CliRunner().invoke(
        app, ["plot", str(runs["fluid"].path), "--out", str(tmp_path)], catch_exceptions=False
    )
    assert drawn.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} > {
        "map.pdf",
        "map.png",
        "delay_cdf.pdf",
        "savings_cdf.png",
    }
    for run in runs.values():
        text = page([run])
        data = json.loads(
            re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
        )
        assert [one["scheme"] for one in data["maps"]["maps"]] == ["whole", "half"]
        assert len(data["maps"]["maps"][0]["sites"]) == 18
        assert 'id="map-0"' in text and 'id="map-satellites"' in text
        assert ('id="breakdown"' in text) == (run.label == "images")


def test_few_places_have_no_map(tmp_path):
    gateways = [{"name": name, "latitude_deg": 10.0 * number} for number, name in enumerate("ab")]
    sources = [
        {"name": name, "gateway": name, "arrivals": {"kind": "poisson", "rate_per_s": 0.1}} for name in "ab"
    ]
    run_scenario(world(sites=None, gateways=gateways, sources=sources), tmp_path / "two")
    assert not has_map(find_runs([tmp_path / "two"]))


def test_rates_have_prefixes_and_times_have_none():
    assert prefixed(3.2e6, "bit/s") == (1e6, "Mbit/s")
    assert prefixed(0.5, "bit/s") == (1.0, "bit/s")
    assert prefixed(3.2e6, "s") == (1.0, "s")
