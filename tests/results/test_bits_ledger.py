"""Where the satellite link's bits are at the end of a run, and what limits them on their way down, in words."""

from math import nan

import pyarrow as pa
import pytest

from ntnsim.report.page import page
from ntnsim.results.read import RunDirectory
from ntnsim.results.summary import bits_ledger, by_scheme
from ntnsim.results.way_down_text import way_down_text
from ntnsim.runs import run_scenario
from ntnsim.scenario.load import load_scenario
from ntnsim.scenario.space import SpaceSegmentSpec

STATION = {"name": "svalbard", "latitude_deg": 78.0, "longitude_deg": 15.0}


def test_every_coded_bit_is_in_one_place():
    # Refused before coding; waits at its gateway; delivered over two hops; dropped on board; kept on board; received
    # but dropped by the data network.
    table = pa.table(
        {
            "scheme": ["a"] * 6,
            "created_s": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            "state": ["dropped", "in_flight", "delivered", "dropped", "in_flight", "dropped"],
            "link_bits": [nan, 100.0, 200.0, 400.0, 800.0, 1600.0],
            "link_end_s": [nan, nan, 3.0, 4.0, 5.0, 6.0],
            "at_data_network_s": [nan, nan, 4.0, nan, nan, 7.0],
            "isl_hops": [None, None, 2, 0, 1, 0],
        }
    )
    [jobs] = by_scheme(table.column_names, table.column)
    ledger = bits_ledger(jobs)
    assert ledger == {
        "coded": 3100.0,
        "not_sent": 100.0,
        "received": 1800.0,
        "lost_on_the_way": 400.0,
        "on_the_way": 800.0,
        "between_satellites": 2 * 200.0 + 800.0,
    }


@pytest.mark.parametrize(
    ("space", "text"),
    [
        ({}, ""),
        (
            {"payload": {"kind": "regenerative", "feeder_rate_bps": 20e3, "buffer_bits": 4e6}},
            "feeder link 20 kbit/s per satellite, 4 Mbit kept per satellite at most",
        ),
        (
            {
                "payload": {"kind": "regenerative", "store_and_forward": True, "service_beams": 2},
                "ground_stations": [STATION],
                "inter_satellite_links": {"kind": "plus_grid", "rate_bps": 1.5e9},
            },
            "links between satellites 1.5 Gbit/s each way, store and forward, 2 service beams per satellite",
        ),
        (
            {"payload": {"kind": "transparent", "feeder": {"channels": 3}}},
            "feeder link for 3 channels per satellite",
        ),
    ],
)
def test_capacities_on_the_way_down_are_told(space, text):
    assert way_down_text(SpaceSegmentSpec.model_validate(space).model_dump()) == text


def test_a_run_tells_its_capacities_and_its_bits(tmp_path):
    scenario = load_scenario(
        "scenarios/store_and_forward.yaml",
        [
            "schemes=[{name: sizes, codec: {kind: sizes, size_bits: 4e+5}}]",
            "horizon={duration_s: 3600, drain: false}",
            "output.gallery_images=0",
        ],
    )
    summary = run_scenario(scenario, tmp_path / "out")
    bits = summary["schemes"]["sizes"]["bits"]
    places = ("not_sent", "received", "lost_on_the_way", "on_the_way")
    assert sum(bits[place] for place in places) == pytest.approx(bits["coded"])
    assert bits["on_the_way"] > 0
    shown = page([RunDirectory(tmp_path / "out", "run")])
    assert "way down: feeder link 20 kbit/s per satellite, store and forward, 4 Mbit" in shown
