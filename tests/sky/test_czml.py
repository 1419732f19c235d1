"""A run's sky as CZML: what a globe would show lies where the orbit and the serving plan say."""

import json
from datetime import datetime

import numpy as np
import pytest
from scipy.interpolate import KroghInterpolator

from ntnsim.api.run import run
from ntnsim.api.space import write_czml
from ntnsim.errors import InputError
from ntnsim.results.read import find_runs
from ntnsim.scenario.scenario import Scenario
from ntnsim.sky.space_segment import terminal_links

WORLD = {
    "name": "sky",
    "start_utc": "2026-03-01T12:00:00Z",
    "horizon": {"n_jobs": 40},
    "sources": [{"name": "a", "arrivals": {"kind": "periodic", "period_s": 30}}],
    "gateways": [{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3, "altitude_m": 57}],
    "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": 1e4}}],
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("sky")
    scenario = Scenario(**WORLD, space={"constellation": {"kind": "preset", "name": "leo-600"}})
    run(scenario, place / "run")
    [found] = find_runs([place / "run"])
    write_czml(found, place / "sky.czml")
    return scenario, found, (place / "sky.czml").read_text()


def seconds(text):
    return (datetime.fromisoformat(text) - datetime.fromisoformat(WORLD["start_utc"])).total_seconds()


def test_the_document_is_czml(written):
    packets = json.loads(written[2])
    assert (packets[0]["id"], packets[0]["version"]) == ("document", "1.0")
    assert len({packet["id"] for packet in packets}) == len(packets)
    pytest.importorskip("czml3", reason="another library's idea of CZML")
    from czml3 import Document

    Document.model_validate({"packets": packets})


def test_satellites_are_where_the_orbits_say_between_the_samples_too(written):
    scenario, _, text = written
    orbits = terminal_links(scenario)["parma"].model.orbits
    satellites = [packet for packet in json.loads(text) if packet["id"].startswith("satellite/")]
    assert len(satellites) == len(orbits.names) == 160
    packet = satellites[37]
    rows = np.array(packet["position"]["cartesian"]).reshape(-1, 4)
    degree = packet["position"]["interpolationDegree"]
    around = rows[8 : 8 + degree + 1]  # the samples that a globe interpolates between
    middle_s = around[degree // 2 : degree // 2 + 2, 0].mean()
    shown_m = KroghInterpolator(around[:, 0] - middle_s, around[:, 1:])(0.0)
    exact_m = orbits.positions_of_m(np.array([orbits.names.index(packet["name"])]), np.array([middle_s]))[0]
    a_metre = 1.0
    assert np.abs(shown_m - exact_m).max() < a_metre


def test_links_are_drawn_while_their_satellite_serves(written):
    scenario, found, text = written
    packets = {packet["id"]: packet for packet in json.loads(text)}
    [duration_s] = [world["duration_s"] for world in found.summary()["worlds"].values()]
    drawn = []
    for name, packet in packets.items():
        if name.startswith("link/"):
            ends = packet["polyline"]["positions"]["references"]
            assert all(end.removesuffix("#position") in packets for end in ends)
            shown = packet["availability"]
            for interval in [shown] if isinstance(shown, str) else shown:
                begin, _, end = interval.partition("/")
                drawn.append((packet["name"].split(" ")[0], seconds(begin), seconds(end)))
    terminal = terminal_links(scenario)["parma"]
    plan, names = terminal.plan.between(0, duration_s), terminal.model.orbits.names
    for time_s in np.linspace(0.5, duration_s - 0.5, 400):
        serving = [names[one.satellite_pass.satellite] for one in plan if one.start_s <= time_s < one.end_s]
        assert [name for name, begin_s, end_s in drawn if begin_s <= time_s < end_s] == serving
    assert len({name for name, _, _ in drawn}) >= 2
    position = packets["gateway/parma"]["position"]["cartographicDegrees"]
    assert position == [10.3, 44.8, 57]


def test_a_run_without_satellites_has_no_sky(tmp_path):
    run(Scenario(**WORLD, satellite_link={"kind": "constant", "rate_bps": 1e6}), tmp_path / "run")
    with pytest.raises(InputError, match=r"^--czml: the run has no satellites"):
        write_czml(find_runs([tmp_path / "run"])[0], tmp_path / "sky.czml")
