"""What windows of random channels share is kept for all terminals together, and changes nothing."""

import gc
import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pytest

from ntnsim.scenario.radio import ProfileSpec, RadioSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.terrestrial import GatewaySpec
from ntnsim.sky import space_segment
from ntnsim.sky.kept_passes import KeptPasses, PassSteps
from ntnsim.sky.space_segment import terminal_profile_source
from ntnsim.sky.terminal_link import TerminalLink

START = datetime(2026, 3, 1, tzinfo=UTC)
RADIO = RadioSpec.model_validate(
    {"channel": {"mode": "channel", "environment": "rural"}, "profile": {"step_s": 1}}
)


def pass_of(steps):
    return PassSteps(0, 1.0, *(np.zeros(steps),) * 5)


def terminal(name, kept):
    gateway = GatewaySpec(name=name, latitude_deg=44.8, longitude_deg=10.3)
    return terminal_profile_source(SpaceSegmentSpec(), RADIO, gateway, 1, start_utc=START, kept=kept)


def test_what_comes_first_stays_so_that_another_scheme_finds_it():
    kept = KeptPasses(most_steps=30)
    for name in "abcd":
        kept.keep(name, pass_of(10))
    assert [name for name in "abcd" if kept.find(name) is None] == ["d"]
    few = KeptPasses(most_steps=30)
    few.keep("long", pass_of(31))
    few.keep("short", pass_of(5))
    assert (few.find("long"), len(few)) == (None, 1)


@pytest.mark.parametrize("most_steps", [0, 10_000_000])
def test_rates_do_not_depend_on_what_is_kept(most_steps):
    kept = KeptPasses(most_steps)
    own, other = terminal("parma", kept), terminal("oslo", kept)
    alone = terminal("parma", KeptPasses())
    for start_s in (0.0, 600.0, 1200.0, 600.0):  # back again, as another scheme would
        window, expected = own(start_s), alone(start_s)
        other(start_s)
        assert np.array_equal(window.rate_bps, expected.rate_bps)
        assert np.array_equal(window.sinr_db, expected.sinr_db, equal_nan=True)
    assert (len(kept) > 0) == (most_steps > 0)


def test_a_pass_that_goes_on_is_worked_out_once_even_where_nothing_fits_the_store(monkeypatch):
    made, make = [], TerminalLink.pass_link

    def counted(self, one):
        made.append((one.satellite, one.rise_s))
        return make(self, one)

    monkeypatch.setattr(TerminalLink, "pass_link", counted)
    own = terminal("parma", KeptPasses(0))
    for start_s in np.arange(0.0, 7200.0, own.window_s):
        own(start_s)
    assert made
    assert len(made) == len(set(made))


@pytest.mark.parametrize("policy", ["max_elevation", "best_sinr"])
def test_a_site_of_many_takes_little_memory_however_long_it_is_looked_at(policy):
    space = SpaceSegmentSpec.model_validate(
        {
            "constellation": {"kind": "preset", "name": "leo-600"},
            "handover": {"policy": policy, "decision_interval_s": 10},
        }
    )
    gateway = GatewaySpec(name="parma", latitude_deg=44.8, longitude_deg=10.3)
    radio = RADIO.model_copy(update={"profile": ProfileSpec(step_s=10.0)})
    own = terminal_profile_source(
        space, radio, gateway, 1, start_utc=START, kept=KeptPasses(0), terminals=10_000
    )

    def looked_at(begin_s, end_s):
        for start_s in np.arange(begin_s, end_s, own.window_s):
            own(start_s)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    few, many = looked_at(0.0, 4 * 3600.0), looked_at(4 * 3600.0, 9 * 3600.0)
    tracemalloc.stop()
    assert many < 500e3
    assert many < few + 40e3


def test_terminals_of_a_run_have_one_store(monkeypatch):
    stores = []

    def counted():
        stores.append(KeptPasses())
        return stores[-1]

    monkeypatch.setattr(space_segment, "KeptPasses", counted)
    places = {"parma": 44.8, "oslo": 59.9}
    scenario = Scenario.model_validate(
        {
            "name": "two",
            "horizon": {"n_jobs": 1},
            "gateways": [
                {"name": name, "latitude_deg": latitude_deg, "longitude_deg": 10.3}
                for name, latitude_deg in places.items()
            ],
            "sources": [
                {"name": name, "gateway": name, "arrivals": {"kind": "poisson", "rate_per_s": 1}}
                for name in places
            ],
            "radio": RADIO.model_dump(),
            "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": 1e5}}],
        }
    )
    for one in space_segment.terminal_links(scenario).values():
        before = sum(map(len, stores))
        one(0.0)
        assert sum(map(len, stores)) > before
    assert len(stores) == 1
